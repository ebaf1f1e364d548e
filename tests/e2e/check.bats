# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# CHECK with images of real dumps: what a kernel has acknowledged for a process whose queues were
# dumped already is found, and nothing is found where nothing is lost.
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash
load ../agent.bash

PACED=$TOP/tests/e2e/paced.py

setup_file() {
	CRIU=$(scripts/get-criu)
	export CRIU
	lab_up client A B # B: whatever tidies up knows it
	agent_files A
}
teardown_file() { lab_down; }

setup() {
	OUT=$BATS_TEST_TMPDIR
	MOVE_TMP=$OUT
	FOOTPRINTS=$(footprints)
	PACER=
	client "$T" attach eth0
	agent_start
}

teardown() {
	cat "$AGENT_LOG"
	[ -z "$PACER" ] || client pkill -f "$PACED" || : # in the lab's own PID namespace
	agent_stop
	lab exec A sh -c 'kill -9 -1' || :
	move_done
	tidy_up
}

# serve OLD: $PID is the server on A, as A sees it.
serve() {
	OLD=$1
	ADDR=${OLD%:*} PORT=${OLD##*:}
	ADDR=${ADDR//[\[\]]/}
	PID=$(lab spawn A sh -c "ulimit -n 4096; exec python3 $PACED serve $ADDR $PORT")
	wait_for 5 "the server" listening
}
listening() { [ -n "$(lab exec A ss -Htln src "$OLD")" ]; }

# pace N BYTES MS: clients in the background.
pace() {
	client sh -c "ulimit -n 4096; exec python3 $PACED talk $ADDR $PORT $*" 3>&- &
	PACER=$!
	wait_for 20 "$1 connections" has_states established "$1"
}
# has_states STATE N: so many connections of A are in it.
has_states() { [ "$(lab exec A ss -Htn state "$1" src "$OLD" | wc -l)" = "$2" ]; }

# ask STEP...: on A, with the images.
ask() {
	lab exec A "$TOP/build/tests/e2e/imgcheck" "$MOVE_IMAGES" "$MOVE_TLS/A" "$OLD" \
		"$AGENT_AT" "$@"
}

# dump LOCK STEP...: with this network lock; asked at post-dump, after which the server goes on.
dump() {
	local lock=$1
	shift
	AGENT_AT=$(lab addr client):7170
	[[ $OLD != \[* ]] || AGENT_AT="[$(lab addr client 6)]:7170"
	cat >"$OUT/hook" <<-END
		#!/bin/sh
		[ "\$CRTOOLS_SCRIPT_ACTION" = post-dump ] || exit 0
		$TOP/build/tests/e2e/imgcheck "\$CRTOOLS_IMAGE_DIR" $MOVE_TLS/A '$OLD' '$AGENT_AT' $* \
			>$OUT/said 2>$OUT/errors
		exit 0
	END
	chmod +x "$OUT/hook"
	for _ in {1..5}; do
		move_init A
		! move_criu A dump dump -t "$PID" --leave-running --network-lock "$lock" \
			--action-script "$OUT/hook" || break
		# Without a lock a queue may grow while criu reads it, and criu sees that.
		lab exec A grep -q 'recv failed' "$MOVE_IMAGES/dump.log"
		move_done
	done
	cat "$OUT/said" "$OUT/errors"
	echo "# $BATS_TEST_DESCRIPTION: $(cat "$OUT/said" "$OUT/errors" | tr '\n' ' ')" >&3
}

# said N MATCHING LOST
said() { grep -q "^asked=$1 matching=$2 lost=$3 missing=0 unchecked=0 " "$OUT/said"; }

@test "a client that floods, and no lock: what A's kernel has acknowledged meanwhile is lost" {
	serve "$OLD4"
	pace 4 512 1
	dump skip reserve hold check abort
	said 4 0 4
	grep -q 'why=.*4 of 4 connections .* bytes acknowledged that are not in the image' "$OUT/said"
	serve "$OLD6"
	pace 4 512 1
	dump skip reserve hold check abort
	said 4 0 4
}

@test "a client that floods, and CRIU's lock: all is in the image" {
	serve "$OLD4"
	pace 4 512 1
	dump nftables reserve hold check abort
	said 4 4 0
}

@test "held before the dump: all is in the image" {
	serve "$OLD6"
	pace 4 512 1
	AGENT_AT="[$(lab addr client 6)]:7170"
	MOVE_IMAGES=$OUT/none
	ask reserve hold
	dump skip check abort
	said 4 4 0
}

@test "an idle client, 1,000 connections" {
	serve "$OLD4"
	pace 1000 0 100
	dump skip reserve hold check abort
	said 1000 1000 0
}

@test "more connections than a request may name: all fit, and if not, those of each request are found" {
	serve "$OLD4"
	pace 1500 0 100
	dump skip reserve hold check abort
	said 1500 1500 0
	client pkill -USR1 -f "python3 $PACED"
	wait_for 5 "one byte on each" received 1500
	run ask reserve hold check abort
	[ "$status" = 1 ]
	echo "$output" >"$OUT/said"
	said 1500 0 1500
}
received() { [ "$(lab exec A ss -Htin state established src "$OLD" | grep -c "bytes_received:1 ")" = "$1" ]; }

@test "a gateway: of the connections that it forwards it cannot tell" {
	local lab=/run/tcpmig-lab/$LAB_NAME
	nsenter -t "$(cat "$lab/client/pid")" -n ip link add inner type veth peer name way netns \
		"$(cat "$lab/B/pid")"
	client ip addr add 10.9.5.1/24 dev inner
	client ip link set inner up
	client sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	lab exec A ip route add 10.9.5.0/24 via 10.9.0.1
	lab exec B sh -c 'ip link set eth0 down; ip addr add 10.9.5.2/24 dev way; ip link set way up
		ip route add default via 10.9.5.1'
	serve 10.9.0.2:5001 # what B leaves there has no way to end
	AGENT_AT=$(lab addr client):7170
	MOVE_IMAGES=$OUT/none
	lab exec B python3 "$PACED" talk "$ADDR" "$PORT" 2 100 5 3>&- &
	PACER=$!
	wait_for 5 "two connections" has_states established 2
	ask reserve
	wait_for 5 "two flows that have talked" two_flows
	ask hold
	dump skip check abort
	grep -q "^asked=2 matching=0 lost=0 missing=0 unchecked=2 " "$OUT/said"
	lab exec B sh -c 'kill -9 -1; ip link del way; ip link set eth0 up'
	lab exec A ip route del 10.9.5.0/24
}
two_flows() { [ "$(json "[r['flows'] for r in d['rules']]")" = "[2]" ]; }

@test "half-closed connections, full queues, unread bytes: all fit" {
	serve "$OLD4"
	AGENT_AT=$(lab addr client):7170
	MOVE_IMAGES=$OUT/none
	client python3 "$PACED" states "$ADDR" "$PORT" >"$OUT/states" 3>&- &
	PACER=$!
	wait_for 10 "the connections" grep -q ready "$OUT/states"
	wait_for 5 "two FINs" has_states close-wait 2
	wait_for 5 "an answer to A's FIN" has_states fin-wait-2 1
	ask reserve hold
	lab exec A kill -USR1 "$PID"
	wait_for 5 "LAST_ACK" has_states last-ack 1
	wait_for 5 "FIN_WAIT1" has_states fin-wait-1 1
	has_states fin-wait-2 1
	has_states established 2
	has_states close-wait 1
	dump skip check abort
	said 6 6 0
}
