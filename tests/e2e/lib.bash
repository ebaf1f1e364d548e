# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Loaded by the files of this folder after ../lib.bash: a server, clients that check
# every byte, and a move.

OLD4=10.9.0.2:5000 OLD6='[fd09::2]:5000'
NEW4=10.9.0.3:6000 NEW6='[fd09::3]:6000'
ALL_MODES=(chat up down push idle)

setup() {
	OUT=$BATS_TEST_TMPDIR
	MOVE_TMP=$OUT
	FOOTPRINTS=$(footprints)
	client "$T" attach eth0
}

teardown() { tidy_up; }

# Whatever a test did: no process, no rule, no table is left for the next.
tidy_up() {
	local host
	for host in client A B; do
		lab exec "$host" sh -c 'kill -9 -1' || :
		lab exec "$host" ethtool -K eth0 tx on tso on >/dev/null 2>&1
	done
	move_unlock A
	client "$T" detach --all >/dev/null
	diff <(echo "$FOOTPRINTS") <(footprints)
}

footprints() {
	local host
	for host in client A B; do
		footprint $host
	done
}

# serve MODE...: server on A for both families; a connection for each MODE to each.
serve_and_talk() {
	local seconds=$1
	shift
	MOVE_OLD=("$OLD4" "$OLD6")
	MOVE_CUR=("${MOVE_OLD[@]}")
	MOVE_NEW=("$NEW4" "$NEW6")
	PID=$(lab spawn A "$SEQSTREAM" serve "${MOVE_OLD[@]}")
	talk "$OUT/4" "$OLD4" "$seconds" "$@"
	TALKER4=$TALKER
	talk "$OUT/6" "$OLD6" "$seconds" "$@"
	TALKER6=$TALKER
	wait_for 5 "connections" connected $((2 * $#))
}

# hold_naming_next: as move_hold, where only the client knows the interface of the route to
# NEW: criu's hook runs on B.
hold_naming_next() {
	local i
	for i in "${!MOVE_OLD[@]}"; do
		client "$T" hold --next "${MOVE_NEW[i]}" "${MOVE_OLD[i]}" >/dev/null
	done
}

connected() { [ "$(client ss -Htn state established '( dport = :5000 )' | wc -l)" = "$1" ]; }

talked() { wait "$TALKER4" "$TALKER6" || :; }

# moves: from A to B, and every connection that was there is there afterwards.
moves() {
	local before after
	before=$(client ss -Htn state established '( dport = :5000 )' | awk '{ print $3, $4 }' | sort)
	[ -n "$before" ]
	move A "$PID" B
	after=$(client ss -Htn state established '( dport = :5000 )' | awk '{ print $3, $4 }' | sort)
	diff <(echo "$before") <(echo "$after")
}

both_ok() { all_ok "$OUT/4" "$1" && all_ok "$OUT/6" "$1"; }

# Not one connection came through, and not because it never began.
none_ok() {
	cat "$OUT/4" "$OUT/6"
	[ "$(cat "$OUT/4" "$OUT/6" | grep -c '"result":"\(hung\|reset\)"')" = "$1" ]
}

# problems: of all rules, "check cure" a line. As list -j has them.
problems() {
	json "'\n'.join(p['check'] + ' ' + p['cure'] for r in d['rules'] for p in r['problems'])"
}

# Does what list says against them, word by word.
cure_all() { problems | cut -d' ' -f2- | while read -r cure; do client sh -c "$cure"; done; }
