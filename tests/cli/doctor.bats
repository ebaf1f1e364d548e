# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Each finding of doctor is provoked, and what it names as cure is done where it can be.
bats_require_minimum_version 1.5.0
load ../lib.bash

FOREIGN=$TOP/build/tests/bpf/foreign.bpf.o
PIN=/sys/fs/bpf/other

setup_file() {
	lab_up client
	# A second interface. Whatever is beyond it: routes are enough here.
	client ip link add far type veth peer name beyond
	client ip link set beyond up
	client ip link set far up
	client ip addr add 10.9.8.1/24 dev far
	client ip route add 10.9.7.0/24 via 10.9.8.3
	# tc makes directories in the bpffs when it first loads something.
	client tc qdisc add dev lo clsact
	client tc filter add dev lo egress bpf da obj "$FOREIGN" sec tc
	client tc qdisc del dev lo clsact
}
teardown_file() { lab_down; }

setup() {
	BEFORE=$(everything)
	unset CRIU
}
teardown() {
	client "$T" detach --all
	client sh -c "rm -f $PIN-*; tc qdisc del dev eth0 clsact 2>/dev/null || :"
	diff <(echo "$BEFORE") <(everything)
}

# What may be left behind, and what doctor must not change.
everything() {
	footprint client
	client ip route
	client ip -6 route
	client ip -br link
	client sh -c 'ls /run /tmp/tcpmig* 2>/dev/null; cat /proc/sys/net/ipv4/conf/*/rp_filter'
}

# doctor [CMD...]: what it says, as "check result detail -> cure" a line, in $FOUND; its
# status in $status. CMD runs it.
doctor() {
	run --separate-stderr client "$@" "$T" doctor -j
	[ -z "$stderr" ]
	# shellcheck disable=SC2154 # set by run
	FOUND=$(python3 -c "import json, sys
for f in json.load(sys.stdin):
    assert sorted(f) == ['check', 'cure', 'detail', 'result'], f
    assert f['result'] in ('ok', 'warn', 'fail') and f['detail'], f
    assert (f['cure'] is None) == (f['result'] == 'ok'), f
    print(f['check'], f['result'], f['detail'], '->', f['cure'])" <<<"$output")
	[ "$status" = "$(grep -qE '^[a-z0-9_]+ fail ' <<<"$FOUND" && echo 1 || echo 0)" ]
}

not_found() {
	! grep -F -- "$1" <<<"$FOUND" || false # errexit does not see a plain `!`
}

other_tcx() { client "$TOP/build/tests/e2e/tcprog" "$FOREIGN" "$1" eth0 "$2" "$3" "$PIN-$2-$3" >/dev/null; }

@test "nothing attached: nothing has failed, all that is looked at is named" {
	doctor
	[ "$status" = 0 ]
	for check in kernel bpf jit tcx clsact programs csum_ipv6 redirect_neigh ring_buffer tun btf \
		capabilities lockdown bpffs pin_dir tls_ca criu; do
		grep -q "^$check " <<<"$FOUND" || { echo "$check is missing"; false; }
	done
	found "kernel ok Linux $(uname -r)" "tcx ok there" "clsact ok there" \
		"pin_dir ok $DEFAULT_PINS: nothing is attached" \
		"programs ok the full build" "btf ok there: the full build" \
		"csum_ipv6 ok" "redirect_neigh ok" "ring_buffer ok" "jit ok"
	run client "$T" doctor
	[ "$status" = 0 ]
	[[ ${lines[0]} =~ ^CHECK\ +RESULT\ +DETAIL\ +CURE$ ]]
}

@test "all is well: an interface, two rules" {
	client "$T" attach eth0
	client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000
	client "$T" hold '[fd09::2]:5000'
	doctor
	[ "$status" = 0 ]
	found "pin_dir ok $DEFAULT_PINS: mode 0700, user 0" "interface ok eth0: attached by tcx" \
		"hook ok eth0 ingress: only tcpmig_ingress" "hook ok eth0 egress: only tcpmig_egress" \
		"old_route ok 10.9.0.2:5000: leaves by eth0, no gateway" \
		"neighbour ok 10.9.0.2:5000: neighbour entry on eth0: ours, a dummy" \
		"neighbour ok [fd09::2]:5000: neighbour entry on eth0: none: it does not answer" \
		"new_route ok 10.9.0.2:5000: 10.9.0.3:6000 is reached by eth0"
}

@test "another TCX program before ours is a warning, one behind it is not" {
	client "$T" attach eth0
	other_tcx foreign_next ingress last
	other_tcx foreign_ok egress first
	doctor
	[ "$status" = 0 ]
	found "hook ok eth0 ingress: in this order: tcpmig_ingress, foreign_next" \
		"hook warn eth0 egress: others come before ours and may hide packets from it: foreign_ok, tcpmig_egress"
}

@test "a clsact filter before ours is a warning" {
	client "$T" attach eth0 --mode clsact
	client tc filter add dev eth0 egress prio 7 bpf da obj "$FOREIGN" sec tc
	doctor
	found "hook warn eth0 egress: others come before ours and may hide packets from it: foreign_next, tcpmig_egress" \
		"hook ok eth0 ingress: only tcpmig_ingress"
}

@test "links and filters taken away by hand: named, and the cure cures" {
	client "$T" attach eth0
	client rm "$DEFAULT_PINS/if$(client cat /proc/net/if_inet6 | awk '$6 == "eth0" { print "0x" $2; exit }' |
		xargs printf %d)_egress"
	doctor
	[ "$status" = 1 ]
	found "hook fail eth0 egress: our program is not there any more -> tcpmig-bpf attach eth0" \
		"hook ok eth0 ingress"
	client "$T" attach eth0
	doctor
	[ "$status" = 0 ]
	client "$T" detach eth0
	client "$T" attach eth0 --mode clsact
	client tc filter del dev eth0 ingress
	doctor
	found "hook fail eth0 ingress: our program is not there any more -> tcpmig-bpf attach eth0"
	client "$T" attach eth0
	doctor
	[ "$status" = 0 ]
}

@test "an attached interface is gone" {
	client ip link add gone type veth peer name peer
	client "$T" attach gone
	client ip link del gone
	doctor
	[ "$status" = 1 ]
	found "interface fail gone: attached, but the interface is gone -> 'tcpmig-bpf detach gone'"
}

@test "a bridge and its port, joined after they were attached" {
	client ip link add brx type bridge
	client "$T" attach beyond
	client "$T" attach brx
	client ip link set beyond master brx
	doctor
	[ "$status" = 1 ]
	found "interface fail beyond: it is stacked" "interface fail brx: it is stacked"
	client "$T" detach --all
	client ip link del brx
}

@test "no route to OLD" {
	client "$T" attach eth0
	client "$T" redirect 10.9.99.2:5000 10.9.0.3:6000
	doctor
	[ "$status" = 1 ]
	found "old_route fail 10.9.99.2:5000: no route there (Network is unreachable)" \
		"-> ip route replace 10.9.99.2/32 dev eth0"
	client ip route replace 10.9.99.2/32 dev eth0
	doctor
	found "neighbour warn 10.9.99.2:5000: neighbour entry on eth0: none" "-> tcpmig-bpf list"
	client "$T" list
	doctor
	[ "$status" = 0 ]
	found "neighbour ok 10.9.99.2:5000: neighbour entry on eth0: ours, a dummy"
	client ip route del 10.9.99.2/32
}

@test "ways that leave where nothing is attached, or no interface at all" {
	client "$T" attach eth0
	client "$T" redirect 10.9.8.2:5000 10.9.0.3:6000
	client "$T" redirect 10.9.0.2:5000 10.9.8.3:6000
	client "$T" redirect 10.9.0.2:5001 10.9.99.3:6000
	client "$T" redirect 10.9.0.1:5000 10.9.0.3:6000
	doctor
	[ "$status" = 1 ]
	found "old_route fail 10.9.8.2:5000: leaves by far, where nothing is attached -> tcpmig-bpf attach far" \
		"new_route fail 10.9.0.2:5000: 10.9.8.3:6000 is reached by far, where nothing is attached" \
		"new_route fail 10.9.0.2:5001: no route to 10.9.99.3:6000" \
		"old_route fail 10.9.0.1:5000: it is an address of this host"
	client "$T" attach far
	doctor
	not_found "where nothing is attached"
}

@test "the neighbour entry was deleted; somebody else's is told apart" {
	client "$T" attach eth0
	client ip neigh replace 10.9.0.9 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
	client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000
	client "$T" redirect 10.9.0.9:5000 10.9.0.3:6001
	client ip neigh del 10.9.0.2 dev eth0
	doctor
	[ "$status" = 0 ]
	found "neighbour warn 10.9.0.2:5000: neighbour entry on eth0: none: it does not answer; if it dies its packets stay here -> tcpmig-bpf list" \
		"neighbour ok 10.9.0.9:5000: neighbour entry on eth0: permanent, by somebody else"
	client ip neigh del 10.9.0.9 dev eth0
}

@test "rp_filter=1 where NEW answers by another interface" {
	client "$T" attach eth0
	client "$T" attach far
	client "$T" redirect 10.9.0.2:5000 10.9.7.3:6000
	for where in far all; do
		client sh -c "echo 1 >/proc/sys/net/ipv4/conf/$where/rp_filter"
		doctor
		[ "$status" = 1 ]
		found "rp_filter fail 10.9.0.2:5000: answers of 10.9.7.3:6000 come in by far, not by eth0, and its rp_filter=1 drops them -> sysctl -w net.ipv4.conf.far.rp_filter=2"
		client sh -c 'echo 2 >/proc/sys/net/ipv4/conf/far/rp_filter'
		doctor
		[ "$status" = 0 ]
		found "rp_filter ok"
		client sh -c "echo 0 >/proc/sys/net/ipv4/conf/$where/rp_filter
			echo 0 >/proc/sys/net/ipv4/conf/far/rp_filter"
	done
}

@test "without privilege: findings, no crash, nothing on stderr" {
	doctor setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all
	[ "$status" = 1 ]
	found "bpf fail no tc program can be loaded (Operation not permitted)" \
		"capabilities fail missing: CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON -> run as root" \
		"pin_dir fail $DEFAULT_PINS: cannot open it (Permission denied) -> run as root" \
		"tun warn /dev/net/tun cannot be opened"
	client "$T" attach eth0
	for missing in net_admin sys_admin sys_resource; do
		doctor setpriv "--inh-caps=-$missing" "--bounding-set=-$missing"
		case $missing in
		net_admin) found "capabilities fail missing: CAP_NET_ADMIN" ;;
		sys_admin) found "clsact warn not tried" ;;
		sys_resource) found "capabilities warn CAP_SYS_RESOURCE is missing" ;;
		esac
	done
	doctor setpriv --inh-caps=-all --bounding-set=-all # root in name only
	[ "$status" = 1 ]
	found "capabilities fail missing: CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON"
}

@test "the pin directory: open to others, in no bpffs, of another version, locked" {
	client mkdir -m 0777 /sys/fs/bpf/tcpmig
	client chmod 0777 /sys/fs/bpf/tcpmig
	doctor
	[ "$status" = 1 ]
	found "pin_dir fail $DEFAULT_PINS: others may write there (mode 0777, user 0)" "chmod 0700 $DEFAULT_PINS"
	client rmdir /sys/fs/bpf/tcpmig
	run client "$T" --pin-dir /tmp doctor
	[ "$status" = 1 ]
	[[ $output == *"/tmp: not in a BPF file system"* ]]
	client "$T" attach eth0
	bytes=$(client bpftool -j map show pinned "$DEFAULT_PINS/tcpmig_meta" | sed 's/.*"bytes_value":\([0-9]*\).*/\1/')
	mapfile -t zeros < <(yes 0 | head -n $((bytes - 1)))
	client bpftool map update pinned "$DEFAULT_PINS/tcpmig_meta" key 0 0 0 0 value 99 "${zeros[@]}"
	doctor
	[ "$status" = 1 ]
	found "pin_dir fail $DEFAULT_PINS: maps of another version"
	client rm -r "$DEFAULT_PINS"
	client "$T" attach eth0
	client flock "$DEFAULT_PINS" sleep 12 3>&- &
	sleep 0.3 # until it is locked
	doctor
	found "pin_dir warn $DEFAULT_PINS: another command has had it locked for 10 s"
	wait $!
}

# policy GENERATION COUNT: as a writer of the policy leaves it.
policy() {
	mapfile -t zeros < <(yes 0 | head -n "$((8 + 64 * 48 - 8))")
	client bpftool map update pinned "$DEFAULT_PINS/tcpmig_policy_a" key 0 0 0 0 \
		value "$1" 0 0 0 "$2" 0 0 0 "${zeros[@]}"
	client bpftool map update pinned "$DEFAULT_PINS/tcpmig_policy" key 0 0 0 0 \
		value pinned "$DEFAULT_PINS/tcpmig_policy_a"
}

@test "the policy: none, some entries, no entry, no map" {
	client "$T" attach eth0
	doctor
	found "policy ok none: everything is allowed"
	policy 1 2
	doctor
	found "policy ok 2 entries ->"
	policy 2 1
	doctor
	found "policy ok 1 entry ->"
	not_found "policy fail"
	client "$T" redirect 10.9.0.2:5000 10.9.8.3:6000
	policy 3 0
	doctor
	[ "$status" = 1 ]
	found "policy warn no entry: nothing is allowed" "-> a [move] section" \
		"policy fail 10.9.0.2:5000: it does not allow 10.9.8.3:6000" "'tcpmig-bpf release 10.9.0.2:5000'"
	client "$T" release 10.9.0.2:5000
	policy 0 0
	doctor
	found "policy ok none: everything is allowed"
	client rm "$DEFAULT_PINS/tcpmig_policy"
	doctor
	[ "$status" = 1 ]
	found "policy fail cannot be read (No such file or directory) -> 'tcpmig-bpf attach IFACE'"
	client "$T" attach eth0
	doctor
	found "policy ok none: everything is allowed"
	client "$T" detach --all
	doctor
	not_found "policy "
}

@test "no bpffs, no tun device, no BTF" {
	# shellcheck disable=SC2016 # expanded there
	doctor unshare --mount --propagation private sh -ec 'umount /sys/fs/bpf
		mount -t tmpfs tmpfs /dev/net; mount -t tmpfs tmpfs /sys/kernel/btf; exec "$@"' sh
	[ "$status" = 0 ]
	found "bpffs warn none is mounted on /sys/fs/bpf; attach mounts one -> mount -t bpf" \
		"tun warn /dev/net/tun cannot be opened (No such file or directory)" "-> modprobe tun" \
		"programs ok the plain build" "btf ok not there: the plain build"
}

@test "from another network namespace" {
	client "$T" attach eth0
	doctor unshare --net
	[ "$status" = 0 ]
	found "interface warn $DEFAULT_PINS: it serves another network namespace"
	not_found "hook "
}

@test "criu: none, one that fails, one that lies, a real one; nothing is left of the test" {
	CRIU=$(scripts/get-criu)
	doctor env PATH=/nowhere
	found "criu warn"
	doctor env CRIU=/nosuch/criu
	[ "$status" = 0 ]
	found "criu warn /nosuch/criu: not found; needed on server hosts only"
	doctor env CRIU=/bin/false
	[ "$status" = 1 ]
	found "criu fail /bin/false fails: dump: exit status 1 and no error in its log"
	doctor env CRIU=/bin/true
	[ "$status" = 1 ]
	found "criu fail /bin/true fails: dump: the process is still there"
	doctor env "CRIU=$CRIU"
	[ "$status" = 0 ]
	found "criu ok $CRIU" "dumps and restores a process"
	[ -z "$(client pgrep -f while.:.*progress)" ]
}

# server LINE...: a host of servers with these lines in host.conf; then `doctor "${AS_SERVER[@]}"`.
server() {
	ETC=$BATS_TEST_TMPDIR/etc
	AS_SERVER=(unshare --mount --propagation private bash -ec "$WITH_ETC" bash "$ETC")
	mkdir -p "$ETC"
	if [ ! -e "$ETC/host.crt" ]; then
		"$T" pki init --dir "$BATS_TEST_TMPDIR/pki" >/dev/null
		"$T" pki issue --dir "$BATS_TEST_TMPDIR/pki" --ip "$(lab addr client)" --out "$ETC/host" >/dev/null
		cp "$BATS_TEST_TMPDIR/pki/ca.crt" "$ETC"
	fi
	printf '%s\n' '[host]' "state = $BATS_TEST_TMPDIR/state" "$@" >"$ETC/host.conf"
}

@test "no host of servers: nothing is said of what one needs" {
	doctor
	for check in host_conf cgroup images migration fence; do
		not_found "$check "
	done
}

@test "a host of servers: its configuration, the certificates it names, its criu" {
	server 'criu = /bin/true' '[accept all]' 'from = 10.9.0.0/24'
	doctor "${AS_SERVER[@]}"
	[ "$status" = 1 ]
	found "host_conf ok /etc/tcpmig/host.conf: 1 [accept], /etc/tcpmig/host.crt is good" \
		"images ok /run/tcpmig/images: in memory, room for " "cgroup ok /sys/fs/cgroup" \
		"criu fail /bin/true fails: dump: the process is still there"
	doctor "${AS_SERVER[@]}" env CRIU=/nosuch/criu
	[ "$status" = 0 ]
	found "criu warn /nosuch/criu"
	server
	doctor "${AS_SERVER[@]}" env CRIU=/nosuch/criu
	found "host_conf ok /etc/tcpmig/host.conf: without an [accept]: nothing may move here"
	server 'no-such-key = 1'
	doctor "${AS_SERVER[@]}" env CRIU=/nosuch/criu
	[ "$status" = 1 ]
	found "host_conf fail '/etc/tcpmig/host.conf': line 3: " "-> man tcpmig-host.conf"
	server
	chmod 666 "$ETC/host.conf"
	doctor "${AS_SERVER[@]}" env CRIU=/nosuch/criu
	found "host_conf fail '/etc/tcpmig/host.conf': "
	chmod 600 "$ETC/host.conf"
	rm "$ETC/host.key"
	doctor "${AS_SERVER[@]}" env CRIU=/nosuch/criu
	found "host_conf fail '/etc/tcpmig/host.key': No such file"
}

@test "a host of servers: images on a disk, no cgroup v2; the cures cure" {
	server 'images = /usr/images'
	doctor "${AS_SERVER[@]}" env CRIU=/nosuch/criu
	[ "$status" = 0 ]
	found "images warn /usr/images: on a disk" "-> mount -t tmpfs -o mode=0700 tmpfs /usr/images, or"
	server 'images = /run/tcpmig/images'
	doctor "${AS_SERVER[@]}" env CRIU=/nosuch/criu
	found "images ok /run/tcpmig/images: in memory"
	# shellcheck disable=SC2016 # expanded there
	doctor "${AS_SERVER[@]}" sh -ec 'umount -l /sys/fs/cgroup; CRIU=/nosuch/criu exec "$@"' sh
	[ "$status" = 1 ]
	found "cgroup fail no cgroup v2 is mounted (No such file or directory)" \
		"-> mount -t cgroup2 cgroup2 /sys/fs/cgroup;"
	# shellcheck disable=SC2016 # expanded there
	doctor "${AS_SERVER[@]}" sh -ec 'umount -l /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
		CRIU=/nosuch/criu exec "$@"' sh
	[ "$status" = 0 ]
	found "cgroup ok /sys/fs/cgroup: cgroup v2"
}

@test "a host of servers: a lock that belongs to no migration, and its cure" {
	fencectl=$TOP/build/tests/e2e/fencectl uuid=07000000-0000-0000-0000-000000000000
	server
	client "$fencectl" /sys/fs/bpf/tcpmig-host 7 open
	client "$fencectl" /sys/fs/bpf/tcpmig-host 7 flow 10.9.0.1:5000 10.9.0.2:40000
	client "$fencectl" /sys/fs/bpf/tcpmig-host 7 set closed
	# Of one that somebody makes ready here nothing is said.
	mkdir -p "$BATS_TEST_TMPDIR/images/$uuid"
	server "images = $BATS_TEST_TMPDIR/images"
	# shellcheck disable=SC2016 # expanded there
	doctor "${AS_SERVER[@]}" flock "$BATS_TEST_TMPDIR/images/$uuid" env CRIU=/nosuch/criu
	not_found "fence "
	doctor "${AS_SERVER[@]}" env CRIU=/nosuch/criu
	[ "$status" = 0 ]
	found "fence warn $uuid: 1 connections are dropped, for a migration that nobody knows of -> tcpmig-bpf migrate --abort $uuid"
	client "${AS_SERVER[@]}" flock "$BATS_TEST_TMPDIR/images/$uuid" "$T" migrate --abort $uuid && false
	client "${AS_SERVER[@]}" "$T" migrate --resume $uuid && false
	client test -e /sys/fs/bpf/tcpmig-host
	client "${AS_SERVER[@]}" "$T" migrate --abort $uuid
	doctor "${AS_SERVER[@]}" env CRIU=/nosuch/criu
	not_found "fence "
	client test ! -e /sys/fs/bpf/tcpmig-host
	[ ! -e "$BATS_TEST_TMPDIR/images/$uuid" ]
}
