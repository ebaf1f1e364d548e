# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What is refused in the sandbox of the agent, and what is not.
bats_require_minimum_version 1.5.0
load ../lib.bash

PROBE=$TOP/build/tests/e2e/sandbox_probe

setup_file() {
	lab_up client
	client "$T" attach eth0
}
teardown_file() { lab_down; }

# probe OPTION...: every line of it is ok, and there are as many as it planned.
probe() {
	run client "$PROBE" "$DEFAULT_PINS" nobody "$@"
	echo "$output"
	[ "$status" = 0 ]
	[ "$(grep -c '^ok ' <<<"$output")" = "${lines[0]#1..}" ]
	[ "${lines[0]#1..}" -gt 50 ]
}

@test "in the sandbox: nothing can be opened, loaded, traced, connected; maps and netlink work" {
	probe
}

@test "as the keeper: no program, trace, mount, module, network; files, pins and netlink work" {
	probe --keeper
}

@test "control: without the sandbox each of these attempts succeeds" {
	probe --free
}

@test "no such user, root, or a user in root's group: no sandbox, and nothing runs without" {
	for user in no-such-user root; do
		run client "$PROBE" "$DEFAULT_PINS" $user
		[ "$status" = 1 ]
		[ "$(grep -c '^not ok .*: not tried$' <<<"$output")" = "${lines[0]#1..}" ]
	done
	[[ $output == *"its user is root, or in its group"* ]]
}
