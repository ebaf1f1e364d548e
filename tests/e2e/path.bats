# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The way to NEW is another than the way to OLD: a router between, and a smaller MTU.
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash

NEW4=10.9.8.3:6000 NEW6='[fd0a::3]:6000'

setup_file() {
	local pid_r pid_b
	CRIU=$(scripts/get-criu)
	export CRIU
	lab_up client A B R
	pid_r=$(cat "/run/tcpmig-lab/$LAB_NAME/R/pid")
	pid_b=$(cat "/run/tcpmig-lab/$LAB_NAME/B/pid")
	nsenter -t "$pid_r" -n ip link add far type veth peer name far netns "$pid_b"
	for host in R B; do
		lab exec $host ip link set far up mtu 1400
	done
	lab exec R ip addr add 10.9.8.1/24 dev far
	lab exec R ip addr add fd0a::1/64 dev far nodad
	lab exec R sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	lab exec B ip addr add 10.9.8.3/24 dev far
	lab exec B ip addr add fd0a::3/64 dev far nodad
	lab exec B ip route add 10.9.0.1/32 via 10.9.8.1
	lab exec B ip route add fd09::1/128 via fd0a::1
	for host in R B; do # only now: a link that comes up sets it anew
		lab exec $host sh -c 'echo 1280 >/proc/sys/net/ipv6/conf/far/mtu'
	done
	client ip route add 10.9.8.0/24 via 10.9.0.4
	client ip route add fd0a::/64 via fd09::4
}
teardown_file() { lab_down; }

# with_pmtu MTU: how many connections of the client have learnt it.
with_pmtu() {
	client ss -Htin '( dport = :5000 )' | grep -c "pmtu:$1 " || :
}

@test "path-MTU discovery through the move: 1400 for IPv4, 1280 for IPv6" {
	serve_and_talk 5 up chat
	[ "$(with_pmtu 1500)" = 4 ]
	moves
	wait_for 4 "a translated error" seen_icmp
	wait_for 3 "smaller segments" learnt
	talked
	both_ok 2
}

learnt() { [ "$(with_pmtu 1400)" -ge 1 ] && [ "$(with_pmtu 1280)" -ge 1 ]; }

@test "a server that is gone: unreachable from the path to NEW reaches the client" {
	serve_and_talk 3 chat
	client "$T" redirect "$OLD4" 10.9.8.77:6000 # nobody there: R says so
	wait_for 4 "an error about NEW" seen_icmp
	talked
}

seen_icmp() { [ "$(counter icmp_translated)" -gt 0 ]; }
