# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Devices without an Ethernet header: the client reaches the servers by tun devices that
# end on a router, and moves lead from tun to tun, from Ethernet to tun and back.
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash

TUNPUMP=$TOP/build/tests/e2e/tunpump

setup_file() {
	local host
	CRIU=$(scripts/get-criu)
	export CRIU
	lab_up client A B R
	lab exec R sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	tun_up tun0 7
	tun_up tun1 6 vnet
	for host in A B; do # what has a tun's address comes back by R
		lab exec $host ip route add 10.9.6.0/23 via 10.9.0.4
		lab exec $host ip route add fd06::/15 via fd09::4
	done
}
teardown_file() { lab_down; }

# tun_up NAME NUMBER [vnet]: between client and R, with addresses in network NUMBER. The
# pump lives in the lab's uppermost PID namespace: with the lab it ends.
tun_up() {
	local name=$1 number=$2 lab=/run/tcpmig-lab/$LAB_NAME
	shift 2
	nsenter -t "$(cat "$lab/switch/pid")" -p -- "$TUNPUMP" "$name" \
		"/proc/$(cat "$lab/client/pid")/ns/net" "/proc/$(cat "$lab/R/pid")/ns/net" "$@" \
		>"$BATS_FILE_TMPDIR/$name" 2>&1 3>&- </dev/null &
	wait_for 5 "$name" test -s "$BATS_FILE_TMPDIR/$name"
	end_of_tun client "$name" "10.9.$number.1/24" "fd0$number::1/64"
	end_of_tun R "$name" "10.9.$number.4/24" "fd0$number::4/64"
}

end_of_tun() {
	lab exec "$1" ip link set "$2" up
	lab exec "$1" ip addr add "$3" dev "$2"
	lab exec "$1" ip addr add "$4" dev "$2" nodad
}

setup() {
	OUT=$BATS_TEST_TMPDIR
	MOVE_TMP=$OUT
	FOOTPRINTS=$(footprints)
}

teardown() {
	local host
	for host in client A B R; do
		lab exec $host ip route flush proto static
		lab exec $host ip -6 route flush proto static
	done
	for host in client A B; do
		lab exec $host sh -c 'kill -9 -1' || :
	done
	move_unlock A
	client "$T" detach --all >/dev/null
	diff <(echo "$FOOTPRINTS") <(footprints)
}

# by DEVICE HOST [NETWORK]: the client's way to A or B; with the source address of NETWORK.
by() {
	local number src=${3:-}
	number=$(lab addr "$2")
	number=${number##*.}
	client ip route add "10.9.0.$number/32" dev "$1" ${src:+src 10.9.$src.1} proto static
	client ip route add "fd09::$number/128" dev "$1" ${src:+src fd0$src::1} proto static
}

@test "from tun to tun" {
	by tun0 A 7
	by tun0 B 7
	client "$T" attach tun0
	serve_and_talk 4 "${ALL_MODES[@]}"
	moves
	talked
	both_ok 5
	[ "$(counter rewrite_failed)" = 0 ]
	[ "$(json "min(r['packets_in'] for r in d['rules']) > 100")" = True ]
}

@test "from tun to tun by clsact, with GSO and partial checksums" {
	by tun1 A 6
	by tun1 B 6
	client "$T" attach tun1 --mode clsact
	serve_and_talk 4 up down chat
	moves
	before=$(sent tun1)
	wait_for 3 "megabytes after the move" sent_since tun1 "$before" 2000000
	gso_since "$before"
	talked
	both_ok 3
}

# sent DEVICE: bytes and packets that left by it.
sent() { client ip -s -j link show "$1" | python3 -c "import json, sys
s = json.load(sys.stdin)[0]['stats64']['tx']; print(s['bytes'], s['packets'])"; }

# sent_since DEVICE BEFORE BYTES: so much more has left by it than it had then.
sent_since() {
	local bytes now
	read -r bytes _ <<<"$2"
	read -r now _ < <(sent "$1")
	[ $((now - bytes)) -gt "$3" ]
}

# More than an MTU a packet, on the average: they were not cut before the device.
gso_since() {
	local bytes packets bytes_now packets_now
	read -r bytes packets <<<"$1"
	read -r bytes_now packets_now < <(sent tun1)
	echo "$((bytes_now - bytes)) bytes in $((packets_now - packets)) packets"
	[ $((bytes_now - bytes)) -gt $(((packets_now - packets) * 1600)) ]
}

@test "from Ethernet to tun" {
	move_hold() { hold_naming_next; }
	by tun0 B
	lab exec B ip route add 10.9.0.1/32 via 10.9.0.4 proto static
	lab exec B ip route add fd09::1/128 via fd09::4 proto static
	lab exec R ip route add 10.9.0.1/32 dev tun0 proto static
	lab exec R ip route add fd09::1/128 dev tun0 proto static
	client "$T" attach eth0
	client "$T" attach tun0
	serve_and_talk 4 "${ALL_MODES[@]}"
	before=$(sent tun0)
	moves
	talked
	both_ok 5
	sent_since tun0 "$before" 1000000
	[ "$(counter rewrite_failed)" = 0 ]
}

@test "from tun to Ethernet, with GSO" {
	move_hold() { hold_naming_next; }
	by tun1 A 6
	lab exec B ip route add 10.9.6.1/32 via 10.9.0.1 proto static
	lab exec B ip route add fd06::1/128 via fd09::1 proto static
	lab exec R ip route add blackhole 10.9.0.3/32 proto static # no other way to B
	lab exec R ip route add blackhole fd09::3/128 proto static
	client "$T" attach eth0
	client "$T" attach tun1
	serve_and_talk 4 "${ALL_MODES[@]}"
	moves
	talked
	both_ok 5
	[ "$(counter rewrite_failed)" = 0 ]
}

@test "too big from the path to NEW, over tun" {
	by tun0 A 7
	by tun0 B 7
	lab exec R ip route add 10.9.0.3/32 dev eth0 mtu 1400 proto static
	lab exec R ip route add fd09::3/128 dev eth0 mtu 1300 proto static
	client "$T" attach tun0
	serve_and_talk 4 up
	moves
	wait_for 4 "both errors" learnt
	[ "$(counter icmp_translated)" -gt 0 ]
	talked
	both_ok 1
}

learnt() {
	client ss -Htin '( dport = :5000 )' >"$OUT/ss"
	grep -q 'pmtu:1400 ' "$OUT/ss" && grep -q 'pmtu:1300 ' "$OUT/ss"
}
