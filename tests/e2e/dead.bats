# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# OLD is on the client's own link and gone: its host is switched off, and nobody answers
# when the kernel asks for it. Packets must reach our hook all the same.
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash

DUMMY=02:74:63:70:6d:67
PROTO="proto 124"

setup_file() {
	CRIU=$(scripts/get-criu)
	export CRIU
	lab_up client A B C
	# A second way from the client to B.
	nsenter -t "$(cat "/run/tcpmig-lab/$LAB_NAME/B/pid")" -n ip link add far type veth \
		peer name far netns "$(cat "/run/tcpmig-lab/$LAB_NAME/client/pid")"
	lab exec B sh -c 'ip link set far up && ip addr add 10.9.8.3/24 dev far'
	client sh -c 'ip link set far up && ip addr add 10.9.8.1/24 dev far'
}
teardown_file() { lab_down; }

teardown() {
	power A up
	lab exec C ip addr del 10.9.0.2/24 dev eth0 2>/dev/null || : # most tests: not there
	lab exec B ip route del 10.9.0.1/32 2>/dev/null || :
	# shellcheck disable=SC2016 # expanded there
	client sh -c 'for r in $(ip route show scope link | grep /32 | cut -d" " -f1); do ip route del $r; done
		ip route replace 10.9.0.0/24 dev eth0 src 10.9.0.1; ip -6 route replace fd09::/64 dev eth0 proto kernel metric 256
		echo 0 >/proc/sys/net/ipv4/conf/far/rp_filter'
	tidy_up
	client ip neigh flush dev eth0
}

# power HOST up|down: its port of the switch is dead.
power() {
	local dir=/run/tcpmig-lab/$LAB_NAME
	nsenter -t "$(cat "$dir/switch/pid")" -n -- \
		ip link set "port$(cat "$dir/$1/number")" "$2"
}

# entry ADDR: what the client's kernel knows of it.
entry() { client ip neigh show "$1" dev eth0; }
ours() { client ip neigh show dev eth0 | grep -c "$PROTO" || :; }
is_ours() { [[ "$(entry "$1")" == *"lladdr ${2:-}"*"PERMANENT $PROTO"* ]]; }
nothing_is_ours() { [ "$(ours)" = 0 ]; }

# As if nobody had talked to A for long.
forget_A() {
	client ip neigh del 10.9.0.2 dev eth0 2>/dev/null || :
	client ip neigh del fd09::2 dev eth0 2>/dev/null || :
}

mac_of() { lab exec "$1" ip -br link show eth0 | awk '{ print $3 }'; }

# Packets sent on to NEW within a second. `stats` changes nothing.
sent_in_a_second() {
	local before
	before=$(counter out_rewritten)
	sleep 1 # the second
	echo $(($(counter out_rewritten) - before))
}

nothing_is_sent() {
	local sent
	sent=$(sent_in_a_second)
	[ "$sent" = 0 ] || { echo "$sent packets"; client ip route; client ip -6 route; client ss -tni; return 1; }
}

# ask ENDPOINT: one new connection, with every byte right.
ask() { client timeout -s KILL 3 "$SEQSTREAM" connect "$1" 1 chat down >"$OUT/ask" && all_ok "$OUT/ask" 2; }


@test "A switched off after the move: every stream goes on, by a real address" {
	serve_and_talk 6 "${ALL_MODES[@]}"
	moves
	is_ours 10.9.0.2 "$(mac_of A)"
	is_ours fd09::2 "$(mac_of A)"
	power A down
	talked
	both_ok 5
}

@test "control: without the entry nothing is sent; the next command puts it right" {
	serve_and_talk 8 chat push
	moves
	power A down
	forget_A
	sleep 0.5 # what was on its way
	nothing_is_sent
	client "$T" list >/dev/null
	is_ours 10.9.0.2 $DUMMY
	is_ours fd09::2 $DUMMY
	[ "$(sent_in_a_second)" -gt 0 ]
	talked
	both_ok 2
}

@test "A dead before the redirect" {
	serve_and_talk 8 chat down
	move_init A
	move_hold
	move_dump A "$PID"
	power A down
	forget_A
	move_rewrite B
	client "$T" hold "$OLD4" --next "$NEW4"
	client "$T" hold "$OLD6" --next "$NEW6"
	MOVE_HOOK=/bin/true move_restore B
	forget_A
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	is_ours 10.9.0.2 $DUMMY
	is_ours fd09::2 $DUMMY
	talked
	both_ok 2
	move_done
}

@test "new connections to a dead OLD reach NEW" {
	lab spawn B "$SEQSTREAM" serve "$NEW4" "$NEW6"
	power A down
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	ask "$OLD4"
	ask "$OLD6"
	forget_A
	run ! ask "$OLD4"
	run ! ask "$OLD6"
}

@test "the entry goes with the last rule for the address: release, detach" {
	power A down
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect 10.9.0.2:5001 "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	[ "$(ours)" = 2 ]
	client "$T" release "$OLD4"
	[ "$(ours)" = 2 ]
	client "$T" release 10.9.0.2:5001
	[ "$(ours)" = 1 ]
	[ -z "$(entry 10.9.0.2)" ]
	client "$T" detach eth0
	[ -z "$(entry fd09::2)" ]
}

@test "A is back: the next command gives it its real address again" {
	power A down
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	is_ours 10.9.0.2 $DUMMY
	is_ours fd09::2 $DUMMY
	power A up
	back() { client "$T" list && is_ours 10.9.0.2 "$(mac_of A)" && is_ours fd09::2 "$(mac_of A)"; }
	wait_for 3 "answers of A" back
}

@test "an entry with a real address is an ordinary one afterwards" {
	serve_and_talk 2 chat
	move_hold
	is_ours 10.9.0.2 "$(mac_of A)"
	power A down # what is known now was known before
	client "$T" release "$OLD4"
	nothing_of_ours_at 10.9.0.2
	client "$T" detach eth0
	nothing_of_ours_at fd09::2
	client "$T" attach eth0
	power A up
	talked
	both_ok 1
}

nothing_of_ours_at() {
	[[ "$(entry "$1")" == *"lladdr $(mac_of A)"* && "$(entry "$1")" != *PERMANENT* &&
		"$(entry "$1")" != *proto* ]]
}

@test "an entry that somebody else has fixed is not touched" {
	client ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
	client ip neigh replace fd09::2 lladdr 02:00:00:00:00:02 dev eth0 nud noarp
	before=$(client ip neigh show dev eth0)
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6" --established-only
	diff <(echo "$before") <(client ip neigh show dev eth0)
	client "$T" release "$OLD4"
	client "$T" detach eth0
	diff <(echo "$before") <(client ip neigh show dev eth0)
	forget_A
}

@test "a hold that ended by itself: list removes the entry" {
	client "$T" hold "$OLD4" --max 1
	is_ours 10.9.0.2 "$(mac_of A)"
	sleep 1.1 # the hold
	is_ours 10.9.0.2 "$(mac_of A)"
	client "$T" list
	nothing_of_ours_at 10.9.0.2
}

# No command is there when it ends, so nothing may be left that keeps the host from A.
@test "a hold of a dead A that ended by itself keeps nobody from A" {
	lab spawn A "$SEQSTREAM" serve 10.9.0.2:5001 '[fd09::2]:5001'
	power A down
	forget_A
	client "$T" redirect "$OLD4" "$NEW4"
	is_ours 10.9.0.2 $DUMMY
	client "$T" release "$OLD4"
	client "$T" hold "$OLD4" --max 2
	client "$T" hold "$OLD6" --max 2
	nothing_is_ours
	[ -z "$(problems)" ]
	power A up
	wait_for 2 "A while it is held" ask 10.9.0.2:5001
	ask '[fd09::2]:5001'
	sleep 2 # the hold
	ask 10.9.0.2:5001
	ask '[fd09::2]:5001'
}

@test "the dummy comes with the redirect, and is gone while OLD is but held" {
	power A down
	client "$T" hold 10.9.0.2:5001 --max 60
	nothing_is_ours
	client "$T" redirect "$OLD4" "$NEW4"
	is_ours 10.9.0.2 $DUMMY
	client "$T" release "$OLD4"
	nothing_is_ours
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" hold "$OLD4" # to move on
	is_ours 10.9.0.2 $DUMMY
}

@test "killed at any moment: the next command puts the entry right" {
	power A down
	for ms in $(seq 1 4 40) 100 200 260 280; do
		timeout -s KILL "$(printf '0.%03d' "$ms")" "${LAB[@]}" exec client \
			"$T" redirect "$OLD4" "$NEW4" >/dev/null 2>&1 || :
		[ "$(json "len(d['rules'])")" = "$(ours)" ]
		client "$T" redirect "$OLD4" "$NEW4" >/dev/null
		timeout -s KILL "$(printf '0.%03d' "$ms")" "${LAB[@]}" exec client \
			"$T" release "$OLD4" >/dev/null 2>&1 || :
		[ "$(json "len(d['rules'])")" = "$(ours)" ]
	done
}

@test "no entry where none helps: a gateway, a device without ARP, other pins' namespace" {
	client ip route add 10.9.7.2/32 via 10.9.0.3
	client ip link add quiet type veth peer name quieter
	client ip link set quiet arp off up
	client ip addr add 10.9.6.1/24 dev quiet
	client "$T" attach quiet
	client "$T" redirect 10.9.7.2:5000 "$NEW4"
	client "$T" redirect 10.9.6.2:5000 "$NEW4"
	nothing_is_ours
	run --separate-stderr client unshare --net "$T" -v redirect "$OLD4" "$NEW4"
	[[ $stderr == *"neighbour entries not looked after: the pins serve another network namespace"* ]]
	nothing_is_ours
	client "$T" attach eth0 # sees what is missing
	[ "$(ours)" = 1 ]
	client ip link del quiet
	client ip route del 10.9.7.2/32
}

@test "--established-only: OLD may be taken by another host, and is asked for" {
	serve_and_talk 12 chat push
	moves
	is_ours 10.9.0.2 "$(mac_of A)"
	client "$T" redirect "$OLD4" "$NEW4" --established-only # A answers: its new clients are its own
	nothing_of_ours_at 10.9.0.2
	power A down
	forget_A
	client "$T" redirect "$OLD4" "$NEW4" --established-only # nobody does: those that moved go on
	is_ours 10.9.0.2 $DUMMY
	[ "$(sent_in_a_second)" -gt 0 ]
	lab exec C ip addr add 10.9.0.2/24 dev eth0
	lab spawn C "$SEQSTREAM" serve "$OLD4"
	run ! ask "$OLD4" # until somebody looks
	client "$T" list
	[[ "$(entry 10.9.0.2)" == *"$(mac_of C)"* && "$(entry 10.9.0.2)" != *proto* ]]
	ask "$OLD4"
	[ "$(lab exec C ss -Htn state all '( sport = :5000 )' | wc -l)" -gt 0 ]
	talked
	both_ok 2
}

@test "the route to OLD is withdrawn: named with its cure, which cures" {
	serve_and_talk 9 chat push
	moves
	power A down
	client ip route add 10.9.0.3/32 dev eth0
	client ip route del 10.9.0.0/24 dev eth0
	client ip -6 route add fd09::3/128 dev eth0
	client ip -6 route del fd09::/64 dev eth0
	sleep 0.5 # what was on its way
	nothing_is_sent
	diff <(problems) - <<-END
		old_route ip route replace 10.9.0.2/32 dev eth0
		old_route ip route replace fd09::2/128 dev eth0
	END
	run --separate-stderr client "$T" list
	[[ $stderr == *"$OLD4: no route there (Network is unreachable)"*"ip route replace 10.9.0.2/32 dev eth0"* ]]
	run --separate-stderr client "$T" redirect "$OLD4" "$NEW4"
	[[ $stderr == *"note: $OLD4: no route there"* ]]
	cure_all
	[ -z "$(problems)" ]
	[ "$(sent_in_a_second)" -gt 0 ]
	talked
	both_ok 2
	client ip -6 route del fd09::2/128 dev eth0
	client ip -6 route del fd09::3/128 dev eth0
}

@test "NEW answers by another interface: rp_filter=1 is named, 2 works, nothing is changed silently" {
	lab exec B ip route add 10.9.0.1/32 via 10.9.8.1
	lab spawn B "$SEQSTREAM" serve 10.9.8.3:6000
	client "$T" attach far
	client sh -c 'echo 1 >/proc/sys/net/ipv4/conf/far/rp_filter'
	run --separate-stderr client "$T" redirect "$OLD4" 10.9.8.3:6000
	[ "$status" = 0 ]
	[[ $stderr == *"come in by far, not by eth0, and its rp_filter=1 drops them"* ]]
	[ "$(client cat /proc/sys/net/ipv4/conf/far/rp_filter)" = 1 ]
	[ "$(problems)" = "rp_filter sysctl -w net.ipv4.conf.far.rp_filter=2" ]
	run ! ask "$OLD4"
	client sh -c 'echo 2 >/proc/sys/net/ipv4/conf/far/rp_filter' # what the cure says
	[ -z "$(problems)" ]
	ask "$OLD4"
}
