# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The units as installed: are they right, how much do they let a service do, and does it work
# within that under a real systemd.
bats_require_minimum_version 1.5.0
load ../lib.bash
load ../systemd.bash

AGENT=tcpmig-agent.service
ATTACH=tcpmig-attach@eth0.service
HOST=tcpmig-host.service
# The exposure as systemd 252 counts it, times 10: what they have left for a reason.
AGENT_EXPOSURE=27
ATTACH_EXPOSURE=24
# All that could confine it would confine what is moved there: see the unit.
HOST_EXPOSURE=96

setup_file() {
	export PREFIX=$BATS_FILE_TMPDIR/prefix
	make -s install PREFIX="$PREFIX"
}

teardown_file() { host_down; }

# In which the units of a test may be changed.
setup() {
	UNITS=$BATS_TEST_TMPDIR/units
	cp -r "$PREFIX/lib/systemd/system" "$UNITS"
}

# verify UNIT: only what it says is an error: unknown keys leave its status 0.
verify() {
	local said
	said=$(SYSTEMD_UNIT_PATH=$UNITS: MANPATH=$PREFIX/share/man systemd-analyze verify "$1" 2>&1) ||
		said+=" status $?"
	echo "$said"
	[ -z "$said" ]
}

security() {
	SYSTEMD_UNIT_PATH=$UNITS: systemd-analyze security --offline=yes --no-pager \
		--threshold="$2" "$UNITS/$1"
}

@test "verify: the units name nothing that is not there, and no key that systemd does not know" {
	verify $AGENT
	verify $ATTACH
	verify $HOST
}

@test "verify, control: an unknown key, a missing program or a missing man page is found" {
	sed -i 's/^TasksMax/TaskMax/' "$UNITS/$AGENT"
	run ! verify $AGENT
	[[ $output == *"Unknown key"* ]]
	sed -i 's|^ExecStart=.*/|&no-|' "$UNITS/tcpmig-attach@.service"
	run ! verify $ATTACH
	[[ $output == *"is not executable"* ]]
	sed -i 's/TaskMax/TasksMax/; s/man:tcpmig-bpf/man:no-such-page/' "$UNITS/$AGENT"
	run ! verify $AGENT
	[[ $output == *"no-such-page"* ]]
}

@test "security: no more is open than is needed" {
	run security $AGENT $AGENT_EXPOSURE
	echo "$output"
	[ "$status" = 0 ]
	run security tcpmig-attach@.service $ATTACH_EXPOSURE
	echo "$output"
	[ "$status" = 0 ]
	run security $HOST $HOST_EXPOSURE
	echo "$output"
	[ "$status" = 0 ]
}

@test "security, control: each line of the sandbox counts, and without any the unit is refused" {
	local unit count number open
	for unit in $AGENT:$AGENT_EXPOSURE tcpmig-attach@.service:$ATTACH_EXPOSURE; do
		cp "$UNITS/${unit%:*}" "$UNITS/kept"
		count=$(grep -cE "$COUNTED" "$UNITS/kept")
		[ "$count" -ge 15 ]
		open=$(security "${unit%:*}" "${unit#*:}" | grep -c ✗)
		for ((number = 1; number <= count; number++)); do
			awk -v n=$number -v re="$COUNTED" '$0 ~ re && ++i == n { next } 1' \
				"$UNITS/kept" >"$UNITS/${unit%:*}"
			run security "${unit%:*}" "${unit#*:}"
			echo "without $(diff "$UNITS/kept" "$UNITS/${unit%:*}" | grep '^<')"
			[ "$(grep -c ✗ <<<"$output")" -gt "$open" ]
		done
		grep -vE "$COUNTED" "$UNITS/kept" >"$UNITS/${unit%:*}"
		run security "${unit%:*}" "${unit#*:}"
		[ "$status" = 1 ]
	done
}
COUNTED='^(CapabilityBoundingSet|RestrictAddressFamilies|ProtectSystem|ProtectHome|PrivateDevices|ProtectKernel.*|PrivateTmp|MemoryDenyWriteExecute|NoNewPrivileges|RestrictNamespaces|ProtectControlGroups|ProtectHostname|RestrictSUIDSGID|LockPersonality|RestrictRealtime|PrivateMounts|SystemCallFilter=@system-service|ProtectProc)'

# Without udev there are no device units: nothing can be bound to one.
# shellcheck disable=SC2016 # expanded there
prepare_host() {
	on_host mkdir -p /etc/tcpmig /opt/src
	tar -c --exclude=.git --exclude=tests build/tcpmig-bpf build/.tools build/.flags Makefile VERSION \
		docs scripts | on_host tar -x -C /opt/src
	on_host sh -c 'cd /opt/src && for unit in scripts/systemd/*.service; do
			sed "/sys-subsystem-net-devices/d; s|@SBINDIR@|/usr/sbin|" $unit \
				>/etc/systemd/system/${unit##*/} || exit; done
		install build/tcpmig-bpf /usr/sbin/ && install -D scripts/systemd/tcpmig.sysusers \
			/usr/lib/sysusers.d/tcpmig.conf && systemd-sysusers && systemctl daemon-reload
		ip link add eth0 type veth peer name far && ip link set eth0 up && ip link set far up &&
		ip addr add 10.9.0.1/24 dev eth0
		tcpmig-bpf pki init --dir /root/pki &&
		tcpmig-bpf pki issue --dir /root/pki --ip 10.9.0.1 --role agent --out /etc/tcpmig/agent &&
		cp /root/pki/ca.crt /etc/tcpmig/ &&
		printf "[agent]\n[move a]\nold = 10.9.0.0/24\nnew = 10.9.0.0/24\n" >/etc/tcpmig/agent.conf'
}

@test "under systemd: attach, agent, orders, neighbours, reload; user and rights as they should be" {
	host_up
	trap 'journal "tcpmig*"' ERR
	on_host systemctl start $ATTACH
	on_host systemctl start $AGENT
	[ "$(show $AGENT ActiveState)" = active ]
	[ "$(show $ATTACH ActiveState)" = active ]
	keeper=$(show $AGENT MainPID)
	agent=$(on_host pgrep -P "$keeper")
	[ "$(on_host ps -o user= -p "$agent")" = tcpmig ]
	for set in Prm Eff Bnd; do
		on_host grep -q "^Cap$set:.*0000000000000000" "/proc/$agent/status"
		on_host grep -q "^Cap$set:.*0000000000003020" "/proc/$keeper/status"
	done
	on_host tcpmig-bpf redirect 10.9.0.77:5000 10.9.0.2:5000
	wait_for 3 "the neighbour entry" on_host sh -c 'ip neigh show 10.9.0.77 | grep -q "proto 124"'
	on_host systemctl reload $AGENT
	wait_for 3 "the reload" on_host sh -c "journalctl -u $AGENT | grep -q event=reloaded"
	[ "$(show $AGENT MainPID)" = "$keeper" ]
	# Priorities are the journal's, not text.
	[ -n "$(on_host journalctl -u $AGENT -p 6..6 -o cat -g '^event=ready')" ]
	on_host systemctl stop $AGENT
	[ "$(show $AGENT Result)" = success ]
	on_host sh -c '! ls /run/tcpmig/agent.sock 2>&1 && tcpmig-bpf release 10.9.0.77:5000'
}

@test "under systemd: killed or hung, the agent is started again; detach ends it, attach brings it back" {
	host_up
	trap 'journal "tcpmig*"' ERR
	on_host sh -c "mkdir -p /run/systemd/system/$AGENT.d
		printf '[Service]\nWatchdogSec=3\nRestartSec=200ms\n' >/run/systemd/system/$AGENT.d/quick.conf
		systemctl daemon-reload"
	on_host systemctl start $ATTACH $AGENT
	keeper=$(show $AGENT MainPID)
	on_host sh -c "kill -KILL \$(pgrep -P $keeper)"
	wait_for 10 "the agent to come back" is_another "$keeper"
	keeper=$(show $AGENT MainPID)
	on_host sh -c "kill -STOP \$(pgrep -P $keeper)"
	wait_for 15 "the watchdog" is_another "$keeper"
	keeper=$(show $AGENT MainPID)
	on_host systemctl restart $ATTACH
	wait_for 15 "the agent with the new pins" is_another "$keeper"
	wait_for 2 "two processes, no more" has_processes 2
	on_host systemctl stop $AGENT $ATTACH
	on_host test ! -e /sys/fs/bpf/tcpmig
}

# is_another PID: it runs, and not as PID; which may be ending, and is 0 then.
is_another() {
	local now
	now=$(show $AGENT MainPID)
	[ "$now" != "$1" ] && [ "$now" != 0 ] && [ "$(show $AGENT ActiveState)" = active ]
}
has_processes() { [ "$(on_host pgrep -xc tcpmig-bpf)" = "$1" ]; }
