# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Segmentation and checksum offload, on and off: every byte of a redirected stream is
# right, and no receiver ever sees a wrong sum.
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash

setup_file() { lab_up client A B; }
teardown_file() { lab_down; }

declare -gA LONG=([tx]=tx-checksumming [tso]=tcp-segmentation-offload
	[gso]=generic-segmentation-offload [gro]=generic-receive-offload)

# offload HOST SETTINGS: of its eth0, as ethtool -K; checked, because some are ignored.
offload() {
	local host=$1
	lab exec "$host" ethtool -K eth0 tx on tso on gso on gro off >/dev/null
	# shellcheck disable=SC2086 # words
	[ -z "$2" ] || lab exec "$host" ethtool -K eth0 $2 >/dev/null
	lab exec "$host" ethtool -k eth0 >"$OUT/features"
	# shellcheck disable=SC2086 # words
	set -- $2
	while [ $# -gt 0 ]; do
		grep -q "^${LONG[$1]}: $2" "$OUT/features"
		shift 2
	done
}

# link SETTINGS: of the other end of the client's eth0. A veth puts nothing together unless
# that end cuts everything.
link() {
	nsenter -t "$(cat "/run/tcpmig-lab/$LAB_NAME/switch/pid")" -n ethtool -K port1 "$@" >/dev/null
}

# streams_pass CLIENT_SETTINGS B_SETTINGS: both ways, both families, for a second.
streams_pass() {
	local host
	echo "# client: ${1:-as it is}; B: ${2:-as it is}"
	offload client "$1"
	offload B "$2"
	BEFORE=$(traffic)
	talk "$OUT/4" "$OLD4" 1 up down chat
	TALKER4=$TALKER
	talk "$OUT/6" "$OLD6" 1 up down chat
	TALKER6=$TALKER
	talked
	both_ok 3
	sizes
	[ "$(counter rewrite_failed)" = 0 ]
	for host in client B; do
		[ "$(lab exec $host nstat -asz | awk '/InCsumErrors|InHdrErrors/ { n += $2 } END { print n + 0 }')" = 0 ]
	done
}

# Of eth0 and of our ingress hook: bytes and packets out, bytes in, packets that the hook saw.
traffic() {
	echo "$(client ip -s -j link show eth0 | python3 -c "import json, sys
s = json.load(sys.stdin)[0]['stats64']; print(s['tx']['bytes'], s['tx']['packets'], s['rx']['bytes'])"
	) $(counter in_rewritten)"
}

# sizes: mean size of a packet as it leaves the device, and as our ingress hook sees it,
# since streams_pass began. Sets LEAVES and COMES_IN.
sizes() {
	local bytes_out packets_out bytes_in packets_in b o i p
	read -r bytes_out packets_out bytes_in packets_in <<<"$BEFORE"
	read -r b o i p < <(traffic)
	LEAVES=$(((b - bytes_out) / (o - packets_out)))
	COMES_IN=$(((i - bytes_in) / (p - packets_in)))
	echo "# leaves: $LEAVES, comes in: $COMES_IN bytes"
}

matrix() {
	client "$T" detach --all
	client "$T" attach eth0 --mode "$1"
	client "$T" redirect "$OLD4" "$NEW4"
	client "$T" redirect "$OLD6" "$NEW6"
	lab spawn B "$SEQSTREAM" serve "$NEW4" "$NEW6" >/dev/null
}

@test "segmentation and checksums left to the device, TCX" {
	matrix tcx
	streams_pass "" ""
	[ "$LEAVES" -gt 1600 ]
}

@test "checksums made in software" {
	matrix tcx
	streams_pass "tx off" "tx off"
	[ "$LEAVES" -lt 1600 ]
}

@test "segments cut before the hook, and behind it" {
	matrix tcx
	streams_pass "tso off" "tso off"
	[ "$LEAVES" -lt 1600 ] # cut behind it: the device counts what it gets
	streams_pass "tso off gso off" "tso off gso off"
	[ "$LEAVES" -lt 1600 ]
	[ "$COMES_IN" -lt 1600 ]
}

@test "segments put together before the hook" {
	matrix tcx
	link tso off
	streams_pass "gro on" "tso off gso off"
	[ "$COMES_IN" -gt 1600 ]
	streams_pass "gro on" "tx off"
	[ "$COMES_IN" -gt 1600 ]
	link tso on
}

@test "the same by clsact" {
	matrix clsact
	streams_pass "" ""
	streams_pass "tx off" "tx off"
	link tso off
	streams_pass "gro on" "tso off gso off"
	[ "$COMES_IN" -gt 1600 ]
	link tso on
}
