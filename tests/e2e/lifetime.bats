# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Flows with real sockets: when their entries go, what is refused and how the client learns
# it, and that those who watch are told. No server moves here.
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash

setup_file() {
	lab_up client A B
	lab spawn B python3 "$TOP/tests/e2e/echo.py" 10.9.0.3 6000 >/dev/null
	lab spawn B python3 "$TOP/tests/e2e/echo.py" fd09::3 6000 >/dev/null
	wait_for 5 "the servers" serving
}
teardown_file() { lab_down; }

serving() { [ "$(lab exec B ss -Htln '( sport = :6000 )' | wc -l)" = 2 ]; }

setup() {
	client "$T" attach eth0 >/dev/null
	client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000 >/dev/null
	client "$T" redirect '[fd09::2]:5000' '[fd09::3]:6000' >/dev/null
}

teardown() {
	client "$T" detach --all >/dev/null
	client nft delete table inet lost 2>/dev/null || : # of one test
}

# talk_once HOW ADDR...: a connection to each, a word there and back, and an end: close, reset
# (by the client), abort (by the server, which leaves unread data).
talk_once() {
	client timeout 20 python3 "$TOP/tests/e2e/once.py" "$@"
}

states() { json "sorted(f['state'] for f in d['flows'])"; }
flows_are() { [ "$(states)" = "$1" ]; }

@test "FIN both ways: the flow is over" {
	talk_once close 10.9.0.2 fd09::2
	wait_for 3 "both flows to be over" flows_are "['over', 'over']"
	[ "$(counter flow_over)" = 2 ]
}

@test "an RST of the client: the flow is over" {
	talk_once reset 10.9.0.2 fd09::2
	# Its socket is gone at once, so list has swept it; what BPF saw is in the counter.
	[ "$(counter flow_over)" = 2 ]
}

@test "an RST of the server that the client's socket takes: the flow is over" {
	talk_once abort 10.9.0.2 fd09::2
	[ "$(counter flow_over)" = 2 ]
}

# With the right addresses and the wrong sequence number, from the host at NEW.
@test "a FIN or an RST that the client's socket does not take ends nothing" {
	client timeout 20 python3 "$TOP/tests/e2e/once.py" half 10.9.0.2 >"$BATS_TEST_TMPDIR/half" 3>&- &
	half=$!
	wait_for 5 "a half-closed connection" half_closed
	port=$(json "d['flows'][0]['client']" | cut -d: -f2)
	for flags in FA RA; do
		lab exec B python3 "$TOP/tests/e2e/spoof.py" 10.9.0.3 6000 10.9.0.1 "$port" $flags
	done
	wait_for 3 "both to come in" came_in
	[ "$(counter flow_over)" = 0 ]
	lab exec B bash -c 'printf now >/dev/tcp/10.9.0.3/6000'
	wait $half
	[ "$(cat "$BATS_TEST_TMPDIR/half")" = "the rest" ]
	wait_for 3 "the end" flows_are "['over']"
}

half_closed() { client ss -Htn state fin-wait-2 '( dport = :5000 )' | grep -q 5000; }
came_in() { [ "$(counter in_rewritten)" -ge 6 ]; }

# As in a cluster: the socket is connected to an address that only this host knows.
@test "a connection whose socket sees another address than the wire is not swept" {
	client sh -c 'nft add table inet lost
		nft add chain inet lost out "{ type nat hook output priority -100; }"
		nft add rule inet lost out ip daddr 10.9.0.100 tcp dport 5000 dnat ip to 10.9.0.2'
	client timeout 20 python3 "$TOP/tests/e2e/once.py" wait 10.9.0.100 3>&- &
	waiter=$!
	wait_for 5 "a connection" connected 1
	wait_for 5 "its flow" flows_are "['active']"
	client "$T" gc | grep -qx 'removed 0 flows'
	client pkill -f "once.py wait"
	run ! wait $waiter
	wait_for 3 "the end" flows_are "['over']"
}

@test "a named connection that is idle and has a socket is not swept" {
	client "$T" release 10.9.0.2:5000
	client timeout 20 python3 "$TOP/tests/e2e/once.py" wait fd09::2 3>&- &
	waiter=$!
	wait_for 5 "a connection" connected 1
	end=$(client ss -Htn '( dport = :5000 )' | awk '{ print $4 }')
	client "$T" release '[fd09::2]:5000'
	client "$T" redirect '[fd09::2]:5000' '[fd09::3]:6000' --flow "$end"
	idle() { client "$T" gc --idle 1 | grep -qx 'removed 1 flow'; }
	run ! wait_for 3 "it to be swept" idle
	[ "$(states)" = "['active']" ]
	client pkill -f "once.py wait"
	run ! wait $waiter
}

@test "what this host answers to packets from nowhere makes no flow" {
	client "$T" release 10.9.0.2:5000
	client "$T" hold 10.9.0.2:5000
	for port in $(seq 30000 30019); do
		lab exec A python3 "$TOP/tests/e2e/spoof.py" 10.9.0.2 5000 10.9.0.1 "$port" A
	done
	wait_for 3 "the answers" answered
	[ "$(states)" = "[]" ]
}
answered() { [ "$(counter held_dropped)" -ge 20 ]; }

@test "a hold of a later move that ended by itself leaves nothing behind" {
	client "$T" hold 10.9.0.2:5000 --max 1
	over() { [ "$(json "[r['state'] for r in d['rules']]")" = "['active', 'active']" ]; }
	wait_for 3 "the end of the hold" over
	before=$(counter held_expired)
	talk_once close 10.9.0.2
	[ "$(counter held_expired)" = "$before" ]
}

@test "a connection that lives is not swept, one whose RST was lost is" {
	client sh -c 'nft add table inet lost
		nft add chain inet lost out "{ type filter hook output priority 0; }"
		nft add rule inet lost out tcp flags rst drop'
	client timeout 20 python3 "$TOP/tests/e2e/once.py" wait 10.9.0.2 fd09::2 3>&- &
	waiter=$!
	wait_for 5 "two connections" connected 2
	[ "$(states)" = "['active', 'active']" ]
	client "$T" gc | grep -qx 'removed 0 flows'
	talk_once reset 10.9.0.2 fd09::2
	[ "$(counter flow_over)" = 0 ]
	client "$T" gc -j | grep -q '"removed": 2'
	[ "$(states)" = "['active', 'active']" ]
	client pkill -f "once.py wait"
	run ! wait $waiter
}

@test "a connection that TIME_WAIT remembers is not swept" {
	talk_once close 10.9.0.2
	port=$(json "d['flows'][0]['client']" | cut -d: -f2)
	[ "$(client ss -Htn state time-wait "( sport = :$port )" | wc -l)" = 1 ]
	client "$T" gc | grep -qx 'removed 0 flows'
	flows_are "['over']"
}

@test "list sweeps, too" {
	client sh -c 'nft add table inet lost
		nft add chain inet lost out "{ type filter hook output priority 0; }"
		nft add rule inet lost out tcp flags rst drop'
	talk_once reset 10.9.0.2
	[ "$(counter flow_over)" = 0 ]
	[ "$(states)" = "[]" ]
}

# One that is connected to B itself has the tuple; the one to OLD comes later.
@test "a flow whose wire tuple a direct connection has is refused at once" {
	for addr in "10.9.0.2 10.9.0.3" "fd09::2 fd09::3"; do
		# shellcheck disable=SC2086 # words
		run client timeout 10 python3 "$TOP/tests/e2e/once.py" clash $addr
		[ "$output" = refused ]
	done
	[ "$(counter refused_rst)" = 2 ]
	[ "$(counter wire_taken)" = 2 ]
}

@test "watch tells what happens, as JSON and for people" {
	client timeout 20 "$T" watch -j >"$BATS_TEST_TMPDIR/json" 3>&- &
	watcher=$!
	wait_for 3 "the watcher" watching
	run --separate-stderr client "$T" watch
	check_failure 1 "another 'watch'"
	client "$T" hold 10.9.0.4:5000 >/dev/null
	client "$T" release 10.9.0.4:5000 >/dev/null
	talk_once close 10.9.0.2
	wait_for 3 "the end" grep -q flow-over "$BATS_TEST_TMPDIR/json"
	client pkill -TERM -f "$T watch" # of this lab's PID namespace
	wait $watcher
	python3 - "$BATS_TEST_TMPDIR/json" <<'END'
import json, sys
events = [json.loads(line) for line in open(sys.argv[1])]
assert [(e["event"], e["state"]) for e in events] == [
    ("rule", "held"), ("rule", "free"), ("flow-new", "active"), ("flow-over", "active")], events
assert events[0]["old"] == "10.9.0.4:5000" and events[0]["new"] is None
assert events[2]["old"] == "10.9.0.2:5000" and events[2]["client"].startswith("10.9.0.1:")
assert [e["boottime_ns"] for e in events] == sorted(e["boottime_ns"] for e in events)
END
	client timeout 20 "$T" watch >"$BATS_TEST_TMPDIR/text" 3>&- &
	watcher=$!
	wait_for 3 "the watcher" watching
	talk_once close 10.9.0.2
	wait_for 3 "the end" grep -q flow-over "$BATS_TEST_TMPDIR/text"
	client pkill -INT -f "$T watch"
	wait $watcher
	grep -q '^TIME' "$BATS_TEST_TMPDIR/text"
	grep -Eq '^[0-9:.]{15}  flow-over +active +10\.9\.0\.2:5000 +10\.9\.0\.1:[0-9]+$' "$BATS_TEST_TMPDIR/text"
}

watching() { client pgrep -f "$T watch" >/dev/null; }

@test "watch ends when nothing is attached any more" {
	client timeout 20 "$T" watch >"$BATS_TEST_TMPDIR/text" 2>&1 3>&- &
	wait_for 3 "the watcher" watching
	client "$T" detach --all
	wait %%
	grep -q "nothing is attached any more" "$BATS_TEST_TMPDIR/text"
}

# A bpffs root stays, and so does a directory with somebody else's pins.
@test "watch ends where the pin directory stays, or was made anew, too" {
	client mkdir "$DEFAULT_PINS/others"
	client timeout 20 "$T" watch >"$BATS_TEST_TMPDIR/text" 2>&1 3>&- &
	wait_for 3 "the heading" grep -q '^TIME' "$BATS_TEST_TMPDIR/text"
	client "$T" detach --all
	wait $!
	grep -q "nothing is attached any more" "$BATS_TEST_TMPDIR/text"
	[ "$(client ls "$DEFAULT_PINS")" = others ]
	client rmdir "$DEFAULT_PINS/others" "$DEFAULT_PINS"
	client "$T" --pin-dir /sys/fs/bpf attach eth0
	client timeout 20 "$T" watch --pin-dir /sys/fs/bpf >"$BATS_TEST_TMPDIR/again" 2>&1 3>&- &
	watcher=$!
	wait_for 3 "the heading" grep -q '^TIME' "$BATS_TEST_TMPDIR/again"
	client pkill -STOP -x tcpmig-bpf
	client "$T" --pin-dir /sys/fs/bpf detach --all
	client "$T" --pin-dir /sys/fs/bpf attach eth0
	client pkill -CONT -x tcpmig-bpf
	wait $watcher
	grep -q "nothing is attached any more" "$BATS_TEST_TMPDIR/again"
	client "$T" --pin-dir /sys/fs/bpf detach --all
	run ! client sh -c 'ls /sys/fs/bpf | grep -v "[.]debug$"'
}

@test "watch: nobody but its user can keep it out, a kill leaves nothing in the way" {
	id=$(client bpftool -j map show pinned "$DEFAULT_PINS/tcpmig_events" |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
	client setpriv --reuid 65534 --regid 65534 --clear-groups timeout 20 python3 -c "import socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('\0tcpmig-watch-$id') # the lock that there once was
time.sleep(20)" 3>&- &
	squatter=$!
	wait_for 3 "the name" bound
	run ! client setpriv --reuid 65534 --regid 65534 --clear-groups flock -n "$DEFAULT_PINS/tcpmig_watch" true
	for signal in KILL TERM; do
		client timeout 20 "$T" watch >"$BATS_TEST_TMPDIR/text" 2>&1 3>&- &
		watcher=$!
		wait_for 3 "the heading" grep -q '^TIME' "$BATS_TEST_TMPDIR/text"
		run --separate-stderr client "$T" watch
		check_failure 1 "another 'watch'"
		client pkill -$signal -x tcpmig-bpf
		wait $watcher || [ $signal = KILL ]
	done
	client pkill -f tcpmig-watch-
	run ! wait $squatter
	client "$T" detach --all
	run ! client ls "$DEFAULT_PINS"
}

bound() { client grep -q tcpmig-watch- /proc/net/unix; }

@test "list says how old a rule is" {
	[ "$(json "0 <= d['rules'][0]['state_ms'] <= d['rules'][0]['age_ms'] < 60000")" = True ]
	client "$T" list | grep -q AGE
}
