# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What A's fence and B's gate are for: a migration is stopped in its middle, one of them is opened by
# hand, and what it had kept from the wire is seen. Each test has its counterpart, where it stays
# closed and nothing is seen.
bats_require_minimum_version 1.5.0
load ../lib.bash
load ../agent.bash
load ../servers.bash
load ../migrate.bash

SERVER_HOSTS=(A B)
FENCECTL=$TOP/build/tests/e2e/fencectl
TCPROG=$TOP/build/tests/e2e/tcprog
BESIDE=$TOP/build/tests/bpf/beside.bpf.o
PINS=/sys/fs/bpf/tcpmig-host
by_hand() { false; }
setup_file() { migrate_files A B; }
teardown_file() { lab_down; }
setup() { migrate_begin; }
teardown() {
	client rm -f /sys/fs/bpf/count
	migrate_end
}

fences() { lab exec "$1" "$FENCECTL" $PINS 0 all "${@:2}"; }

# stop_at PHASE: a migration to port 6000 that has got so far, of a server that streams and one that
# only answers.
stop_at() {
	SERVER=$(lab spawn A "$SEQSTREAM" serve 10.9.0.2:5000)
	talk "$OUT/talk" 10.9.0.2:5000 60 chat down up push
	wait_for 5 "connections" connections_are 4
	count_packets
	migrate_stopped "$1" A B "$SERVER" --new-port 6000
}
connections_are() { [ "$(client ss -Htn state established '( dport = :5000 )' | wc -l)" = "$1" ]; }

# On the client's interface, before anything of ours: by port of the server.
count_packets() {
	local id
	id=$(client "$TCPROG" "$BESIDE" beside_count eth0 ingress first /sys/fs/bpf/count)
	COUNT_MAP=$(bpftool -j prog show id "$id" | "$PYTHON" -c "import json, sys
print(json.load(sys.stdin)['map_ids'][0])")
}
# packets_from A|B, so far.
packets_from() {
	bpftool -j map dump id "$COUNT_MAP" | "$PYTHON" -c "import json, sys
entry = json.load(sys.stdin)['AB'.index(sys.argv[1])]
print(int.from_bytes(bytes(int(b, 0) for b in entry['value']), 'little'))" "$1"
}
packets_more_than() { [ "$(packets_from "$1")" -gt "$2" ]; }

# kept_back HOST: its fence or gate has kept a segment from the wire.
kept_back() {
	local in out syn
	read -r in out syn < <(fences "$1" stats)
	[ "$out" -gt 0 ]
}

# What A's kernel has acknowledged, as the clients know it.
acknowledged() {
	client ss -Htin '( dport = :5000 )' | grep -o 'bytes_acked:[0-9]*' | cut -d: -f2 |
		awk '{ sum += $1 } END { print sum + 0 }'
}
acknowledged_more_than() { [ "$(acknowledged)" -gt "$1" ]; }

# The hold at the client is gone, as by the hand of its administrator.
release_client() {
	client "$T" release 10.9.0.2:5000
	no_rules
}

# It runs where it was, and every byte is right.
stayed() {
	wait_for 40 "no hold at the client" no_rules
	runs_at A 5000
	client pkill -TERM -x seqstream
	wait "$TALKER" || :
	all_ok "$OUT/talk" 4
}

# Nothing is to be seen before it is decided; then at once.
@test "B's gate: what was restored wants to talk, and cannot" {
	stop_at commit
	wait_for 5 "a segment of the copy" kept_back B
	[ "$(packets_from B)" = 0 ]
	migrate_goes_on
	migrate_ends 0
	wait_for 5 "data from B" packets_more_than B 100
	client pkill -TERM -x seqstream
	wait "$TALKER" || :
	all_ok "$OUT/talk" 4
}

@test "control: B's gate is open, and the copy talks before anything is decided" {
	stop_at commit
	fences B set open
	wait_for 5 "early talk" packets_more_than B 0
	migrate_killed # nothing is decided, so A goes on
	host_kill A
	host_start A
	stayed
}

@test "A's fence: what was dumped talks no more, and takes nothing" {
	stop_at transfer
	sent=$(packets_from A)
	wait_for 5 "a segment of A's kernel" kept_back A
	[ "$(packets_from A)" = "$sent" ]
	release_client
	taken=$(acknowledged)
	run -1 wait_for 1 "an acknowledgment" acknowledged_more_than "$taken"
	migrate_goes_on
	migrate_ends 1 # without a hold
	stayed
}

@test "control: A's fence is open: its kernel sends newer timestamps than the image has" {
	stop_at transfer
	sent=$(packets_from A)
	fences A set open
	wait_for 5 "a segment of A's kernel" packets_more_than A "$sent"
	migrate_killed
	host_kill A
	host_start A
	stayed
}

# And that it would have been lost is seen before the decision.
@test "control: A's fence and the hold are open: bytes are acknowledged that no image has" {
	stop_at transfer
	fences A set open
	taken=$(acknowledged)
	release_client
	wait_for 5 "an acknowledgment" acknowledged_more_than "$taken"
	migrate_goes_on
	migrate_ends 1
	stayed
}
