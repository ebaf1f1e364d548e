# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# VLAN tags, in the frame and beside it, one and two of them: translated in both
# directions, and kept. Raw frames, because nothing here is a VLAN device.
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash

BESIDE=$TOP/build/tests/bpf/beside.bpf.o
TCPROG=$TOP/build/tests/e2e/tcprog
FRAMES=(python3 "$TOP/tests/e2e/frames.py")

# What the client's tc hook has let in goes, as it is then, to "seen", too.
setup_file() {
	lab_up client A B
	client ip link add mirror index 77 type veth peer name seen
	client ip link set mirror up
	client ip link set seen up
}
teardown_file() { lab_down; }

# attach_all MODE: and the rules of both families, without hold and without server.
attach_all() {
	client "$T" detach --all >/dev/null
	client "$T" attach eth0 --mode "$1"
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
}

mac() { lab exec "$1" ip link show eth0 | awk '/link\/ether/ { print $2 }'; }

# look HOST IFACE PORT: in the background, until a packet with PORT has come there.
look() {
	rm -f "$OUT/seen"
	lab exec "$1" "${FRAMES[@]}" show "$2" "$3" 5 >"$OUT/seen" 2>&1 3>&- &
	LOOKER=$!
	wait_for 5 "a capture" grep -q ready "$OUT/seen"
}

# came LINE: what look has seen.
came() {
	wait "$LOOKER" || :
	diff <(echo "$1") <(tail -n 1 "$OUT/seen")
}

# frame_goes HOST TAGS SRC DST IFACE EXPECTED: sent by HOST, seen at IFACE of the other.
frame_goes() {
	local to=B
	[ "$1" = client ] || to=client
	look $to "$5" 40000
	lab exec "$1" "${FRAMES[@]}" send eth0 "$(mac $to)" "$2" "$3" "$4"
	came "$6 tags ${2:-none} sums right"
}

# frames_go TAGS... Out: the tag is in the frame. In: the kernel has put the outer one beside the frame.
frames_go() {
	local tags
	for tags in "$@"; do
		frame_goes client "$tags" 10.9.0.1:40000 "$OLD4" eth0 "10.9.0.1:40000 > $NEW4"
		frame_goes client "$tags" '[fd09::1]:40000' "$OLD6" eth0 "[fd09::1]:40000 > $NEW6"
		frame_goes B "$tags" "$NEW4" 10.9.0.1:40000 seen "$OLD4 > 10.9.0.1:40000"
		frame_goes B "$tags" "$NEW6" '[fd09::1]:40000' seen "$OLD6 > [fd09::1]:40000"
	done
	[ "$(counter rewrite_failed)" = 0 ]
}

@test "no, one and two tags, in the frame and beside it, both ways, by TCX" {
	attach_all tcx
	client "$TCPROG" "$BESIDE" beside_mirror eth0 ingress last /sys/fs/bpf/mirror
	frames_go "" 8100:7 88a8:5,8100:7 8100:5,8100:7
	client rm /sys/fs/bpf/mirror
}

@test "two tags, both ways, by clsact" {
	client tc qdisc add dev eth0 clsact
	attach_all clsact
	client "$TCPROG" "$BESIDE" beside_mirror eth0 ingress 2
	frames_go 88a8:5,8100:7
	client "$T" detach --all
	client tc qdisc del dev eth0 clsact
}

# A tag that another program puts beside what a socket of this host sends. With tx off
# the sums on the wire are made from the headers as we have left them.
tagged_beside() {
	client ethtool -K eth0 tx off >/dev/null
	for family in 4 6; do
		local old=OLD$family new=NEW$family
		look A eth0 40001
		client timeout 1 python3 -c "import socket
s = socket.socket(socket.AF_INET6 if $family == 6 else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('$(lab addr client $family)', 40001))
s.setblocking(False)
s.connect_ex(('$(lab addr A $family)', 5000))" # only its SYN is of interest
		came "$(client_end $family):40001 > ${!new} tags 8100:7 sums right"
	done
}

client_end() { if [ "$1" = 6 ]; then echo '[fd09::1]'; else echo 10.9.0.1; fi; }

@test "a tag that a TCX program before us has put beside the packet" {
	attach_all tcx
	client "$TCPROG" "$BESIDE" beside_tag eth0 egress first /sys/fs/bpf/tag
	tagged_beside
	client rm /sys/fs/bpf/tag
}

@test "a tag that a clsact filter before us has put beside the packet" {
	client tc qdisc add dev eth0 clsact
	client "$TCPROG" "$BESIDE" beside_tag eth0 egress 1
	attach_all clsact
	tagged_beside
	client "$T" detach --all
	client tc qdisc del dev eth0 clsact
}
