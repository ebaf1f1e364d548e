# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Two hosts of servers, and images that go from one to the other over a wire.
bats_require_minimum_version 1.5.0
load ../lib.bash
load ../agent.bash

HOSTPEER=$TOP/build/tests/e2e/hostpeer

setup_file() {
	local dir=$BATS_FILE_TMPDIR
	lab_up A B
	export MOVE_TLS=$dir/tls
	"$T" pki init --dir "$dir/pki"
	agent_host A "$(lab addr A)" "$(lab addr A 6)"
	agent_host B "$(lab addr B)" "$(lab addr B 6)"
	agent_host stranger 10.9.0.99
}
teardown_file() { lab_down; }

setup() {
	FROM=$(lab shared)/from TO=$(lab shared)/to OUT=$BATS_TEST_TMPDIR
	in_a "mkdir $FROM $TO"
}

teardown() {
	[ -z "${PEER:-}" ] || kill "$PEER" 2>/dev/null || : # it may have ended
	in_a "rm -r $FROM $TO"
}

# in_a COMMANDS: only the lab sees what its hosts share.
in_a() { lab exec A bash -c "$1"; }

# receive TLS CPU FAMILY: B, in the background; $PEER is its PID.
receive() {
	rm -f "$OUT/receive"
	lab exec B taskset -c "$2" timeout 60 "$HOSTPEER" receive "$MOVE_TLS/$1" "$(at "$3")" "$TO" \
		>"$OUT/receive" 2>&1 3>&- &
	PEER=$!
	wait_for 10 "B" grep -qs listens "$OUT/receive" || { cat "$OUT/receive" && false; }
}

at() { if [ "$1" = 6 ]; then echo "[$(lab addr B 6)]:7171"; else echo "$(lab addr B):7171"; fi; }

# send_images TLS CPU FAMILY [COMMAND...]: A.
send_images() {
	local tls=$1 cpu=$2 at
	at=$(at "$3")
	shift 3
	lab exec A taskset -c "$cpu" timeout 60 "$HOSTPEER" send "$MOVE_TLS/$tls" "$at" "$FROM" "$@"
}

# As images of B are named.
same() {
	in_a "mv $TO/inventory.img.tcpmig $TO/inventory.img && diff -r $FROM $TO"
}

value() { sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p" "$1" | tail -n 1; }

@test "64 MiB over a wire, a core for each side" {
	local family cpus
	cpus=$(($(nproc) - 1))
	in_a "head -c 64M /dev/urandom >$FROM/pages-1.img; echo inventory >$FROM/inventory.img"
	for family in 4 6; do
		receive B $cpus $family
		send_images A 0 $family >"$OUT/send"
		wait "$PEER"
		same
		in_a "rm $TO/*"
		echo "# IPv$family: 64 MiB: $(value "$OUT/send" ms) ms, $(value "$OUT/send" mb_s) MB/s; CPU: A $(value "$OUT/send" cpu_ms) ms, B $(value "$OUT/receive" cpu_ms) ms" >&3
	done
}

@test "64 MiB of a process, while criu dumps it" {
	local pid criu
	criu=$(scripts/get-criu)
	in_a "mkdir $FROM.log"
	pid=$(lab spawn A python3 -c 'import os, time
memory = os.urandom(64 << 20)
open("'"$FROM"'.log/ready", "w").close()
while True: time.sleep(1)')
	wait_for 10 "the process" lab exec A test -e "$FROM.log/ready"
	receive B 0 4
	send_images A 0 4 "$criu" dump -t "$pid" -D "$FROM" -W "$FROM.log" -o dump.log -v2 \
		>"$OUT/send" 2>"$OUT/said" || { in_a "tail $FROM.log/dump.log"; cat "$OUT/said"; false; }
	wait "$PEER"
	same
	in_a "test -s $FROM/pages-1.img && rm -r $FROM.log"
	echo "$(<"$OUT/said"), then $(value "$OUT/send" ms) ms until B had all" >&3
}

@test "a thousand connections' images" {
	in_a "head -c 300000 /dev/urandom | split -b 300 -a 3 -d - $FROM/tcp-stream-
		echo inventory >$FROM/inventory.img"
	receive B 0 4
	send_images A 0 4 >"$OUT/send"
	wait "$PEER"
	same
	echo "# 1,001 files: $(value "$OUT/send" ms) ms" >&3
}

@test "who is not the host at that address neither sends nor receives" {
	receive B 0 4
	run --separate-stderr send_images stranger 0 4
	check_failure 1 "is not for $(lab addr A); expected that as IP in subjectAltName"
	run ! wait "$PEER"
	grep "is not for $(lab addr A); expected that as IP" "$OUT/receive"
	receive stranger 0 4
	run --separate-stderr send_images A 0 4
	check_failure 1 "is not for $(lab addr B); expected that as IP in subjectAltName"
	run ! wait "$PEER"
}

@test "nobody listens" {
	run --separate-stderr send_images A 0 4
	check_failure 1 "nobody listens there; is 'tcpmig-bpf host' running there?"
}

@test "B refuses what is too much, and A learns of it" {
	in_a "echo >$FROM/inventory.img.tcpmig" # where another one is kept
	receive B 0 4
	run --separate-stderr send_images A 0 4
	check_failure 1 "failed: image 'inventory.img.tcpmig': not a name that can be sent"
	run ! wait "$PEER"
	[ -z "$(in_a "ls $TO")" ]
}
