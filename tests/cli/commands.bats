# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every command, by hand, on one host of a lab: what it does, what it undoes, and
# what it says to wrong input.
bats_require_minimum_version 1.5.0
load ../lib.bash

FOREIGN=$TOP/build/tests/bpf/foreign.bpf.o

# One rule is armed now, under pins of its own: in doubt by the time of the last test.
setup_file() {
	lab_up client
	client "$T" --pin-dir "$DOUBT" attach lo
	doubt_hook post-restore
	note_foreign_programs
}

DOUBT=/sys/fs/bpf/doubt

doubt_hook() {
	empty_image "$BATS_FILE_TMPDIR/images"
	client env CRTOOLS_SCRIPT_ACTION="$1" CRTOOLS_IMAGE_DIR="$BATS_FILE_TMPDIR/images" \
		TCPMIG_OLD=10.9.0.7:5000 TCPMIG_NEW=10.9.0.8:5000 TCPMIG_PIN_DIR="$DOUBT" "$T"
}

# empty_image DIR: a files.img with no file in it.
empty_image() {
	mkdir -p "$1"
	printf '\x19\x43\x56\x54\x38\x31\x30\x56' >"$1/files.img"
}

teardown_file() { lab_down; }

setup() {
	client "$T" detach --all >/dev/null
	BEFORE=$(footprint client)
}

teardown() {
	client "$T" detach --all >/dev/null
}

left_nothing() {
	client "$T" detach --all
	is_as_before
}

is_as_before() {
	wait_for_programs 0
	diff <(echo "$BEFORE") <(footprint client)
}

@test "attach by TCX: both directions, detach leaves nothing" {
	run client "$T" attach eth0
	[ "$output" = "attached to eth0 by tcx" ]
	[ "$(our_programs)" = 2 ]
	[ "$(json "d['interfaces'][0]['mode']")" = tcx ]
	[ -z "$(client tc filter show dev eth0 ingress)" ]
	run client "$T" detach eth0
	[ "$output" = "detached from 1 interface" ]
	is_as_before
}

@test "attach by clsact: one filter a direction, detach leaves nothing" {
	client "$T" attach eth0 --mode clsact
	[ "$(client tc filter show dev eth0 ingress | grep -c tcpmig_ingress)" = 1 ]
	[ "$(client tc filter show dev eth0 egress | grep -c tcpmig_egress)" = 1 ]
	client "$T" detach eth0
	is_as_before
}

@test "attach twice is one attachment, in both modes" {
	for mode in tcx clsact; do
		client "$T" attach eth0 --mode $mode
		client "$T" attach eth0
		client "$T" attach eth0 --mode $mode
		wait_for_programs 2
		[ "$(json "len(d['interfaces'])")" = 1 ]
		left_nothing
	done
}

@test "attach in another mode is refused, and nothing changes" {
	client "$T" attach eth0 --mode clsact
	run --separate-stderr client "$T" attach eth0 --mode tcx
	check_failure 1 "'eth0'"
	[ "$(json "d['interfaces'][0]['mode']")" = clsact ]
	left_nothing
}

@test "rules go on when attach is repeated" {
	client "$T" attach eth0
	client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000
	client "$T" attach eth0
	[ "$(json "d['rules'][0]['state']")" = active ]
	left_nothing
}

@test "two interfaces share the rules; the last detach removes them" {
	client "$T" attach eth0
	client "$T" attach lo
	client "$T" hold 10.9.0.2:5000
	client "$T" detach eth0
	[ "$(json "d['rules'][0]['state'], len(d['interfaces'])")" = "held 1" ]
	client "$T" detach lo
	[ "$(json "d['rules']")" = "[]" ]
	is_as_before
}

@test "a clsact qdisc that was there stays, with its filters" {
	client tc qdisc add dev eth0 clsact
	client tc filter add dev eth0 egress protocol ip prio 7 bpf da obj "$FOREIGN" sec tc
	BEFORE=$(footprint client)
	client "$T" attach eth0 --mode clsact
	client "$T" detach eth0
	left_nothing
	client tc qdisc del dev eth0 clsact
}

@test "our clsact qdisc stays if somebody else has put a filter on it" {
	client "$T" attach eth0 --mode clsact
	client tc filter add dev eth0 ingress protocol ip prio 7 bpf da obj "$FOREIGN" sec tc
	client "$T" detach eth0
	client tc filter show dev eth0 ingress | grep -q foreign_next
	[ "$(client tc filter show dev eth0 ingress | grep -c tcpmig)" = 0 ]
	client tc qdisc del dev eth0 clsact
	left_nothing
}

@test "a foreign filter with our handle is not replaced" {
	client tc qdisc add dev eth0 clsact
	client tc filter add dev eth0 ingress prio 1 handle 0x7c70 bpf da obj "$FOREIGN" sec tc
	run --separate-stderr client "$T" attach eth0 --mode clsact
	check_failure 1 "'eth0'"
	client tc filter show dev eth0 ingress | grep -q foreign_next
	[ "$(client tc filter show dev eth0 egress | grep -c tcpmig)" = 0 ]
	client tc qdisc del dev eth0 clsact
	left_nothing
}

@test "an interface that is gone does not stand in the way" {
	client ip link add gone type veth peer name peer
	client ip link set gone up
	client "$T" attach gone
	client ip link del gone
	client ip link add gone type veth peer name peer
	client "$T" attach gone
	client "$T" detach gone
	[ "$(json "d['interfaces']")" = "[]" ]
	client ip link del gone
	left_nothing
}

@test "list -j and stats -j are JSON in every state" {
	images=$BATS_TEST_TMPDIR/images
	empty_image "$images"
	hook=(env CRTOOLS_IMAGE_DIR="$images" TCPMIG_OLD=10.9.0.2:5000 TCPMIG_NEW=10.9.0.3:6000)
	check() {
		client "$T" list -j | python3 -m json.tool >/dev/null
		client "$T" list | grep -q "${1:-INTERFACE}"
	}
	check "nothing is attached"
	client "$T" attach eth0
	check "no rules"
	client "$T" hold 10.9.0.2:5000
	check held
	[ "$(json "d['rules'][0]['new']")" = None ]
	[ "$(json "0 < d['rules'][0]['deadline_ms'] <= 30000")" = True ]
	client "${hook[@]}" CRTOOLS_SCRIPT_ACTION=pre-restore "$T"
	check held
	client "${hook[@]}" CRTOOLS_SCRIPT_ACTION=post-restore "$T"
	check armed
	[ "$(json "d['rules'][0]['new']")" = 10.9.0.3:6000 ]
	client "${hook[@]}" CRTOOLS_SCRIPT_ACTION=pre-resume "$T"
	check active
	client "${hook[@]}" CRTOOLS_SCRIPT_ACTION=post-resume "$T"
	check active
	client "$T" stats -j | python3 -m json.tool >/dev/null
	client "$T" stats | grep -q held_rst
	client "$T" release 10.9.0.2:5000
	check "no rules"
	left_nothing
}

@test "a hold ends by itself and leaves no rule" {
	client "$T" attach eth0
	client "$T" hold 10.9.0.2:5000 --max 1
	[ "$(json "d['rules'][0]['state']")" = held ]
	over() { [ "$(json "d['rules']")" = "[]" ]; }
	wait_for 3 "the end of the hold" over
	left_nothing
}

@test "release of a held move leads back to the owner before it" {
	client "$T" attach eth0
	client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000
	client "$T" hold 10.9.0.2:5000
	[ "$(json "d['rules'][0]['state']")" = held ]
	client "$T" release 10.9.0.2:5000
	[ "$(json "d['rules'][0]['state'], d['rules'][0]['new']")" = "active 10.9.0.3:6000" ]
	client "$T" release 10.9.0.2:5000
	[ "$(json "d['rules']")" = "[]" ]
	left_nothing
}

@test "IPv6 rules" {
	client "$T" attach eth0
	client "$T" redirect '[fd09::2]:5000' '[fd09::3]:6000'
	[ "$(json "d['rules'][0]['old']")" = '[fd09::2]:5000' ]
	client "$T" release '[fd09::2]:5000'
	left_nothing
}

@test "--flow redirects what it names and nothing else" {
	client "$T" attach eth0
	client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000 --flow 10.9.0.1:40000 --flow 10.9.0.1:40001
	[ "$(json "d['rules'][0]['flows'], d['rules'][0]['established_only']")" = "2 True" ]
	[ "$(json "sorted(f['client'] for f in d['flows'])")" = "['10.9.0.1:40000', '10.9.0.1:40001']" ]
	left_nothing
}

# In one step and silently, new connections would go to a server that is not there.
@test "a rule for all that becomes one for the known connections: a note says so" {
	client "$T" attach eth0
	client "$T" hold 10.9.0.2:5000
	for options in "--flow 10.9.0.1:40000" "--established-only"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000 $options
		[ -z "$stderr" ]
	done
	client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000 # for all
	run --separate-stderr client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000 --flow 10.9.0.1:40001 --flow 10.9.0.1:40002
	check_failure 0 "'10.9.0.2:5000': all connections were redirected until now; 3 known ones stay so, new ones go to '10.9.0.2:5000' itself"
	[ "$(json "d['rules'][0]['established_only']")" = True ]
	run --separate-stderr client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000
	[ -z "$stderr" ]
	run --separate-stderr client "$T" redirect 10.9.0.2:5000 10.9.0.4:6000 --established-only
	check_failure 0 "all connections were redirected until now"
	client "$T" redirect 10.9.0.2:5000 10.9.0.4:6000
	run --separate-stderr client "$T" redirect 10.9.0.2:5000 10.9.0.2:5000 --established-only
	[[ $stderr != *"until now"* ]]
	left_nothing
}

# Each line: exit status | what stderr must name | arguments.
wrong_input() {
	cat <<'END'
1|'nosuch0'|attach nosuch0
2|'fast'|attach eth0 --mode fast
2|attach: an argument is missing|attach
2|attach: too many arguments|attach eth0 eth1
2|'--frobnicate'|attach eth0 --frobnicate
2|'--mode'|attach eth0 --mode
1|'nosuch0'|detach nosuch0
2|detach: an argument is missing|detach
2|'1.2.3.4'|hold 1.2.3.4
2|'::1:80'|hold ::1:80
2|'1.2.3.4:0'|hold 1.2.3.4:0
2|':80'|hold :80
2|'1.2.3.4:65536'|hold 1.2.3.4:65536
2|'0.0.0.0:80'|hold 0.0.0.0:80
2|'127.0.0.1:80'|hold 127.0.0.1:80
2|'0'|hold 10.9.0.2:5000 --max 0
2|'3601'|hold 10.9.0.2:5000 --max 3601
2|'1s'|hold 10.9.0.2:5000 --max 1s
2|'pen'|hold 10.9.0.2:5000 --hold pen
2|'10.9.0.2:5000'|hold 10.9.0.2:5000 --next 10.9.0.2:5000
2|'[fd09::3]:6000'|hold 10.9.0.2:5000 --next [fd09::3]:6000
2|'40000'|hold 10.9.0.2:5000 --flow 40000
2|'10.9.0.2:5000'|redirect 10.9.0.2:5000 10.9.0.2:5000
2|'[fd09::3]:6000'|redirect 10.9.0.2:5000 [fd09::3]:6000
2|redirect: an argument is missing|redirect 10.9.0.2:5000
2|'10.9.0.2'|redirect 10.9.0.2 10.9.0.3
2|'40000'|redirect 10.9.0.2:5000 10.9.0.3:6000 --flow 40000
1|'10.9.0.77:5000'|release 10.9.0.77:5000
2|'x'|release x
2|list: too many arguments|list all
2|watch: too many arguments|watch all
2|'0'|gc --idle 0
2|'-1'|gc --idle -1
2|gc: too many arguments|gc all
2|doctor: too many arguments|doctor all
2|'frob'|frob
2|'--frob'|--frob list
2|'--pin-dir'|--pin-dir
1|'/tmp'|--pin-dir /tmp hold 10.9.0.2:5000
1|'/sys/fs/bpf/nosuch'|--pin-dir /sys/fs/bpf/nosuch hold 10.9.0.2:5000
1|'/tmp/x'|--pin-dir /tmp/x attach eth0
2|--from and --to|rewrite-images /tmp
2|'10.9.0.2:x'|rewrite-images /tmp --from 10.9.0.2:x --to 10.9.0.3
2|'10.9.0.3:6000'|rewrite-images /tmp --from 10.9.0.2 --to 10.9.0.3:6000
2|'fd09::3'|rewrite-images /tmp --from 10.9.0.2 --to fd09::3
1|'/nosuch'|rewrite-images /nosuch --from 10.9.0.2 --to 10.9.0.3
1|'/sys'|rewrite-images /sys --from 10.9.0.2 --to 10.9.0.3
2|CRTOOLS_SCRIPT_ACTION|criu-hook
END
}

# Without how old the rules are.
list_and_footprint() {
	client "$T" list -j | grep -v '_ms"'
	footprint client
}

@test "wrong input: one line that names it, the right status, nothing changed" {
	client "$T" attach eth0
	client "$T" redirect 10.9.0.4:5000 10.9.0.3:6000
	before=$(list_and_footprint)
	while IFS='|' read -r expected text arguments; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr client "$T" $arguments </dev/null
		echo "$arguments"
		check_failure "$expected" "$text"
		[ -z "$output" ]
		diff <(echo "$before") <(list_and_footprint)
	done < <(wrong_input)
	left_nothing
}

@test "no command: status 2" {
	run --separate-stderr client "$T"
	check_failure 2 "a command is missing"
}

@test "commands that need an attachment say so when there is none" {
	for arguments in "hold 10.9.0.2:5000" "redirect 10.9.0.2:5000 10.9.0.3:6000" \
		"release 10.9.0.2:5000" "stats"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr client "$T" $arguments
		check_failure 1 "'$DEFAULT_PINS'"
		[[ $stderr == *"attach IFACE"* ]]
	done
}

@test "criu-hook: what is missing in the environment is named" {
	client "$T" attach eth0
	run --separate-stderr client env CRTOOLS_SCRIPT_ACTION=post-restore "$T"
	check_failure 2 TCPMIG_OLD
	run --separate-stderr client env CRTOOLS_SCRIPT_ACTION=post-restore TCPMIG_OLD=10.9.0.2:1 "$T"
	check_failure 2 TCPMIG_NEW
	run --separate-stderr client env CRTOOLS_SCRIPT_ACTION=post-restore TCPMIG_OLD=x TCPMIG_NEW=y "$T"
	check_failure 2 "'x'"
	run --separate-stderr client env CRTOOLS_SCRIPT_ACTION=pre-resume TCPMIG_OLD=10.9.0.2:1 \
		TCPMIG_NEW="10.9.0.3:1 10.9.0.3:2" "$T"
	[ "$status" != 0 ]
	run --separate-stderr client env CRTOOLS_SCRIPT_ACTION=post-restore TCPMIG_OLD=10.9.0.2:1 \
		TCPMIG_NEW=10.9.0.3:1 CRTOOLS_IMAGE_DIR=/nosuch "$T"
	check_failure 1 "'/nosuch'"
	run --separate-stderr client env CRTOOLS_SCRIPT_ACTION=pre-resume TCPMIG_OLD=10.9.0.2:1 \
		TCPMIG_NEW=10.9.0.3:1 "$T"
	check_failure 1 "'10.9.0.2:1'"
	client env CRTOOLS_SCRIPT_ACTION=network-lock "$T"
	[ "$(json "d['rules']")" = "[]" ]
	left_nothing
}

# hook ACTION SETTING...: as criu would call it, with TCPMIG_TLS.
net_hook() {
	local action=$1
	shift
	run --separate-stderr client env CRTOOLS_SCRIPT_ACTION="$action" CRTOOLS_IMAGE_DIR="$BATS_TEST_TMPDIR" \
		TCPMIG_TLS="$BATS_TEST_TMPDIR/tls" TCPMIG_OLD=10.9.0.1:5000 TCPMIG_NEW=10.9.0.3:6000 "$@" "$T"
}

@test "criu-hook with TCPMIG_TLS: what is missing or wrong is named" {
	dir=$BATS_TEST_TMPDIR
	mkdir "$dir/tls"
	net_hook pre-dump
	check_failure 1 "'$dir/tls/ca.crt': cannot open it; expected it in TCPMIG_TLS"
	"$T" pki init --dir "$dir/pki"
	cp "$dir/pki/ca.crt" "$dir/tls"
	"$T" pki issue --dir "$dir/pki" --role agent --ip 10.9.0.1 --out "$dir/tls/host"
	net_hook pre-dump
	check_failure 1 "'$dir/tls': the certificate file: " # one for an agent
	rm "$dir"/tls/host.*
	"$T" pki issue --dir "$dir/pki" --role host --ip 10.9.0.1 --out "$dir/tls/host"
	while read -r setting; do
		net_hook pre-dump "$setting"
		check_failure 2 "'${setting#*=}': expected "
	done <<-END
		TCPMIG_AGENT_PORT=0
		TCPMIG_AGENT_PORT=65536
		TCPMIG_TIMEOUT_MS=soon
		TCPMIG_HOLD_S=3601
		TCPMIG_HOLD_S=-1
		TCPMIG_REQUIRE_AGENTS=some
	END
	net_hook pre-dump TCPMIG_OLD=
	check_failure 2 "TCPMIG_OLD: expected 1 to 64 addresses"
	net_hook pre-dump TCPMIG_CUR="10.9.0.1:5000 10.9.0.1:5001"
	check_failure 2 "expected TCPMIG_OLD, TCPMIG_NEW and TCPMIG_CUR to have the same number"
	net_hook pre-dump TCPMIG_CUR=10.9.0.3:6000
	check_failure 2 "'10.9.0.3:6000': OLD and NEW are the same"
	net_hook pre-dump TCPMIG_NEW='[fd09::3]:6000'
	check_failure 2 "IPv4 and IPv6 do not mix"
	net_hook pre-dump CRTOOLS_IMAGE_DIR=/nosuch
	check_failure 1 "'/nosuch'"
	net_hook pre-dump CRTOOLS_INIT_PID=4000000
	check_failure 1 "'4000000': there is no such process"
	for action in post-dump pre-restore post-restore pre-resume post-resume; do
		net_hook $action
		check_failure 1 "'tcpmig-move.json': not beside the images"
	done
	echo '{}' >"$dir/tcpmig-move.json"
	net_hook pre-restore
	check_failure 1 "'tcpmig-move.json': version: expected 1"
	net_hook network-lock
	[ "$status" = 0 ]
}

@test "without privilege: one line, nothing changed" {
	for arguments in "attach eth0" "detach --all" "hold 10.9.0.2:5000" "list"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr client setpriv --reuid 65534 --regid 65534 --clear-groups \
			--inh-caps=-all --bounding-set=-all "$T" $arguments
		check_failure 1 "'$DEFAULT_PINS'"
	done
	run --separate-stderr client setpriv --inh-caps=-all --bounding-set=-all "$T" attach eth0
	check_failure 1 "'eth0'" # root in name only: may make the directory, may not load
	left_nothing
}

@test "attach mounts a bpffs where there is none, detach unmounts it" {
	client unshare --mount --propagation private sh -ec "
		umount /sys/fs/bpf
		'$T' attach eth0 2>&1 | grep -q 'mounted a BPF file system on /sys/fs/bpf'
		mountpoint -q /sys/fs/bpf
		[ -z \"\$('$T' attach eth0 2>&1 | grep mounted)\" ]
		'$T' list | grep -q tcx
		'$T' detach eth0
		! mountpoint -q /sys/fs/bpf"
	left_nothing
}

@test "a bpffs that we mounted stays while others have pins there" {
	client unshare --mount --propagation private sh -ec "
		umount /sys/fs/bpf
		'$T' attach eth0
		mkdir /sys/fs/bpf/others
		'$T' detach eth0
		mountpoint -q /sys/fs/bpf
		! test -e /sys/fs/bpf/tcpmig"
	left_nothing
}

@test "a bpffs that cannot be mounted: one line, nothing changed" {
	run --separate-stderr client unshare --mount --propagation private sh -ec "
		umount /sys/fs/bpf
		exec setpriv --inh-caps=-sys_admin --bounding-set=-sys_admin '$T' attach eth0"
	check_failure 1 "'$DEFAULT_PINS'"
	run --separate-stderr client unshare --mount --propagation private sh -ec "
		mount -t tmpfs tmpfs /sys/fs
		exec '$T' attach eth0"
	check_failure 1 "'$DEFAULT_PINS'"
	left_nothing
}

@test "attach works on a kernel without BTF" {
	client unshare --mount --propagation private sh -ec "
		mount -t tmpfs tmpfs /sys/kernel/btf
		'$T' -v attach eth0 2>&1 | grep -q 'programs: the plain build'
		'$T' attach eth0
		'$T' detach eth0"
	left_nothing
}

@test "killed at any moment: the next attach or detach puts it right" {
	for mode in tcx clsact; do
		for tenths_of_ms in $(seq 0 17 900); do
			timeout -s KILL "$(printf '0.%04d' "$tenths_of_ms")" \
				"${LAB[@]}" exec client "$T" attach eth0 --mode $mode >/dev/null 2>&1 || :
			if [ $((tenths_of_ms % 2)) = 0 ]; then
				client "$T" attach eth0 --mode $mode >/dev/null
				[ "$(json "len(d['interfaces'])")" = 1 ]
			fi
			left_nothing >/dev/null
		done
	done
}

@test "detach from another network namespace is refused, and nothing changes" {
	for mode in tcx clsact; do
		client "$T" attach eth0 --mode $mode
		run --separate-stderr client unshare --net sh -c "
			ip link add first type veth peer name eth0; tc qdisc add dev eth0 clsact
			'$T' detach --all; status=\$?
			tc qdisc show dev eth0 | grep -q clsact || exit 9
			exit \$status"
		check_failure 1 "another network namespace"
		[ "$(json "len(d['interfaces'])")" = 1 ]
		left_nothing
	done
}

@test "a command that fails for want of descriptors leaves the attachment alone" {
	client "$T" attach eth0
	client "$T" redirect 10.9.0.2:5000 10.9.0.3:6000
	for limit in 4 5 6 7 8 9 10 11 12 14 16; do
		client bash -c "ulimit -n $limit; exec '$T' attach eth0" || :
		client bash -c "ulimit -n $limit; exec '$T' list" || :
		[ "$(json "d['rules'][0]['state']")" = active ]
	done
	left_nothing
}

@test "a pin directory where others may write is refused" {
	client mkdir -m 0777 /sys/fs/bpf/open
	client chmod 0777 /sys/fs/bpf/open
	run --separate-stderr client "$T" --pin-dir /sys/fs/bpf/open attach eth0
	check_failure 1 "'/sys/fs/bpf/open'"
	client chmod 0700 /sys/fs/bpf/open
	client chown 65534 /sys/fs/bpf/open
	run --separate-stderr client "$T" --pin-dir /sys/fs/bpf/open attach eth0
	check_failure 1 "'/sys/fs/bpf/open'"
	client rmdir /sys/fs/bpf/open
	is_as_before
}

@test "a directory that was there stays when attach fails" {
	client mkdir -m 0700 /sys/fs/bpf/tcpmig
	run --separate-stderr client "$T" attach nosuch0
	check_failure 1 "'nosuch0'"
	[ -z "$(client ls /sys/fs/bpf/tcpmig)" ]
	client rmdir /sys/fs/bpf/tcpmig
	is_as_before
}

@test "the root of the bpffs, or one with others' pins, as pin directory" {
	client "$T" --pin-dir /sys/fs/bpf attach eth0
	client "$T" --pin-dir /sys/fs/bpf detach eth0
	is_as_before
	client "$T" attach eth0
	client mkdir /sys/fs/bpf/tcpmig/others
	client "$T" detach eth0
	client rmdir /sys/fs/bpf/tcpmig/others /sys/fs/bpf/tcpmig
	is_as_before
}

@test "of interfaces stacked on each other only one can be attached" {
	client ip link add br7 type bridge
	client ip link add port7 type veth peer name other7
	client ip link set port7 master br7
	client ip link add link br7 name mac7 type macvlan
	client "$T" attach port7
	for above in br7 mac7; do
		run --separate-stderr client "$T" attach $above
		check_failure 1 "'$above'"
	done
	client "$T" attach other7
	client "$T" detach port7
	client "$T" detach other7
	client "$T" attach mac7
	run --separate-stderr client "$T" attach port7
	check_failure 1 "'port7'"
	client "$T" detach mac7
	client ip link del mac7
	client ip link del br7
	client ip link del port7
	is_as_before
}

rename() { client sh -c "ip link set $1 down; ip link set $1 name $2; ip link set $2 up"; }

@test "a renamed interface is detached by either name, a name is that of who has it now" {
	client ip link add aa0 type veth peer name aa1
	for name in bb0 aa0; do
		client "$T" attach aa0
		rename aa0 bb0
		client "$T" detach $name
		rename bb0 aa0
	done
	client "$T" attach aa0
	rename aa0 bb0
	rename aa1 aa0
	client "$T" attach aa0 # was aa1
	client "$T" detach aa0
	[ "$(json "[i['ifindex'] for i in d['interfaces']]")" = "[$(client ip -j link show bb0 |
		python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["ifindex"])')]" ]
	client "$T" detach bb0
	client ip link del bb0
	is_as_before
}

@test "two commands at once wait for each other" {
	client "$T" attach eth0
	for i in $(seq 1 20); do
		client "$T" redirect 10.9.0.2:$((5000 + i)) 10.9.0.3:6000 >/dev/null 3>&- &
	done
	wait
	[ "$(json "len(d['rules'])")" = 20 ]
	left_nothing
}

@test "a pin directory serves one network namespace" {
	client "$T" attach eth0
	run --separate-stderr client unshare --net sh -c "ip link set lo up; exec '$T' attach lo"
	check_failure 1 "'lo'"
	[[ $stderr == *"another network namespace"* ]]
	left_nothing
}

@test "--pin-dir keeps two sets apart" {
	client "$T" --pin-dir /sys/fs/bpf/other attach eth0
	client "$T" --pin-dir /sys/fs/bpf/other hold 10.9.0.2:5000
	[ "$(json "d['rules']")" = "[]" ]
	client "$T" list --pin-dir /sys/fs/bpf/other -j | grep -q held
	client "$T" --pin-dir /sys/fs/bpf/other detach --all
	left_nothing
}

@test "armed for longer than its lease: in doubt, until somebody says so" {
	doubt() { client "$T" --pin-dir "$DOUBT" list -j; }
	in_doubt() { doubt | grep -q '"state": "in-doubt"'; }
	wait_for 40 "the lease to end" in_doubt
	doubt | python3 -m json.tool >/dev/null
	client "$T" --pin-dir "$DOUBT" list | grep -q in-doubt
	run client "$T" --pin-dir "$DOUBT" doctor
	[ "$status" = 1 ]
	[[ $output == *"10.9.0.7:5000: in doubt: armed for 10.9.0.8:5000"*"'tcpmig-bpf release 10.9.0.7:5000'"* ]]
	run --separate-stderr client "$T" --pin-dir "$DOUBT" hold 10.9.0.7:5000
	check_failure 1 "'10.9.0.7:5000'"
	doubt_hook pre-resume
	doubt | grep -q '"state": "active"'
	client "$T" --pin-dir "$DOUBT" detach --all
}

@test "version and help" {
	run "$T" --version
	[ "$output" = "tcpmig-bpf $(cat VERSION)" ]
	run "$T" redirect --help
	[ "$status" = 0 ]
	[[ $output == *"redirect OLD NEW"* ]]
}
