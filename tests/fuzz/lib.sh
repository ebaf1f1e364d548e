# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Sourced by tests/fuzz/run and scripts/fuzz: one run of a target, and what it has said.

FUZZ_BUILD=$TOP/build/tests/fuzz
# Longest input: what the reader of it takes, and some more.
declare -A FUZZ_MAX_LEN=([frame]=33000 [request]=16400 [answer]=16400 [conf]=4096 [endpoint]=600
	[images]=8192 [host]=8192)
mapfile -t FUZZ_TARGETS < <(cd "$TOP/tests/fuzz" && printf '%s\n' fuzz_*.c | sed 's/^fuzz_\(.*\)\.c$/\1/')

# fuzz_run PROGRAM TARGET SECONDS LOG CORPUS...: new inputs go into the first CORPUS, what fails
# is LOG.crash-*.
fuzz_run() {
	local program=$1 target=$2 seconds=$3 log=$4
	shift 4
	ASAN_OPTIONS=quarantine_size_mb=16:allocator_may_return_null=1 \
		timeout -k 10 $((seconds + 60)) "$FUZZ_BUILD/$program" -max_total_time="$seconds" \
		-max_len="${FUZZ_MAX_LEN[$target]}" -timeout=5 -rss_limit_mb=1024 \
		-print_final_stats=1 -artifact_prefix="$log." "$@" >"$log" 2>&1 </dev/null
}

fuzz_executions() { sed -n 's/^stat::number_of_executed_units: //p' "$1"; }

# fuzz_coverage LOG WORD: edges at INITED, or at the end (DONE).
fuzz_coverage() { sed -n "s/^#[0-9]*\t$2 *cov: \([0-9]*\) .*/\1/p" "$1" | tail -n 1; }

# fuzz_why LOG: what it has found, in a few lines, and the input.
fuzz_why() {
	local input
	grep -aE 'not true|runtime error|ERROR: |SUMMARY: |^    #[0-9] ' "$1" | head -n 15 || : # nothing but a limit
	for input in "$1".*; do
		[ ! -f "$input" ] || { echo "input ${input##*/}, base64:"; base64 -w 0 "$input" | head -c 2000; echo; }
	done
}
