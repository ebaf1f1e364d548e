# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Loaded after lib.bash by files whose client runs an agent.

AGENT_SOCKET=/run/tcpmig/agent.sock

# agent_files HOST...: a CA, certificates of the client's agent and of each of these hosts, and the
# agent's configuration.
agent_files() {
	local host dir=$BATS_FILE_TMPDIR
	export MOVE_TLS=$dir/tls
	"$T" pki init --dir "$dir/pki"
	"$T" pki issue --dir "$dir/pki" --role agent --ip "$(lab addr client)" \
		--ip "$(lab addr client 6)" --out "$dir/agent"
	for host in "$@"; do
		agent_host "$host" "$(lab addr "$host")" "$(lab addr "$host" 6)"
	done
	agent_conf
}

# agent_host NAME ADDR...: what a host has that speaks for these addresses, in MOVE_TLS/NAME.
agent_host() {
	local dir=$MOVE_TLS/$1
	mkdir -p "$dir"
	cp "$BATS_FILE_TMPDIR"/pki/ca.cr[tl] "$dir"
	shift
	# shellcheck disable=SC2046 # an option for each
	"$T" pki issue --dir "$BATS_FILE_TMPDIR/pki" --role host $(printf -- '--ip %s ' "$@") \
		--out "$dir/host"
}

agent_conf() {
	local dir=$BATS_FILE_TMPDIR
	cat >"$dir/agent.conf" <<-END
		[agent]
		user = nobody
		ca = $dir/pki/ca.crt
		crl = $dir/pki/ca.crl
		cert = $dir/agent.crt
		key = $dir/agent.key
		state = $dir/state
		[limits]
		moves-a-minute = 1000
		held-s-an-hour = 3600
		[move lab]
		old = 10.9.0.0/24, fd09::/64
		new = 10.9.0.0/24, fd09::/64
		ports = 5000-7999
	END
}

# The client's agent. $AGENT is the PID of its keeper there, $AGENT_LOG what it says.
agent_start() {
	AGENT_LOG=$BATS_TEST_TMPDIR/agent.log
	client "$T" agent --config "$BATS_FILE_TMPDIR/agent.conf" >"$AGENT_LOG" 2>&1 3>&- &
	AGENT_JOB=$!
	wait_for 5 "the agent" grep -q event=ready "$AGENT_LOG" || { cat "$AGENT_LOG" && false; }
	AGENT=$(client pgrep -o -f 'tcpmig-bpf agent')
}

agent_stop() {
	[ -n "${AGENT_JOB:-}" ] || return 0
	client kill "$AGENT" 2>/dev/null || : # it may have been ended by the test
	wait "$AGENT_JOB" || :
	AGENT_JOB=
}

# agent_moves EXPRESSION: over m, the migrations under way.
agent_moves() { json "[$1 for m in sorted(d['agent']['moves'], key=lambda m: m['old'])]"; }
