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
	local limit=$1 what=$2 start=$EPOCHREALTIME tries=0
	shift 2
	until "$@" 2>/dev/null >&2; do
		if [ "$(elapsed_ms "$start")" -gt $((limit * 1000)) ]; then
			echo "${0##*/}: waited $limit s in vain for: $what" >&2
			return 1
		fi
		# What takes long needs no haste, and looking costs others the processor.
		if [ $((tries += 1)) -lt 20 ]; then sleep 0.02; else sleep 0.15; fi
	done
}

# elapsed_ms START: milliseconds since START (an $EPOCHREALTIME).
elapsed_ms() {
	local now=$EPOCHREALTIME
	echo $(((${now/./} - ${1/./}) / 1000))
}

# The mirror that the host itself uses for Debian.
debian_mirror() {
	local uri
	# shellcheck disable=SC2016 # apt expands it
	uri=$(apt-get indextargets --format '$(SITE) $(ORIGIN)' 'Created-By: Packages' |
		awk '$2 == "Debian" { print $1; exit }')
	[ -n "$uri" ] || die "apt knows no Debian mirror; expected one in /etc/apt/sources.list.d"
	echo "$uri"
}

# private_apt DIR SUITE: from here on apt-get and apt-cache know only SUITE of Debian, believe
# that nothing is installed, and keep all they need in DIR. Until APT_CONFIG is unset.
private_apt() {
	local dir=$1 suite=$2 mirror
	mirror=$(debian_mirror) || return
	mkdir -p "$dir"/{lists/partial,cache/archives/partial,parts} || return
	: >"$dir/status"
	cat >"$dir/parts/$suite.sources" <<-END
		Types: deb
		URIs: $mirror
		Suites: $suite
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	END
	# A mirror may keep a release file past its date; its signature is checked all the same.
	cat >"$dir/apt.conf" <<-END
		Dir::State "$dir";
		Dir::State::lists "$dir/lists";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir/cache";
		Dir::Etc::sourcelist "/dev/null";
		Dir::Etc::sourceparts "$dir/parts";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Acquire::Check-Valid-Until "false";
		APT::Sandbox::User "root";
	END
	export APT_CONFIG=$dir/apt.conf
	timeout -k 10 300 apt-get -q update
}
