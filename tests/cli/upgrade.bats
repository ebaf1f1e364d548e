# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# attach with another build of the program while traffic flows: not one packet is lost or
# goes astray, no rule is forgotten, and other maps are refused.
bats_require_minimum_version 1.5.0
load ../lib.bash

OTHER_VERSION=$TOP/build/tests/other-version/tcpmig-bpf
OTHER_LAYOUT=$TOP/build/tests/other-layout/tcpmig-bpf
RR=$TOP/build/tests/bench/rr
: "${UPGRADES:=3}" # to the other version and back; check-long: 10

# OLD by eth0, NEW by a second link: both are attached, both are upgraded.
setup_file() {
	lab_up client A B
	local pid_b
	pid_b=$(cat "/run/tcpmig-lab/$LAB_NAME/B/pid")
	nsenter -t "$(cat "/run/tcpmig-lab/$LAB_NAME/client/pid")" -n \
		ip link add far type veth peer name far netns "$pid_b"
	for host in client:1 B:3; do
		lab exec "${host%:*}" ip link set far up
		lab exec "${host%:*}" ip addr add "10.9.8.${host#*:}/24" dev far
		lab exec "${host%:*}" ip addr add "fd0a::${host#*:}/64" dev far nodad
	done
	lab exec B ip route add 10.9.0.1/32 via 10.9.8.1
	lab exec B ip route add fd09::1/128 via fd0a::1
}
teardown_file() { lab_down; }

teardown() {
	local host
	for host in client A B; do
		lab exec $host sh -c 'kill -9 -1' || :
		lab exec $host nft flush ruleset
	done
	client "$T" detach --all >/dev/null || client "$OTHER_LAYOUT" detach --all
}

# count HOST HOOK NAME MATCH: packets of the lab's host that MATCH, before or after our hook.
count() {
	lab exec "$1" nft add table inet count
	lab exec "$1" nft add counter inet count "$3"
	lab exec "$1" nft add chain inet count "$2" "{ type filter hook $2 priority 0; }"
	lab exec "$1" nft add rule inet count "$2" "$4" counter name "$3"
}

# counted HOST NAME: packets.
counted() {
	lab exec "$1" nft -j list counter inet count "$2" | python3 -c "import json, sys
print([o['counter']['packets'] for o in json.load(sys.stdin)['nftables'] if 'counter' in o][0])"
}

# Every packet that the client or B sends, at both ends; and every one that goes astray.
count_all() {
	count client output to_old 'tcp dport { 5000, 5001 }'
	count B prerouting to_new 'tcp dport { 6000, 6001 }'
	count B postrouting from_new 'tcp sport { 6000, 6001 }'
	count client input from_old 'tcp sport { 5000, 5001 }'
	count A prerouting astray_old 'tcp dport { 5000, 5001 }'
	count client prerouting astray_new 'tcp sport { 6000, 6001 }'
}

# What has been sent has arrived, all of it, and nothing elsewhere.
all_counted() {
	SENT=$(counted client to_old) RECEIVED=$(counted B to_new)
	ANSWERED=$(counted B from_new) HEARD=$(counted client from_old)
	[ "$SENT" = "$RECEIVED" ] && [ "$ANSWERED" = "$HEARD" ]
}

check_counts() {
	local status=0
	wait_for 3 "packets to arrive" all_counted || status=1
	echo "$SENT sent to OLD, $RECEIVED came to NEW; $ANSWERED sent by NEW, $HEARD came from OLD"
	[ "$SENT" -gt 1000 ]
	[ "$(counted A astray_old)" = 0 ]
	[ "$(counted client astray_new)" = 0 ]
	[ "$(drops)" = 0 ]
	return $status
}

drops() {
	client "$T" stats -j | python3 -c "import json, sys; print(sum(json.load(sys.stdin)['drops'].values()))"
}

# Numbers of the programs that run on both interfaces, both directions.
programs() {
	if [ "$1" = tcx ]; then
		client sh -c "for link in $DEFAULT_PINS/if*; do bpftool -j link show pinned \$link; done" |
			grep -o '"prog_id":[0-9]*' | cut -d: -f2
	else
		# shellcheck disable=SC2016 # expanded there
		client sh -c 'for dev in eth0 far; do for way in ingress egress; do
			tc filter show dev $dev $way; done; done' |
			sed -n 's/.* tcpmig_.* id \([0-9]*\) .*/\1/p'
	fi | sort -u
}

# Programs that were replaced are freed: none of these, but what runs now, is there.
old_are_gone() {
	local id left
	left=$(printf '%s\n' "${@:2}" | sort -u | grep -vxFf <(programs "$1"))
	[ "$(wc -l <<<"$left")" = $((UPGRADES * 2 * 4)) ]
	for id in $left; do
		wait_for 2 "program $id to go" is_gone "$id"
	done
}

is_gone() { ! bpftool prog show id "$1"; }

upgrade() {
	client "$1" attach eth0
	client "$1" attach far
}

# upgraded MODE: $UPGRADES times there and back, each of four programs, while streams, and
# requests and responses, go on as fast as they can.
upgraded() {
	local mode=$1 replaced=() talkers=() before program i
	client "$T" attach eth0 --mode "$mode"
	client "$T" attach far --mode "$mode"
	[ "$(programs "$mode" | wc -l)" = 4 ]
	lab spawn B nice "$SEQSTREAM" serve 10.9.8.3:6000 '[fd0a::3]:6000'
	lab spawn B nice "$RR" serve 10.9.8.3:6001
	client "$T" redirect 10.9.0.2:5000 10.9.8.3:6000
	client "$T" redirect '[fd09::2]:5000' '[fd0a::3]:6000'
	client "$T" redirect 10.9.0.2:5001 10.9.8.3:6001
	count_all
	for program in "4 $SEQSTREAM connect 10.9.0.2:5000 60 up down chat" \
		"6 $SEQSTREAM connect [fd09::2]:5000 60 up down" "rr $RR measure 10.9.0.2:5001 60"; do
		# shellcheck disable=SC2086 # words
		client nice ${program#* } >"$BATS_TEST_TMPDIR/${program%% *}" 2>&1 3>&- &
		talkers+=($!)
	done
	wait_for 5 "connections" flowing 6
	before=$(rules)
	for ((i = 0; i < UPGRADES; i++)); do
		for program in "$OTHER_VERSION" "$T"; do
			# shellcheck disable=SC2207 # numbers
			replaced+=($(programs "$mode"))
			[[ $(client "$program" attach eth0) == "refreshed eth0 by $mode" ]]
			[[ $(client "$program" attach far) == "refreshed far by $mode" ]]
		done
	done
	diff <(echo "$before") <(rules)
	flowing 6
	client pkill -TERM 'seqstream|rr'
	wait "${talkers[0]}" "${talkers[1]}"
	wait "${talkers[2]}" || [ $? = 143 ] # ended by us, not by an error
	all_ok "$BATS_TEST_TMPDIR/4" 3
	all_ok "$BATS_TEST_TMPDIR/6" 2
	check_counts
	old_are_gone "$mode" "${replaced[@]}"
}

flowing() { [ "$(client ss -Htn state established 'dport = :5000 or dport = :5001' | wc -l)" = "$1" ]; }

rules() { json "sorted((r['old'], r['new'], r['epoch'], r['state'], r['flows']) for r in d['rules'])"; }

@test "attach by another version, again and again, by TCX: not one packet is lost" {
	upgraded tcx
}

# shellcheck disable=SC2030 # nothing is modified here
@test "attach by another version, again and again, by clsact: not one packet is lost" {
	upgraded clsact
}

# refused PROGRAM: each command says so in one line, and nothing changes.
refused() {
	local before arguments
	before=$(seen)
	for arguments in "attach eth0" list stats "hold 10.9.0.2:5000" "release 10.9.0.2:5000" \
		"redirect 10.9.0.2:5000 10.9.0.4:1" "detach --all"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr client "$1" $arguments
		echo "$arguments"
		check_failure 1 "another version"
		# shellcheck disable=SC2031 # set by run, above
		[ -z "$output" ]
	done
	run --separate-stderr client env CRTOOLS_SCRIPT_ACTION=pre-resume TCPMIG_OLD=10.9.0.2:5000 \
		TCPMIG_NEW=10.9.0.4:1 "$1"
	check_failure 1 "another version"
	diff <(echo "$before") <(seen)
}

seen() { { footprint client && client ls -l "$DEFAULT_PINS"; } | grep -v 'packets .* bytes'; }

@test "maps of another layout: refused in one line, traffic goes on" {
	for mode in tcx clsact; do
		client "$T" attach eth0 --mode $mode
		client "$T" attach far --mode $mode
		server=$(lab spawn B "$SEQSTREAM" serve 10.9.8.3:6000)
		client "$T" redirect 10.9.0.2:5000 10.9.8.3:6000
		count_all
		talk "$BATS_TEST_TMPDIR/$mode" 10.9.0.2:5000 30 chat up down
		wait_for 5 "connections" flowing 3
		before=$(rules) ids=$(programs $mode)
		refused "$OTHER_LAYOUT"
		diff <(echo "$before") <(rules)
		diff <(echo "$ids") <(programs $mode)
		client pkill -TERM seqstream
		wait "$TALKER"
		all_ok "$BATS_TEST_TMPDIR/$mode" 3
		check_counts
		teardown
	done
}

@test "maps of another layout are its own version's to detach" {
	before=$(footprint client)
	client "$OTHER_LAYOUT" attach eth0
	client "$OTHER_LAYOUT" redirect 10.9.0.2:5000 10.9.8.3:6000
	refused "$T"
	client "$OTHER_LAYOUT" list | grep -q 10.9.8.3:6000
	client "$OTHER_LAYOUT" detach eth0
	diff <(echo "$before") <(footprint client)
}
