# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# hold, redirect, release and list where an agent serves the pins.
bats_require_minimum_version 1.5.0
load ../lib.bash
load ../agent.bash

setup_file() {
	lab_up client A
	agent_files
	lab spawn A python3 "$TOP/tests/e2e/echo.py" 10.9.0.2 5000
	wait_for 5 "the server" lab exec A ss -Htln '( sport = :5000 )'
	lab spawn client python3 "$TOP/tests/e2e/once.py" wait 10.9.0.2
}
teardown_file() { lab_down; }

setup() {
	client "$T" attach eth0
	agent_start
}

teardown() {
	cat "$AGENT_LOG"
	[ -z "${STOPPED:-}" ] || client kill -CONT "$STOPPED"
	agent_stop
	client "$T" detach --all
}

# The one that serves; $AGENT is its keeper.
worker() { client pgrep -P "$AGENT"; }

# hang: it will answer nobody.
hang() {
	STOPPED=$(worker)
	client kill -STOP "$STOPPED"
}

no_agent() { [ "$(json "d['agent']['running']")" = False ]; }

@test "the same text and the same JSON as without" {
	for how in with without; do
		[ "$how" = with ] || agent_stop
		for options in '' -j; do
			client "$T" $options hold 10.9.0.2:5000 --max 60 --next 10.9.0.3:6000
			client "$T" $options redirect 10.9.0.2:5000 10.9.0.3:6000
			client "$T" $options redirect 10.9.0.2:5001 10.9.0.3:6001 --flow 10.9.0.1:40000
			client "$T" list -j | python3 -c "import json, sys
for r in json.load(sys.stdin)['rules']: print(r['old'], r['new'], r['state'], r['established_only'], r['flows'])"
			client "$T" $options release 10.9.0.2:5000
			client "$T" $options release 10.9.0.2:5001
			client "$T" $options hold 10.9.0.2:5000 --hold swallow --flow 10.9.0.1:40000
			client "$T" $options release 10.9.0.2:5000
		done >"$BATS_TEST_TMPDIR/$how" 2>&1
	done
	cat "$BATS_TEST_TMPDIR/with"
	[ "$(grep -c 'redirected 10.9.0.2:5000 to 10.9.0.3:6000, 1 flow known' "$BATS_TEST_TMPDIR/with")" = 1 ]
	diff "$BATS_TEST_TMPDIR/with" "$BATS_TEST_TMPDIR/without"
}

@test "what its policy does not allow is refused, with its words; without it, it is done" {
	run --separate-stderr client "$T" hold 192.0.2.7:5000
	check_failure 1 "'192.0.2.7:5000': the agent refuses: "
	[[ $stderr == *'outside the policy'* ]]
	run --separate-stderr client "$T" redirect 10.9.0.2:5000 192.0.2.7:5000
	check_failure 1 'outside the policy'
	[ "$(json "d['rules']")" = "[]" ]
	agent_stop
	client "$T" hold 192.0.2.7:5000
	[ "$(json "d['rules'][0]['old']")" = 192.0.2.7:5000 ]
	client "$T" release 192.0.2.7:5000
}

@test "no rule to release: it says so" {
	run --separate-stderr client "$T" release 10.9.0.2:5000
	check_failure 1 "'10.9.0.2:5000': the agent refuses: there is no rule for it"
}

@test "more connections than go into one frame" {
	client python3 - "$T" <<-'END'
		import subprocess, sys
		flows = [f"--flow=10.9.0.1:{10000 + i}" for i in range(2500)]
		for command in ["redirect", "10.9.0.2:5000", "10.9.0.3:6000"], ["hold", "10.9.0.2:5001"]:
		    done = subprocess.run([sys.argv[1], *command, *flows], stdout=subprocess.PIPE, text=True)
		    assert "2500 flows known" in done.stdout, done.stdout
	END
	[ "$(json "len(d['flows'])")" = 5000 ]
}

@test "an agent that hangs: a message in time, and nothing is done" {
	hang
	start=$EPOCHREALTIME
	run --separate-stderr client "$T" hold 10.9.0.2:5000
	[ "$(elapsed_ms "$start")" -lt 6500 ]
	check_failure 1 "an agent serves these pins, but $AGENT_SOCKET: no answer within 5000 ms"
	[[ $stderr == *'restart the agent, or end it'* ]]
	run --separate-stderr client "$T" list -j
	[ "$status" = 0 ]
	[[ $stderr == *"note: an agent serves these pins, but $AGENT_SOCKET: no answer within 2000 ms"* ]]
	[ "$(python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["agent"], d["rules"])' <<<"$output")" = \
		"{'running': True, 'moves': []} []" ]
}

@test "an agent that was killed: commands do the work themselves" {
	client kill -9 "$AGENT" # and with it whoever serves
	wait "$AGENT_JOB" || :
	wait_for 5 "its end" no_agent
	[ "$(json "d['agent']")" = "{'running': False, 'moves': []}" ]
	client "$T" hold 10.9.0.2:5000
	[ "$(json "d['rules'][0]['state']")" = held ]
}
