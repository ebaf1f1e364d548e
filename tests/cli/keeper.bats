# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How an agent is started, kept, reloaded and ended, around one that serves nobody
# (agent_double): the real one could not be made to misbehave.
# shellcheck disable=SC2030,SC2031 # variables of one test are meant for that test
bats_require_minimum_version 1.5.0
load ../lib.bash

DOUBLE=$TOP/build/tests/e2e/agent_double
SOCKET=/run/tcpmig/agent.sock

setup_file() {
	lab_up client A
	client "$T" attach eth0
	cd "$BATS_FILE_TMPDIR" || return
	"$T" pki init --dir pki
	"$T" pki issue --dir pki --ip 10.9.0.1 --role agent --out agent
	"$T" pki init --dir other
	export D=$BATS_FILE_TMPDIR
	conf >"$D/good"
}
teardown_file() { lab_down; }

setup() {
	cp "$D/good" "$D/conf"
	LOG=$BATS_TEST_TMPDIR/log
	NOTIFIED=$BATS_TEST_TMPDIR/notified
	ENV=()
}

# Their PID namespace is the lab's.
teardown() {
	[ ! -e "$LOG" ] || cat "$LOG"
	client pkill -KILL agent_double || :
	client pkill -KILL python3 || :
	[ -z "${KEEPER_JOB:-}" ] || wait "$KEEPER_JOB" || :
	client "$T" release 10.9.0.77:5000 2>/dev/null || : # where a test made it
	client "$T" release 10.9.0.200:5000 2>/dev/null || :
}

# conf [LINE...]: of the section [agent], after those that are needed.
conf() {
	printf '%s\n' '[agent]' 'listen = 10.9.0.1:7170' 'user = nobody' "ca = $D/pki/ca.crt" \
		"cert = $D/agent.crt" "key = $D/agent.key" "state = $D/state" "$@" \
		'[move a]' 'old = 10.9.0.64/26' 'new = 10.9.0.0/24'
}

# start [MODE]: $KEEPER and $AGENT are their PIDs in the lab.
start() {
	launch "$@"
	KEEPER=$(client pgrep -o -x agent_double)
	AGENT=$(client pgrep -P "$KEEPER")
}

launch() {
	client env "${ENV[@]}" "$DOUBLE" "$DEFAULT_PINS" "$D/conf" "$@" >"$LOG" 2>&1 3>&- &
	KEEPER_JOB=$!
	wait_for 5 "the agent" grep -q event=ready "$LOG"
}

# ended STATUS: the keeper has ended so, and nothing is left of it.
ended() {
	local status=0
	wait_for 10 "the keeper to end" no_process
	wait "$KEEPER_JOB" || status=$?
	KEEPER_JOB=
	echo "status $status, expected $1"
	[ "$status" = "$1" ]
	nothing_runs
	[ -z "$(client sh -c "ls $SOCKET $DEFAULT_PINS/tcpmig_agent 2>/dev/null")" ]
}
nothing_runs() {
	wait_for 2 "all processes to end" no_process
	[ -z "$(client ss -Hltn 'sport = :7170')" ]
}
no_process() { ! client pgrep -x agent_double; }

# listen_for_notes [ADDRESS]
listen_for_notes() {
	local address=${1:-$BATS_TEST_TMPDIR/notify}
	client python3 tests/cli/notify.py "$address" >"$NOTIFIED" 3>&- &
	wait_for 5 "the listener" grep -q listening "$NOTIFIED"
	ENV+=(NOTIFY_SOCKET="$address")
}
has_note() { grep -qxE "$1" "$NOTIFIED"; }
notes() { grep -cxE "$1" "$NOTIFIED" || :; }

has_log() { grep -qE "$1" "$LOG"; }

# status_of PID FIELD: of /proc/PID/status.
status_of() { client sed -n "s/^$2:[\t ]*//p" "/proc/$1/status" | tr '\t' ' '; }

# What BPF is told: generation and number of entries.
policy() {
	local id
	id=$(client bpftool -j map dump pinned "$DEFAULT_PINS/tcpmig_policy" |
		python3 -c 'import json, sys
d = json.load(sys.stdin)[0]
print(d.get("inner_map_id") or int("".join(b[2:] for b in reversed(d["value"])), 16))')
	client bpftool -j map dump id "$id" | python3 -c 'import json, sys, struct
v = json.load(sys.stdin)[0]["value"]
print(*struct.unpack("<II", bytes(int(b, 16) for b in v[:8])))'
}

@test "processes: the agent has no right at all, the keeper three, neither can get others" {
	start
	for field in Uid Gid; do
		[ "$(status_of "$AGENT" $field)" = "65534 65534 65534 65534" ]
	done
	[ -z "$(status_of "$AGENT" Groups | tr -d ' ')" ]
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		[ "$(status_of "$AGENT" $set)" = 0000000000000000 ]
	done
	# CAP_KILL, CAP_NET_ADMIN, CAP_NET_RAW
	for set in CapPrm CapEff CapBnd; do
		[ "$(status_of "$KEEPER" $set)" = 0000000000003020 ]
	done
	for set in CapInh CapAmb; do
		[ "$(status_of "$KEEPER" $set)" = 0000000000000000 ]
	done
	for pid in "$AGENT" "$KEEPER"; do
		[ "$(status_of "$pid" NoNewPrivs)" = 1 ]
		[ "$(status_of "$pid" Seccomp)" = 2 ]
		client grep -qE '^Max core file size +0 +0 ' "/proc/$pid/limits"
	done
	# Not dumpable: what is in /proc is root's.
	[ "$(client stat -c %U "/proc/$AGENT/mem")" = root ]
}

@test "descriptors: no map of the policy in the agent; no socket, no key file in the keeper" {
	start
	for map in rules flows wires; do # so they are found there
		map_is_in "$AGENT" $map
	done
	for map in policy policy_a policy_b; do
		map_is_in "$KEEPER" $map
		run ! map_is_in "$AGENT" $map
	done
	[ "$(access_to "$AGENT" ifaces)" = 0 ] # O_RDONLY: root's detach does as it says
	[ "$(access_to "$AGENT" flows)" = 2 ]
	run client sh -c "ls -l /proc/$AGENT/fd /proc/$KEEPER/fd"
	[[ $output == *agent.state* ]]
	[[ ! $output =~ agent\.(key|crt)|/conf ]]
	[ "$(client ss -Hltnp 'sport = :7170' | grep -o 'pid=[0-9]*')" = "pid=$AGENT" ]
	[ "$(client ss -Hlxp "src = $SOCKET" | grep -o 'pid=[0-9]*')" = "pid=$AGENT" ]
}
map_id() {
	client bpftool -j map show pinned "$DEFAULT_PINS/tcpmig_$1" |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'
}
# access_to PID MAP: the access mode of its descriptors of that map.
access_to() {
	client sh -c "grep -lx 'map_id:[[:space:]]*$(map_id "$2")' /proc/$1/fdinfo/* |
		xargs sed -n 's/^flags:.*\(.\)\$/\1/p'" | sort -u
}
map_is_in() {
	local id
	id=$(map_id "$2")
	[ "$(client sh -c "cat /proc/$1/fdinfo/*" | grep -cx "map_id:[[:space:]]*$id")" -gt 0 ]
}

@test "SIGTERM and SIGINT: exit 0, sockets and locks are gone, the state file stays" {
	for signal in TERM INT; do
		start
		[ "$(client stat -c %a $SOCKET)" = 600 ]
		client kill -$signal "$KEEPER"
		ended 0
		has_log 'level=info event=stopped$'
	done
	[ "$(stat -c '%U %a' "$D/state/agent.state")" = "root 600" ]
	[ "$(stat -c '%U %a' "$D/state")" = "root 700" ]
}

@test "a second agent for the same pins is refused, another pin directory has its own" {
	start
	before=$(policy)
	run --separate-stderr client "$DOUBLE" "$DEFAULT_PINS" "$D/conf"
	check_failure 1 "'$DEFAULT_PINS': another agent serves these pins; expected one at a time"
	[ "$(policy)" = "$before" ]
	client test -S $SOCKET
	client "$T" --pin-dir /sys/fs/bpf/other attach lo
	run --separate-stderr client "$DOUBLE" /sys/fs/bpf/other "$D/conf"
	check_failure 1 "'10.9.0.1:7170': cannot listen there"
	sed 's/7170/7171/' "$D/good" >"$D/second"
	client "$DOUBLE" /sys/fs/bpf/other "$D/second" >"$BATS_TEST_TMPDIR/second" 2>&1 3>&- &
	wait_for 5 "the second" grep -q event=ready "$BATS_TEST_TMPDIR/second"
	client test -S /run/tcpmig/agent-sys-fs-bpf-other.sock
	[ -f "$D/state/agent-sys-fs-bpf-other.state" ]
	client pkill -TERM -o -f "$D/second"
	wait $!
	client "$T" --pin-dir /sys/fs/bpf/other detach --all
	[ "$(client pgrep -P "$KEEPER")" = "$AGENT" ]
}

@test "a socket that a dead agent has left is replaced" {
	start
	client kill -KILL "$KEEPER"
	wait "$KEEPER_JOB" || [ $? = 137 ]
	nothing_runs
	client test -S $SOCKET
	start
	client kill -TERM "$KEEPER"
	ended 0
}

@test "kill -9 of the agent: the keeper ends and says so; the data path stays as it is" {
	client "$T" redirect 10.9.0.77:5000 10.9.0.2:5000
	before=$(rules)
	start
	client kill -KILL "$AGENT"
	ended 1
	has_log 'level=error event=agent-ended signal=KILL$'
	[ "$(rules)" = "$before" ]
}
rules() { json "sorted((r['old'], r['new'], r['epoch'], r['state'], r['flows']) for r in d['rules'])"; }

@test "kill -9 of the keeper: the agent ends too, even one that is stopped" {
	client "$T" redirect 10.9.0.77:5000 10.9.0.2:5000
	before=$(rules)
	start
	client kill -STOP "$AGENT"
	client kill -KILL "$KEEPER"
	wait "$KEEPER_JOB" || [ $? = 137 ]
	nothing_runs
	[ "$(rules)" = "$before" ]
}

@test "a system call that is forbidden ends the agent, and the keeper says why" {
	launch forbidden
	ended 1
	has_log 'event=agent-ended signal=SYS why="a system call that its sandbox forbids"$'
}

@test "an agent that does not stop is killed after 5 s" {
	start deaf
	begun=$EPOCHREALTIME
	client kill -TERM "$KEEPER"
	ended 1
	[ "$(elapsed_ms "$begun")" -ge 5000 ]
	has_log 'event=agent-does-not-stop'
	has_log 'event=agent-ended signal=KILL$'
}

@test "SIGHUP with a right file: BPF and the agent have it, nothing is restarted" {
	listen_for_notes
	start
	read -r generation count <<<"$(policy)"
	[ "$count" = 1 ]
	{ conf && printf '[move b]\nold = 10.9.0.3/32\nnew = 10.9.0.4/32\n'; } >"$D/conf"
	client kill -HUP "$KEEPER"
	wait_for 5 "the reload" has_log event=reloaded
	[ "$(policy)" = "$((generation + 1)) 2" ]
	has_log 'event=double-reload why="" policies=2$'
	wait_for 2 "its notes" has_note 'RELOADING=1;MONOTONIC_USEC=[0-9]+'
	[ "$(notes READY=1)" = 2 ]
	run ! has_log restart-needed
	[ "$(client pgrep -P "$KEEPER")" = "$AGENT" ]
	conf >"$D/conf"
	sed -i 's/^listen.*/listen = 10.9.0.1:7999/; s/^user.*/user = daemon/; s/^state.*/state = \/x/' "$D/conf"
	client kill -HUP "$KEEPER"
	wait_for 5 "the second reload" has_log 'policies=1$'
	for what in listen user state; do
		has_log "level=warning event=restart-needed for=$what$"
	done
}

# refused TEXT: SIGHUP changes nothing and says so in a line, with TEXT.
refused() {
	local before lines
	before=$(policy) lines=$(grep -c event=reload-refused "$LOG" || :)
	client kill -HUP "$KEEPER"
	wait_for 5 "the refusal" refusals $((lines + 1))
	grep event=reload-refused "$LOG" | tail -n 1 | grep -F "$1"
	[ "$(policy)" = "$before" ]
	run ! has_log 'event=reload(ed|ing)'
	[ "$(client pgrep -P "$KEEPER")" = "$AGENT" ]
}
refusals() { [ "$(grep -c event=reload-refused "$LOG")" = "$1" ]; }

@test "SIGHUP with wrong files: one line, all stays as it was" {
	listen_for_notes
	start
	conf 'colour = blue' >"$D/conf"
	refused "colour"
	printf 'old = 1.2.3.4\nevent=ready injected' >"$D/conf"
	refused "why=\"'$D/conf': line"
	rm "$D/conf"
	refused "No such file or directory"
	cp "$D/good" "$D/conf"
	chmod 666 "$D/conf"
	refused "others may write it"
	chmod 644 "$D/conf"
	sed -i "s|^ca = .*|ca = $D/other/ca.crt|" "$D/conf"
	refused "$D/agent.crt"
	sed -i "s|^ca = .*|ca = $D/none|" "$D/conf"
	refused "$D/none"
	cp "$D/good" "$D/conf"
	chmod 644 "$D/agent.key"
	refused "others may read this key"
	chmod 600 "$D/agent.key"
	[ "$(notes READY=1)" = 8 ] # at the start, and after each of the seven
	client kill -TERM "$KEEPER"
	ended 0
}

@test "systemd is told: ready, stopping; by a path and by an abstract name; or nobody listens" {
	for address in "$BATS_TEST_TMPDIR/by path" "@tcpmig-$BATS_TEST_NUMBER"; do
		ENV=()
		listen_for_notes "$address"
		start
		wait_for 2 "READY=1" has_note READY=1
		client kill -TERM "$KEEPER"
		ended 0
		wait_for 2 "STOPPING=1" has_note STOPPING=1
		[ "$(notes WATCHDOG=1)" = 0 ]
		client pkill -KILL python3
	done
	ENV=(NOTIFY_SOCKET=/nowhere WATCHDOG_USEC=400000)
	start
	client kill -TERM "$KEEPER"
	ended 0
}

more_notes() { [ "$(notes WATCHDOG=1)" -gt "$1" ]; }

@test "watchdog: fed while the agent's loop runs, and no longer" {
	listen_for_notes
	ENV+=(WATCHDOG_USEC=400000)
	start
	wait_for 5 "the watchdog to be fed" more_notes 3
	client kill -STOP "$AGENT"
	sleep 0.5 # what it said before
	count=$(notes WATCHDOG=1)
	sleep 1
	[ "$(notes WATCHDOG=1)" = "$count" ]
	client kill -CONT "$AGENT"
	wait_for 5 "the watchdog to be fed again" more_notes "$count"
}

@test "watchdog: not for an agent that never says that it is alive, nor for another process" {
	listen_for_notes
	ENV+=(WATCHDOG_USEC=400000)
	start silent
	sleep 1
	[ "$(notes WATCHDOG=1)" -le 1 ] # ready was a sign of life
	client kill -TERM "$KEEPER"
	ended 0
	ENV+=(WATCHDOG_PID=1)
	: >"$NOTIFIED"
	start
	sleep 1
	[ "$(notes WATCHDOG=1)" = 0 ]
}

neighbour() { client ip neigh show "$1" dev eth0 | grep -q 'PERMANENT proto 124'; }

@test "neighbour entries: made for an OLD that the policy names, and for no other" {
	for old in 10.9.0.77 10.9.0.200; do
		client "$T" redirect $old:5000 10.9.0.2:5000
		neighbour $old
		client ip neigh del $old dev eth0
	done
	start rules
	wait_for 5 "the entry" neighbour 10.9.0.77
	sleep 0.7 # two looks more
	run ! neighbour 10.9.0.200
	client kill -TERM "$KEEPER"
	ended 0
}

@test "neighbour entries: an OLD outside the policy keeps the one it has" {
	client "$T" redirect 10.9.0.200:5000 10.9.0.2:5000
	start rules
	sleep 0.7
	neighbour 10.9.0.200
	client kill -TERM "$KEEPER"
	ended 0
	client "$T" release 10.9.0.200:5000
	run ! neighbour 10.9.0.200
}

@test "neighbour entries: none for a dead OLD of which a move is only reserved" {
	client "$T" redirect 10.9.0.78:5000 10.9.0.2:5000
	client ip neigh del 10.9.0.78 dev eth0
	start reserve
	[ "$(json "[(r['old'], r['state']) for r in d['rules'] if r['old'] == '10.9.0.77:5000']")" = \
		"[('10.9.0.77:5000', 'reserved')]" ]
	client ip neigh del 10.9.0.78 dev eth0 2>/dev/null || : # list has put it back
	wait_for 5 "a look at the neighbours" neighbour 10.9.0.78
	run ! neighbour 10.9.0.77
	client kill -TERM "$KEEPER"
	ended 0
	client "$T" release 10.9.0.78:5000
}

@test "an agent that floods its keeper, or sends it something else, stops no order" {
	for mode in flood garbage; do
		client "$T" redirect 10.9.0.77:5000 10.9.0.2:5000
		launch $mode
		if [ $mode = flood ]; then
			KEEPER=$(client pgrep -o -x agent_double)
			sleep 0.5
			client kill -HUP "$KEEPER"
			wait_for 5 "the reload" has_log event=reloaded
			client kill -TERM "$KEEPER"
			ended 0
		else
			ended 1 # it talks to nobody then
		fi
		client "$T" release 10.9.0.77:5000
	done
}

@test "pins that are detached end the agent, with a line" {
	client "$T" --pin-dir /sys/fs/bpf/short attach lo
	client "$DOUBLE" /sys/fs/bpf/short "$D/conf" >"$LOG" 2>&1 3>&- &
	KEEPER_JOB=$!
	wait_for 5 "the agent" grep -q event=ready "$LOG"
	client "$T" --pin-dir /sys/fs/bpf/short detach --all
	ended 1
	has_log 'level=error event=pins-gone pins=/sys/fs/bpf/short$'
}

@test "pins of another network namespace: served, with a note" {
	sed -i 's/^listen.*/listen = 127.0.0.1:7170/' "$D/conf"
	client unshare --net "$DOUBLE" "$DEFAULT_PINS" "$D/conf" >"$LOG" 2>&1 3>&- &
	KEEPER_JOB=$!
	wait_for 5 "the agent" grep -q 'event=ready .* netns=other' "$LOG"
	has_log "^tcpmig-bpf: note: the pins serve another network namespace"
	client pkill -TERM -o -x agent_double
	ended 0
}

# does_not_start TEXT [PIN_DIR]: one line, status 1, and nothing has changed.
does_not_start() {
	local before
	before=$(policy && client ls -AR "$DEFAULT_PINS" /run/tcpmig && ls -AR "$D")
	run --separate-stderr client "$DOUBLE" "${2:-$DEFAULT_PINS}" "$D/conf"
	check_failure 1 "$1"
	[ -z "$output" ]
	diff <(echo "$before") <(policy && client ls -AR "$DEFAULT_PINS" /run/tcpmig && ls -AR "$D")
}

# with SED_EXPRESSION: the good file, changed.
with() { sed "$1" "$D/good" >"$D/conf"; }

@test "what is wrong at the start is one line that names it, and changes nothing" {
	client mkdir -p /run/tcpmig
	install -Dm600 /dev/null "$D/state/agent.state"
	rm "$D/conf"
	does_not_start "'$D/conf': No such file or directory; expected the configuration"
	with 's/^listen/lisen/'
	does_not_start "'$D/conf': line"
	with 's/^user.*/user = no-such-user/'
	does_not_start "'no-such-user': no such user; expected one for the agent; 'systemd-sysusers'"
	with 's/^user.*/user = root/'
	does_not_start "'root': expected a user without rights"
	with "s|^key.*|key = $D/pki/ca.key|"
	does_not_start "'$D/agent.crt': "
	with "s|^key.*|key = $D/none|"
	does_not_start "'$D/none': No such file or directory; expected a PEM file"
	with "s|^key.*|key = $D|"
	does_not_start "'$D': no file that can be read"
	with 's/^listen.*/listen = 10.9.0.99:7170/'
	does_not_start "'10.9.0.99:7170': cannot listen there, expected a free port"
	with 's|^state.*|state = /nowhere/at/all|'
	does_not_start "'/nowhere/at/all/agent.state': cannot open it"
	with ''
	does_not_start "'/sys/fs/bpf/none': nothing is attached there" /sys/fs/bpf/none
	does_not_start "'/tmp': not in a BPF file system" /tmp
	chmod 666 "$D/conf"
	does_not_start "'$D/conf': others may write it"
	chmod 644 "$D/conf"
	chmod 604 "$D/agent.key"
	does_not_start "'$D/agent.key': others may read this key"
	chmod 600 "$D/agent.key"
	dd if=/dev/zero bs=1k count=65 2>/dev/null | tr '\0' '#' >"$D/conf"
	does_not_start "'$D/conf': longer than 64 KiB"
	with ''
	chown nobody "$D/conf"
	does_not_start "'$D/conf': others may write it"
	chown root "$D/conf"
	chmod 666 "$D/state/agent.state"
	does_not_start "others may use it"
	chmod 600 "$D/state/agent.state"
}
