# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Sourced by scripts/bench: what a packet costs, and a connection.

# Latency is measured with both ends on one CPU: there the noise of the machine is less than
# what is to be seen. Throughput with an end on each.
RR_ROUNDS=$((3 * ROUNDS)) RR_PIECE_S=1

# The same connection four ways: to B itself with nothing attached (plain), with our
# programs attached (attached), to A and redirected to B by us, or by nftables DNAT.
MODES=(plain attached redirected nft)

enter() {
	case $1 in
	attached | redirected) client "$T" attach eth0 >/dev/null ;;
	nft) client nft 'table ip bench { chain out { type nat hook output priority -100;
		ip daddr 10.9.0.2 tcp dport 5000 dnat to 10.9.0.3:6000
		ip daddr 10.9.0.2 tcp dport 5001 dnat to 10.9.0.3:6001; }; }' ;;
	esac
	if [ "$1" = redirected ]; then
		client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000 >/dev/null
		client "$T" redirect 10.9.0.2:5001 10.9.0.3:6001 >/dev/null
	fi
}

leave() {
	client "$T" detach --all >/dev/null
	[ "$1" != nft ] || client nft delete table ip bench
}

# target MODE: where the client connects to; +1: the port of rr.
target() {
	case $1 in
	plain | attached) echo "10.9.0.3 $((6000 + $2))" ;;
	*) echo "10.9.0.2 $((5000 + $2))" ;;
	esac
}

# bulk MODE ARGS...: bit/s that the receiver counted. The server takes one test at a time
# and says "busy" for a moment after the last.
bulk() {
	local host port try
	read -r host port <<<"$(target "$1" 0)"
	shift
	for try in 1 2 3 4 5; do
		if client timeout 60 iperf3 -A 0,1 -c "$host" -p "$port" -t "$PIECE_S" -J "$@" >"$OUT/iperf"; then
			python3 -c 'import json, sys
print(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"])' <"$OUT/iperf"
			return
		fi
		echo "iperf3, try $try: $(grep '"error"' "$OUT/iperf")" >&2
		sleep 0.5 # what it is busy with cannot be waited for
	done
	return 1
}

rr() {
	local host port
	read -r host port <<<"$(target "$1" 1)"
	client timeout 60 taskset -c 1 "$TOP/build/tests/bench/rr" measure "$host:$port" "$RR_PIECE_S"
}

"$TOP/build/tests/bench/datapath" 1 1000 10000 1000000 | tee "$OUT/ns"
lab up client A B
lab spawn B iperf3 -s -p 6000 >/dev/null
lab spawn B taskset -c 1 "$TOP/build/tests/bench/rr" serve 10.9.0.3:6001 >/dev/null
for ((round = 1; round <= ROUNDS; round++)); do
	for mode in "${MODES[@]}"; do
		enter "$mode"
		up=$(bulk "$mode")
		down=$(bulk "$mode" -R)
		printf '%s\n' "$mode up $up" "$mode down $down" >>"$OUT/net"
		leave "$mode"
	done
done
for ((round = 1; round <= RR_ROUNDS; round++)); do
	for mode in "${MODES[@]}"; do
		enter "$mode"
		us=$(rr "$mode")
		echo "$mode rr $us" >>"$OUT/net"
		leave "$mode"
	done
done

python3 - "$OUT" build/bench/datapath.json <<'END'
import collections, json, os, statistics, sys, time

out, path = sys.argv[1:]
rounds = collections.defaultdict(list)
for line in open(out + "/net"):
    mode, what, value = line.split()
    rounds[mode, what].append(float(value))


def ratio(a, b, what):
    "Median of the ratios of the rounds, which were next to each other in time."
    return statistics.median(x / y for x, y in zip(rounds[a, what], rounds[b, what]))


figures = {}
for line in open(out + "/ns"):
    name, value = line.split()
    figures[name[:-2] if name.endswith(".1") and not name.startswith("flip") else name] = float(value)
for what in "up", "down":
    figures["bulk_ratio." + what] = ratio("redirected", "plain", what)
    figures["attached_ratio." + what] = ratio("attached", "plain", what)
    figures["nft_ratio." + what] = ratio("redirected", "nft", what)
    figures["plain_gbit_s." + what] = statistics.median(rounds["plain", what]) / 1e9
for name, mode in ("rr_us_added", "redirected"), ("rr_us_attached", "attached"), ("rr_us_nft", "nft"):
    figures[name] = statistics.median(x - y for x, y in zip(rounds[mode, "rr"], rounds["plain", "rr"]))
figures["rr_us_plain"] = statistics.median(rounds["plain", "rr"])
for name in list(figures)[-12:]:
    print("%-22s %8.3f" % (name, figures[name]))
figures = {name: round(value, 4) for name, value in figures.items()}
figures.update({"meta." + k: os.environ["META_" + k.upper()] for k in ("kernel", "commit", "command")})
figures["meta.date"] = time.strftime("%Y-%m-%d")
figures["meta.rounds"] = "%d throughput, %d latency" % (len(rounds["plain", "up"]), len(rounds["plain", "rr"]))
json.dump(figures, open(path, "w"), indent=1)
print("written to " + path)
END
