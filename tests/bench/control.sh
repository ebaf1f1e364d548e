# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Sourced by scripts/bench: what orders to an agent cost. Caps and policy are wide open, so that
# nothing but the work is measured.

lab up client A B C
SHARED=$(lab shared)
PKI=$SHARED/pki

# certify HOST ROLE NAME: a certificate for its address, and the CA, in a directory of its own.
certify() {
	lab exec client mkdir -p "$SHARED/$1"
	lab exec client "$T" pki issue --dir "$PKI" --role "$2" --ip "$(lab addr "$1")" \
		--out "$SHARED/$1/$3" >/dev/null
	lab exec client cp "$PKI/ca.crt" "$SHARED/$1/"
}
lab exec client "$T" pki init --dir "$PKI" >/dev/null
certify client agent agent
certify A host host
certify B host host
lab exec client sh -c "cat >$SHARED/agent.conf" <<END
[agent]
user = nobody
ca = $SHARED/client/ca.crt
cert = $SHARED/client/agent.crt
key = $SHARED/client/agent.key
state = $SHARED/state
[limits]
flows = 100000
moves-a-minute = 60000
held-s-an-hour = 3600
[move all]
old = 10.9.0.0/24
new = 10.9.0.0/24
END
lab exec client mkdir -p "$SHARED/state"
client "$T" attach eth0 >/dev/null
lab spawn client sh -c "exec $T agent --config $SHARED/agent.conf 2>$SHARED/agent.log" >/dev/null

lab_pid() { cat "/run/tcpmig-lab/$LAB_NAME/$1/pid"; }

# The agent is the child of its keeper: the process in the sandbox.
agent_pid() {
	local pid
	for pid in $(pgrep -f "$T agent --config $SHARED/agent.conf"); do
		! grep -q '^CapEff:	0*$' "/proc/$pid/status" || echo "$pid"
	done
}
listens() { client ss -Hltn 'sport = :7170' | grep -q .; }
wait_for 10 "the agent to listen" listens || { client cat "$SHARED/agent.log"; client getent passwd nobody; exit 1; }
sleep 1 # its pages settle
# The directories are inside the lab: seen through the root of its first process.
ROOT=/proc/$(lab_pid client)/root
"$TOP/build/tests/bench/control" "$(lab_pid client)" "$(lab_pid A)" "$(lab_pid B)" "$(lab_pid C)" \
	"$(agent_pid)" "$ROOT$SHARED/A" "$ROOT$SHARED/B" $((4 * ROUNDS)) | tee "$OUT/figures" || {
	client tail -5 "$SHARED/agent.log" >&2
	exit 1
}

python3 - "$OUT/figures" build/bench/control.json <<'END'
import json, os, sys, time

figures = {name: float(value) for name, value in (line.split() for line in open(sys.argv[1]))}
figures.update({"meta." + k: os.environ["META_" + k.upper()] for k in ("kernel", "commit", "command")})
figures["meta.date"] = time.strftime("%Y-%m-%d")
json.dump(figures, open(sys.argv[2], "w"), indent=1)
print("written to " + sys.argv[2])
END
