# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Clients behind the host that redirects, with and without NAT, and a host whose way to NEW
# is another interface than its way to OLD.
# shellcheck disable=SC2030,SC2031 # what run sets is read in the same test
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash

# Two boxes on a bridge of the client, which routes for them; a second link of it to B.
setup_file() {
	local lab=/run/tcpmig-lab/$LAB_NAME number=0 box
	CRIU=$(scripts/get-criu)
	export CRIU
	lab_up client A B box1 box2
	client ip link add inner type bridge mcast_snooping 0
	for box in box1 box2; do
		number=$((number + 1))
		lab exec $box ip link set eth0 down
		nsenter -t "$(cat "$lab/client/pid")" -n ip link add $box type veth peer name way netns \
			"$(cat "$lab/$box/pid")"
		client ip link set $box master inner up
		addresses $box way 5.1$number 5::1$number
		lab exec $box ip route add default via 10.9.5.1
		lab exec $box ip -6 route add default via fd05::1
	done
	addresses client inner 5.1 5::1
	nsenter -t "$(cat "$lab/client/pid")" -n ip link add far type veth peer name far netns \
		"$(cat "$lab/B/pid")"
	addresses client far 8.1 8::1
	addresses B far 8.3 8::3
	client sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
}
teardown_file() { lab_down; }

addresses() {
	lab exec "$1" ip link set "$2" up
	lab exec "$1" ip addr add "10.9.$3/24" dev "$2"
	lab exec "$1" ip addr add "fd0$4/64" dev "$2" nodad
}

eval "e2e_$(declare -f teardown)"
teardown() {
	local host
	for host in A B; do
		lab exec $host ip route flush proto static
		lab exec $host ip -6 route flush proto static
	done
	for host in box1 box2; do
		lab exec $host sh -c 'kill -9 -1' || :
	done
	client nft flush ruleset
	client sh -c 'echo 0 >/proc/sys/net/ipv4/conf/far/rp_filter'
	client ip route del 10.9.0.2/32 2>/dev/null || : # of one test
	client ip -6 route del fd09::2/128 2>/dev/null || :
	for host in client B; do
		lab exec $host ip link set far mtu 1500
	done
	client ethtool -K far tso on gso on
	e2e_teardown
}

# A and B answer the inner network by way of the client.
ways_back() {
	local host
	for host in A B; do
		lab exec $host ip route add 10.9.5.0/24 via 10.9.0.1 proto static
		lab exec $host ip route add fd05::/64 via fd09::1 proto static
	done
}

# ports HOST FIRST COUNT: what connect() may take; as many connections have the same in all.
ports() {
	lab exec "$1" sh -c "echo $2 $(($2 + $3 - 1)) >/proc/sys/net/ipv4/ip_local_port_range"
}

# boxes_talk SECONDS: from both, over both families.
boxes_talk() {
	local box
	BOX_TALKERS=()
	for box in box1 box2; do
		ports $box $((45000 + BATS_TEST_NUMBER * 10)) 4
		lab exec $box "$SEQSTREAM" connect "$OLD4" "$1" chat up down idle >"$OUT/$box.4" 2>&1 3>&- &
		BOX_TALKERS+=($!)
		lab exec $box "$SEQSTREAM" connect "$OLD6" "$1" chat up down idle >"$OUT/$box.6" 2>&1 3>&- &
		BOX_TALKERS+=($!)
	done
	wait_for 5 "the boxes' connections" boxes_connected
}

boxes_connected() {
	[ "$(box_ends box1 | wc -l)" = 8 ] && [ "$(box_ends box2 | wc -l)" = 8 ]
}
box_ends() { lab exec "$1" ss -Htn state established '( dport = :5000 )' | awk '{ print $3 }'; }

boxes_ok() {
	local file
	wait "${BOX_TALKERS[@]}" || :
	for file in "$OUT"/box?.?; do
		all_ok "$file" 4
	done
}

@test "a gateway for two clients that use the same ports: a service rule" {
	ways_back
	serve_and_talk 4 chat
	boxes_talk 4
	diff <(box_ends box1 | sed 's/.*://' | sort) <(box_ends box2 | sed 's/.*://' | sort)
	move A "$PID" B
	boxes_ok
	talked
	both_ok 1
	[ "$(counter wire_taken)" = 0 ]
}

@test "a gateway for two clients: the flows that are named, and no new one" {
	ways_back
	serve_and_talk 4 chat
	boxes_talk 4
	mapfile -t ends < <(box_ends box1; box_ends box2; client ss -Htn '( dport = :5000 )' | awk '{ print $4 }')
	[ ${#ends[@]} = 18 ]
	four=() six=()
	for end in "${ends[@]}"; do
		if [[ $end == \[* ]]; then six+=(--flow "$end"); else four+=(--flow "$end"); fi
	done
	move A "$PID" B # criu's hook knows the clients from the images; hold knows but its own host's
	client "$T" redirect "$OLD4" "$NEW4" "${four[@]}"
	client "$T" redirect "$OLD6" "$NEW6" "${six[@]}"
	[ "$(json "[r['flows'] for r in d['rules']]")" = "[9, 9]" ]
	run client "$SEQSTREAM" connect "$OLD4" 1 idle # nobody there, and not redirected
	[[ $output == *"Connection refused"* ]]
	boxes_ok
	talked
	both_ok 1
}

# By hand: hold has to know whom NEW may not talk to yet.
@test "a gateway, held by hand with the flows that are named" {
	ways_back
	serve_and_talk 4 chat
	boxes_talk 4
	mapfile -t ends < <(box_ends box1; box_ends box2)
	[ ${#ends[@]} = 16 ]
	four=() six=()
	for end in "${ends[@]}"; do
		if [[ $end == \[* ]]; then six+=(--flow "$end"); else four+=(--flow "$end"); fi
	done
	move_hold() {
		client "$T" hold "$OLD4" --next "$NEW4" "${four[@]}" >/dev/null
		client "$T" hold "$OLD6" --next "$NEW6" "${six[@]}" >/dev/null
	}
	MOVE_HOOK=/bin/true
	move A "$PID" B
	[ "$(counter fence_next_early)" -gt 0 ]
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	boxes_ok
	talked
	both_ok 1
}

# The link behind the gateway has become narrower: what the gateway tells the server goes to B.
@test "a smaller MTU behind the gateway: the server at NEW learns it" {
	ways_back
	lab spawn B "$SEQSTREAM" serve "$NEW4" "$NEW6" >/dev/null
	wait_for 5 "the server" new_serves
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	boxes_talk 4
	client ip link set inner mtu 1300
	wait_for 4 "translated errors" icmp_out_seen
	boxes_ok
	client ip link set inner mtu 1500
	lab exec B ip route get 10.9.5.11 | grep -q "mtu 1300"
	lab exec B ip -6 route get fd05::11 | grep -q "mtu 1300"
}

new_serves() { lab exec B ss -Htln '( sport = :6000 )' | grep -q 6000; }
icmp_out_seen() { [ "$(counter icmp_out_translated)" -ge 2 ]; }

# One client behind the gateway sends as if it were the other.
@test "what a client forges ends nobody's flow" {
	ways_back
	lab spawn B "$SEQSTREAM" serve "$NEW4" "$NEW6" >/dev/null
	wait_for 5 "the server" new_serves
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	boxes_talk 12
	mapfile -t ends < <(box_ends box1 | grep -v '\[')
	four=()
	for end in "${ends[@]}"; do four+=(--flow "$end"); done
	client "$T" redirect "$OLD4" "$NEW4" "${four[@]}"
	before=$(counter out_rewritten)
	for end in "${ends[@]}"; do
		for flags in R S; do
			lab exec box2 python3 "$TOP/tests/e2e/spoof.py" "${end%:*}" "${end#*:}" 10.9.0.2 5000 $flags
		done
	done
	[ "$(counter flow_over)" = 0 ]
	[ "$(json "len([f for f in d['flows'] if f['old'] == '$OLD4' and f['state'] == 'active'])")" = 8 ]
	boxes_ok
	[ "$(counter out_rewritten)" -gt "$before" ]
}

# Its SYN comes with CHECKSUM_PARTIAL, and the way back to it leaves the sum to nobody.
@test "a client's direct connection does not take the tuple of a redirected one" {
	ways_back
	lab spawn B python3 "$TOP/tests/e2e/echo.py" 10.9.0.3 6000 >/dev/null
	wait_for 5 "the server" new_serves
	client "$T" redirect "$OLD4" "$NEW4"
	ports box1 46500 100
	client ethtool -K box1 tx off >/dev/null
	run lab exec box1 timeout 10 python3 "$TOP/tests/e2e/once.py" overtake 10.9.0.2 10.9.0.3
	client ethtool -K box1 tx on >/dev/null
	[ "$output" = refused ]
	[ "$(counter refused_rst)" = 1 ]
}

@test "a container behind masquerade, and the host itself, at once" {
	client nft -f - <<-'END'
		table ip nat {
			chain post {
				type nat hook postrouting priority srcnat;
				ip saddr 10.9.5.0/24 oifname "eth0" masquerade
			}
		}
		table ip6 nat {
			chain post {
				type nat hook postrouting priority srcnat;
				ip6 saddr fd05::/64 oifname "eth0" masquerade
			}
		}
	END
	serve_and_talk 4 chat up
	boxes_talk 4
	[ "$(lab exec A ss -Htn '( sport = :5000 )' | grep -c ' \(10.9.0.1\|\[fd09::1\]\):[0-9]*')" = 20 ]
	move A "$PID" B
	boxes_ok
	talked
	both_ok 2
	ports box1 46000 10
	lab exec box1 "$SEQSTREAM" connect "$OLD4" 1 chat >"$OUT/late"
	all_ok "$OUT/late" 1
}

far_move() {
	lab exec B ip route add 10.9.0.1/32 via 10.9.8.1 proto static
	lab exec B ip route add fd09::1/128 via fd08::1 proto static
	NEW4=10.9.8.3:6000 NEW6='[fd08::3]:6000'
	client "$T" attach far
	serve_and_talk "$1" chat up down
}

# packets DEVICE rx|tx
packets() { client ip -s -j link show "$1" | python3 -c "import json, sys
print(json.load(sys.stdin)[0]['stats64']['$2']['packets'])"; }

@test "NEW by another interface; rp_filter=1 drops its answers, 2 does not" {
	far_move 5
	client sh -c 'echo 1 >/proc/sys/net/ipv4/conf/far/rp_filter'
	move_hold() { hold_naming_next; }
	before=$(packets far rx)
	moves
	wait_for 4 "answers that are dropped" rp_filtered
	client sh -c 'echo 2 >/proc/sys/net/ipv4/conf/far/rp_filter'
	talked
	both_ok 3
	[ $(($(packets far rx) - before)) -gt 100 ]
}

rp_filtered() { [ "$(client nstat -asz TcpExtIPReversePathFilter | awk '/Rev/ { print $2 }')" -gt 3 ]; }

@test "NEW by another interface that nobody has named: redirect again finds it" {
	far_move 6
	before=$(packets far tx)
	moves
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	talked
	both_ok 3
	[ $(($(packets far tx) - before)) -gt 100 ]
}

# Large packets from the first on: nothing that is as small as the link allows comes through.
uploads() {
	client timeout -s KILL 4 "$SEQSTREAM" connect "$1" 1 up >"$OUT/upload" && all_ok "$OUT/upload" 1
}

# The server answers by the other way, so it asks for packets that are too large for this one.
@test "NEW behind a smaller MTU: named, and the cure cures connections that hang" {
	lab spawn B "$SEQSTREAM" serve 10.9.8.3:6000 '[fd08::3]:6000'
	client "$T" attach far
	client ethtool -K far tso off gso off # veth lets pass what is yet to be cut
	client "$T" redirect "$OLD4" 10.9.8.3:6000
	client "$T" redirect "$OLD6" '[fd08::3]:6000'
	[ -z "$(problems)" ]
	uploads "$OLD4"
	uploads "$OLD6"
	for host in client B; do
		lab exec $host ip link set far mtu 1300
	done
	talk "$OUT/4" "$OLD4" 8 up
	TALKER4=$TALKER
	talk "$OUT/6" "$OLD6" 8 up
	TALKER6=$TALKER
	run ! uploads "$OLD4"
	run ! uploads "$OLD6"
	diff <(problems) - <<-END
		mtu ip route replace 10.9.0.2/32 dev eth0 mtu lock 1300
		mtu ip route replace fd09::2/128 dev eth0 mtu lock 1300
	END
	run --separate-stderr client "$T" redirect "$OLD4" 10.9.8.3:6000
	[[ $stderr == *"$OLD4: packets may have 1500 bytes, but only 1300 on the route to 10.9.8.3:6000"* ]]
	[ "$status" = 0 ]
	client "$T" doctor | grep -q '^mtu .*warn'
	cure_all
	[ -z "$(problems)" ]
	uploads "$OLD4"
	uploads "$OLD6"
	talked
	both_ok 1
}
