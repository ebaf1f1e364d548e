# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# tcpmig-host.service under a real systemd: a service's process comes to it, is confined by nothing,
# outlives the daemon, and goes home. The other host is a network namespace of the same machine.
bats_require_minimum_version 1.5.0
load ../lib.bash
load ../systemd.bash

HOST=tcpmig-host.service
A_CONF=/etc/tcpmig-a/host.conf

setup_file() {
	CRIU=$(scripts/get-criu)
	export CRIU
}
teardown_file() { host_down; }

setup() {
	host_up
	trap 'journal "tcpmig*"; journal "s*"; cat "$BATS_TEST_TMPDIR"/*' ERR
	on_host systemctl start $HOST
}

# What runs is ended by the cgroups of the units.
# shellcheck disable=SC2016 # expanded there
teardown() {
	on_host sh -c 'systemctl stop s.service; systemctl kill -s KILL --kill-whom=all $1
		systemctl stop $1; rm -rf /run/tcpmig/images /run/systemd/system/$1.d; systemctl daemon-reload
		systemctl reset-failed' sh $HOST 2>/dev/null || :
}

# Without udev no network is ever online: nothing waits for it.
# shellcheck disable=SC2016 # expanded there
prepare_host() {
	on_host mkdir -p /etc/tcpmig /etc/tcpmig-a /opt
	# As it is: it may be a script beside its libraries.
	tar -C "$(dirname "$CRIU")" -c . | on_host sh -c 'mkdir /opt/criu && tar -x -C /opt/criu'
	on_host sh -c 'cat >/usr/sbin/tcpmig-bpf && chmod 755 /usr/sbin/tcpmig-bpf' <build/tcpmig-bpf
	on_host sh -c 'cat >/usr/sbin/seqstream && chmod 755 /usr/sbin/seqstream' <"$SEQSTREAM"
	sed 's|@SBINDIR@|/usr/sbin|; /network-online/d' scripts/systemd/$HOST |
		on_host sh -c 'cat >/etc/systemd/system/$1' sh $HOST
	on_host sh -ec 'systemctl daemon-reload
		ip netns add a
		ip link add eth0 type veth peer name eth0 netns a
		ip addr add 10.9.0.1/24 dev eth0
		ip -n a addr add 10.9.0.2/24 dev eth0
		ip link set eth0 up
		ip -n a link set eth0 up
		tcpmig-bpf pki init --dir /root/pki
		tcpmig-bpf pki issue --dir /root/pki --ip 10.9.0.1 --out /etc/tcpmig/host
		tcpmig-bpf pki issue --dir /root/pki --ip 10.9.0.2 --out /etc/tcpmig-a/host
		cp /root/pki/ca.crt /etc/tcpmig
		printf "%s\n" "[host]" criu=/opt/criu/'"$(basename "$CRIU")"' "[accept a]" from=10.9.0.2 >/etc/tcpmig/host.conf
		sed "s/10.9.0.2/10.9.0.1/; /accept/i cert=/etc/tcpmig-a/host.crt\nkey=/etc/tcpmig-a/host.key\nstate=/var/lib/tcpmig-a\nimages=/run/tcpmig-a/images\npins=/sys/fs/bpf/tcpmig-a" \
			/etc/tcpmig/host.conf >/etc/tcpmig-a/host.conf
		mkdir -m 700 /var/lib/tcpmig-a'
}

# What systemd knows of the other host is its services only; ip netns exec would hide /sys.
on_a() { on_host nsenter --net=/run/netns/a -- "$@"; }

# service [LINE...]: s.service of A, started again whenever it ends; $PID is its process.
service() {
	printf '%s\n' '[Unit]' StartLimitIntervalSec=0 '[Service]' Restart=always RestartSec=0 \
		StandardOutput=null StandardError=null \
		'ExecStart=nsenter --net=/run/netns/a seqstream serve 10.9.0.2:5000' "$@" |
		on_host sh -c 'cat >/run/systemd/system/s.service; systemctl daemon-reload; systemctl restart s.service'
	wait_for 5 "the service" on_a sh -c 'ss -Htln sport = :5000 | grep -q .'
	PID=$(show s.service MainPID)
}

# moves_to_b: by A's migrate; $MOVED is its process at B.
moves_to_b() {
	on_a timeout 60 tcpmig-bpf -j migrate --config $A_CONF --pid "$PID" --to 10.9.0.1 \
		>"$BATS_TEST_TMPDIR/report" 2>"$BATS_TEST_TMPDIR/migrate.err"
	MOVED=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])' <"$BATS_TEST_TMPDIR/report")
}

# serves_at ADDR: every byte is right; asked from B's side.
serves_at() {
	on_host timeout 20 seqstream connect "$1:5000" 0.5 chat >"$BATS_TEST_TMPDIR/chat" &&
		grep -q . "$BATS_TEST_TMPDIR/chat"
}

status_of() { on_host sed -n "s/^$2:\\s*//p" "/proc/$1/status"; }

is_another() {
	local now
	now=$(show $HOST MainPID)
	[ "$now" != "$1" ] && [ "$now" != 0 ] && [ "$(show $HOST ActiveState)" = active ]
}

@test "it is ready when systemd says so, reloads, says what is wrong and goes on, and stops" {
	daemon=$(show $HOST MainPID)
	[ "$(show $HOST ActiveState)" = active ]
	on_host ss -Htln sport = :7171 | grep -q .
	on_host systemctl reload $HOST
	wait_for 5 "the reload" on_host sh -c "journalctl -u $HOST -o cat | grep -q event=reloaded"
	on_host sed -i 's/^from/form/' /etc/tcpmig/host.conf
	on_host systemctl reload $HOST
	wait_for 5 "its refusal" on_host sh -c "journalctl -u $HOST -p 3..3 -o cat | grep -q event=reload"
	on_host sed -i 's/^form/from/' /etc/tcpmig/host.conf
	[ "$(show $HOST MainPID)" = "$daemon" ]
	on_host systemctl stop $HOST
	[ "$(show $HOST Result)" = success ]
}

@test "a service moves here: nothing confines it, its unit has ended and is as it was" {
	service
	moves_to_b
	serves_at 10.9.0.1
	[ "$(status_of "$MOVED" Seccomp)" = 0 ]
	[ "$(status_of "$MOVED" NoNewPrivs)" = 0 ]
	[ "$(status_of "$MOVED" CapBnd)" = "$(status_of 1 CapBnd)" ]
	[ "$(on_host sh -c "umask; cat /proc/$MOVED/oom_score_adj" | tail -1)" = 0 ]
	[[ $(on_host cat "/proc/$MOVED/cgroup") == *"/$HOST/tcpmig-tree-"* ]]
	unit_is_as_it_was
}

# It has ended, well, nobody has started it again, and it would be when it ends the next time.
unit_is_as_it_was() {
	[ "$(show s.service ActiveState)" = inactive ]
	[ "$(show s.service Result)" = success ]
	[ "$(show s.service Restart)" = always ]
	on_host sh -c '! ls /run/systemd/system/s.service.d 2>/dev/null'
}

@test "so has one that has a process more, which does not move" {
	service 'ExecStartPost=sh -c "setsid sleep 1000 >/dev/null 2>&1 &"'
	moves_to_b
	serves_at 10.9.0.1
	unit_is_as_it_was
}

@test "control: what confines the unit would confine the process" {
	on_host sh -c "mkdir -p /run/systemd/system/$HOST.d
		printf '[Service]\nLockPersonality=yes\nNoNewPrivileges=yes\n' >/run/systemd/system/$HOST.d/x.conf
		systemctl daemon-reload; systemctl restart $HOST"
	service
	moves_to_b
	[ "$(status_of "$MOVED" Seccomp)" = 2 ]
	[ "$(status_of "$MOVED" NoNewPrivs)" = 1 ]
}

@test "the process outlives the daemon, stopped, killed or updated; and goes home" {
	service
	moves_to_b
	on_host systemctl restart $HOST
	serves_at 10.9.0.1
	daemon=$(show $HOST MainPID)
	on_host kill -KILL "$daemon"
	wait_for 10 "the daemon to come back" is_another "$daemon"
	serves_at 10.9.0.1
	on_host systemctl stop $HOST
	serves_at 10.9.0.1
	on_host systemd-run -q --unit=s-a nsenter --net=/run/netns/a tcpmig-bpf host --config $A_CONF
	wait_for 5 "A's daemon" on_a sh -c 'ss -Htln sport = :7171 | grep -q .'
	on_host timeout 60 tcpmig-bpf migrate --pid "$MOVED" --to 10.9.0.2 2>"$BATS_TEST_TMPDIR/home.err"
	serves_at 10.9.0.2
	on_host systemctl kill -s KILL --kill-whom=all s-a
}
