# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Sourced by the scripts: messages, echoing what is run, waiting with a limit.

# The point in $EPOCHREALTIME, the order of sort, the words of messages.
export LC_ALL=C.UTF-8
PATH=$PATH:/usr/sbin:/sbin # nft, bpftool: not in the path of `su` without `-`
unset CDPATH

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export TOP
VERBOSE=${VERBOSE:-}

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" = 0 ] || die "expected to run as root"
}

# cmd CMD...: with VERBOSE the user sees exactly what is done.
cmd() {
	[ -z "$VERBOSE" ] || printf '+ %s\n' "${*@Q}" >&2
	"$@"
}

# wait_for SECONDS WHAT CMD...: until CMD succeeds; fails with a message after SECONDS.
wait_for() {
	local limit=$1 what=$2 start=$EPOCHREALTIME
	shift 2
	until "$@" 2>/dev/null >&2; do
		if [ "$(elapsed_ms "$start")" -gt $((limit * 1000)) ]; then
			echo "${0##*/}: waited $limit s in vain for: $what" >&2
			return 1
		fi
		sleep 0.02
	done
}

# elapsed_ms START: milliseconds since START (an $EPOCHREALTIME).
elapsed_ms() {
	local now=$EPOCHREALTIME
	echo $(((${now/./} - ${1/./}) / 1000))
}
