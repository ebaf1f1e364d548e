# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `migrate`: servers under load go to another host and come back, and no driver finds anything wrong.
bats_require_minimum_version 1.5.0
load ../lib.bash
load ../agent.bash
load ../servers.bash
load ../migrate.bash

SERVER_HOSTS=(A B C)
setup_file() { migrate_files A B C; }
teardown_file() { lab_down; }
setup() { migrate_begin; }
teardown() { migrate_end; }

# there_and_back KIND SECONDS
there_and_back() {
	HAND_OLD=(10.9.0.2:5000) HAND_CUR=()
	server "$1" A 10.9.0.2 5000
	driver "$1" 10.9.0.2 5000 "$2"
	migrate A B "$SERVER"
	runs_at B 5000
	migrate B A "$MOVED"
	runs_at A 5000
	driver_still_works
	driver_ends
	no_rules
}

@test "seqstream, there and back" { there_and_back seqstream 20; }
# bats test_tags=quick
@test "redis, there and back: every INCR is answered once" { there_and_back redis 20; }
@test "nginx with two workers, there and back: one download" { there_and_back nginx 6; }
@test "iperf3, there and back: upload" { there_and_back iperf-up 6; }
@test "iperf3, there and back: download" { there_and_back iperf-down 6; }
# bats test_tags=quick
@test "asyncio with 1,000 connections, there and back" { there_and_back asyncio 30; }
@test "threads, there and back" { there_and_back threads 20; }
@test "a tree with a UNIX socket, pipes and a timer, there and back" { there_and_back tree 20; }
@test "sockets that are half-closed or full, there and back" { there_and_back halfclosed 20; }

@test "connections that are opened all the time, there and back: none fails, none takes over 1.1 s" {
	! by_hand || skip "by hand it takes longer"
	there_and_back open 20
}

# bats test_tags=quick
@test "every kind of listener: bound, to any, IPv4, IPv6, v4-mapped" {
	HAND_OLD=(10.9.0.2:5000 '[fd09::2]:5001' '[fd09::2]:5002' 10.9.0.2:5002 10.9.0.2:5003) HAND_CUR=()
	serve_everywhere
	drivers=()
	for old in "${HAND_OLD[@]}"; do
		talk "$OUT/talk.${#drivers[@]}" "$old" 8 chat down push
		drivers+=("$TALKER")
	done
	wait_for 5 "connections" connections_are 15
	migrate A B "$SERVER"
	[ "$(report "d.get('connections', 15)")" = 15 ]
	for port in 5000 5001 5002 5003; do
		runs_at B $port
	done
	for old in "${HAND_OLD[@]}"; do # new ones find it too
		client timeout 20 "$SEQSTREAM" connect "$old" 1 chat >"$OUT/new"
		all_ok "$OUT/new" 1
	done
	migrate B A "$MOVED"
	wait "${drivers[@]}" || :
	for i in "${!drivers[@]}"; do
		all_ok "$OUT/talk.$i" 3
	done
}
serve_everywhere() {
	SERVER=$(lab spawn A "$SEQSTREAM" serve 10.9.0.2:5000 '[fd09::2]:5001' '[::]:5002' 0.0.0.0:5003)
}
connections_are() { [ "$(client ss -Htn state established '( dport >= :5000 and dport <= :5003 )' | wc -l)" = "$1" ]; }

@test "a listener on loopback stays one" {
	! by_hand || skip "it is the command's"
	local pid
	pid=$(lab spawn A "$SEQSTREAM" serve 10.9.0.2:5000 127.0.0.1:5001)
	wait_for 5 "the server" listens A 5001
	migrate A B "$pid"
	runs_at B 5000
	[ "$(lab exec B ss -ltnH 'sport = :5001' | awk '{ print $4 }')" = 127.0.0.1:5001 ]
}

@test "ten moves in a row" {
	HAND_OLD=(10.9.0.2:5000) HAND_CUR=()
	server seqstream A 10.9.0.2 5000
	driver seqstream 10.9.0.2 5000 80
	for _ in 1 2 3 4 5; do
		migrate A B "${MOVED:-$SERVER}"
		migrate B A "$MOVED"
	done
	driver_still_works
	driver_ends
	no_rules
}

# bats test_tags=quick
@test "from A to B, onward to C, and home" {
	HAND_OLD=(10.9.0.2:5000) HAND_CUR=()
	server tree A 10.9.0.2 5000
	driver tree 10.9.0.2 5000 30
	migrate A B "$SERVER"
	migrate B C "$MOVED"
	runs_at C 5000
	client timeout 20 "$PYTHON" "$E2E/counters.py" load 10.9.0.2 5000 5 10 1 # new ones
	migrate C A "$MOVED"
	driver_still_works
	driver_ends
	no_rules
}

# What follows is of the command alone.

@test "the report says what was done" {
	! by_hand || skip "it is the command's"
	server seqstream A 10.9.0.2 5000
	driver seqstream 10.9.0.2 5000 20
	migrate A B "$SERVER"
	[ "$(report "d['connections']")" = 5 ]
	[ "$(report "0 < d['freeze_ms'] < 10000 and d['image_bytes'] > 10000")" = True ]
	[ "$(report "len(d['uuid'])")" = 36 ]
	[ "$(report "[p['name'] for p in d['phases']]")" = \
		"['prepare', 'hold', 'dump', 'transfer', 'restore', 'arm', 'commit', 'resume', 'retire']" ]
	[ "$(report "[(c['agent'], c['flows']) for c in d['clients']]")" = "[('10.9.0.1:7170', 5)]" ]
	driver_ends
}

@test "nothing is left on either host once the tree is home" {
	! by_hand || skip "it is the command's"
	before_a=$(host_footprint A) before_b=$(host_footprint B)
	server seqstream A 10.9.0.2 5000
	driver seqstream 10.9.0.2 5000 20
	migrate A B "$SERVER"
	wait_for 5 "nothing left on A" footprint_is A "$before_a" ||
		diff <(echo "$before_a") <(host_footprint A)
	migrate B A "$MOVED"
	wait_for 5 "nothing left on B" footprint_is B "$before_b" ||
		diff <(echo "$before_b") <(host_footprint B)
	driver_ends
}

@test "the daemon that has restored it may end: the tree lives, and can be moved by the next" {
	! by_hand || skip "it is the command's"
	server tree A 10.9.0.2 5000
	driver tree 10.9.0.2 5000 30
	migrate A B "$SERVER"
	host_kill B
	host_start B
	migrate B A "$MOVED"
	driver_still_works
	driver_ends
}

@test "--dry-run: what would be, and nothing happens" {
	! by_hand || skip "it is the command's"
	server seqstream A 10.9.0.2 5000
	driver seqstream 10.9.0.2 5000 20
	before=$(host_footprint A)
	said=$(lab exec A timeout 30 "$T" migrate --config "$(host_conf_file A)" --pid "$SERVER" --to 10.9.0.3 --dry-run)
	echo "$said"
	[[ $said == "would move $SERVER to 10.9.0.3: 5 connections, 1 process, "*"frozen for some "*" ms"* ]]
	[[ $said == *"10.9.0.2:5000 -> 10.9.0.3:5000"*"agent 10.9.0.1:7170: 5 connections" ]]
	footprint_is A "$before"
	no_rules
	runs_at A 5000
	driver_ends
}

@test "another port" {
	! by_hand || skip "it is the command's"
	server seqstream A 10.9.0.2 5000
	driver seqstream 10.9.0.2 5000 20
	migrate A B "$SERVER" --new-port 6000
	listens B 6000
	[ "$(json "[r['new'] for r in d['rules']]")" = "['10.9.0.3:6000']" ]
	migrate B A "$MOVED" --new-port 5000
	driver_still_works
	driver_ends
	no_rules
}

@test "doctor names a migration that nobody drives, and its cure cures" {
	! by_hand || skip "it is the command's"
	cp -r "$MOVE_TLS/A" "$OUT/etc"
	cp "$(host_conf_file A)" "$OUT/etc/host.conf"
	server seqstream A 10.9.0.2 5000
	driver seqstream 10.9.0.2 5000 20
	host_stop A
	migrate_stopped transfer A B "$SERVER"
	found_migration ok "under way, prepared"
	migrate_killed
	found_migration warn "of seqstream ($SERVER), not decided, and nobody is at work on it"
	cure=$(sed -n 's/.*-> tcpmig-bpf \(migrate --resume [0-9a-f-]*\);.*/\1/p' <<<"$FOUND")
	# shellcheck disable=SC2086 # several words
	[[ $(at_a $cure) == *": stayed" ]]
	found_migration
	driver_still_works
	runs_at A 5000
	driver_ends
}
at_a() {
	lab exec A unshare --mount --propagation private bash -ec "$WITH_ETC" bash "$OUT/etc" env CRIU=/nosuch/criu "$T" "$@"
}
# found_migration [RESULT TEXT]: what doctor finds about migrations; nothing without.
found_migration() {
	FOUND=$(at_a -j doctor | "$PYTHON" -c 'import json, sys
for f in json.load(sys.stdin):
    if f["check"] in ("migration", "fence"):
        print(f["check"], f["result"], f["detail"], "->", f["cure"])')
	echo "found: $FOUND"
	if [ $# = 0 ]; then [ -z "$FOUND" ]; else [[ $FOUND == "migration $1 "*": $2 -> "* ]]; fi
}

# unfenceable HOST: an interface there, up, of a kind that is not understood: a tun of type GRE.
unfenceable() {
	lab exec "$1" /usr/bin/python3 -c "import fcntl, struct
tun = open('/dev/net/tun', 'r+b', buffering=0)
fcntl.ioctl(tun, 0x400454ca, struct.pack('16sH22x', b'gre7', 0x1001))  # TUNSETIFF
fcntl.ioctl(tun, 0x400454cd, 778)  # TUNSETLINK
fcntl.ioctl(tun, 0x400454cb, 1)  # TUNSETPERSIST"
	lab exec "$1" ip link set gre7 up
}

@test "an interface that cannot be fenced is named, on both hosts" {
	SERVER=$(lab spawn A "$SEQSTREAM" serve 10.9.0.2:5000)
	wait_for 5 "the server" listens A 5000
	unfenceable A
	unfenceable B
	migrate A B "$SERVER"
	grep -x "tcpmig-bpf: 'gre7': an interface of a kind that cannot be fenced; .*" "$OUT/migrate.err"
	grep 'event=gate interface=gre7' "$(host_log B)"
	for host in A B; do lab exec $host ip link del gre7; done
}
