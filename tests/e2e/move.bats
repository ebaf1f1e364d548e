# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Real servers, real CRIU, real redirect: open connections survive a move to another
# address and port, and do not without us.
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash

setup_file() {
	CRIU=$(scripts/get-criu)
	export CRIU
	lab_up client A B
	note_foreign_programs
}
teardown_file() { lab_down; }

@test "a stream in every mode, IPv4 and IPv6, another address and port" {
	serve_and_talk 4 "${ALL_MODES[@]}"
	move A "$PID" B
	[ "$(json "[r['state'] for r in d['rules']]")" = "['active', 'active']" ]
	[ "$(json "len(d['flows'])")" = 10 ]
	talked
	both_ok 5
	[ "$(counter wire_taken)" = 0 ]
	[ "$(counter rewrite_failed)" = 0 ]
}

@test "the same with checksums made in software" {
	for host in client A B; do
		lab exec $host ethtool -K eth0 tx off >/dev/null
	done
	serve_and_talk 4 "${ALL_MODES[@]}"
	moves
	talked
	both_ok 5
}

@test "the same by clsact filters" {
	client "$T" detach --all
	client "$T" attach eth0 --mode clsact
	serve_and_talk 4 "${ALL_MODES[@]}"
	moves
	talked
	both_ok 5
}

@test "new connections to OLD reach B, direct ones to NEW stay direct" {
	serve_and_talk 5 chat
	move A "$PID" B
	client "$SEQSTREAM" connect "$OLD4" 1 chat down >"$OUT/new"
	all_ok "$OUT/new" 2
	client "$SEQSTREAM" connect "$NEW4" 1 chat down >"$OUT/direct"
	all_ok "$OUT/direct" 2
	[ "$(json "len([f for f in d['flows'] if f['old'] == '$OLD4'])")" = 3 ]
	talked
	both_ok 1
}

@test "a direct connection never takes the wire tuple of a redirected one" {
	serve_and_talk 4 chat
	port=$(client ss -Htn "( dport = :5000 and dst 10.9.0.2 )" | awk '{ print $4 }' | cut -d: -f2)
	move A "$PID" B
	run client timeout 2 python3 -c "import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('10.9.0.1', $port))
s.connect(('10.9.0.3', 6000))"
	[[ $output == *ConnectionRefusedError* ]] # its SYN never left
	[ "$(counter wire_taken)" -gt 0 ]
	talked
	both_ok 1
}

@test "without hold: the hook alone redirects" {
	serve_and_talk 4 chat push
	move_hold() { :; }
	moves
	talked
	both_ok 2
}

@test "held for 9 s: idle connections live, nothing is lost" {
	serve_and_talk 11 "${ALL_MODES[@]}"
	move_hold
	sleep 9 # longer than TCP bears packets that are dropped and none in flight: 7.9 s
	connected 10
	[ "$(counter held_dropped)" -gt 0 ]
	client "$T" release "$OLD4"
	client "$T" release "$OLD6"
	talked
	both_ok 5
}

@test "held and released: nothing is lost" {
	serve_and_talk 4 "${ALL_MODES[@]}"
	move_hold
	sleep 1 # held
	client "$T" release "$OLD4"
	client "$T" release "$OLD6"
	[ "$(json "d['rules']")" = "[]" ]
	talked
	both_ok 5
}

@test "a hold that nobody ends: it ends by itself and nothing is lost" {
	serve_and_talk 4 "${ALL_MODES[@]}"
	MOVE_HOLD="--max 1" move_hold
	talked
	both_ok 5
	[ "$(counter held_expired)" -gt 0 ]
}

@test "an RST of A while held does not end the connection" {
	serve_and_talk 3 chat
	lab exec A kill -STOP "$PID"
	wait_for 3 "unread data" unread
	move_hold
	lab exec A kill -9 "$PID" # with unread data: its kernel sends RST
	wait_for 3 "an RST of A" rst_seen
	connected 2
	client "$T" release "$OLD4"
	client "$T" release "$OLD6"
	wait_for 3 "an RST that is let in" connected 0
	talked
	none_ok 2
}

rst_seen() { [ "$(counter held_rst)" -ge 2 ]; }
unread() { [ "$(lab exec A ss -Htn '( sport = :5000 )' | awk '$2 > 0' | wc -l)" = 2 ]; }

@test "from A to B to C and back to A" {
	client true
	serve_and_talk 9 chat down idle
	move A "$PID" B
	MOVE_CUR=("$NEW4" "$NEW6")
	MOVE_NEW=('10.9.0.2:7000' '[fd09::2]:7000')
	move B "$PID" A
	[ "$(json "[r['new'] for r in d['rules'] if '.' in r['old']]")" = "['10.9.0.2:7000']" ]
	MOVE_CUR=("${MOVE_NEW[@]}")
	MOVE_NEW=("$NEW4" "$NEW6")
	move A "$PID" B
	MOVE_CUR=("${MOVE_NEW[@]}")
	MOVE_NEW=("${MOVE_OLD[@]}")
	move B "$PID" A
	[ "$(json "d['rules']")" = "[]" ] # OLD is itself again
	talked
	both_ok 3
}

@test "by hand, without criu's hook, as the README says" {
	serve_and_talk 8 chat push idle
	move_init A
	client "$T" hold "$OLD4" --next "$NEW4"
	client "$T" hold "$OLD6" --next "$NEW6"
	move_dump A "$PID"
	move_rewrite A
	MOVE_HOOK=/bin/true move_restore B
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	move_unlock A
	[ "$(counter fence_next_early)" -gt 0 ]
	talked
	both_ok 3
}

@test "a direct connection that was there first keeps its wire tuple" {
	lab spawn A "$SEQSTREAM" serve 10.9.0.2:5000
	lab spawn B "$SEQSTREAM" serve 10.9.0.3:5000
	# The same local address and port to A and to B; A is then redirected to B.
	run client timeout 20 python3 - "$T" <<-'END'
		import socket, subprocess, sys
		HELLO = (0x7365717374726d31).to_bytes(8, "little") + bytes(8)
		ends = []
		for host in "10.9.0.2", "10.9.0.3":
		    s = socket.socket()
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		    s.settimeout(2)
		    s.bind(("10.9.0.1", 41234))
		    s.connect((host, 5000))
		    s.sendall(HELLO)
		    ends.append(s)
		said = subprocess.check_output([sys.argv[1], "redirect", "10.9.0.2:5000", "10.9.0.3:5000", "-j"])
		assert b'"refused": 1' in said, said
		ends[0].sendall(bytes(16)) # refused: it would look like the direct one
		ends[1].shutdown(socket.SHUT_WR)
		assert len(ends[1].recv(40)) == 40 and ends[1].recv(1) == b"", "the direct one is disturbed"
	END
	echo "$output"
	[ "$status" = 0 ]
	[ "$(counter wire_taken)" -gt 0 ]
}

@test "control: without the redirect no connection survives" {
	serve_and_talk 3 idle idle # silent: the restore itself succeeds
	MOVE_HOOK=/bin/true
	MOVE_HOLD="--max 2"
	move A "$PID" B
	talked
	none_ok 4
}

@test "control: redirected to a wrong port no connection survives" {
	serve_and_talk 3 idle idle
	MOVE_HOLD="--max 2"
	move_init A
	move_hold
	move_dump A "$PID"
	move_rewrite A
	MOVE_NEW=('10.9.0.3:6001' '[fd09::3]:6001') # the images say 6000
	move_restore B
	move_unlock A
	talked
	none_ok 4
	move_done
}

@test "a hook that fails stops the restore" {
	serve_and_talk 3 chat
	MOVE_NEW=('10.9.0.3:6000' '[fd09::3]:6000')
	move_init A
	move_hold
	move_dump A "$PID"
	move_rewrite A
	MOVE_NEW=(nonsense nonsense)
	run move_restore B
	[ "$status" = 1 ]
	[[ $output == *"'nonsense': port is missing"* ]]
	[ -z "$(lab exec B ss -Htln '( sport = :6000 )')" ]
	move_unlock A
}

@test "redis: every INCR is answered once" {
	ln -sf /usr/bin/redis-check-rdb "$OUT/redis-server" # one program, by its name
	PID=$(lab spawn A "$OUT/redis-server" --bind 10.9.0.2 --port 5000 --save '' --appendonly no \
		--protected-mode no)
	wait_for 5 "redis" client redis-cli -h 10.9.0.2 -p 5000 ping
	client python3 "$TOP/tests/e2e/redis_incr.py" 10.9.0.2 5000 4 >"$OUT/redis" 2>&1 3>&- &
	INCR=$!
	wait_for 5 "the connection" connected 1
	sleep 1 # of counting
	MOVE_OLD=("$OLD4") MOVE_CUR=("$OLD4") MOVE_NEW=("$NEW4")
	moves
	wait "$INCR" || { cat "$OUT/redis"; false; }
	[ "$(cat "$OUT/redis")" -gt 1000 ]
}

# iperf3 ARGS...: a bulk transfer through a move; the client must see no error.
iperf_moves() {
	PID=$(lab spawn A iperf3 -s -B 10.9.0.2 -p 5000)
	wait_for 5 "iperf3" lab exec A ss -Htln '( sport = :5000 )'
	client timeout 30 iperf3 -c 10.9.0.2 -p 5000 -t 8 -b 200M -J "$@" >"$OUT/iperf" 2>&1 3>&- &
	IPERF=$!
	wait_for 5 "control and data connection" connected 2
	sleep 1 # of transfer
	MOVE_OLD=("$OLD4") MOVE_CUR=("$OLD4") MOVE_NEW=("$NEW4")
	moves
	wait "$IPERF" || { cat "$OUT/iperf"; false; }
	python3 - "$OUT/iperf" <<-'END'
		import json, sys
		report = json.load(open(sys.argv[1]))
		assert "error" not in report, report["error"]
		# most of the 8 s at 200 Mbit/s, as the receiver counted it
		assert report["end"]["sum_received"]["bytes"] > 100e6, report["end"]["sum_received"]
		assert report["intervals"][-1]["sum"]["bytes"] > 0
	END
}

@test "iperf3: upload goes on" { iperf_moves; }

@test "iperf3: download goes on" { iperf_moves -R; }
