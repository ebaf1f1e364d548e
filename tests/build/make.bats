# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The Makefile: what is rebuilt, what is installed, and how it fails.
bats_require_minimum_version 1.5.0

setup() {
	BUILD=$BATS_TEST_TMPDIR/build
	cd "$SOURCES" || return
}

# rebuilt FILE: what make would do after a change of FILE.
rebuilt() {
	touch "$1"
	make B="$SHARED"
}

# In a copy: sources are touched, and git is not needed.
setup_file() {
	export SOURCES=$BATS_FILE_TMPDIR/sources
	mkdir "$SOURCES"
	cp -r "$BATS_TEST_DIRNAME"/../../{bpf,user,scripts,tests,docs,vmlinux.h,Makefile,VERSION} "$SOURCES"
	cd "$SOURCES" || return
	export SHARED=$BATS_FILE_TMPDIR/build
	export CFLAGS=-O0 # nothing of it is run
	unshare --net make -s B="$SHARED" # nothing is fetched
}

@test "nothing is rebuilt without a change" {
	run make B="$SHARED"
	[ "$status" = 0 ]
	[[ $output != *CC* && $output != *BPF* && $output != *LD* ]]
}

@test "a changed header rebuilds what includes it, and no more" {
	run rebuilt bpf/rewrite.bpf.h
	[[ $output == *BPF* && $output == *SKEL* && $output == *programs.o* && $output == *LD* ]]
	[[ $output != *endpoint.o* ]]
	run rebuilt user/pindir.h
	[[ $output == *pindir.o* && $output == *LD* && $output != *BPF* && $output != */rules.o* ]]
	run rebuilt bpf/tcpmig_shared.h
	[[ $output == *BPF* && $output == */rules.o* ]]
	run rebuilt vmlinux.h
	[[ $output == *BPF* ]]
	run rebuilt user/criu_images.proto
	[[ $output == *PROTO* && $output == *files_img.o* ]]
	run rebuilt VERSION
	[[ $output == *main.o* && $output != */rules.o* ]]
}

@test "install and uninstall" {
	dest=$BATS_TEST_TMPDIR/dest
	make -s B="$SHARED" install DESTDIR="$dest" PREFIX=/usr
	[ -x "$dest/usr/sbin/tcpmig-bpf" ]
	[ -f "$dest/usr/share/man/man8/tcpmig-bpf.8" ]
	[ -f "$dest/usr/share/man/man5/tcpmig-agent.conf.5" ]
	[ -f "$dest/usr/share/man/man5/tcpmig-host.conf.5" ]
	[ -f "$dest/usr/share/doc/tcpmig-bpf/agent.conf.example" ]
	[ -f "$dest/usr/share/doc/tcpmig-bpf/host.conf.example" ]
	[ -f "$dest/usr/share/bash-completion/completions/tcpmig-bpf" ]
	[ -f "$dest/usr/lib/sysusers.d/tcpmig.conf" ]
	grep -qx 'ExecStart=/usr/sbin/tcpmig-bpf agent' "$dest/usr/lib/systemd/system/tcpmig-agent.service"
	[ -f "$dest/usr/lib/systemd/system/tcpmig-attach@.service" ]
	grep -qx 'ExecStart=/usr/sbin/tcpmig-bpf host' "$dest/usr/lib/systemd/system/tcpmig-host.service"
	make -s B="$SHARED" uninstall DESTDIR="$dest" PREFIX=/usr
	[ -z "$(find "$dest" -type f)" ]
}

@test "help lists the targets, V=1 shows commands" {
	run make help
	for target in all tests fuzz check format install uninstall clean help; do
		[[ $output == *"  $target "* ]]
	done
	touch user/log.c
	run make B="$SHARED" V=1
	[[ $output == *"-c user/log.c -o"* ]]
}

@test "a missing tool is one sentence" {
	run make B="$BUILD" CLANG=no-such-clang
	[ "$status" != 0 ]
	[[ $output == *"no-such-clang is missing; ./scripts/setup installs what is needed"* ]]
	run make B="$BUILD" PACKAGES="libbpf nosuchlib"
	[ "$status" != 0 ]
	[[ $output == *"the library nosuchlib is missing"* ]]
}

@test "without libFuzzer tests go without it, and fuzz says what is missing" {
	fake=$BATS_TEST_TMPDIR/clang
	printf '#!/bin/sh\ncase $* in *-fsanitize=fuzzer*) exit 1; esac\nexec clang "$@"\n' >"$fake"
	chmod +x "$fake"
	run make -s B="$BUILD" CLANG="$fake" fuzz-if-possible
	[ "$status" = 0 ]
	[[ $output == "libFuzzer of $fake is missing; ./scripts/setup installs it; without it"* ]]
	run make -s B="$BUILD" CLANG="$fake" fuzz
	[ "$status" != 0 ]
	[[ $output == *"libFuzzer of $fake is missing; ./scripts/setup installs it"* ]]
}
