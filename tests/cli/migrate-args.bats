# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `migrate`: what it does not take, and says so before anything of the process or of B has changed.
# shellcheck disable=SC2030,SC2031 # what run sets is read in the same test
bats_require_minimum_version 1.5.0
load ../lib.bash
load ../agent.bash
load ../servers.bash
load ../migrate.bash

SERVER_HOSTS=(A B)
by_hand() { false; }
setup_file() { migrate_files A B; }
teardown_file() { lab_down; }
setup() { migrate_begin; }
teardown() { migrate_end; }

# usage TEXT ARGS...: one line with TEXT, status 2.
usage() {
	local text=$1
	shift
	run --separate-stderr "$T" migrate "$@"
	check_failure 2 "$text" || { echo "of: migrate $*" && false; }
}

@test "arguments that are none" {
	usage "--pid"
	usage "--pid" --to 10.9.0.3
	usage "--to" --pid 1
	for pid in 0 -1 x 1x "" 4194305 99999999999999999999; do
		usage "'$pid'" --pid "$pid" --to 10.9.0.3
	done
	for to in "" B 10.9.0 10.9.0.3:0 10.9.0.3:65536 10.9.0.3:x "[fd09::3" fd09::3:7171:1:1:1:1:1:1 10.9.0.3/24; do
		usage "'$to'" --pid 1 --to "$to"
	done
	for new in "" 10.9.0.3:5000 "[fd09::3]:5000" x; do
		usage "'$new'" --pid 1 --to 10.9.0.3 --new "$new"
	done
	for port in 0 65536 -1 x 50x; do
		usage "'$port'" --pid 1 --to 10.9.0.3 --new-port "$port"
	done
	for ms in 0 -1 x 1.5 25001 99999999999; do
		usage "'$ms'" --pid 1 --to 10.9.0.3 --max-freeze "$ms"
	done
	usage "'pen'" --pid 1 --to 10.9.0.3 --hold pen
	usage "'some'" --pid 1 --to 10.9.0.3 --require-agents some
	usage "'copy'" --pid 1 --to 10.9.0.3 --files copy
	for uuid in "" x 00000000-0000-0000-0000-00000000000 00000000-0000-0000-0000-00000000000g; do
		usage "'$uuid'" --resume "$uuid"
		usage "'$uuid'" --abort "$uuid"
	done
	uuid=11111111-2222-3333-4444-555555555555
	usage "no other option" --resume $uuid --pid 1
	usage "no other option" --abort $uuid --to 10.9.0.3
	for option in --dry-run "--new-port 1" "--hold drop" "--files check" "--max-freeze 1"; do
		# shellcheck disable=SC2086 # words
		usage "no other option" --resume $uuid $option
	done
	usage "one of --resume and --abort" --resume $uuid --abort $uuid
	usage "" --no-such-option
	usage "" --pid 1 --to 10.9.0.3 more
}

@test "a host.conf that is not there, or wrong" {
	run --separate-stderr "$T" migrate --config "$OUT/none" --pid 1 --to 10.9.0.3
	check_failure 1 "'$OUT/none'"
	printf '[host]\ncriu = relative\n' >"$OUT/conf"
	run --separate-stderr "$T" migrate --config "$OUT/conf" --pid 1 --to 10.9.0.3
	check_failure 1 "$OUT/conf"
}

@test "--resume and --abort of a migration that nobody knows" {
	for option in --resume --abort; do
		run --separate-stderr lab exec A "$T" migrate --config "$(host_conf_file A)" \
			$option 11111111-2222-3333-4444-555555555555
		check_failure 1 11111111-2222-3333-4444-555555555555
	done
}

serve() {
	SERVER=$(lab spawn A "$SEQSTREAM" serve 10.9.0.2:5000)
	talk "$OUT/talk" 10.9.0.2:5000 60 chat push
	wait_for 5 "connections" connections_are 2
	BEFORE_A=$(host_footprint A) BEFORE_B=$(host_footprint B)
}
connections_are() { [ "$(client ss -Htn state established '( dport = :5000 )' | wc -l)" = "$1" ]; }

# refused TEXT PID [OPTIONS]: by status 1 and a line with TEXT; -j prints a document all the same.
refused() {
	local text=$1 pid=$2
	shift 2
	run --separate-stderr lab exec A timeout 30 "$T" -j migrate --config "${CONF:-$(host_conf_file A)}" \
		--pid "$pid" --to "${TO:-10.9.0.3}" "$@"
	if [ "$status" != 1 ] || [[ $stderr != *"$text"* ]]; then
		echo "expected status 1 and '$text'; got $status: $stderr" && return 1
	fi
	REPORT=$OUT/report.json
	echo "$output" >"$REPORT"
	[ "$(report "d['result'], d['freeze_ms'], d['image_bytes']")" = "stayed 0.0 0" ] ||
		{ cat "$REPORT" && return 1; }
}

# Nothing has changed, and the server serves.
untouched() {
	wait_for 5 "nothing left on A" footprint_is A "$BEFORE_A" || diff <(echo "$BEFORE_A") <(host_footprint A)
	wait_for 5 "nothing left on B" footprint_is B "$BEFORE_B" || diff <(echo "$BEFORE_B") <(host_footprint B)
	no_rules
	client pkill -TERM -x seqstream
	wait "$TALKER" || :
	all_ok "$OUT/talk" 2
}

@test "processes that cannot be moved" {
	serve
	refused "'4000000'" 4000000
	refused "1 (lab)" 1
	# shellcheck disable=SC2016 # expanded there
	run --separate-stderr lab exec A sh -c '"$0" migrate --config "$1" --pid $$ --to 10.9.0.3; exit $?' \
		"$T" "$(host_conf_file A)"
	[ "$status" = 1 ] && [[ $stderr == *"this program itself or a parent of it"* ]] || { echo "its own shell: $status: $stderr" && false; }
	other=$(lab spawn A unshare --net sleep 60)
	refused "network" "$other"
	untouched
}

@test "kernel threads" { # which no lab has in its PID namespace
	kthread=$(pgrep -o -x kthreadd) || skip "none to be seen"
	run --separate-stderr "$T" migrate --config "$(host_conf_file A)" --pid "$kthread" --to 10.9.0.3
	[ "$status" = 1 ] && [[ $stderr == *"'$kthread'"* ]] || { echo "$status: $stderr" && false; }
}

@test "a target where nobody listens, that is no host, or is this one" {
	serve
	TO=10.9.0.3:7172 refused "10.9.0.3:7172" "$SERVER"
	TO=10.9.0.1:7170 refused "peer on the target" "$SERVER" # an agent
	TO=10.9.0.99 refused "10.9.0.99" "$SERVER"
	TO=10.9.0.2 refused "expected another address" "$SERVER"
	untouched
}

@test "certificates: this host has that of another, or no private key" {
	serve
	sed "s|/A/host|/B/host|" "$(host_conf_file A)" >"$OUT/conf"
	CONF=$OUT/conf refused "10.9.0.2" "$SERVER"
	untouched
	sed "s|^key = .*|key = $OUT/none|" "$(host_conf_file A)" >"$OUT/conf"
	run --separate-stderr lab exec A "$T" migrate --config "$OUT/conf" --pid "$SERVER" --to 10.9.0.3
	check_failure 1 "$OUT/none"
}

@test "addresses: NEW is not B's, or of a family that the process has not" {
	serve
	refused "10.9.0.77" "$SERVER" --new 10.9.0.77
	refused "10.9.0.2" "$SERVER" --new 10.9.0.2
	untouched
}

@test "a freeze that may take as long as it can be said; and the report has all keys" {
	serve
	run --separate-stderr lab exec A timeout 30 "$T" -j migrate --config "$(host_conf_file A)" --pid "$SERVER" \
		--to 10.9.0.3 --max-freeze 25000 --hold swallow --dry-run
	REPORT=$OUT/report.json
	echo "$output" >"$REPORT"
	[ "$status" = 0 ] || { echo "$status: $stderr" && false; }
	[ "$(report "sorted(d)")" = "['clients', 'connections', 'expected_freeze_ms', 'freeze_ms', 'image_bytes', 'moves', 'phases', 'result', 'uuid']" ]
	[ "$(report "d['connections'], [m['new'] for m in d['moves']]")" = "2 ['10.9.0.3:5000']" ]
	untouched
}
