# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The fence of a server host, between real sockets: A serves, and is fenced. What the packets
# tell is in tests/bpf/test_fence.c.
# shellcheck disable=SC2030,SC2031 # what run sets is read in the same test
bats_require_minimum_version 1.5.0
load ../lib.bash

FENCECTL=$TOP/build/tests/e2e/fencectl
TCPROG=$TOP/build/tests/e2e/tcprog
BESIDE=$TOP/build/tests/bpf/beside.bpf.o
PINS=/sys/fs/bpf/tcpmig-host
OLD4=10.9.0.2:5000 OLD6='[fd09::2]:5000'

setup_file() { lab_up client A B; }
teardown_file() { lab_down; }

setup() {
	OUT=$BATS_TEST_TMPDIR
	FOOTPRINT=$(footprint A; hooks)
	TALKERS=()
}

teardown() {
	local host
	for host in client A B; do
		lab exec "$host" sh -c 'kill -9 -1' || :
	done
	client sh -c 'rm -f /sys/fs/bpf/count; nft flush ruleset'
	lab exec A "$T" detach --all >/dev/null
	remove_all
	lab exec A sh -c 'rm -f /sys/fs/bpf/beside; ip link del fence0 2>/dev/null' || :
	diff <(echo "$FOOTPRINT") <(footprint A; hooks)
}

# fence NUMBER COMMAND...: on A.
fence() { lab exec A "$FENCECTL" $PINS "$@"; }
hooks() { fence 0 hooks eth0; }
remove_all() {
	local number _
	while read -r number _; do
		fence "$number" remove
	done < <(fence 0 each)
}

# serve: one server on A, bound to both addresses, or as said.
serve() {
	[ $# -gt 0 ] || set -- "$OLD4" "$OLD6"
	PID=$(lab spawn A "$SEQSTREAM" serve "$@")
}

# talkers SECONDS MODE...: to both addresses, in the background.
talkers() {
	talk "$OUT/4" "$OLD4" "$@"
	TALKERS+=("$TALKER")
	talk "$OUT/6" "$OLD6" "$@"
	TALKERS+=("$TALKER")
	shift
	wait_for 5 "connections" connected $((2 * $#))
}

connected() { [ "$(client ss -Htn state established '( dport = :5000 )' | wc -l)" = "$1" ]; }

# all_right N: every one of N connections to each address has every byte.
all_right() {
	wait "${TALKERS[@]}" || :
	all_ok "$OUT/4" "$1" && all_ok "$OUT/6" "$1"
}

# count_packets: from now on; packets_seen: from A to the client, so far.
count_packets() {
	local id
	id=$(client "$TCPROG" "$BESIDE" beside_count eth0 ingress first /sys/fs/bpf/count)
	COUNT_MAP=$(bpftool -j prog show id "$id" | python3 -c "import json, sys
print(json.load(sys.stdin)['map_ids'][0])")
}
packets_seen() {
	bpftool -j map dump id "$COUNT_MAP" | python3 -c "import json, sys
print(sum(int.from_bytes(bytes(int(b, 0) for b in e['value']), 'little') for e in json.load(sys.stdin)))"
}

# bytes_taken: by A's sockets, of all connections; what was acknowledged or only taken.
bytes_taken() {
	lab exec A ss -Htin '( sport = :5000 )' | grep -o 'bytes_received:[0-9]*' | cut -d: -f2 |
		awk '{ sum += $1 } END { print sum + 0 }'
}
taken_more_than() { [ "$(bytes_taken)" -gt "$1" ]; }
seen_more_than() { [ "$(packets_seen)" -gt "$1" ]; }

# dropped NUMBER IN OUT SYN: at least so many, so far.
dropped() {
	local in out syn
	read -r in out syn < <(fence "$1" stats)
	[ "$in" -ge "$2" ] && [ "$out" -ge "$3" ] && [ "$syn" -ge "$4" ]
}

fence_all() {
	fence 1 open
	fence 1 listener "$OLD4"
	fence 1 listener "$OLD6"
	[ "$(fence 1 flows "$OLD4")" = "$1" ]
	[ "$(fence 1 flows "$OLD6")" = "$1" ]
}

# A's kernel goes on for a stopped process: this is what the fence is for, and that the next
# test can see it.
@test "without it a stopped server's kernel takes and sends" {
	serve
	talkers 4 flood up down push chat
	count_packets
	lab exec A kill -STOP "$PID"
	taken=$(bytes_taken) seen=$(packets_seen)
	wait_for 2 "bytes to be taken" taken_more_than "$taken"
	wait_for 2 "segments to be seen" seen_more_than "$seen"
	lab exec A kill -CONT "$PID"
	all_right 5
}

# bats test_tags=quick
@test "closed: a stopped server takes and sends nothing; open: all streams go on exactly" {
	serve
	talkers 8 flood up down push chat idle
	count_packets
	fence_all 6
	fence 1 set closed
	taken=$(bytes_taken) seen=$(packets_seen)
	wait_for 4 "packets to be dropped" dropped 1 20 10 0 # in flight now, and sent again
	lab exec A kill -STOP "$PID"
	read -r in out _ < <(fence 1 stats)
	wait_for 4 "more of them" dropped 1 $((in + 5)) $((out + 3)) 0
	[ "$(bytes_taken)" = "$taken" ]
	[ "$(packets_seen)" = "$seen" ]
	[ "$(fence 0 each)" = "1 closed 12" ]
	fence 1 set open
	lab exec A kill -CONT "$PID"
	all_right 6
	fence 1 remove
}

@test "closed for a running server, some of its flows: the others never notice" {
	serve
	talk "$OUT/4" "$OLD4" 3 chat up down push
	TALKERS+=("$TALKER")
	wait_for 5 "connections" connected 4
	fence 1 open
	[ "$(fence 1 flows "$OLD4")" = 4 ]
	[ "$(fence 1 flows "$OLD6")" = 0 ]
	talk "$OUT/6" "$OLD4" 3 chat up down push
	TALKERS+=("$TALKER")
	wait_for 5 "connections" connected 8
	fence 1 set closed
	wait_for 3 "packets to be dropped" dropped 1 10 10 0
	taken=$(bytes_taken)
	wait_for 3 "the other flows to go on" taken_more_than "$((taken + 100000))"
	fence 1 set open
	all_right 4
	# Those that were not fenced had no gap worth the name.
	python3 -c "import json, sys
gaps = [[json.loads(l)['gap_ms'] for l in open(f)] for f in sys.argv[1:]]
print(gaps); sys.exit(not (min(gaps[0]) > 200 > max(gaps[1][:3])))" "$OUT/4" "$OUT/6"
	fence 1 remove
}

@test "no SYN: nobody new, the others go on; open: the next SYN connects within 1.1 s" {
	serve '[::]:5000' # and IPv4, whose connections are v4-mapped there
	talkers 4 chat down
	fence 1 open
	fence 1 listener '[::]:5000'
	fence 1 set no-syn
	talk "$OUT/late4" "$OLD4" 1 chat
	late4=$TALKER
	talk "$OUT/late6" "$OLD6" 1 chat
	wait_for 2 "both SYNs" dropped 1 0 0 2
	taken=$(bytes_taken)
	wait_for 2 "the streams to go on" taken_more_than "$taken"
	connected 4
	fence 1 set open
	start=$EPOCHREALTIME
	wait_for 2 "the late ones" connected 6
	[ "$(elapsed_ms "$start")" -le 1100 ]
	[ "$(fence 1 flows "$OLD4")" = 3 ] # as IPv4
	fence 1 set closed
	wait_for 2 "packets to be dropped" dropped 1 3 1 2
	fence 1 set open
	wait "$late4" "$TALKER"
	all_ok "$OUT/late4" 1
	all_ok "$OUT/late6" 1
	all_right 2
}

served() { lab exec A ss -Htn state "$1" '( sport = :5000 )' | wc -l; }
served_are() { [ "$(served "$1")" = "$2" ]; }

# The client has its SYN-ACK, but what it says does not get to A until the fence is closed.
late_handshake() {
	lab exec A sysctl -qw net.ipv4.tcp_syncookies="$1"
	client nft 'add table inet late; add chain inet late out { type filter hook output priority 0; }
		add rule inet late out tcp dport 5000 tcp flags & syn == 0 drop'
	serve
	fence 1 open
	fence 1 listener "$OLD4"
	talk "$OUT/4" "$OLD4" 4 chat
	wait_for 3 "the client to be connected" connected 1
	served_are established 0
	fence 1 set "$2"
	client nft delete table inet late
}

@test "closed: no handshake ends, by an ACK or by a SYN cookie; open: it does" {
	local cookies
	for cookies in 0 2; do # never, always
		late_handshake $cookies no-syn
		wait_for 4 "the connection" served_are established 1 # so it is the fence, below
		wait "$TALKER"
		all_ok "$OUT/4" 1
		lab exec A kill -9 "$PID"
		fence 1 remove
		late_handshake $cookies closed
		wait_for 4 "packets to be dropped" dropped 1 0 0 2
		served_are established 0
		fence 1 set open
		wait_for 4 "the connection" served_are established 1
		wait "$TALKER"
		all_ok "$OUT/4" 1
		lab exec A kill -9 "$PID"
		fence 1 remove
	done
	lab exec A sysctl -qw net.ipv4.tcp_syncookies=1
}

# redirected_client: A itself is the client of a service that has moved to B.
redirected_client() {
	lab exec A "$T" redirect 10.9.0.9:5000 10.9.0.3:6000 >/dev/null
	lab spawn B "$SEQSTREAM" serve 10.9.0.3:6000 >/dev/null
	lab exec A "$SEQSTREAM" connect 10.9.0.9:5000 4 flood >"$OUT/stream" 2>&1 3>&- &
	TALKERS+=("$!")
	wait_for 5 "the connection" a_connected
}
a_connected() { [ -n "$(local_end)" ]; }
local_end() { lab exec A ss -Htn state established '( dst = 10.9.0.9:5000 )' | awk '{ print $3 }'; }

fence_redirected_client() {
	redirected_client
	fence 1 flow "$(local_end)" 10.9.0.9:5000
	fence 1 set closed
	wait_for 3 "packets to be dropped" dropped 1 2 2 0
	fence 1 set open
	wait "${TALKERS[@]}"
	all_ok "$OUT/stream" 1
	fence 1 remove
	lab exec A "$T" detach --all
}

@test "beside the redirector, whoever comes first: sees what the socket knows" {
	lab exec A "$T" attach eth0
	fence 1 open
	[ "$(hooks)" = "ingress: tcpmig_ingress, tcpmig_fence_rx
egress: tcpmig_fence_tx, tcpmig_egress" ]
	lab exec A "$T" doctor >"$OUT/doctor" || : # of other things
	grep -F 'eth0 egress: in this order: tcpmig_fence_tx, tcpmig_egress' "$OUT/doctor"
	fence_redirected_client
	fence 1 open
	lab exec A "$T" attach eth0
	[ "$(hooks)" = "ingress: tcpmig_ingress, tcpmig_fence_rx
egress: tcpmig_fence_tx, tcpmig_egress" ]
	fence_redirected_client
}

@test "clsact filters, beside the redirector's" {
	lab exec A "$T" attach eth0 --mode clsact
	fence 1 open clsact
	[ "$(hooks)" = "ingress: tcpmig_ingress, tcpmig_fence_rx
egress: tcpmig_fence_tx, tcpmig_egress" ]
	fence_redirected_client
	fence 1 open clsact
	serve
	talkers 3 chat up down push
	fence_all 4
	fence 1 set closed
	wait_for 3 "packets to be dropped" dropped 1 10 5 0
	fence 1 set open
	all_right 4
	fence 1 remove
}

@test "before those who say OK" {
	lab exec A "$TCPROG" "$BESIDE" beside_ok eth0 ingress first /sys/fs/bpf/beside
	serve
	talkers 3 chat up down push
	fence_all 4
	[[ "$(hooks)" == "ingress: tcpmig_fence_rx, beside_ok"* ]]
	fence 1 set closed
	wait_for 3 "packets to be dropped" dropped 1 10 5 0
	fence 1 set open
	all_right 4
}

@test "interfaces that come later, and go" {
	fence 1 open
	[ -z "$(fence 1 uncovered)" ]
	lab exec A ip link add fence0 type veth peer name fence1
	[ -z "$(fence 1 uncovered)" ] # not up
	lab exec A ip link set fence0 up
	[ "$(fence 1 uncovered)" = fence0 ]
	fence 1 open
	[ -z "$(fence 1 uncovered)" ]
	lab exec A ip link set fence1 up
	[ "$(fence 1 uncovered)" = fence1 ]
	fence 2 open
	[ -z "$(fence 2 uncovered)" ]
	lab exec A ip link del fence0
	fence 2 open
	[ "$(lab exec A ls $PINS | grep -c '^if')" = 2 ]
	# A link that somebody has pulled out is seen, and made again.
	lab exec A rm "$PINS/if$(lab exec A ip -o link show eth0 | cut -d: -f1)_egress"
	[ "$(fence 2 uncovered)" = eth0 ]
	fence 2 open
	[ -z "$(fence 1 uncovered)" ]
	fence 1 remove
	[ -z "$(fence 2 uncovered)" ]
}

@test "one number, one record; the last one takes everything with it" {
	fence 1 open
	fence 1 flow "$OLD4" 10.9.0.1:1
	fence 2 open
	run fence 2 flow "$OLD4" 10.9.0.1:1
	[ "$status" = 1 ]
	[[ $output == *"busy"* ]]
	fence 1 set closed
	fence 1 open # does not open what is closed
	[ "$(fence 0 each | sort)" = "1 closed 1
2 open 0" ]
	fence 1 remove
	run fence 1 stats
	[ "$status" = 1 ]
	[[ $output == *"no such migration"* ]]
	[ "$(fence 0 each)" = "2 open 0" ]
	fence 2 flow "$OLD4" 10.9.0.1:1
	fence 2 remove
	[ -z "$(fence 0 each)" ]
	lab exec A test ! -e $PINS
}

@test "the pins of another host are not taken" {
	fence 1 open
	pins=$(dirname "$(lab pins A)")/tcpmig-host
	for command in open stats; do
		run client "$FENCECTL" "$pins" 1 $command
		[ "$status" = 1 ]
		[[ $output == *"another network namespace"* ]]
	done
	[ -z "$(fence 1 uncovered)" ]
	run lab exec A setpriv --reuid=65534 --clear-groups "$FENCECTL" /sys/fs/bpf/mine 1 open
	[ "$status" = 1 ]
}

# killed_at MS COMMAND...: fence COMMAND, cut off; it may have been done by then.
killed_at() {
	local ms=$1
	shift
	lab exec A timeout -s KILL "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))" "$FENCECTL" $PINS "$@" >/dev/null 2>&1 || :
}

@test "killed at any time: what is there has a record, and goes with it" {
	local i cut=0 start=$EPOCHREALTIME took
	fence 1 open
	took=$(elapsed_ms "$start")
	fence 1 remove
	for i in $(seq 1 20); do
		killed_at $((i * took / 15)) 1 open
		if [ -z "$(fence 0 each)" ]; then
			cut=$((cut + 1))
			[[ "$(hooks)" != *tcpmig* ]] # no program without a record
		fi
		fence 1 open
		[ -z "$(fence 1 uncovered)" ]
		fence 1 many 300 "$OLD4" >/dev/null
		killed_at $((i % 10 + 1)) 1 remove
		[ -n "$(fence 0 each)" ] || [[ "$(hooks)" != *tcpmig* ]]
		remove_all
		[[ "$(hooks)" != *tcpmig* ]]
		fence 1 open # whatever pins are left are used
		fence 1 remove
		lab exec A test ! -e $PINS
	done
	echo "# $cut of 20 were killed before there was a record" >&3
	[ "$cut" -gt 0 ]
}

@test "10,000 flows (figures)" {
	fence 1 open
	fence 1 many 10000 "$OLD4" | sed 's/^/# /' >&3
	[ "$(fence 0 each)" = "1 open 10000" ]
	fence 1 remove
}
