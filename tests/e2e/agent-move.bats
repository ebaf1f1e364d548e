# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Moves by criu alone, whose hook orders the client's agent: no host sees the pins of another.
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash
load ../agent.bash

setup_file() {
	CRIU=$(scripts/get-criu)
	export CRIU
	lab_up client A B C
	agent_files A B C
	agent_host stranger 10.9.0.99
	agent_host half3 10.9.0.3
}
teardown_file() { lab_down; }

setup() {
	OUT=$BATS_TEST_TMPDIR
	MOVE_TMP=$OUT
	FOOTPRINTS=$(footprints)
	client "$T" attach eth0
	agent_start
}

teardown() {
	cat "$AGENT_LOG"
	agent_stop
	tidy_up
}

# stage HOST ACTION: as criu would call the hook there.
stage() {
	hook_env "$1"
	lab exec "$1" env "${HOOK_ENV[@]}" CRTOOLS_SCRIPT_ACTION="$2" \
		CRTOOLS_IMAGE_DIR="$MOVE_IMAGES" "$T"
}

# hook_at ACTION COMMANDS: a hook that does this first, at that stage.
hook_at() {
	MOVE_HOOK=$OUT/hook
	cat >"$MOVE_HOOK" <<-END
		#!/bin/sh
		[ "\$CRTOOLS_SCRIPT_ACTION" != $1 ] || { $2; }
		exec $T
	END
	chmod +x "$MOVE_HOOK"
}

# said WHERE TEXT: the hook there, by criu's log of WHERE: dump or restore.
said() { lab exec A grep -q "$2" "$MOVE_IMAGES/$1.log"; }

# dump_and_wait: as by somebody who restores before A's process has ended: a hook around ours that
# does not return from post-dump before end_dump STATUS.
dump_and_wait() {
	MOVE_HOOK=$OUT/waiting
	cat >"$MOVE_HOOK" <<-END
		#!/bin/sh
		$T || exit
		[ "\$CRTOOLS_SCRIPT_ACTION" = post-dump ] || exit 0
		touch $OUT/dumped
		until [ -s $OUT/end ]; do sleep 0.05; done
		exit \$(cat $OUT/end)
	END
	chmod +x "$MOVE_HOOK"
	move_init A
	move_dump A "$PID" 3>&- &
	DUMP=$!
	wait_for 10 "the dump" test -e "$OUT/dumped"
	move_rewrite A
	MOVE_HOOK=
}

# end_dump STATUS: 0: its process ends; 1: it goes on.
end_dump() {
	local status=0
	echo "$1" >"$OUT/end"
	wait "$DUMP" || status=$?
	[ "$status" = "$1" ]
	MOVE_LOCK=$(nft_tables A | grep CRIU) || : # none where it goes on
	move_unlock A
}

state_of_a() { lab exec A ps -o stat= -p "$PID" | cut -c1; }

# The server is where it was, as if nothing had been, and so are the connections.
stayed() {
	[[ $(state_of_a) == [SR] ]]
	wait_for 6 "no rule" no_rules
	talked
	both_ok "$1"
}
no_rules() { [ "$(json "d['rules']")" = "[]" ]; }

@test "from A to B, onward to C, and home to A: IPv4 and IPv6" {
	serve_and_talk 14 "${ALL_MODES[@]}"
	[ "$(json "d['agent']")" = "{'running': True, 'moves': []}" ]
	moves
	[ "$(json "[r['state'] for r in d['rules']]")" = "['active', 'active']" ]
	[ "$(json "sorted(r['new'] for r in d['rules'])")" = "['$NEW4', '$NEW6']" ]
	[ "$(json "d['agent']['moves']")" = "[]" ]
	MOVE_CUR=("$NEW4" "$NEW6")
	MOVE_NEW=('10.9.0.4:7000' '[fd09::4]:7000')
	move B "$PID" C
	MOVE_CUR=("${MOVE_NEW[@]}")
	MOVE_NEW=("${MOVE_OLD[@]}")
	move C "$PID" A
	wait_for 5 "OLD to be itself again" no_rules
	talked
	both_ok 5
}

@test "new connections to OLD reach B" {
	serve_and_talk 4 chat
	move A "$PID" B
	client "$SEQSTREAM" connect "$OLD4" 1 chat down >"$OUT/new"
	all_ok "$OUT/new" 2
	talked
	both_ok 1
}

@test "restored before the process has ended at A" {
	serve_and_talk 6 "${ALL_MODES[@]}"
	dump_and_wait
	move_restore B
	[ "$(state_of_a)" = t ]
	end_dump 0
	[ -z "$(state_of_a)" ]
	talked
	both_ok 5
}

@test "a host that cannot speak for NEW: the restore fails, and A goes on" {
	serve_and_talk 8 "${ALL_MODES[@]}"
	MOVE_ENV=(TCPMIG_HOLD_S=3)
	dump_and_wait
	[ "$(agent_moves "(m['state'], m['consented'], m['committed'])")" = \
		"[('held', False, True), ('held', False, True)]" ]
	client "$T" list 2>/dev/null | grep -qE "^$OLD4 +$OLD4 +$NEW4 +held +no +yes +[0-9]+ +[0-9a-f-]{36}$"
	hook_at pre-restore "export TCPMIG_TLS=$MOVE_TLS/stranger"
	run move_restore B
	[ "$status" = 1 ]
	said restore 'refuses consent: .*expected a certificate with the IP address of'
	[ -z "$(lab exec B ss -Htln '( sport = :6000 )')" ]
	[ "$(agent_moves "m['state']")" = "['held', 'held']" ]
	end_dump 1
	stayed 5
}

@test "an agent that cannot be armed: the copy is killed, and A goes on at once" {
	serve_and_talk 6 "${ALL_MODES[@]}"
	dump_and_wait
	hook_at post-restore "export TCPMIG_TLS=$MOVE_TLS/half3" # its certificate has the IPv4 address alone
	run move_restore B
	[ "$status" = 1 ]
	said restore '\[fd09::1\]:7170: refuses arm: '
	[ -z "$(lab exec B ss -Htln '( sport = :6000 )')" ]
	[ "$(json "[r['state'] for r in d['rules']]")" = "['held']" ] # the other is over
	end_dump 1
	client "$T" release "$OLD6" # or at the end of the hold
	stayed 5
}

@test "a hold that ends before the copy is complete: it is killed, and A goes on" {
	serve_and_talk 8 "${ALL_MODES[@]}"
	MOVE_ENV=(TCPMIG_HOLD_S=2)
	dump_and_wait
	hook_at post-restore 'sleep 3'
	run move_restore B
	[ "$status" = 1 ]
	said restore 'refuses arm: .*has the hold ended?'
	[ -z "$(lab exec B ss -Htln '( sport = :6000 )')" ]
	end_dump 1
	stayed 5
}

@test "a client without an agent: nothing is frozen" {
	serve_and_talk 4 chat
	agent_stop
	move_init A
	hook_at post-dump "touch $OUT/frozen"
	run move_dump A "$PID"
	[ "$status" = 1 ]
	said dump '10.9.0.1:7170: nobody listens there; is the agent running? (and 1 more); nothing is frozen'
	[ ! -e "$OUT/frozen" ]
	run ! lab exec A test -e "$MOVE_IMAGES/tcpmig-move.json"
	stayed 1
}

@test "a NAT between: the connections are not the host's where they seem to come from" {
	client nft -f - <<-'END'
		table ip nat {
			chain out {
				type nat hook postrouting priority 100
				tcp dport 5000 masquerade to :30000-30100
			}
		}
	END
	serve_and_talk 4 chat
	move_init A
	run move_dump A "$PID"
	client nft delete table ip nat
	[ "$status" = 1 ]
	said dump "10.9.0.1:7170: 1 of 1 connections are not that host's, 10.9.0.1:30.* for one; is there a NAT between?"
	no_rules
	talked
	all_ok "$OUT/6" 1
}

@test "it need not have one where that is said, and loses its connections" {
	serve_and_talk 3 idle
	agent_stop
	MOVE_ENV=(TCPMIG_REQUIRE_AGENTS=none)
	move_init A
	move_dump A "$PID"
	said dump 'note: 10.9.0.1:7170: nobody listens there.*its connections will be lost'
	move_rewrite A
	move_restore B
	move_unlock A
	talked
	none_ok 2
}

@test "an agent that refuses to reserve: nothing is frozen" {
	serve_and_talk 4 chat
	MOVE_ENV=(TCPMIG_HOLD_S=3600) # more than its limit
	move_init A
	run move_dump A "$PID"
	[ "$status" = 1 ]
	said dump 'refuses reserve: .*nothing is frozen'
	no_rules
	[ "$(json "d['agent']['moves']")" = "[]" ]
	stayed 1
}

@test "what cannot be begun is undone" {
	serve_and_talk 4 chat
	move_init A
	lab exec A mkdir "$MOVE_IMAGES/tcpmig-move.json.new" # in the way
	run move_dump A "$PID"
	[ "$status" = 1 ]
	said dump "'tcpmig-move.json': cannot write it: Is a directory"
	no_rules # at once, not at the end of what was reserved
	[ "$(json "d['agent']['moves']")" = "[]" ]
	grep -q 'type=abort .*result=ok' "$AGENT_LOG"
	stayed 1
}

@test "an agent that refuses at the end: the dump fails, and the process goes on" {
	serve_and_talk 7 chat push
	MOVE_ENV=(TCPMIG_HOLD_S=3)
	move_init A
	hook_at post-dump "export TCPMIG_TLS=$MOVE_TLS/stranger"
	run move_dump A "$PID"
	[ "$status" = 1 ]
	said dump 'refuses hold: .*the process goes on here'
	run ! lab exec A test -e "$MOVE_IMAGES/tcpmig-move.json"
	[ "$(agent_moves "m['state']")" = "['held', 'held']" ] # a stranger cannot end that either
	stayed 2
}

@test "one of two that has committed, the other is cut off: both holds end, and nothing is lost" {
	serve_and_talk 15 chat push
	MOVE_ENV=(TCPMIG_HOLD_S=9 TCPMIG_TIMEOUT_MS=500)
	# From COMMIT on, known by its length, nothing that A says by IPv6 gets there.
	cat >"$OUT/cut" <<-'END'
		table ip6 cut {
			set off {
				type ipv6_addr
				flags dynamic,timeout
				timeout 1m
			}
			chain out {
				type filter hook output priority 0
				tcp dport 7170 ip6 daddr @off drop
				tcp dport 7170 tcp flags & psh == psh meta length 130-147 add @off { ip6 daddr } drop
			}
		}
	END
	move_init A
	hook_at post-dump "nft -f $OUT/cut"
	run move_dump A "$PID"
	lab exec A nft delete table ip6 cut
	[ "$status" = 1 ]
	said dump '\[fd09::1\]:7170: no answer within 500 ms; the process goes on here'
	sleep 4 # a COMMIT that TCP goes on sending would have come
	[ "$(agent_moves "(m['state'], m['committed'])")" = "[('held', True), ('held', False)]" ]
	stayed 2
}

@test "what is not committed, or has been restored, is not restored" {
	serve_and_talk 6 chat
	move_init A
	move_dump A "$PID"
	move_rewrite A
	file=$MOVE_IMAGES/tcpmig-move.json
	lab exec B sed -i.good 's/"committed": *true/"committed":false/' "$file"
	run move_restore B
	[ "$status" = 1 ]
	said restore 'the dump was given up, or is not complete'
	lab exec B mv "$file.good" "$file"
	MOVE_NEW=(10.9.0.3:6001 '[fd09::3]:6001')
	run move_restore B
	[ "$status" = 1 ]
	said restore "images are those of a move of $OLD4 to $NEW4"
	MOVE_NEW=("$NEW4" "$NEW6")
	move_restore B
	run stage B pre-restore
	[ "$status" = 1 ]
	[[ $output == *'have been restored before'* ]]
	move_unlock A
	talked
	both_ok 1
}

@test "after the move A cannot order any more, nor can the orders be played again" {
	serve_and_talk 4 chat
	move_init A
	move_dump A "$PID"
	file=$MOVE_IMAGES/tcpmig-move.json
	lab exec A cp "$file" "$file.dumped"
	move_rewrite A
	move_restore B
	move_unlock A
	before=$(json "[(r['old'], r['new'], r['state'], r['epoch']) for r in d['rules']]")
	for from in A B; do
		lab exec A cp "$file.dumped" "$file"
		run stage $from post-dump # the same once more
		[ "$status" = 1 ]
		[[ $output == *'refuses hold: '* || $output == *'must come from'* ]]
	done
	# A new one: its epoch would be right.
	lab exec A cp "$file.dumped" "$file"
	lab exec A sed -i 's/"epoch": */&9/; s/"uuid": *"./"uuid":"0/' "$file"
	run stage A post-dump
	[ "$status" = 1 ]
	[[ $output == *'refuses hold: '* ]]
	[ "$(json "[(r['old'], r['new'], r['state'], r['epoch']) for r in d['rules']]")" = "$before" ]
	talked
	both_ok 1
}

# raise FILE: the epochs in the state of an agent that is not running, to 2^40.
raise() {
	python3 - "$1" <<-'END'
		import struct, sys, zlib
		with open(sys.argv[1], "r+b") as file:
		    data = bytearray(file.read())
		    for at in range(0, len(data) - 511, 512):
		        if not any(data[at:at + 4]):
		            continue
		        data[at + 32:at + 40] = struct.pack("=Q", 2 ** 40)  # behind head and UUID
		        data[at + 4:at + 8] = struct.pack("=I", zlib.crc32(data[at + 8:at + 512]))
		    file.seek(0)
		    file.write(data)
	END
}

# agent_at_c: another client's agent, on C.
agent_at_c() {
	lab exec C "$T" agent --config "$OUT/c.conf" >"$OUT/c.log" 2>&1 3>&- &
	C_JOB=$!
	wait_for 5 "the agent of C" grep -q event=ready "$OUT/c.log" || { cat "$OUT/c.log" && false; }
	C_AGENT=$(lab exec C pgrep -o -f 'tcpmig-bpf agent')
}
end_at_c() {
	lab exec C kill "$C_AGENT"
	wait "$C_JOB"
}

both_connected() { [ "$(lab exec A ss -Htn sport = :5900 | wc -l)" = 2 ]; }

@test "one agent that has seen a far higher epoch than the others is no reason to refuse" {
	local old=10.9.0.2:5900
	MOVE_OLD=("$old") MOVE_CUR=("$old") MOVE_NEW=(10.9.0.3:6900)
	"$T" pki issue --dir "$BATS_FILE_TMPDIR/pki" --role agent --ip 10.9.0.4 --out "$OUT/c"
	sed "s,^cert.*,cert = $OUT/c.crt,; s,^key.*,key = $OUT/c.key,; s,^state.*,state = $OUT/state," \
		"$BATS_FILE_TMPDIR/agent.conf" >"$OUT/c.conf"
	lab exec C "$T" attach eth0
	agent_at_c
	lab spawn A python3 -c 'import socket; s = socket.create_server(("10.9.0.2", 5900))
while True: s.accept()[0].detach()' >/dev/null
	for host in client C; do
		lab spawn $host python3 -c 'import socket, time
while True:
    try: s = socket.create_connection(("10.9.0.2", 5900)); break
    except OSError: time.sleep(0.05)
time.sleep(1000)' >/dev/null
	done
	wait_for 5 "both" both_connected
	MOVE_IMAGES=$(lab shared)/$BATS_TEST_NUMBER
	lab exec A mkdir "$MOVE_IMAGES"
	stage A pre-dump
	client "$T" release "$old"
	lab exec C "$T" release "$old"
	end_at_c
	raise "$OUT/state/agent.state"
	agent_at_c
	stage A pre-dump
	[ "$(json "[r['state'] for r in d['rules']]")" = "['held']" ]
	grep -o 'type=hold.*epoch=[0-9]*' "$OUT/c.log" | grep -q "epoch=$((2 ** 40 + 1))$"
	client "$T" release "$old"
	lab exec C "$T" release "$old"
	end_at_c
	lab exec C "$T" detach --all
}
