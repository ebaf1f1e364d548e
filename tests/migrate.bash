# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Loaded after lib.bash, servers.bash and agent.bash by files that move servers by `migrate`.
#
# With MIGRATE_BY_HAND=1 the same is done by the steps of scripts/move.sh, without daemons and agents.
# So one sees whether a server, a driver or `migrate` is to blame.

MIGRATE_LIMIT_S=60

by_hand() { [ -n "${MIGRATE_BY_HAND:-}" ]; }

# host_files HOST...: certificates and agent.conf as agent_files, and a host.conf for each.
host_files() {
	local host
	agent_files "$@"
	for host in "$@"; do
		host_conf "$host"
	done
}

host_conf_file() { echo "$BATS_FILE_TMPDIR/$1.conf"; }

# host_conf HOST [FROM]: whose trees may come to it; default: those of any host of the lab.
host_conf() {
	local dir=$MOVE_TLS/$1
	cat >"$(host_conf_file "$1")" <<-END
		[host]
		ca = $dir/ca.crt
		crl = $dir/ca.crl
		cert = $dir/host.crt
		key = $dir/host.key
		state = $BATS_FILE_TMPDIR/$1.state
		images = /run/tcpmig/images
		criu = $CRIU
		[accept lab]
		from = ${2:-10.9.0.0/24, fd09::/64}
	END
}

host_log() { echo "$BATS_TEST_TMPDIR/host.$1.log"; }

# host_start HOST...: their daemons, whose output is kept.
host_start() {
	local host
	! by_hand || return 0
	for host in "$@"; do
		# The child of a shell, which waits: nsenter would stop itself with a child that is stopped.
		# shellcheck disable=SC2016 # expanded there
		lab exec "$host" sh -c '"$@" & wait $!' sh \
			"$T" host --config "$(host_conf_file "$host")" >>"$(host_log "$host")" 2>&1 3>&- &
		disown # bash need not tell that it was killed
		wait_for 10 "the daemon of $host" listens "$host" 7171 ||
			{ cat "$(host_log "$host")" && false; }
	done
}

# Of the daemon and of those it has forked, not the inits of trees: those have another name.
host_pids() {
	# shellcheck disable=SC2016 # expanded there
	lab exec "$1" sh -c 'for pid in $(pgrep -f "tcpmig-bpf host"); do
		[ "$(cat /proc/$pid/comm)" != tcpmig-bpf ] || echo "$pid"
	done'
}

# host_signal HOST SIGNAL: to all of them.
host_signal() {
	local pid
	for pid in $(host_pids "$1"); do
		lab exec "$1" kill "-$2" "$pid" 2>/dev/null || : # it may have ended with its parent
	done
}
no_host() { [ -z "$(host_pids "$1")" ]; }

host_stop() {
	host_signal "$1" TERM
	wait_for 10 "the daemon of $1 to end" no_host "$1"
}
host_kill() {
	host_signal "$1" KILL
	wait_for 5 "the daemon of $1 to end" no_host "$1"
}

# to_options HOST: migrate's options for both families.
to_options() { echo "--to $(lab addr "$1") --new $(lab addr "$1") --new $(lab addr "$1" 6)"; }

# migrate FROM TO PID [OPTIONS]: $MOVED is the PID of its root there, $REPORT the JSON.
migrate() {
	local from=$1 to=$2 pid=$3
	shift 3
	REPORT=$OUT/report.json
	if by_hand; then
		migrate_by_hand "$from" "$to" "$pid" >"$REPORT" || return 1
	else
		# shellcheck disable=SC2046 # options
		lab exec "$from" timeout -k 5 "$MIGRATE_LIMIT_S" "$T" -j migrate --config "$(host_conf_file "$from")" \
			--pid "$pid" $(to_options "$to") "$@" >"$REPORT" 2>"$OUT/migrate.err" ||
			{ cat "$OUT/migrate.err" "$REPORT" && return 1; }
	fi
	[ "$(report "d['result']")" = moved ] || { cat "$REPORT" && return 1; }
	MOVED=$(report "d['pid']")
}

# report EXPRESSION: over d, the last report.
report() { "$PYTHON" -c "import json, sys; d = json.load(open(sys.argv[1])); print($1)" "$REPORT"; }

# Every OLD of the server that HAND_OLD names is where HAND_CUR says, and keeps its port.
migrate_by_hand() {
	local cur family
	MOVE_OLD=("${HAND_OLD[@]}") MOVE_CUR=("${HAND_CUR[@]:-${HAND_OLD[@]}}") MOVE_NEW=()
	MOVE_TMP=$OUT
	for cur in "${MOVE_CUR[@]}"; do
		if [[ $cur = \[* ]]; then family=6; else family=4; fi
		MOVE_NEW+=("$(endpoint "$(lab addr "$2" "$family")" "${cur##*:}")")
	done
	move "$1" "$3" "$2" >&2 || return 1
	HAND_CUR=("${MOVE_NEW[@]}")
	echo "{\"result\": \"moved\", \"pid\": $3, \"freeze_ms\": $((MOVE_FROZEN_US / 1000)).0}"
}

# migrate_stopped PHASE FROM TO PID [OPTIONS]: begins one that stops itself there; returns when it has.
# $MIGRATE is its PID at FROM. Then migrate_goes_on, or migrate_killed, and migrate_ends.
migrate_stopped() {
	local phase=$1 from=$2 to=$3 pid=$4
	shift 4
	REPORT=$OUT/report.json
	MIGRATE_AT=$from
	rm -f "$OUT/migrate.pid"
	# The child of a shell, which waits: nsenter would stop itself with a child that stops.
	# shellcheck disable=SC2016,SC2046 # expanded there; options
	lab exec "$from" env TCPMIG_TEST_STOP="$phase" sh -c 'file=$1; shift; "$@" & echo $! >"$file"; wait $!' \
		sh "$OUT/migrate.pid" \
		"$T" -j migrate --config "$(host_conf_file "$from")" --pid "$pid" $(to_options "$to") "$@" \
		>"$REPORT" 2>"$OUT/migrate.err" 3>&- &
	MIGRATE_JOB=$!
	wait_for 30 "migrate to stop at $phase" stopped_or_ended
	[ "$(migrate_state)" = T ] || { echo "migrate has not stopped at $phase:" && cat "$OUT/migrate.err" && false; }
	MIGRATE=$(cat "$OUT/migrate.pid")
}
migrate_state() { lab exec "$MIGRATE_AT" ps -o stat= -p "$(cat "$OUT/migrate.pid")" | cut -c1; }
stopped_or_ended() { [ "$(migrate_state)" = T ] || ! kill -0 "$MIGRATE_JOB"; }

migrate_goes_on() { lab exec "$MIGRATE_AT" kill -CONT "$MIGRATE"; }
migrate_killed() {
	lab exec "$MIGRATE_AT" kill -KILL "$MIGRATE"
	wait_for 5 "migrate to be killed" migrate_ended
}
migrate_ended() { ! kill -0 "$MIGRATE_JOB"; }
# migrate_ends STATUS: within a limit, with that status.
migrate_ends() {
	local status=0
	wait_for "$MIGRATE_LIMIT_S" "migrate to end" migrate_ended || return 1
	wait "$MIGRATE_JOB" || status=$?
	[ "$status" = "$1" ] || { echo "status $status, expected $1:" && cat "$OUT/migrate.err" "$REPORT" && false; }
}

# runs_at HOST PORT, not elsewhere.
runs_at() {
	local host
	for host in "${SERVER_HOSTS[@]}"; do
		if [ "$host" = "$1" ]; then
			listens "$host" "$2" || { echo "nobody listens on $host" && return 1; }
		elif listens "$host" "$2"; then
			echo "somebody listens on $host" && return 1
		fi
	done
}

# What a migration may leave behind on a server host: nothing, once the tree has gone on or ended.
host_footprint() {
	# shellcheck disable=SC2016 # expanded there
	lab exec "$1" sh -c 'find /sys/fs/bpf/tcpmig-host /run/tcpmig/images -mindepth 1 2>/dev/null
		tc filter show dev eth0 ingress; tc filter show dev eth0 egress; nft list ruleset
		find "$1" -mindepth 1 -type d; ls "$2/migrations" 2>/dev/null
		pgrep -f "[c]riu.* swrk" || : none' sh "$(lab cgroup "$1")" "$BATS_FILE_TMPDIR/$1.state"
}
footprint_is() { [ "$(host_footprint "$1")" = "$2" ]; }

no_rules() { [ "$(json "d['rules']")" = "[]" ]; }

# Is there what these files test? By hand only where the steps of move.sh can do it.
migrate_possible() { by_hand || "$T" --help | grep -q '^  migrate'; }

# For setup_file, setup and teardown. A file whose command is not there yet is skipped.
migrate_files() {
	migrate_possible || return 0
	CRIU=$(scripts/get-criu)
	SERVER_HOSTS=("$@")
	export CRIU MOVE_TLS
	lab_up client "$@"
	by_hand || host_files "$@"
}
migrate_begin() {
	migrate_possible || skip "tcpmig-bpf has no command 'migrate'"
	OUT=$BATS_TEST_TMPDIR
	client "$T" attach eth0
	by_hand || agent_start
	host_start "${SERVER_HOSTS[@]}"
}
migrate_end() {
	local host
	[ -n "${OUT:-}" ] || return 0 # skipped
	agent_stop
	for host in "${SERVER_HOSTS[@]}"; do
		[ -e "$(host_log "$host")" ] && echo "$host says:" && cat "$(host_log "$host")"
		lab exec "$host" sh -c 'kill -9 -1' || :
		wait_for 5 "what was made below the cgroup of $host to be empty" cgroups_gone "$(lab cgroup "$host")"
		rm -rf "$BATS_FILE_TMPDIR/$host.state"
		lab exec "$host" sh -c 'rm -rf /run/tcpmig /sys/fs/bpf/tcpmig-host; nft flush ruleset'
	done
	client sh -c 'kill -9 -1' || :
	client "$T" detach --all >/dev/null
}

cgroups_gone() { ! find "$1" -mindepth 1 -depth -type d -exec rmdir {} + 2>&1 | grep -q .; }
