# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The lab, demo and get-criu as a user meets them: what they refuse, and that the
# machine is afterwards as it was.
bats_require_minimum_version 1.5.0
load ../lib.bash

setup() {
	MACHINE=$(machine)
}
teardown() { lab_down; }

# Of the machine itself, not of a host: what a lab could leave behind.
machine() {
	ip netns
	ip -br link | awk '{ print $1 }'
	cut -d' ' -f4- /proc/self/mountinfo | sort
	nft list ruleset
	ls /run/tcpmig-lab 2>/dev/null || echo "no lab"
	ls -A /sys/fs/bpf 2>/dev/null || echo "no bpffs"
	find "$(cgroup_root)" -maxdepth 3 -path "*/tcpmig-lab.$LAB_NAME.*" -type d
	pgrep -af -- "-n $LAB_NAME __init_" || echo "no process"
}

same_machine() { diff <(echo "$MACHINE") <(machine); }

cgroup_root() { findmnt -nrft cgroup2 -o TARGET || echo /nonexistent; }

# What was killed may take a moment to go.
machine_is_as_before() { wait_for 2 "the machine to be as it was" same_machine || same_machine; }

@test "up, attach, down: the machine is as it was" {
	lab_up client A
	note_foreign_programs
	[ "$(lab addr A)" = 10.9.0.2 ]
	[ "$(lab addr A 6)" = fd09::2 ]
	client "$T" attach eth0
	client "$T" hold 10.9.0.2:5000
	lab down
	machine_is_as_before
	wait_for_programs 0
}

@test "each host has a cgroup of its own, and what is frozen in one ends as well" {
	[ -d "$(cgroup_root)" ] || skip "no cgroup v2 is mounted"
	lab_up A B
	dir=$(lab cgroup A)
	[ "$dir" != "$(lab cgroup B)" ]
	PID=$(lab spawn A sleep 100)
	lab exec A sh -c "mkdir -p $dir/tree/leaf; echo $PID >$dir/tree/cgroup.procs; echo 1 >$dir/tree/cgroup.freeze"
	wait_for 2 "the freezer" grep -q 'frozen 1' "$dir/tree/cgroup.events"
	[ "$(lab exec A sed -n s/^0:://p "/proc/$PID/cgroup")" = "${dir#"$(cgroup_root)"}/tree" ]
	[ "$(lab exec B sed -n s/^0:://p /proc/1/cgroup)" = "$(lab exec B sed -n s/^0:://p /proc/self/cgroup)" ]
	lab down
	machine_is_as_before
}

@test "a second up is refused, the first lives on" {
	lab_up client
	run --separate-stderr lab up client
	check_failure 1 "is up already"
	client true
	lab down
	machine_is_as_before
}

@test "interrupted while it comes up: nothing is left" {
	for ms in 020 060 090 120 150 180 210 240 270; do
		timeout -s INT "0.$ms" "${LAB[@]}" up client A B >/dev/null 2>&1 || :
		lab down # only after the interruption was late
		machine_is_as_before
	done
}

@test "wrong names and arguments are refused, and nothing changes" {
	for arguments in "-n ../x up" "-n ../x down" "up switch" "up shared" "up a/b" "up A A" \
		"exec" "exec A" "spawn A" "addr" "pins" "cgroup" "frob" "" "-x"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr "$TOP/scripts/lab" $arguments
		[ "$status" = 2 ]
	done
	run --separate-stderr lab exec nosuch true
	check_failure 1 "'nosuch'"
	run --separate-stderr lab pins nosuch
	check_failure 1 "'nosuch'"
	machine_is_as_before
}

@test "demo refuses what would prove nothing" {
	for arguments in "-s 0" "-s 3" "-s abc" "-s 1000" "now"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr scripts/demo $arguments
		[ "$status" != 0 ]
		[ -z "$output" ]
	done
	machine_is_as_before
}

@test "get-criu prints a CRIU that starts, also from another directory" {
	criu=$(cd / && "$TOP/scripts/get-criu")
	[[ $("$criu" --version) == Version:* ]]
	run --separate-stderr scripts/get-criu frob
	check_failure 1 "'frob'"
}
