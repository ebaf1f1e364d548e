# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Loaded by all bats files: a lab a file, and what they ask of it.

cd "$BATS_TEST_DIRNAME/../.." || exit 1
. scripts/lib.sh
# One lab a file, named after it.
LAB_NAME=$(basename "$BATS_TEST_FILENAME" .bats)
. scripts/move.sh
PATH=$PATH:/usr/sbin:/sbin
SEQSTREAM=$TOP/build/tests/e2e/seqstream
DEFAULT_PINS=/sys/fs/bpf/tcpmig

lab_up() {
	lab up "$@"
}

lab_down() {
	lab down
}

# check_failure STATUS TEXT: of the last `run --separate-stderr`.
check_failure() {
	# shellcheck disable=SC2154 # set by run
	if [ "$status" != "$1" ] || [ ${#stderr_lines[@]} != 1 ] || [[ $stderr != *"$2"* ]]; then
		echo "expected status $1 and one line with '$2'; got $status: $stderr"
		return 1
	fi
}

# json EXPRESSION: of `list -j` of the client, as a Python expression over d.
json() {
	client "$T" list -j | python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"
}

# counter NAME: of `stats -j` of the client.
counter() {
	client "$T" stats -j | python3 -c "import json, sys
d = json.load(sys.stdin); print({**d['counters'], **d['drops']}['$1'])"
}

# What attach and a move may leave behind, of one host.
footprint() {
	lab exec "$1" sh -c 'ls -A /sys/fs/bpf 2>/dev/null; cut -d" " -f4- /proc/self/mountinfo | sort
		tc qdisc show dev eth0; tc filter show dev eth0 ingress; tc filter show dev eth0 egress
		nft list ruleset; ip neigh show nud permanent'
}

# Hook programs of this lab's client, but those that were there when it began. Other labs
# may run at the same time.
hook_programs() { "$TOP/build/tests/e2e/hookprogs" "$CLIENT_NETNS"; }
our_programs() {
	local programs
	programs=$(hook_programs) || return 1
	comm -13 <(sort <<<"${FOREIGN_PROGRAMS:-}") <(sort <<<"$programs") | grep -c . || : # none: status 1
}
note_foreign_programs() {
	CLIENT_NETNS=$(client stat -L -c %i /proc/self/ns/net)
	FOREIGN_PROGRAMS=$(hook_programs)
	export CLIENT_NETNS FOREIGN_PROGRAMS
}

# The kernel frees programs late.
wait_for_programs() { wait_for 2 "$1 programs" programs_are "$1"; }
programs_are() { [ "$(our_programs)" = "$1" ]; }

# talk FILE ENDPOINT SECONDS MODE...: clients in the background; $TALKER is their PID.
talk() {
	local out=$1
	shift
	client "$SEQSTREAM" connect "$@" >"$out" 2>&1 3>&- &
	TALKER=$!
}

# all_ok FILE N: N connections ended, all with every byte right.
all_ok() {
	if [ "$(grep -c '"result":"ok"' "$1")" != "$2" ] || [ "$(wc -l <"$1")" != "$2" ]; then
		echo "expected $2 connections, all ok:"
		cat "$1"
		client "$T" stats
		return 1
	fi
}

# found TEXT...: each stands in a line of $FOUND, which is what doctor has found.
found() {
	local text
	for text in "$@"; do
		grep -qF -- "$text" <<<"$FOUND" || { echo "no '$text' in:"; echo "$FOUND"; return 1; }
	done
}

# unshare --mount bash -ec "$WITH_ETC" bash DIR CMD...: CMD, for which the files of DIR are all that is
# in /etc/tcpmig.
# shellcheck disable=SC2016,SC2034 # expanded there; used by those who load this
WITH_ETC='dir=$1; shift
	mount -t tmpfs -o mode=0755 tmpfs /mnt
	mkdir /mnt/work /mnt/etc && cp -rp "$dir" /mnt/etc/tcpmig && chown root: /mnt/etc/tcpmig
	mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work overlay /etc
	umount -l /mnt
	exec "$@"'
