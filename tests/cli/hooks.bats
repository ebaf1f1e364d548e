# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who else is on the hooks of an interface: what list says.
bats_require_minimum_version 1.5.0
load ../lib.bash

FOREIGN=$TOP/build/tests/bpf/foreign.bpf.o
PIN=/sys/fs/bpf/other

setup_file() { lab_up client; }
teardown_file() { lab_down; }
teardown() {
	client "$T" detach --all
	client sh -c "rm -f $PIN-*; tc qdisc del dev eth0 clsact 2>/dev/null || :"
}

# other_tcx PROGRAM DIRECTION first|last
other_tcx() { client "$TOP/build/tests/e2e/tcprog" "$FOREIGN" "$1" eth0 "$2" "$3" "$PIN-$2-$3" >/dev/null; }

# others: "direction program by before_ours" a line.
others() {
	json "'\\n'.join(' '.join(str(o[k]) for k in ('direction', 'program', 'by', 'before_ours'))
		for i in d['interfaces'] for o in i['hook_others'])"
}

@test "nobody else: an empty list, and nothing in the table" {
	client "$T" attach eth0
	[ "$(json "d['interfaces'][0]['hook_others']")" = "[]" ]
	[ "$(client "$T" list | grep -c ALSO)" = 0 ]
}

@test "TCX programs before and after ours, and filters behind them, in order" {
	client "$T" attach eth0
	other_tcx foreign_next ingress last
	other_tcx foreign_ok ingress first
	other_tcx foreign_next egress first
	client tc qdisc add dev eth0 clsact
	client tc filter add dev eth0 ingress prio 7 bpf da obj "$FOREIGN" sec classifier
	client tc filter add dev eth0 egress prio 9 bpf da obj "$FOREIGN" sec tc
	diff <(others) - <<-END
		ingress foreign_ok tcx True
		ingress foreign_next tcx False
		ingress foreign_ok clsact False
		egress foreign_next tcx True
		egress foreign_next clsact False
	END
	client "$T" list | grep -qE '^eth0 +ingress +foreign_ok +tcx +true'
}

@test "beside our clsact filters: TCX comes first, priorities decide" {
	client "$T" attach eth0 --mode clsact
	other_tcx foreign_next egress last
	client tc filter add dev eth0 ingress prio 7 bpf da obj "$FOREIGN" sec tc
	client tc filter add dev eth0 egress prio 7 bpf da obj "$FOREIGN" sec classifier
	diff <(others) - <<-END
		ingress foreign_next clsact False
		egress foreign_next tcx True
		egress foreign_ok clsact True
	END
}

@test "the programs of other pins are others" {
	client "$T" attach eth0
	client "$T" --pin-dir /sys/fs/bpf/second attach eth0
	[ "$(others)" = "ingress tcpmig_ingress tcx True
egress tcpmig_egress tcx False" ]
	client "$T" --pin-dir /sys/fs/bpf/second detach eth0
}
