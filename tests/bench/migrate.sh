# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Sourced by scripts/bench: how long a server that is moved stands still, and what its clients see
# of it. Beside it a bare criu, which only writes down such a server and reads it again.
#
# MIGRATE_BY_HAND=1: moved by the steps of move.sh, to try this script.

BATS_TEST_DIRNAME=$TOP/tests/bench BATS_TEST_FILENAME=$LAB_NAME BATS_FILE_TMPDIR=$OUT BATS_TEST_TMPDIR=$OUT
for file in lib agent servers migrate; do
	# shellcheck source=/dev/null
	. "$TOP/tests/$file.bash"
done
SERVER_HOSTS=(A B)
migrate_possible || die "tcpmig-bpf has no command 'migrate'"
MOVES=$((4 * ROUNDS)) SMALL_MOVES=$((40 * ROUNDS)) MOVES_A_BARE=10
CONVERSATION=(chat chat chat chat down) # of the small server: so many connections, so busy

CRIU=$("$TOP/scripts/get-criu")
migrate_files A B
migrate_begin

# client_of NAME ENDPOINT MODE...: $CLIENT is its PID; what it says goes to NAME.
client_of() {
	local name=$1 endpoint=$2
	shift 2
	# shellcheck disable=SC2016 # expanded there
	client sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$OUT/$name.pid" \
		"$SEQSTREAM" connect "$endpoint" 3600 "$@" >"$OUT/$name" 2>&1 &
	CLIENT_JOB=$!
	wait_for 30 "the connections of $name" connected "$endpoint" "$#"
	CLIENT=$(cat "$OUT/$name.pid")
	CLIENT_OUT=$OUT/$name
}
connected() { [ "$(client ss -Htn state established dst "$1" | wc -l)" -ge "$2" ]; }

# gap: the longest of the client since the last, $GAP.
gap() {
	local laps
	laps=$(laps_said)
	client kill -USR1 "$CLIENT"
	wait_for 30 "data on every connection" said_more "$laps"
	GAP=$(sed -n 's/^{"lap":.*"gap_ms":\([0-9.]*\)}$/\1/p' "$CLIENT_OUT" | tail -1)
}
laps_said() { grep -c '^{"lap"' "$CLIENT_OUT" || :; }
said_more() { [ "$(laps_said)" -gt "$1" ]; }

# pause ENDPOINT: the longest time that the server has not run, since the last; $PAUSE.
pause() { PAUSE=$(client timeout 20 "$SEQSTREAM" pause "$1"); }

# client_ends NAME: it compares all with the server; in $OUT/ended is what it says.
client_ends() {
	local status=0
	client kill -TERM "$CLIENT"
	wait "$CLIENT_JOB" || status=$?
	grep '"mode"' "$CLIENT_OUT" >>"$OUT/ended"
	[ $status = 0 ] || echo "bench: connections of $1 did not end well" >&2
}

# moves NAME COUNT [BARE]: of $SERVER at 10.9.0.2:5000, there and back; $MOVED and $AT say where it ends.
# BARE: not empty: with bare criu in between.
moves() {
	local name=$1 count=$2 bare=${3:-} at=A to=B i other
	HAND_OLD=(10.9.0.2:5000) HAND_CUR=()
	MOVED=$SERVER
	gap
	pause 10.9.0.2:5000
	for ((i = 1; i <= count; i++)); do
		migrate $at $to "$MOVED" || die "move $i of $name has failed"
		gap
		pause 10.9.0.2:5000
		echo "$name $(report "d['freeze_ms']") $GAP $PAUSE" >>"$OUT/moves"
		other=$at at=$to to=$other
		[ -z "$bare" ] || [ $((i % MOVES_A_BARE)) != 0 ] || bare_criu
		[ ! -t 2 ] || printf '\r%s: %d of %d moves\033[K' "$name" "$i" "$count" >&2
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
	AT=$at
}

# The like of the small server, beside it on A, with clients of its own.
bare_begin() {
	BARE=$(lab spawn A "$SEQSTREAM" serve 10.9.0.2:5001)
	wait_for 5 "the server for bare criu" listens A 5001
	client "$SEQSTREAM" connect 10.9.0.2:5001 3600 "${CONVERSATION[@]}" >/dev/null 2>&1 &
	wait_for 5 "its connections" connected 10.9.0.2:5001 ${#CONVERSATION[@]}
}

# Written down and read again where it is: images in memory, the quickest lock it has of its own.
bare_criu() {
	local dir before table
	dir=$(lab shared)/bare
	lab exec A mkdir "$dir"
	pause 10.9.0.2:5001
	before=$(nft_tables A)
	for action in "dump -t $BARE" "restore -d"; do
		# shellcheck disable=SC2086 # words
		lab exec A timeout 60 "$CRIU" $action -D "$dir" -o "${action%% *}.log" --tcp-established \
			--network-lock nftables --manage-cgroups=ignore >/dev/null 2>&1 ||
			{ lab exec A tail -n 5 "$dir/${action%% *}.log" && die "bare criu ${action%% *} has failed"; }
	done
	comm -13 <(sort <<<"$before") <(nft_tables A | sort) | while read -r _ table; do
		# shellcheck disable=SC2086 # family and name
		lab exec A nft delete table $table
	done
	pause 10.9.0.2:5001
	echo "$PAUSE" >>"$OUT/bare"
	lab exec A rm -r "$dir"
}

# round NAME COUNT MIB MODE...: a server with so much memory in use, and its clients.
round() {
	local name=$1 count=$2 mib=$3
	shift 3
	SERVER=$(lab spawn A "$SEQSTREAM" serve -m "$mib" 10.9.0.2:5000)
	wait_for 10 "the server of $name" listens A 5000
	client_of "$name" 10.9.0.2:5000 "$@"
	moves "$name" "$count" "${BARE:-}"
	client_ends "$name"
	lab exec "$AT" kill -9 "$MOVED"
}

touch "$OUT"/{ended,moves,bare}
bare_begin
round small $SMALL_MOVES 0 "${CONVERSATION[@]}"
BARE=
round rss64m $MOVES 64 "${CONVERSATION[@]}"
round conns100 $MOVES 0 chat '99*calm'
round conns1000 $MOVES 0 chat '999*calm'

META_CRIU=$("$CRIU" --version | sed -n 's/^Version: //p')
export META_CRIU
"$PYTHON" - "$OUT" build/bench/migrate.json <<'END_OF_PYTHON'
import collections, json, math, os, statistics, sys, time

out, target = sys.argv[1:]


def percentile(values, part):
    """The smallest that is not less than so many of them."""
    return sorted(values)[math.ceil(part * len(values)) - 1]


runs = collections.defaultdict(list)
for line in open(out + "/moves"):
    name, *numbers = line.split()
    runs[name].append([float(n) for n in numbers])
figures = {}
for name, moves in runs.items():
    for column, what in enumerate(("freeze_ms", "gap_ms", "pause_ms")):
        values = [move[column] for move in moves]
        figures["%s.%s_p50" % (name, what)] = statistics.median(values)
        figures["%s.%s_p99" % (name, what)] = percentile(values, 0.99)
    figures[name + ".moves"] = len(moves)
figures["small.criu_bare_ms"] = statistics.median(float(line) for line in open(out + "/bare"))
# Both as the server itself has felt it: what is said to be the freeze might leave something out.
figures["small.ratio"] = round(figures["small.pause_ms_p50"] / figures["small.criu_bare_ms"], 3)
ended = [json.loads(line) for line in open(out + "/ended")]
figures["moves"] = sum(len(moves) for moves in runs.values())
figures["resets"] = sum(one["result"] == "reset" for one in ended)
# One that is wrong, or has not ended, has lost something even where nobody knows how much.
figures["lost_bytes"] = sum(one["lost"] or 16 * (one["result"] in ("corrupt", "hung")) for one in ended)
figures["checked_bytes"] = sum(one["bytes"] for one in ended if one["result"] == "ok")
for name, value in figures.items():
    print("%-26s %s" % (name, round(value, 3)))
figures.update({"meta." + k: os.environ["META_" + k.upper()] for k in ("kernel", "criu", "commit", "command")})
figures["meta.date"] = time.strftime("%Y-%m-%d")
json.dump(figures, open(target, "w"), indent=1)
print("written to " + target)
END_OF_PYTHON
