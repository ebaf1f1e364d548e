# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Real trees, dumped and restored by `criu swrk` in places of their own, which is how they can
# be moved again; and what is left of both when somebody dies in the middle.
bats_require_minimum_version 1.5.0
load ../lib.bash
load lib.bash

PLACETOOL=$TOP/build/tests/e2e/placetool

setup_file() {
	CRIU=$(scripts/get-criu)
	export CRIU
	lab_up client A B C
	note_foreign_programs
}
teardown_file() { lab_down; }

# With the images of a test: they are there for the next host too.
setup() {
	OUT=$BATS_TEST_TMPDIR
	MOVE_TMP=$OUT
	client "$T" attach eth0
}

teardown() {
	local host
	for host in client A B C; do
		lab exec $host sh -c 'kill -9 -1' || :
		lab exec $host nft delete table inet quiet 2>/dev/null || :
	done
	client "$T" detach --all >/dev/null
}

place() {
	local host=$1
	shift
	lab exec "$host" timeout 30 "$PLACETOOL" "$@"
}

# value NAME: of the last output of placetool.
value() { sed -n "s/^$1=//p" <<<"$output"; }

new_images() {
	IMAGES=$(lab shared)/$1
	lab exec A rm -rf "$IMAGES"
	lab exec A mkdir "$IMAGES"
}

# keep_aside: the images are complete but for the one that begins a restore.
keep_aside() { lab exec A mv "$IMAGES/inventory.img" "$IMAGES/inventory.img.tcpmig"; }

places() { place "$1" list; }
places_are() { [ "$(places "$1" | cut -d' ' -f2 | xargs)" = "$2" ]; }

# Of criu, of a place, of a tree: nothing on that host, but what the lab has.
nothing_left() {
	wait_for 5 "the end of all on $1" nothing_runs "$1"
}
nothing_runs() {
	local names
	names=$(lab exec "$1" ps -e -o comm=) || return 1
	! grep -q -v -x -e lab -e sleep -e ps <<<"$names"
}

# The host's kernel neither takes nor sends a segment of the ports of tests.
quiet() {
	lab exec "$1" nft -f - <<-END
		table inet quiet {
			chain in { type filter hook input priority 0; tcp dport 5000-7999 drop; }
			chain out { type filter hook output priority 0; tcp sport 5000-7999 drop; }
		}
	END
}

# Steps of move(): by placetool instead of criu's command line.
move_dump() {
	quiet "$1"
	MOVE_LOCK="table inet quiet"
	run place "$1" dump "$CRIU" "$2" "$MOVE_IMAGES"
	echo "dump on $1: $output"
	THERE=$(value pid_there)
	[ "$status" = 0 ]
}

move_restore() {
	hook_env "$1"
	IMAGES=$MOVE_IMAGES
	keep_aside
	run lab exec "$1" env "${HOOK_ENV[@]}" timeout 30 "$PLACETOOL" held=1 hook="$T" \
		restore "$CRIU" "moved-to-$1" "$MOVE_IMAGES" "$THERE"
	echo "restore on $1: $output"
	PID=$(value pid)
	[ "$status" = 0 ]
	[ "$(value pid_there)" = "$THERE" ]
}

# hop FROM TO PORT: to that port there.
hop() {
	MOVE_CUR=("${MOVE_NEW[@]}")
	MOVE_NEW=("10.9.0.$4:$3" "[fd09::$4]:$3")
	move "$1" "$PID" "$2"
	wait_for 3 "the end of the place on $1" places_are "$1" ""
	places_are "$2" "moved-to-$2"
}

@test "A to B to C and back to A: dumped again in the place where it was restored" {
	local first
	serve_and_talk 6 "${ALL_MODES[@]}"
	first=$PID
	MOVE_NEW=("${MOVE_OLD[@]}")
	hop A B 6000 3
	hop B C 7000 4
	hop C A 5000 2
	[ "$THERE" = "$first" ] # the PID that it had in the beginning
	talked
	both_ok 5
	[ "$(json "d['rules']")" = "[]" ]
	# What it has open is what it had: nothing of criu's or ours.
	lab exec A ls -l "/proc/$PID/fd" >"$OUT/fds"
	[ "$(grep -c '/dev/null' "$OUT/fds")" = 3 ]
	[ "$(grep -c -e '->' "$OUT/fds")" = $((3 + $(grep -c 'socket:' "$OUT/fds"))) ]
}

@test "child, thread, socket pair and low PIDs: the place keeps them free" {
	local before after
	new_images family
	run -0 place A run family python3 "$TOP/tests/e2e/family.py" 5000
	PID=$(value pid)
	ask() { lab exec "$1" timeout 5 python3 -c "import socket
print(socket.create_connection(('127.0.0.1', 5000), 2).makefile().readline().strip())"; }
	wait_for 5 "the tree" ask A
	before=$(ask A)
	run -0 place A dump "$CRIU" "$PID" "$IMAGES"
	[ "$(value place)" = family ]
	[ "$(value pid_there)" = 2 ]
	nothing_left A
	# Without being told, something of criu sits on one of them.
	run -3 place B restore "$CRIU" family "$IMAGES"
	[[ $(value why) == *"fork"*"2"* ]]
	nothing_left B
	# shellcheck disable=SC2046 # PIDs
	run -0 place B restore "$CRIU" family "$IMAGES" $(cut -d' ' -f1-3 <<<"$before")
	after=$(ask B)
	echo "$before, then $after"
	[ "$(cut -d' ' -f1-3 <<<"$before")" = "$(cut -d' ' -f1-3 <<<"$after")" ]
	[ "$(cut -d' ' -f4 <<<"$after")" = $(($(cut -d' ' -f4 <<<"$before") + 1)) ]
	place B end family
	nothing_left B
}

# dumped NAME [PREFIX...]: a server, as images.
dumped() {
	new_images "$1"
	shift
	PID=$(lab spawn A "$@" "$SEQSTREAM" serve 0.0.0.0:5000)
	place A dump "$CRIU" "$PID" "$IMAGES"
	THERE=$PID
}

@test "a restore whose images never come: nothing is left" {
	dumped never
	keep_aside
	run -137 place B held=1 die=held restore "$CRIU" never "$IMAGES" "$THERE"
	[ -n "$(value held_us)" ]
	nothing_left B
	lab exec A test -p "$IMAGES/inventory.img"
	# Not by its maker's death alone.
	lab exec A rm "$IMAGES/inventory.img"
	run -0 place B held=1 no=held restore "$CRIU" never "$IMAGES" "$THERE"
	nothing_left B
}

# bats test_tags=quick
@test "the maker of a place dies: all in it ends, unless it is kept" {
	local stage
	dumped orphan
	for stage in pre-restore post-restore pre-resume post-resume; do
		run -137 place B die=$stage restore "$CRIU" orphan "$IMAGES" "$THERE"
		nothing_left B
	done
	# Kept too early, what criu takes back ends with criu.
	run -137 place B keep=post-restore die=post-restore restore "$CRIU" orphan "$IMAGES" "$THERE"
	nothing_left B
	# Kept, and told to go on: that is done by criu alone.
	run -137 place B keep=post-restore die=pre-resume restore "$CRIU" orphan "$IMAGES" "$THERE"
	client "$SEQSTREAM" connect 10.9.0.3:5000 1 chat >"$OUT/b"
	all_ok "$OUT/b" 1
	places_are B orphan
	place B end orphan
	nothing_left B
}

@test "who dumps dies, or says no: the tree goes on, no byte wrong" {
	local stage
	PID=$(lab spawn A "$SEQSTREAM" serve 0.0.0.0:5000)
	talk "$OUT/4" "$OLD4" 4 "${ALL_MODES[@]}"
	wait_for 5 "connections" connected 5
	for stage in pre-dump post-dump; do
		new_images no
		run -137 place A die=$stage dump "$CRIU" "$PID" "$IMAGES"
		wait_for 5 "the end of criu" criu_ended
		new_images no
		run -3 place A no=$stage dump "$CRIU" "$PID" "$IMAGES"
	done
	wait "$TALKER" || :
	all_ok "$OUT/4" 5
	[ "$(lab exec A cat "/proc/$PID/comm")" = seqstream ]
}
criu_ended() { ! lab exec A pgrep -x criu && ! lab exec A pgrep -f 'criu.* swrk'; }

@test "criu says no: why, in words; the place ends" {
	new_images elsewhere
	PID=$(lab spawn A "$SEQSTREAM" serve 10.9.0.2:5000)
	run -0 place A dump "$CRIU" "$PID" "$IMAGES"
	run -3 place B restore "$CRIU" elsewhere "$IMAGES" "$PID"
	[[ $(value why) == *"bind"*"Cannot assign requested address" ]]
	nothing_left B
	run -3 place B no=post-restore restore "$CRIU" elsewhere "$IMAGES" "$PID"
	nothing_left B
	# Killed.
	lab exec B ip addr add 10.9.0.2/32 dev lo
	place B stop=post-restore restore "$CRIU" elsewhere "$IMAGES" "$PID" >"$OUT/killed" &
	wait_for 5 "post-restore" grep -q post-restore "$OUT/killed"
	lab exec B pkill -9 -f 'criu.* swrk'
	lab exec B pkill -CONT -x placetool
	wait $! || :
	grep -q 'why=it was killed by signal 9' "$OUT/killed"
	nothing_left B
	lab exec B ip addr del 10.9.0.2/32 dev lo
}

@test "the tree begins in its cgroup, the init does not" {
	local group
	group=$(lab exec B findmnt -n -o TARGET -t cgroup2 | head -n 1)
	[ -n "$group" ] || skip "there is no cgroup v2"
	group=$group/tcpmig-test-$BASHPID
	lab exec B mkdir "$group"
	dumped grouped nice -n 3
	lab exec B mkdir "$group-init"
	run -0 place B cgroup="$group" init_cgroup="$group-init" restore "$CRIU" grouped "$IMAGES" "$THERE"
	[ "$(lab exec B cat "$group/cgroup.procs" | xargs)" = "$(value pid)" ]
	[ "$(lab exec B cat "$group-init/cgroup.procs" | xargs)" = "$(places B | cut -d' ' -f1)" ]
	# criu's haste is not for the tree.
	[ "$(lab exec B ps -o ni= -p "$(value pid)" | xargs)" = 3 ]
	place B end grouped
	nothing_left B
	lab exec B rmdir "$group" "$group-init"
}

@test "a tree whose session leader stays behind: moved, and moved on" {
	local first
	new_images job1
	lab spawn A sh -c "$SEQSTREAM serve 0.0.0.0:5000 & wait"
	wait_for 5 "the server" lab exec A pgrep -x seqstream
	first=$(lab exec A pgrep -x seqstream)
	run -3 place A dump "$CRIU" "$first" "$IMAGES"
	echo "$output"
	[[ $(value why) == *"session leader"* ]]
	new_images job1
	run -0 place A shell_job=1 dump "$CRIU" "$first" "$IMAGES"
	run -0 place B shell_job=1 restore "$CRIU" job "$IMAGES" "$first"
	PID=$(value pid)
	new_images job2
	run -0 place B shell_job=1 dump "$CRIU" "$PID" "$IMAGES"
	run -0 place C shell_job=1 restore "$CRIU" job "$IMAGES" "$first"
	client "$SEQSTREAM" connect 10.9.0.4:5000 1 chat >"$OUT/c"
	all_ok "$OUT/c" 1
}

@test "mounts come into a place, none gets out" {
	local init
	lab exec A mount --make-rshared /
	run -0 place A run mounts sleep 60
	PID=$(value pid)
	init=$(places A | cut -d' ' -f1)
	[ "$(lab exec A nsenter -t "$init" -m -p ps -e -o comm= | grep -v -x ps | xargs)" = \
		"tcpmig-init sleep" ]
	lab exec A mount -t tmpfs come-in /mnt
	lab exec A grep -q come-in "/proc/$init/mountinfo"
	lab exec A umount /mnt
	lab exec A nsenter -t "$init" -m mount -t tmpfs stay-in /mnt
	run -1 lab exec A grep stay-in /proc/self/mountinfo
	# So is the host's /proc: the one in there is not seen here.
	[ "$(lab exec A cat /proc/1/comm)" = lab ]
	new_images mounts
	run -0 place A dump "$CRIU" "$PID" "$IMAGES"
	run -0 place B restore "$CRIU" mounts "$IMAGES" 2
	lab exec A mount --make-rprivate /
}

@test "the version of criu; what is none; a namespace that is no place of ours" {
	local version
	version=$(place A version "$CRIU")
	[ "$version" -ge 40000 ]
	run -1 place A version /bin/true
	[[ $output == *"Exec format error"* ]]
	run -1 place A version /nonexistent
	[[ $output == *"No such file"* ]]
	new_images none
	run -1 place A restore "$CRIU" full "$IMAGES" 1 # not even PID 1 is left
	[[ $output == *"leave no room"* ]]
	lab exec A sh -c 'exec unshare --pid --fork --mount-proc sleep 60 >/dev/null 2>&1 3>&- & :'
	wait_for 5 "sleep" lab exec A pgrep -f -x "sleep 60"
	run -1 place A dump "$CRIU" "$(lab exec A pgrep -f -x "sleep 60")" "$IMAGES"
	[[ $output == *"Invalid cross-device link"* ]]
	# Not by its name alone.
	lab exec A sh -c 'exec unshare --pid --fork --mount-proc --map-root-user \
		bash -c "exec -a tcpmig-init sleep 61" >/dev/null 2>&1 3>&- & :'
	wait_for 5 "sleep" lab exec A pgrep -f "tcpmig-init 61"
	places_are A ""
}
