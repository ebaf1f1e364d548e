# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The drivers of tests/servers.bash with servers that stay where they are: right where nothing is
# wrong, and not where one byte is lost, doubled or changed, or a connection is reset or stalls.
bats_require_minimum_version 1.5.0
load ../lib.bash
load ../servers.bash

setup_file() { lab_up client A; }
teardown_file() { lab_down; }
setup() { OUT=$BATS_TEST_TMPDIR; }
teardown() {
	for host in client A; do
		lab exec $host sh -c 'kill -9 -1' || :
	done
}

# through PORT WHAT WAY AT: the clients of the server at that port may come through the next.
through() {
	local port=$1
	shift
	lab spawn A "$PYTHON" "$E2E/spoil.py" 10.9.0.2 $((port + 1)) 10.9.0.2 "$port" "$@" >/dev/null
	wait_for 5 "the spoiler" listens A $((port + 1))
}

# right KIND: directly, and through somebody who spoils nothing.
right() {
	server "$1" A 10.9.0.2 5000
	driver "$1" 10.9.0.2 5000 2
	driver_right
	[ "$1" != halfclosed ] || return 0 # for one client
	lab exec A kill -9 "$SERVER"
	server "$1" A 10.9.0.2 5100
	through 5100 nothing down 0
	driver "$1" 10.9.0.2 5101 2
	driver_right
}

# wrong KIND AT WHAT-WAY...: each must be found, but nothing where nothing is wrong. All at once: most
# of it is waiting for what does not come.
wrong() {
	local kind=$1 at=$2 spoil port=5000 drivers=() outs=() i=0
	shift 2
	set -- nothing-down "$@"
	export LIMIT_S=3
	for spoil in "$@"; do
		port=$((port + 10))
		server "$kind" A 10.9.0.2 $port
		through $port "${spoil%-*}" "${spoil#*-}" "$at"
		driver "$kind" 10.9.0.2 $((port + 1)) 1 || : # it may have ended before it was under way
		drivers+=("$DRIVER")
		mv "$DRIVER_OUT" "$DRIVER_OUT.$spoil"
		outs+=("$DRIVER_OUT.$spoil")
	done
	for spoil in "$@"; do
		DRIVER=${drivers[i]} DRIVER_OUT=${outs[i]}
		echo "$spoil:"
		if [ $i = 0 ]; then
			driver_right
		else
			! driver_right || { echo "$spoil was not found" && return 1; }
		fi
		i=$((i + 1))
	done
}
UP=(lose-up double-up change-up reset-up stall-up)
DOWN=(lose-down double-down change-down reset-down stall-down)

@test "seqstream, right" { right seqstream; }
@test "seqstream, wrong" { wrong seqstream 1000 "${DOWN[@]::4}" "${UP[@]::4}"; }
@test "redis, right" { right redis; }
@test "redis, wrong" { wrong redis 1000 "${DOWN[@]}" "${UP[@]}"; }
@test "nginx, right" { right nginx; }
@test "nginx, wrong" { wrong nginx 1000000 "${DOWN[@]}"; }
@test "iperf3 upload, right" { right iperf-up; }
@test "iperf3 upload, wrong" { wrong iperf-up 1000000 reset-up stall-up; }
@test "iperf3 download, right" { right iperf-down; }
@test "iperf3 download, wrong" { wrong iperf-down 1000000 reset-down stall-down; }
@test "asyncio, right" { right asyncio; }
@test "asyncio, wrong" { CONNECTIONS=100 wrong asyncio 100 "${DOWN[@]}" "${UP[@]}"; }
@test "threads, right" { right threads; }
@test "threads, wrong" { wrong threads 200 "${DOWN[@]}" "${UP[@]}"; }
@test "tree, right" { right tree; }
@test "tree, wrong" { wrong tree 200 "${DOWN[@]}" "${UP[@]}"; }
@test "new connections, right" { right open; }
@test "new connections, wrong" { wrong open 50 "${DOWN[@]}" "${UP[@]}"; }
@test "half-closed, right" { right halfclosed; }
@test "half-closed, wrong" { wrong halfclosed 500 "${UP[@]}" reset-down; }

# A child that is stopped answers nothing, and its timer does not run.
@test "tree: a child that does not go on is found" {
	server tree A 10.9.0.2 5000
	LIMIT_S=3 driver tree 10.9.0.2 5000 20
	lab exec A pkill -STOP -n -P "$SERVER"
	if driver_right; then return 1; fi
}
