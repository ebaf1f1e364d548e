# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Loaded after lib.bash: a host of its own that a real systemd runs, one a file.

# On that host: $INIT is its systemd as seen here.
on_host() { nsenter -t "$INIT" -a -- "$@"; }

# Prepared by the file's prepare_host, once.
host_up() {
	[ ! -s "$BATS_FILE_TMPDIR/init" ] || { INIT=$(cat "$BATS_FILE_TMPDIR/init") && return; }
	mkdir "$BATS_FILE_TMPDIR/host"
	setsid tests/build/systemd-host "$BATS_FILE_TMPDIR/host" </dev/null \
		>"$BATS_FILE_TMPDIR/host.log" 2>&1 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/job"
	wait_for 30 "systemd" host_runs || { cat "$BATS_FILE_TMPDIR/host.log" && return 1; }
	echo "$INIT" >"$BATS_FILE_TMPDIR/init"
	prepare_host
}

host_runs() {
	INIT=$(pgrep -P "$(cat "$BATS_FILE_TMPDIR/job")") &&
		[ "$(on_host systemctl is-active basic.target)" = active ]
}

host_down() {
	[ ! -s "$BATS_FILE_TMPDIR/job" ] || kill -KILL "$(cat "$BATS_FILE_TMPDIR/job")" || :
}

show() { on_host systemctl show -P "$2" "$1"; }

journal() { on_host journalctl --no-pager -o short-full -u "$1" || :; }
