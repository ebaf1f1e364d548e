# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The agent as a process: what it may, how commands work through it, how it is reloaded and
# ended, and that connections go on whatever happens to it. No systemd is there.
# shellcheck disable=SC2030,SC2031 # variables of one test are meant for that test
bats_require_minimum_version 1.5.0
load ../lib.bash

SOCKET=/run/tcpmig/agent.sock

setup_file() {
	lab_up client A B
	client "$T" attach eth0
	cd "$BATS_FILE_TMPDIR" || return
	"$T" pki init --dir pki
	"$T" pki issue --dir pki --ip 10.9.0.1 --role agent --out agent
	export D=$BATS_FILE_TMPDIR
	cat >"$D/good" <<-END
		[agent]
		user = nobody
		ca = $D/pki/ca.crt
		crl = $D/pki/ca.crl
		cert = $D/agent.crt
		key = $D/agent.key
		state = $D/state
		[move a]
		old = 10.9.0.0/25
		new = 10.9.0.0/25
	END
	lab spawn B "$SEQSTREAM" serve 10.9.0.3:6000
}
teardown_file() { lab_down; }

setup() {
	cp "$D/good" "$D/conf"
	LOG=$BATS_TEST_TMPDIR/log
}

# PIDs are the lab's.
teardown() {
	[ ! -e "$LOG" ] || cat "$LOG"
	client pkill -KILL -x tcpmig-bpf || :
	client pkill -KILL seqstream || :
	[ -z "${KEEPER_JOB:-}" ] || wait "$KEEPER_JOB" || :
	for old in $(json "' '.join(r['old'] for r in d['rules'])"); do
		client "$T" release "$old"
	done
}

start() {
	client "$T" agent --config "$D/conf" >"$LOG" 2>&1 3>&- &
	KEEPER_JOB=$!
	wait_for 5 "the agent" has_log event=ready
	KEEPER=$(client pgrep -o -x tcpmig-bpf)
	AGENT=$(client pgrep -P "$KEEPER")
}

has_log() { grep -qE "$1" "$LOG"; }

no_process() { ! client pgrep -x tcpmig-bpf; }

# ended STATUS: the command has, and nothing of it is left.
ended() {
	local status=0
	wait_for 10 "the agent to end" no_process
	wait "$KEEPER_JOB" || status=$?
	KEEPER_JOB=
	[ "$status" = "$1" ]
	[ -z "$(client ss -Hltn 'sport = :7170')" ]
	[ -z "$(client sh -c "ls -d $SOCKET $DEFAULT_PINS/tcpmig_agent 2>/dev/null")" ]
}

rules() { json "sorted((r['old'], r['new'], r['epoch'], r['state'], r['flows']) for r in d['rules'])"; }

status_of() { client sed -n "s/^$2:[\t ]*//p" "/proc/$1/status" | tr '\t' ' '; }

neighbour() { client ip neigh show "$1" dev eth0 | grep -q 'PERMANENT proto 124'; }
no_neighbour() { ! neighbour "$1"; }

# flow_on: a stream to OLD, which B serves; $OUT says how it ended.
flow_on() {
	OUT=$BATS_TEST_TMPDIR/stream
	client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000
	talk "$OUT" 10.9.0.2:5000 60 up down
	wait_for 5 "the connections" flows 2
}
flows() { [ "$(client ss -Htn state established 'dport = :5000' | wc -l)" = "$1" ]; }
bytes() { client "$T" stats -j | python3 -c "import json, sys
print(json.load(sys.stdin)['counters']['out_rewritten'])"; }

# Packets go on, from now on, and no byte was wrong in the end.
flows_on() {
	local before
	before=$(bytes)
	wait_for 3 "packets" more_bytes "$before"
	flows 2
	client pkill -TERM seqstream
	wait "$TALKER"
	all_ok "$OUT" 2
}
more_bytes() { [ "$(bytes)" -gt $(($1 + 100)) ]; }

@test "usage: no operand, a value for --config" {
	run --separate-stderr client "$T" agent now
	check_failure 2 "agent: too many arguments; expected: agent [--config FILE]"
	run --separate-stderr client "$T" agent --config
	check_failure 2 "'--config': a value is missing"
	run --separate-stderr client "$T" agent
	check_failure 1 "'/etc/tcpmig/agent.conf': No such file or directory"
	run --separate-stderr client setpriv --reuid nobody --clear-groups "$T" agent --config "$D/conf"
	[ "$status" = 1 ]
}

@test "rights: the agent is another user with nothing, its keeper has what it needs" {
	start
	[ "$(status_of "$AGENT" Uid)" = "65534 65534 65534 65534" ]
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		[ "$(status_of "$AGENT" $set)" = 0000000000000000 ]
	done
	[ "$(status_of "$KEEPER" CapEff)" = 0000000000003020 ]
	for pid in "$AGENT" "$KEEPER"; do
		[ "$(status_of "$pid" NoNewPrivs)" = 1 ]
		[ "$(status_of "$pid" Seccomp)" = 2 ]
	done
	# One thread each: nothing has been started beside the loop.
	[ "$(status_of "$AGENT" Threads)" = 1 ]
	# All addresses, both families.
	[ "$(client ss -Hltn 'sport = :7170' | wc -l)" = 2 ]
	run --separate-stderr client "$T" agent --config "$D/conf"
	check_failure 1 "another agent serves these pins"
	client kill -TERM "$KEEPER"
	ended 0
}

@test "commands work through it, within the policy; neighbour entries follow" {
	start
	client "$T" hold 10.9.0.77:5000 --max 20
	client "$T" redirect 10.9.0.77:5000 10.9.0.3:5000
	wait_for 3 "the entry" neighbour 10.9.0.77
	[[ $(rules) == "[('10.9.0.77:5000', '10.9.0.3:5000', "*"'active', 0)]" ]]
	before=$(rules)
	run --separate-stderr client "$T" redirect 10.9.0.77:5000 10.9.0.200:5000
	check_failure 1 "outside the policy"
	run --separate-stderr client "$T" hold 10.9.0.200:5000
	check_failure 1 "outside the policy"
	[ "$(rules)" = "$before" ]
	client "$T" release 10.9.0.77:5000
	wait_for 3 "the entry to go" no_neighbour 10.9.0.77
	has_log 'event=order type=local-redirect old=10.9.0.77:5000 next=10.9.0.3:5000 .* result=ok'
}

@test "SIGHUP: another policy counts at once; a wrong file changes nothing" {
	start
	run ! client "$T" hold 10.9.0.200:5000
	printf '[move b]\nold = 10.9.0.128/25\nnew = 10.9.0.0/24\n' >>"$D/conf"
	client kill -HUP "$KEEPER"
	wait_for 5 "the reload" has_log event=reloaded
	client "$T" hold 10.9.0.200:5000
	client "$T" release 10.9.0.200:5000
	printf '[move c]\nold = somewhere\n' >>"$D/conf"
	client kill -HUP "$KEEPER"
	wait_for 5 "the refusal" has_log "event=reload-refused why=.*somewhere"
	client "$T" hold 10.9.0.200:5000
	[ "$(client pgrep -P "$KEEPER")" = "$AGENT" ]
	cp "$D/good" "$D/conf"
	client kill -HUP "$KEEPER"
	wait_for 5 "the second reload" reloads 2
	run ! client "$T" hold 10.9.0.201:5000
}
reloads() { [ "$(grep -c event=reloaded "$LOG")" = "$1" ]; }

@test "started, stopped, killed, or its keeper: not a byte of a redirected stream is lost" {
	flow_on
	before=$(rules)
	start
	client kill -TERM "$KEEPER"
	ended 0
	[ "$(rules)" = "$before" ]
	start
	client kill -KILL "$AGENT"
	ended 1
	has_log 'level=error event=agent-ended signal=KILL$'
	[ "$(rules)" = "$before" ]
	start
	client kill -STOP "$AGENT" # it could not even notice
	client kill -KILL "$KEEPER"
	wait_for 5 "both to end" no_process
	wait "$KEEPER_JOB" || [ $? = 137 ]
	[ "$(rules)" = "$before" ]
	start
	[ "$(rules)" = "$before" ]
	flows_on
	client "$T" release 10.9.0.2:5000
	client kill -TERM "$KEEPER"
	ended 0
}

@test "a hold ends by its deadline though the agent is dead" {
	start
	flow_on
	client "$T" hold 10.9.0.2:5000 --max 8
	client kill -KILL "$AGENT"
	ended 1
	is_state held
	held=$(bytes)
	sleep 0.5
	[ "$(bytes)" = "$held" ]
	is_state held # all the time
	wait_for 10 "the hold to end" is_state active
	flows_on
}
is_state() { [ "$(json "d['rules'][0]['state']")" = "$1" ]; }

@test "detach while it runs: it ends, and leaves nothing" {
	before=$(footprint client)
	client "$T" --pin-dir /sys/fs/bpf/short attach lo
	client "$T" --pin-dir /sys/fs/bpf/short agent --config "$D/conf" >"$LOG" 2>&1 3>&- &
	KEEPER_JOB=$!
	wait_for 5 "the agent" has_log event=ready
	client "$T" --pin-dir /sys/fs/bpf/short detach --all
	ended 1
	diff <(echo "$before") <(footprint client)
}
