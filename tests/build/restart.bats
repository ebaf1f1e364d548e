# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Under a real systemd: a service that has been moved away is not started again, and when the move
# is over everything is as it was.
bats_require_minimum_version 1.5.0
load ../lib.bash
load ../systemd.bash

TOOL=build/tests/e2e/restart_tool

teardown_file() { host_down; }

setup() {
	host_up
	trap 'journal "s*"' ERR
}

teardown() {
	on_host systemctl stop s.service s.socket 2>/dev/null || :
	on_host sh -c 'rm -rf /run/systemd/system/s.* /etc/systemd/system/s.*
		systemctl daemon-reload; systemctl reset-failed'
}

prepare_host() {
	on_host sh -c 'cat >/usr/sbin/restart_tool && chmod 755 /usr/sbin/restart_tool' <$TOOL
}

tool() { on_host restart_tool "$@"; }

# service [LINE...]: s.service, started again whenever it ends, with more lines; $PID is its process.
service() {
	printf '%s\n' '[Unit]' StartLimitIntervalSec=0 '[Service]' 'ExecStart=sleep 1000' Restart=always \
		RestartSec=0 "$@" | on_host sh -c 'cat >/etc/systemd/system/s.service && systemctl daemon-reload'
	on_host systemctl start s.service
	note_pid
}

note_pid() { PID=$(show s.service MainPID); }

dropins() { on_host sh -c 'ls /run/systemd/system/s.service.d 2>&1 || :'; }

is_another() {
	local now
	now=$(show s.service MainPID)
	[ "$now" != "$1" ] && [ "$now" != 0 ] && [ "$(show s.service ActiveState)" = active ]
}

@test "what systemd would do is found out" {
	service WatchdogSec=90
	[ "$(tool find "$PID")" = "s.service always 90000 0 " ]
	run --separate-stderr tool find 1
	[ "$status" = 1 ]
	[[ $stderr == *"it is in no service"* ]]
	on_host sh -c 'printf "[Socket]\nListenStream=9999\n" >/run/systemd/system/s.socket
		systemctl stop s.service; systemctl daemon-reload; systemctl start s.socket s.service'
	note_pid
	[ "$(tool find "$PID")" = "s.service always 90000 0 s.socket" ]
}

@test "preflight names the service and what starts it again" {
	service
	[[ $(tool preflight "$PID") == "warn: s.service has Restart=always, "*"(systemctl edit s.service: "* ]]
	service Restart=no
	[ -z "$(tool preflight "$PID")" ]
	[ -z "$(tool preflight "$(on_host sh -c 'setsid sleep 100 >/dev/null 2>&1 & echo $!')")" ]
	on_host sh -c 'printf "[Socket]\nListenStream=9998\n" >/run/systemd/system/s.socket
		systemctl stop s.service; systemctl daemon-reload; systemctl start s.socket s.service'
	note_pid
	[[ $(tool preflight "$PID") == "warn: s.service is started again by s.socket"*"(systemctl stop s.socket)" ]]
}

@test "control: the killed service is started again, also when it was killed while frozen" {
	service
	tool kill "$PID"
	wait_for 5 "systemd to start it again" is_another "$PID"
}

@test "disabled, it stays dead, as a success; enabled, it is as it was" {
	service WatchdogSec=90
	tool disable s.service
	[ "$(show s.service MainPID)" = "$PID" ]
	[ "$(show s.service Restart)" = no ]
	[ "$(tool find "$PID")" = "s.service no 90000 0 " ]
	# Its own cgroup, for it is alone in it: systemd sees it end.
	[[ $(tool kill "$PID") == */s.service ]]
	tool ended s.service
	tool enable s.service
	[ "$(show s.service ActiveState)" = inactive ]
	[ "$(show s.service Result)" = success ]
	[ "$(show s.service Restart)" = always ]
	[[ $(dropins) == *"No such file"* ]]
	on_host systemctl start s.service
	note_pid
	on_host kill -KILL "$PID"
	wait_for 5 "systemd to start it again" is_another "$PID"
}

@test "disabled and enabled with nothing done between: it runs on, and is started again" {
	service
	tool disable s.service
	tool disable s.service
	tool enable s.service
	tool enable s.service
	[ "$(show s.service MainPID)" = "$PID" ]
	[ "$(show s.service NeedDaemonReload)" = no ]
	on_host kill -KILL "$PID"
	wait_for 5 "systemd to start it again" is_another "$PID"
}

@test "a drop-in that was removed without a word to systemd: enable tells it" {
	service
	tool disable s.service
	on_host sh -c 'rm -r /run/systemd/system/s.service.d'
	[ "$(show s.service Restart)" = no ]
	tool enable s.service
	[ "$(show s.service Restart)" = always ]
}

@test "part of a service is moved: below its cgroup, and systemd keeps the rest" {
	service 'ExecStartPost=sh -c "sleep 2000 & true"'
	other=$(on_host pgrep -f 'sleep 2000')
	tool disable s.service
	[[ $(tool kill "$other") == */s.service/tcpmig-* ]]
	[ "$(show s.service MainPID)" = "$PID" ]
	[ "$(show s.service ActiveState)" = active ]
	tool enable s.service
}

@test "another drop-in with a later name has the last word: refused, and nothing is left over" {
	service
	on_host sh -c 'mkdir -p /etc/systemd/system/s.service.d
		printf "[Service]\nRestart=on-failure\n" >/etc/systemd/system/s.service.d/zzz.conf'
	run --separate-stderr tool disable s.service
	[ "$status" = 1 ]
	[[ $stderr == *"systemd keeps Restart=on-failure of s.service"* ]]
	[[ $(dropins) == *"No such file"* ]]
	[ "$(show s.service Restart)" = on-failure ]
}
