# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The one build file. `make help` lists the targets; nothing here uses the network.

CLANG      ?= clang
BPFTOOL    ?= bpftool
PROTOC_C   ?= protoc-c
PROTOC     ?= protoc
PKG_CONFIG ?= pkg-config
PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/tcpmig-bpf
UNITDIR    ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
COMPDIR    ?= $(PREFIX)/share/bash-completion/completions
CFLAGS     ?= -O2 -g
B          ?= build

V ?= 0
Q   := $(if $(filter 1,$(V)),,@)
# Quiet with -s, and where V=1 shows the commands themselves.
say := $(if $(filter 1,$(V))$(findstring s,$(firstword -$(MAKEFLAGS))),@:,@printf '  %-8s %s\n')

VERSION  := $(shell cat VERSION)
PACKAGES := libbpf libmnl json-c smartcols libprotobuf-c openssl libevent libevent_openssl inih \
	    libseccomp zlib
ARCH_INC := /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)

# Never overridden from outside; CFLAGS, CPPFLAGS, LDFLAGS and WERROR are the user's.
OUR_CFLAGS   := -std=gnu11 -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes $(WERROR)
OUR_CPPFLAGS := -D_GNU_SOURCE -DTCPMIG_VERSION='"$(VERSION)"' -Ibpf -Iuser -I$(B) -Itests/fuzz \
		$(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
LDLIBS       := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null)
# v2: with the 32-bit registers of v3 clang cuts packet pointers in half, which the verifier refuses.
BPF_CFLAGS   := -O2 -g -target bpf -mcpu=v2 -Wall -Wextra $(WERROR) -I. -Ibpf -I$(ARCH_INC)

PROTO_GEN := $(patsubst user/%.proto,$(B)/%.pb-c,$(wildcard user/*.proto))
USER_SRC := $(wildcard user/*.c)
USER_OBJ := $(USER_SRC:user/%.c=$(B)/user/%.o) $(PROTO_GEN:=.o)
LIB_OBJ  := $(filter-out $(B)/user/main.o,$(USER_OBJ))
GEN      := $(B)/tcpmig.skel.h $(B)/tcpmig_plain.skel.h $(B)/tcpmig_fence.skel.h $(PROTO_GEN:=.h)

UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
BPF_TESTS  := $(patsubst tests/bpf/%.c,$(B)/tests/bpf/%,$(wildcard tests/bpf/test_*.c))
BPF_HELPER := $(patsubst %.c,$(B)/%.o,$(wildcard tests/bpf/*.bpf.c))
BENCHES    := $(B)/tests/bench/datapath $(B)/tests/bench/control $(B)/tests/bench/rr
E2E_TOOLS  := $(patsubst tests/e2e/%.c,$(B)/tests/e2e/%,$(wildcard tests/e2e/*.c))
FUZZERS    := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
PLANTS     := $(addprefix $(B)/tests/fuzz/,plant_bytes plant_bounds)
# The program as another version, and as one whose maps are others, for tests of an upgrade.
OTHERS     := $(B)/tests/other-version $(B)/tests/other-layout

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: FORCE $(OTHERS) all tests fuzz fuzz-if-possible fuzz-after-all bench check format install uninstall clean help

##all: the program (default)
all: $(B)/tcpmig-bpf

##tests: all test programs, without running them
tests: all $(UNIT_TESTS) $(BPF_TESTS) $(BPF_HELPER) $(E2E_TOOLS) $(UNIT_TESTS:=.san) \
	$(B)/tests/bench/rr $(B)/tests/agent/control_pb2.py \
	$(B)/tests/host/host_pb2.py $(OTHERS) fuzz-after-all

##fuzz: the fuzz targets; scripts/fuzz runs them
fuzz: $(FUZZERS) $(PLANTS) $(B)/tests/fuzz/seeds
fuzz-if-possible:
	+$(Q)if $(FUZZ_RUNTIME); then $(MAKE) --no-print-directory fuzz; \
		else echo "$(FUZZ_MISSING); without it the fuzz targets are not built"; fi
# It is another make, which must not make at the same time what this one makes.
fuzz-after-all: all $(B)/libtcpmig.a
	+$(Q)$(MAKE) --no-print-directory fuzz-if-possible

##bench: the benchmark programs; scripts/bench runs them
bench: $(BENCHES)

##check: build and run all tests (root; installs what is missing)
check:
	$(Q)./scripts/check

##format: clang-format all sources in place
format:
	$(Q)clang-format -i bpf/*.[ch] user/*.[ch] tests/*/*.[ch]

UNITS := tcpmig-agent.service tcpmig-attach@.service tcpmig-host.service

##install: program, man pages, completion, example, systemd units (DESTDIR=, PREFIX=)
install: all
	install -Dm755 $(B)/tcpmig-bpf $(DESTDIR)$(SBINDIR)/tcpmig-bpf
	install -Dm644 docs/tcpmig-bpf.8 $(DESTDIR)$(MANDIR)/man8/tcpmig-bpf.8
	install -Dm644 docs/tcpmig-agent.conf.5 $(DESTDIR)$(MANDIR)/man5/tcpmig-agent.conf.5
	install -Dm644 docs/tcpmig-host.conf.5 $(DESTDIR)$(MANDIR)/man5/tcpmig-host.conf.5
	install -Dm644 docs/agent.conf.example $(DESTDIR)$(DOCDIR)/agent.conf.example
	install -Dm644 docs/host.conf.example $(DESTDIR)$(DOCDIR)/host.conf.example
	install -Dm644 docs/completion/tcpmig-bpf.bash $(DESTDIR)$(COMPDIR)/tcpmig-bpf
	install -Dm644 scripts/systemd/tcpmig.sysusers $(DESTDIR)$(SYSUSERSDIR)/tcpmig.conf
	install -d $(DESTDIR)$(UNITDIR)
	for unit in $(UNITS); do \
		sed 's|@SBINDIR@|$(SBINDIR)|' scripts/systemd/$$unit >$(DESTDIR)$(UNITDIR)/$$unit && \
		chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit; done

##uninstall: remove what install made
uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/tcpmig-bpf $(DESTDIR)$(MANDIR)/man8/tcpmig-bpf.8 \
		$(DESTDIR)$(MANDIR)/man5/tcpmig-agent.conf.5 $(DESTDIR)$(DOCDIR)/agent.conf.example \
		$(DESTDIR)$(MANDIR)/man5/tcpmig-host.conf.5 $(DESTDIR)$(DOCDIR)/host.conf.example \
		$(DESTDIR)$(COMPDIR)/tcpmig-bpf $(DESTDIR)$(SYSUSERSDIR)/tcpmig.conf \
		$(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS))

##clean: remove the build directory
clean:
	rm -rf $(B)

##help: this list; V=1 shows the commands
help:
	@sed -n 's/^##\([a-z]*\): /  \1\t/p' Makefile | expand -t 14

# One sentence instead of a page of errors. Checked once, before the first compilation.
$(B)/.tools: Makefile
	$(Q)mkdir -p $(@D)
	$(Q)for t in $(CLANG) $(BPFTOOL) $(PROTOC_C) $(PKG_CONFIG) $(CC); do \
		command -v $$t >/dev/null || { echo "$$t is missing; ./scripts/setup installs what is needed" >&2; exit 1; }; done
	$(Q)for p in $(PACKAGES); do $(PKG_CONFIG) --exists $$p || { \
		echo "the library $$p is missing; ./scripts/setup installs what is needed" >&2; exit 1; }; done
	$(Q)touch $@

# Other flags than last time: everything anew (-Werror would not see what is built).
FLAGS := $(CC) $(CLANG) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $(WERROR)
$(B)/.flags: FORCE
	$(Q)mkdir -p $(@D); echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
FORCE:

define compile_bpf
	$(say) BPF $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(BPF_DEFS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@
endef

# The programs twice: see bpf/tcpmig.bpf.c.
KERNEL_SKB := -DTCPMIG_KERNEL_SKB
$(B)/tcpmig.bpf.o: BPF_DEFS := $(KERNEL_SKB)
$(B)/tcpmig.bpf.o $(B)/tcpmig_plain.bpf.o: bpf/tcpmig.bpf.c $(B)/.tools $(B)/.flags Makefile
	$(compile_bpf)

# The fence of a server host: programs and maps of their own.
$(B)/tcpmig_fence.bpf.o: bpf/fence.bpf.c $(B)/.tools $(B)/.flags Makefile
	$(compile_bpf)

$(B)/tests/bench/datapath.bpf.o: BPF_DEFS := $(KERNEL_SKB)
$(B)/tests/bench/datapath.bpf.o $(BPF_HELPER): $(B)/%.o: %.c $(B)/.tools $(B)/.flags Makefile
	$(compile_bpf)

$(B)/tcpmig.skel.h $(B)/tcpmig_plain.skel.h $(B)/tcpmig_fence.skel.h: $(B)/%.skel.h: $(B)/%.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@

$(PROTO_GEN:=.c): $(B)/%.pb-c.c: user/%.proto $(B)/.tools
	$(say) PROTO $@
	$(Q)$(PROTOC_C) --proto_path=user --c_out=$(B) $<
$(PROTO_GEN:=.h): %.h: %.c ;

# Who says the version.
$(foreach f,main agent_conn control_link host_link,$(B)/user/$f.o): VERSION

$(B)/user/%.o: user/%.c $(B)/.flags Makefile | $(GEN)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(OUR_CFLAGS) $(CPPFLAGS) $(OUR_CPPFLAGS) -MMD -MP -c $< -o $@

# Generated code: our warnings are not its author's.
$(PROTO_GEN:=.o): %.o: %.c
	$(say) CC $@
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) $(OUR_CPPFLAGS) -c $< -o $@

$(B)/tcpmig-bpf: $(USER_OBJ)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/libtcpmig.a: $(LIB_OBJ)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/datapath.skel.h: $(B)/tests/bench/datapath.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name datapath > $@
$(B)/tests/bench/datapath: $(B)/datapath.skel.h tests/bpf/packet.c
$(B)/tests/bench/datapath: HELPERS := tests/bpf/packet.c

# Other code too: programs that are replaced by the same ones would prove less. What is for tests
# of an upgrade alone is compiled in a hurry.
$(B)/tests/other-version:
	+$(Q)$(MAKE) --no-print-directory all B=$@ VERSION=99.0 CFLAGS=-O0 \
		BPF_CFLAGS='$(subst -mcpu=v2,-mcpu=v1,$(BPF_CFLAGS))'
$(B)/tests/other-layout:
	+$(Q)$(MAKE) --no-print-directory all B=$@ CFLAGS=-O0 CPPFLAGS='$(CPPFLAGS) -DTCPMIG_LAYOUT=99'

# The messages in another language, by another implementation.
$(B)/tests/agent/control_pb2.py: user/control.proto
$(B)/tests/host/host_pb2.py: user/host.proto
$(B)/tests/agent/control_pb2.py $(B)/tests/host/host_pb2.py:
	$(say) PROTO $@
	$(Q)mkdir -p $(@D)
	$(Q)$(PROTOC) --proto_path=user --python_out=$(@D) $<

# A test is one file, plus what its folder shares (HELPERS).
$(BPF_TESTS): HELPERS := $(addprefix tests/bpf/,packet.c fixture.c rows.c kernel.c)
$(BPF_TESTS): $(addprefix tests/bpf/,packet.c fixture.c rows.c kernel.c)

FENCE_TESTS := $(addprefix $(B)/tests/bpf/,test_fence test_fence_records)
$(FENCE_TESTS): HELPERS := $(addprefix tests/bpf/,packet.c fence_fixture.c)
$(FENCE_TESTS): tests/bpf/fence_fixture.c

RANDOM_HELPERS := $(addprefix tests/bpf/,model.c model_bytes.c model_parse.c gen.c gen_build.c world.c world_sockets.c kernel.c)
$(B)/tests/bpf/test_random: HELPERS := $(RANDOM_HELPERS)
$(B)/tests/bpf/test_random: $(RANDOM_HELPERS)
$(B)/tests/bpf/test_nonlinear: HELPERS := $(RANDOM_HELPERS) tests/bpf/tap.c
$(B)/tests/bpf/test_nonlinear: $(RANDOM_HELPERS) tests/bpf/tap.c
# Messages by chance: in round trips, and as seeds of the fuzzers.
$(B)/tests/unit/test_message $(B)/tests/unit/test_message.san: HELPERS := tests/fuzz/messages.c
$(B)/tests/unit/test_message $(B)/tests/unit/test_message.san: tests/fuzz/messages.c
HOST_MESSAGES := tests/fuzz/messages.c tests/fuzz/host_messages.c
$(B)/tests/unit/test_host_message $(B)/tests/unit/test_host_message.san: HELPERS := $(HOST_MESSAGES)
$(B)/tests/unit/test_host_message $(B)/tests/unit/test_host_message.san: $(HOST_MESSAGES)
$(B)/tests/%: tests/%.c $(B)/libtcpmig.a $(B)/.flags Makefile
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(OUR_CFLAGS) $(OUR_CPPFLAGS) -MMD -MP -MF $@.d $< $(HELPERS) $(B)/libtcpmig.a \
		-lcmocka $(LDLIBS) -o $@

CERTS_TESTS := $(addprefix $(B)/tests/unit/,test_tls test_tls_refused test_host_files)
$(CERTS_TESTS) $(CERTS_TESTS:=.san): HELPERS := tests/unit/certs.c
$(CERTS_TESTS) $(CERTS_TESTS:=.san): tests/unit/certs.c tests/unit/certs.h
PAIR_TESTS := $(addprefix $(B)/tests/unit/,test_host_link test_image_transfer)
PAIR_HELPERS := tests/unit/certs.c tests/unit/host_pair.c
$(PAIR_TESTS) $(PAIR_TESTS:=.san): HELPERS := $(PAIR_HELPERS)
$(PAIR_TESTS) $(PAIR_TESTS:=.san): $(PAIR_HELPERS) $(PAIR_HELPERS:.c=.h)

# Processes to look at.
CHILD_TESTS := $(addprefix $(B)/tests/unit/,test_preflight test_tree test_tree_files test_tree_sockets)
$(CHILD_TESTS) $(CHILD_TESTS:=.san): HELPERS := tests/unit/child.c
$(CHILD_TESTS) $(CHILD_TESTS:=.san): tests/unit/child.c tests/unit/child.h

# What decodes what others say.
PURE_SRC := $(PROTO_GEN:=.c)
PURE_SRC += user/endpoint.c
PURE_SRC += user/files_img.c
PURE_SRC += user/images.c
PURE_SRC += user/tcp_stream_img.c
PURE_SRC += user/arena.c
PURE_SRC += user/control_frame.c
PURE_SRC += user/control_message.c
PURE_SRC += user/control_wire.c
PURE_SRC += user/control_decode.c
PURE_SRC += user/control_encode.c
PURE_SRC += user/agent_conf.c
PURE_SRC += user/agent_conf_values.c
PURE_SRC += user/prefix.c
PURE_SRC += user/host_conf.c
PURE_SRC += user/conf_values.c
PURE_SRC += user/conf_reader.c
PURE_SRC += user/strict_proto.c
PURE_SRC += user/host_message.c
PURE_SRC += user/host_check.c

# The unit tests again, with everything they use, under ASan and UBSan.
SAN_SRC := $(PURE_SRC)
SAN_SRC += user/agent_gate.c
SAN_SRC += user/agent_limits.c
SAN_SRC += user/agent_log.c
SAN_SRC += user/agent_store.c
SAN_SRC += user/cert.c
SAN_SRC += user/cgroup.c
SAN_SRC += user/cgroup_fs.c
SAN_SRC += user/cgroup_tree.c
SAN_SRC += user/clocks.c
SAN_SRC += user/conf_file.c
SAN_SRC += user/control_dial.c
SAN_SRC += user/control_link.c
SAN_SRC += user/control_path.c
SAN_SRC += user/control_stream.c
SAN_SRC += user/criu_log.c
SAN_SRC += user/file_content.c
SAN_SRC += user/findings.c
SAN_SRC += user/host_files.c
SAN_SRC += user/host_link.c
SAN_SRC += user/host_record.c
SAN_SRC += user/image_receive.c
SAN_SRC += user/image_send.c
SAN_SRC += user/image_watch.c
SAN_SRC += user/journal.c
SAN_SRC += user/journal_dir.c
SAN_SRC += user/journal_record.c
SAN_SRC += user/log.c
SAN_SRC += user/move_file.c
SAN_SRC += user/netlink.c
SAN_SRC += user/netlink_diag.c
SAN_SRC += user/netlink_socks.c
SAN_SRC += user/pki.c
SAN_SRC += user/policy.c
SAN_SRC += user/poll_until.c
SAN_SRC += user/preflight.c
SAN_SRC += user/preflight_files.c
SAN_SRC += user/preflight_hosts.c
SAN_SRC += user/preflight_peers.c
SAN_SRC += user/preflight_restart.c
SAN_SRC += user/preflight_sockets.c
SAN_SRC += user/proc.c
SAN_SRC += user/proc_tree.c
SAN_SRC += user/progress.c
SAN_SRC += user/restart.c
SAN_SRC += user/run.c
SAN_SRC += user/sequences.c
SAN_SRC += user/tls.c
SAN_SRC += user/tls_peer.c
SAN_SRC += user/tree.c
SAN_SRC += user/tree_fds.c
SAN_SRC += user/tree_files.c
SAN_SRC += user/tree_files_compare.c
SAN_SRC += user/tree_sockets.c
SAN_SRC += user/tree_sockets_others.c
SAN_SRC += user/unrepair.c
SAN_FLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -std=gnu11 \
	     -DARENA_BLOCK_BYTES=0 $(OUR_CPPFLAGS)
SAN_OBJ := $(patsubst %.c,$(B)/san/%.o,$(notdir $(SAN_SRC)))
vpath %.c user $(B)

$(B)/san/%.o: %.c Makefile | $(GEN)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SAN_FLAGS) -MMD -MP -c $< -o $@

$(B)/libsan.a: $(SAN_OBJ)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/tests/unit/%.san: tests/unit/%.c $(B)/libsan.a Makefile
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SAN_FLAGS) -MMD -MP -MF $@.d $< $(HELPERS) $(B)/libsan.a -lcmocka $(LDLIBS) -o $@

# libFuzzer, with all that decodes, under ASan and UBSan.
FUZZ_FLAGS   := -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -std=gnu11
FUZZ_RUNTIME := echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
		$(CLANG) -fsanitize=fuzzer,address -x c - -o /dev/null 2>/dev/null
FUZZ_MISSING := libFuzzer of $(CLANG) is missing; ./scripts/setup installs it
FUZZ_OBJ     := $(patsubst %.c,$(B)/tests/fuzz/obj/%.o,$(PURE_SRC) tests/fuzz/fuzz.c)

$(B)/tests/fuzz/.runtime: $(B)/.tools $(B)/.flags
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_RUNTIME) || { echo "$(FUZZ_MISSING)" >&2; exit 1; }
	$(Q)touch $@
$(FUZZ_OBJ): $(B)/tests/fuzz/obj/%.o: %.c $(B)/tests/fuzz/.runtime Makefile | $(GEN)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -DARENA_BLOCK_BYTES=0 $(OUR_CPPFLAGS) -MMD -MP -c $< -o $@
$(FUZZERS): $(B)/tests/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJ) Makefile
	$(say) CC $@
	$(Q)$(CLANG) $(FUZZ_FLAGS) $(OUR_CPPFLAGS) -MMD -MP -MF $@.d $< $(FUZZ_OBJ) $(LDLIBS) -o $@

$(B)/tests/fuzz/seeds: HELPERS := $(HOST_MESSAGES)
$(B)/tests/fuzz/seeds: $(HOST_MESSAGES)

# Bugs that are put there, to see that the fuzzers find them: a check less in a copy of a source.
$(B)/tests/fuzz/plant_bytes: PLANT := s/return is_canonical(.*) ? message : NULL/return message/
$(B)/tests/fuzz/plant_bytes: PLANTED := strict_proto
$(B)/tests/fuzz/plant_bytes: tests/fuzz/fuzz_request.c user/strict_proto.c
$(B)/tests/fuzz/plant_bounds: PLANT := s/if (len >= sizeof(addr))/if (len >= 4096)/
$(B)/tests/fuzz/plant_bounds: PLANTED := endpoint
$(B)/tests/fuzz/plant_bounds: tests/fuzz/fuzz_endpoint.c user/endpoint.c
$(PLANTS): $(FUZZ_OBJ) Makefile
	$(say) CC $@
	$(Q)sed '$(PLANT)' user/$(PLANTED).c >$@.c
	$(Q)! cmp -s user/$(PLANTED).c $@.c || { echo "$@: nothing was planted" >&2; exit 1; }
	$(Q)$(CLANG) $(FUZZ_FLAGS) -DARENA_BLOCK_BYTES=0 $(OUR_CPPFLAGS) $(filter tests/fuzz/%,$^) $@.c \
		$(filter-out %/user/$(PLANTED).o,$(FUZZ_OBJ)) $(LDLIBS) -o $@

-include $(wildcard $(B)/*.d $(B)/user/*.d $(B)/san/*.d $(B)/tests/*/*.d $(FUZZ_OBJ:.o=.d))
