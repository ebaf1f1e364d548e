# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Beside others: tc programs before and behind ours, netfilter, direct connections, a new
# service on the old address.
# shellcheck disable=SC2030,SC2031 # what run sets is read in the same test
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash

BESIDE=$TOP/build/tests/bpf/beside.bpf.o
TCPROG=$TOP/build/tests/e2e/tcprog
PINS=/sys/fs/bpf/beside

setup_file() {
	CRIU=$(scripts/get-criu)
	export CRIU
	lab_up client A B
	client mkdir $PINS
}
teardown_file() { lab_down; }

# Whatever a test has put beside us goes before the others look for traces.
eval "e2e_$(declare -f teardown)"
teardown() {
	client sh -c "rm -f $PINS/*"
	client tc qdisc del dev eth0 clsact 2>/dev/null || :
	client nft flush ruleset
	e2e_teardown
}

# beside PROGRAM DIRECTION first|last|PRIORITY: prints the program's number.
beside() {
	local pin=
	[[ $3 =~ ^[0-9] ]] || pin=$PINS/$1-$2-$3
	client "$TCPROG" "$BESIDE" "$1" eth0 "$2" "$3" ${pin:+"$pin"} 2>"$OUT/beside" ||
		{ cat "$OUT/beside" >&2 && false; }
}

# seen NUMBER: packets that beside_count has seen with OLD's port, and with NEW's.
seen() {
	local map
	map=$(bpftool -j prog show id "$1" | python3 -c "import json, sys
print(json.load(sys.stdin)['map_ids'][0])")
	bpftool -j map dump id "$map" | python3 -c "import json, sys
print(*(int.from_bytes(bytes(int(b, 0) for b in e['value']), 'little') for e in json.load(sys.stdin)))"
}

# A redirect of new connections; no move.
redirected() {
	client "$T" detach --all >/dev/null
	client "$T" attach eth0 --mode "$1"
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	lab spawn B "$SEQSTREAM" serve "$NEW4" "$NEW6" >/dev/null
}

streams() {
	talk "$OUT/4" "$OLD4" 1 up down chat
	TALKER4=$TALKER
	talk "$OUT/6" "$OLD6" 1 up down chat
	TALKER6=$TALKER
	talked
	both_ok 3
}

# saw NUMBER OLD|NEW|BOTH: many packets with that port, and none with the other.
saw() {
	local old new kind=BOTH
	read -r old new < <(seen "$1")
	echo "program $1 has seen $old packets of OLD, $new of NEW"
	[ "$old" != 0 ] || kind=NEW
	[ "$new" != 0 ] || kind=OLD
	[ $kind = "$2" ] && [ $((old + new)) -gt 100 ]
}

# We are next to the wire: who is between us and the wire sees NEW, who is between us and
# the host sees OLD; and what is routed anew passes the egress hook once more.
@test "TCX programs before and behind ours" {
	before_out=$(beside beside_count egress first)
	before_in=$(beside beside_count ingress last)
	redirected tcx
	behind_out=$(beside beside_count egress last)
	behind_in=$(beside beside_count ingress first)
	streams
	saw "$before_out" BOTH
	saw "$behind_out" NEW
	saw "$behind_in" NEW
	saw "$before_in" OLD
}

@test "clsact filters before and behind ours" {
	redirected clsact
	before_out=$(beside beside_count egress 7)
	behind_out=$(beside beside_count egress 60000)
	before_in=$(beside beside_count ingress 7)
	tcx_in=$(beside beside_count ingress last) # all TCX programs come before all filters
	streams
	saw "$before_out" BOTH
	saw "$behind_out" NEW
	saw "$before_in" OLD
	saw "$tcx_in" NEW
}

# A new connection to OLD does not get to B, and our egress hook has not seen it.
unseen() {
	local before
	before=$(counter out_rewritten)
	run client timeout -s KILL 1 "$SEQSTREAM" connect "$OLD4" 1 idle
	[ "$status" != 0 ] && [ "$(counter out_rewritten)" = "$before" ]
}

@test "a program in front that says OK hides packets from us, one behind us does not" {
	redirected tcx
	beside beside_ok ingress last
	beside beside_ok egress last
	streams # behind ours they hide nothing
	client sh -c "rm $PINS/*"
	beside beside_ok egress first
	unseen
	client sh -c "rm $PINS/*"
	redirected clsact
	beside beside_ok egress last # of TCX, so in front of all filters
	unseen
	client sh -c "rm $PINS/*"
	streams
	[ "$(counter out_rewritten)" -gt 100 ]
}

@test "clsact deleted by hand: TCX stays, filters go, attach brings them back" {
	redirected tcx
	client tc qdisc add dev eth0 clsact
	client tc qdisc del dev eth0 clsact
	streams
	redirected clsact
	client tc qdisc del dev eth0 clsact
	unseen
	[ "$(json "len(d['rules'])")" = 2 ] # they wait
	client "$T" attach eth0
	streams
	client tc qdisc del dev eth0 clsact
	client "$T" detach eth0
}

# Only what belongs to a connection passes, both ways; new ones only to the service.
firewall() {
	client nft -f - <<-'END'
		table inet guard {
			counter invalid { }
			counter dropped { }
			chain common {
				ct state invalid counter name invalid drop
				ct state established,related accept
				meta l4proto ipv6-icmp accept
			}
			chain in {
				type filter hook input priority 0; policy drop;
				jump common
				counter name dropped
			}
			chain out {
				type filter hook output priority 0; policy drop;
				jump common
				tcp dport 5000 ct state new accept
				counter name dropped
			}
		}
	END
}

# The client's connection table: the tuples of connections to OLD, as they began.
tracked() {
	client cat /proc/net/nf_conntrack | grep 'dport=5000' | grep ESTABLISHED |
		sed 's/ *$//; s/.*\(src=.*\)/\1/; s/ \(mark\|zone\|use\)=[0-9]*//g' |
		grep -o 'src=.*' | sort
}

@test "a firewall that lets in established connections only, through a move" {
	firewall
	client "$T" attach eth0
	serve_and_talk 4 chat up down idle
	before=$(tracked)
	[ "$(wc -l <<<"$before")" = 8 ]
	moves
	diff <(echo "$before") <(tracked)
	[ "$(client cat /proc/net/nf_conntrack | grep -c 'port=6000')" = 0 ]
	talked
	both_ok 4
	for counter in invalid dropped; do
		client nft list counter inet guard $counter | grep -q 'packets 0 '
	done
}

@test "a server that speaks first: redirected and direct, the same port from two addresses" {
	redirected tcx
	client ip addr add 10.9.0.11/24 dev eth0
	lab spawn B python3 "$TOP/tests/e2e/banner.py" serve 10.9.0.3 6001
	client "$T" redirect 10.9.0.2:5001 10.9.0.3:6001
	client timeout 20 python3 "$TOP/tests/e2e/banner.py" talk 10.9.0.2:5001 10.9.0.3:6001
	client ip addr del 10.9.0.11/24 dev eth0
	[ "$(counter wire_taken)" = 0 ]
}

@test "OLD taken by a new service on A: new connections reach it, moved ones go on" {
	client "$T" attach eth0
	serve_and_talk 6 chat up down idle
	move_hold() { hold_naming_next; }
	MOVE_HOOK=/bin/true
	move A "$PID" B
	client "$T" redirect "$OLD4" "$NEW4" --established-only
	client "$T" redirect "$OLD6" "$NEW6" --established-only
	lab spawn A "$SEQSTREAM" serve "$OLD4" "$OLD6"
	client "$SEQSTREAM" connect "$OLD4" 1 chat up down >"$OUT/new4"
	client "$SEQSTREAM" connect "$OLD6" 1 chat up down >"$OUT/new6"
	all_ok "$OUT/new4" 3
	all_ok "$OUT/new6" 3
	[ "$(json "sorted(r['flows'] for r in d['rules'])")" = "[4, 4]" ]
	talked
	both_ok 4
}
