# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Sourced by demo and tests, after lib.sh: moves a process between two hosts of the
# lab by hand, one step a function. What a user does who drives CRIU himself.
#
# MOVE_OLD, MOVE_CUR and MOVE_NEW are lists of the same length: what the clients
# see, where the server is, where it goes. MOVE_HOLD: options of hold.
# MOVE_TLS: a directory with one of certificates for each host, after its name; then the
# clients' agents are ordered over the network, and no host knows the pins of another.
# MOVE_ENV: more of the environment of criu's hook. MOVE_DUMP: more options of criu dump.

T=$TOP/build/tcpmig-bpf
LAB=("$TOP/scripts/lab" ${VERBOSE:+-v} -n "${LAB_NAME:=lab}")
CRIU_LIMIT_S=60
CRIU_OPTIONS=(--tcp-established --manage-cgroups=ignore --display-stats)

lab() { "${LAB[@]}" "$@"; }
client() { lab exec client "$@"; }

# stat_us TEXT FILE: a time that criu --display-stats printed.
stat_us() { sed -n "s/^$1: \([0-9]*\) us.*/\1/p" "$2"; }

nft_tables() { lab exec "$1" nft list tables 2>/dev/null; }

# hook_env HOST: HOOK_ENV is what our hook reads there.
hook_env() {
	HOOK_ENV=("TCPMIG_OLD=${MOVE_OLD[*]}" "TCPMIG_NEW=${MOVE_NEW[*]}")
	if [ -n "${MOVE_TLS:-}" ]; then
		HOOK_ENV+=("TCPMIG_TLS=$MOVE_TLS/$1" "TCPMIG_CUR=${MOVE_CUR[*]}" "${MOVE_ENV[@]}")
	else
		HOOK_ENV+=("TCPMIG_PIN_DIR=$(lab pins client)")
	fi
}

# move_criu HOST LOG ARGS...: run criu there; its output goes to the lab's shared directory.
move_criu() {
	local host=$1 log=$2
	shift 2
	hook_env "$host"
	lab exec "$host" env "${HOOK_ENV[@]}" timeout "$CRIU_LIMIT_S" "$CRIU" "$@" -D "$MOVE_IMAGES" -o "$log.log" \
		"${CRIU_OPTIONS[@]}" >"$MOVE_OUT/$log" 2>&1 || {
		echo "criu on $host failed, the end of its log:" >&2
		lab exec "$host" tail -n 15 "$MOVE_IMAGES/$log.log" >&2
		return 1
	}
}

move_init() {
	CRIU=${CRIU:-$("$TOP/scripts/get-criu")}
	MOVE_OUT=$(mktemp -d "${MOVE_TMP:-/tmp}/tcpmig-move.XXXXXX")
	MOVE_IMAGES=$(lab shared)/images.${MOVE_OUT##*.}
	lab exec "$1" mkdir "$MOVE_IMAGES"
}

# By hand; with agents the hook does it.
move_hold() {
	local old
	[ -z "${MOVE_TLS:-}" ] || return 0
	for old in "${MOVE_OLD[@]}"; do
		# shellcheck disable=SC2086 # a list of options
		client "$T" hold ${MOVE_HOLD:-} "$old" >/dev/null
	done
}

# move_dump HOST PID: freeze, dump and end it. CRIU's lock keeps A's kernel quiet; it
# stays, under the name that is remembered, until move_unlock.
move_dump() {
	local host=$1 pid=$2 before options=(--network-lock nftables)
	[ -z "${MOVE_TLS:-}" ] || options+=(--action-script "${MOVE_HOOK:-$T}")
	# shellcheck disable=SC2206 # a list of options
	options+=(${MOVE_DUMP:-})
	before=$(nft_tables "$host")
	move_criu "$host" dump dump -t "$pid" "${options[@]}" || return 1
	MOVE_LOCK=$(comm -13 <(sort <<<"$before") <(nft_tables "$host" | sort))
	MOVE_FROZEN_US=$(stat_us 'Frozen time' "$MOVE_OUT/dump")
}

# move_rewrite HOST: the restored sockets get NEW.
move_rewrite() {
	local i
	for i in "${!MOVE_CUR[@]}"; do
		lab exec "$1" "$T" rewrite-images "$MOVE_IMAGES" --from "${MOVE_CUR[i]}" \
			--to "${MOVE_NEW[i]}" >/dev/null
	done
}

# move_restore HOST: restore there; criu calls our hook, which redirects the clients.
move_restore() {
	move_criu "$1" restore restore -d --action-script "${MOVE_HOOK:-$T}" || return 1
	MOVE_RESTORE_US=$(stat_us 'Restore time' "$MOVE_OUT/restore")
}

# move_unlock HOST: remove the lock that the dump left, by its exact name.
move_unlock() {
	local table
	[ -n "${MOVE_LOCK:-}" ] || return 0
	read -r _ table <<<"$MOVE_LOCK" # "table inet CRIU-..."
	# shellcheck disable=SC2086 # family and name
	lab exec "$1" nft delete table $table
	MOVE_LOCK=
}

move_done() {
	rm -rf "$MOVE_OUT"
}

# move FROM PID TO: all of it.
move() {
	local status=0
	move_init "$1"
	move_hold
	move_dump "$1" "$2" && move_rewrite "$1" && move_restore "$3" || status=1
	move_unlock "$1"
	move_done
	return $status
}
