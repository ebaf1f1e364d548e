# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The private CA: what its commands make, refuse to overwrite, and say; what openssl(1) thinks
# of it; and what doctor says of the files that hosts have of it.
bats_require_minimum_version 1.5.0
load ../lib.bash

setup() {
	WORK=$BATS_TEST_TMPDIR/work # beside what bats keeps there
	mkdir "$WORK"
	CA=$WORK/ca
	cd "$WORK" || return
	umask 022
}

pki() { "$T" pki "$@"; }

# A CA, made: the tests that need one begin with it.
init() { pki init --dir "$CA" "$@" >/dev/null; }
issue() { pki issue --dir "$CA" "$@" >/dev/null; }

# fails STATUS TEXT ARGS...: pki ARGS says one line with TEXT, and changes nothing.
fails() {
	local expected=$1 text=$2 before
	shift 2
	before=$(everything)
	run --separate-stderr "$T" pki "$@"
	check_failure "$expected" "$text"
	diff <(echo "$before") <(everything)
}

# Names, modes and contents of all that is here.
everything() {
	find "$WORK" -mindepth 1 -printf '%P %m %s\n' | sort
	find "$WORK" -type f -exec sha256sum {} + | sort
}

# show ARGS...: an expression over d, the JSON of `pki show`.
show() {
	local expression=$1
	shift
	pki show -j "$@" | python3 -c "import json, sys; d = json.load(sys.stdin); print($expression)"
}

mode() { stat -c %a "$1"; }

verify() {
	openssl verify -x509_strict -no-CApath -no-CAstore -CAfile "$CA/ca.crt" "$@"
}

@test "three commands give a working CA" {
	pki init --dir "$CA"
	pki issue --dir "$CA" --role agent --ip 10.9.0.1
	pki issue --dir "$CA" --ip 10.9.0.2 --ip fd09::2
	verify -purpose sslserver -verify_ip 10.9.0.1 agent-10.9.0.1.crt
	verify -purpose sslclient -verify_ip 10.9.0.2 host-10.9.0.2.crt
	verify -purpose sslclient -verify_ip fd09::2 host-10.9.0.2.crt
	run verify -purpose sslclient agent-10.9.0.1.crt # it gives no orders
	[ "$status" != 0 ]
	verify -crl_check_all -CRLfile "$CA/ca.crl" host-10.9.0.2.crt
	diff <(openssl pkey -in host-10.9.0.2.key -pubout) <(openssl x509 -in host-10.9.0.2.crt -noout -pubkey)
}

@test "modes: keys and directory for root alone, whatever the umask" {
	umask 0
	init
	issue --ip 10.9.0.2
	issue --sub-ca east --net 10.8.0.0/16
	[ "$(mode "$CA")" = 700 ]
	for file in "$CA/ca.key" "$CA/east.key" host-10.9.0.2.key; do
		[ "$(mode "$file")" = 600 ]
	done
	umask 077
	issue --ip 10.9.0.3
	for file in "$CA"/ca.{crt,crl} host-10.9.0.3.crt; do
		[ "$(mode "$file")" = 644 ]
	done
	[ -z "$(find . -name '*.??????')" ] # nothing temporary is left
}

@test "nothing is overwritten" {
	init
	fails 1 "ca.crt is there already" init --dir "$CA"
	issue --ip 10.9.0.2 --out h
	fails 1 "'h.key': there already, and nothing is overwritten" issue --dir "$CA" --ip 10.9.0.2 --out h
	rm h.key
	fails 1 "'h.crt': there already" issue --dir "$CA" --ip 10.9.0.2 --out h
	issue --sub-ca east --net 10.8.0.0/16
	fails 1 "east.key': there already" issue --dir "$CA" --sub-ca east --net 10.8.0.0/16
	rm "$CA/ca.crt"
	fails 1 "ca.key is there already" init --dir "$CA"
	ln -s "$WORK/elsewhere" l.key
	rm "$CA"/ca.* && pki init --dir "$CA"
	fails 1 "'l.key': there already" issue --dir "$CA" --ip 10.9.0.2 --out l
}

@test "a directory that others may look into is refused" {
	init
	chmod 0750 "$CA"
	fails 1 "mode 0750; expected user 0, mode 0700" issue --dir "$CA" --ip 10.9.0.2
	fails 1 "mode 0750; expected user 0, mode 0700" revoke --dir "$CA"
	mkdir -m 0755 open
	fails 1 "'open': user 0, mode 0755" init --dir open
	chown 65534 open && chmod 0700 open
	fails 1 "'open': user 65534, mode 0700" init --dir open
}

@test "a sub-CA issues within its networks, and is in the chain" {
	init
	issue --sub-ca east --net 10.8.0.0/16 --net fd08::/32
	issue --ca east --ip 10.8.0.3 --ip fd08::3 --out h
	[ "$(grep -c BEGIN h.crt)" = 2 ]
	verify -untrusted h.crt -crl_check_all -CRLfile "$CA/ca.crl" h.crt
	fails 1 "'10.9.0.3': outside the networks of the CA CN=tcpmig CA east; expected one in 10.8.0.0/16, fd08::/32" \
		issue --dir "$CA" --ca east --ip 10.9.0.3
	fails 1 "'fd09::3': outside" issue --dir "$CA" --ca east --ip 10.8.0.3 --ip fd09::3
	# where its key is kept apart
	mkdir -m 0700 apart
	cp "$CA/ca.crt" apart/ && mv "$CA"/east.??? apart/
	pki issue --dir apart --ca east --ip 10.8.0.4
	sleep 1 # of two CRLs of a CA the later one counts
	pki revoke --dir apart host-10.8.0.4.crt
	run ! verify -untrusted host-10.8.0.4.crt -crl_check_all \
		-CRLfile <(cat "$CA/ca.crl" apart/ca.crl) host-10.8.0.4.crt
	[[ $output == *revoked* ]]
	fails 1 "east.crt': cannot read it: No such file" issue --dir "$CA" --ca east --ip 10.8.0.5
}

@test "a root that is confined to networks" {
	init --net 10.9.0.0/24 --name 'Lab CA' --days 100
	fails 1 "'10.9.1.2': outside the networks of the CA CN=Lab CA" issue --dir "$CA" --ip 10.9.1.2
	fails 1 "'10.0.0.0/8': outside" issue --dir "$CA" --sub-ca big --net 10.0.0.0/8
	issue --ip 10.9.0.2
	verify host-10.9.0.2.crt
	# no longer than the CA itself
	[ "$(show 'max(c["days_left"] for c in d)' --dir "$CA")" -le 100 ]
	fails 1 "'102' days: the CA CN=Lab CA itself ends on" issue --dir "$CA" --ip 10.9.0.3 --days 102
	issue --ip 10.9.0.3 --days 100
	[ "$(openssl x509 -in "$CA/ca.crt" -noout -enddate)" = "$(openssl x509 -in host-10.9.0.3.crt -noout -enddate)" ]
}

@test "revoke: the CRL of its CA, in which it stays; twice is once" {
	init
	issue --ip 10.9.0.2 --out a
	issue --ip 10.9.0.3 --out b
	issue --sub-ca east --net 10.8.0.0/16
	issue --ca east --ip 10.8.0.3 --out c
	run pki revoke --dir "$CA" a.crt
	[[ ${lines[0]} == "revoked a.crt ("* && ${lines[1]} == *"$CA/ca.crl" ]]
	pki revoke --dir "$CA" c.crt b.crt
	run pki revoke --dir "$CA" a.crt
	[ "$status" = 0 ]
	[[ ${lines[0]} == "was revoked already: a.crt ("* ]]
	for leaf in a b c; do
		run verify -untrusted c.crt -crl_check_all -CRLfile "$CA/ca.crl" $leaf.crt
		[[ $status != 0 && $output == *"certificate revoked"* ]]
	done
	[ "$(grep -c BEGIN "$CA/ca.crl")" = 2 ]
	issue --ca east --ip 10.8.0.4 --out d
	verify -untrusted d.crt -crl_check_all -CRLfile "$CA/ca.crl" d.crt
	pki revoke --dir "$CA" "$CA/east.crt"
	run verify -untrusted d.crt -crl_check_all -CRLfile "$CA/ca.crl" d.crt
	[[ $status != 0 && $output == *"certificate revoked"* ]]
	# by what the directory has of it
	rm b.crt
	[ "$(pki revoke --dir "$CA" -j "$CA"/issued/*.crt | python3 -c 'import json, sys
print(len(json.load(sys.stdin)["revoked"]))')" = 5 ]
}

@test "revoke: what is of no CA here; without a file it renews" {
	init
	pki init --dir other >/dev/null
	pki issue --dir other --ip 10.9.0.2 --out stranger
	fails 1 "'stranger.crt': no CA in '$CA' has issued it" revoke --dir "$CA" stranger.crt
	fails 1 "'$CA/ca.key': no certificate in it" revoke --dir "$CA" "$CA/ca.key"
	number() { openssl crl -in "$CA/ca.crl" -noout -crlnumber; }
	[ "$(number)" = crlNumber=0x01 ]
	issue --ip 10.9.0.2
	[ "$(number)" = crlNumber=0x01 ] # young enough
	pki revoke --dir "$CA"
	[ "$(number)" = crlNumber=0x02 ]
	rm "$CA/ca.crl"
	issue --ip 10.9.0.3
	[ "$(number)" = crlNumber=0x01 ]
}

@test "show: the table, JSON, files" {
	init
	issue --role agent --ip 10.9.0.1 --out agent
	issue --ip 10.9.0.2 --ip fd09::2 --out host
	issue --sub-ca east --net 10.8.0.0/16
	pki revoke --dir "$CA" host.crt
	run pki show --dir "$CA"
	[[ ${lines[0]} =~ ^SUBJECT\ +ROLE\ +ADDRESSES\ +NETWORKS\ +UNTIL\ +DAYS\ +REVOKED\ +FILE$ ]]
	[ ${#lines[@]} = 5 ]
	[[ $output == *"CN=host 10.9.0.2"*"host "*"10.9.0.2 fd09::2"*"$(date -u +%F) $CA/issued/"* ]]
	[ "$(show 'sorted((c["role"], c["revoked"], c["policy"]) for c in d)' --dir "$CA")" = \
		"[('agent', False, True), ('ca', False, False), ('host', True, True), ('sub-ca', False, True)]" ]
	[ "$(show '[c["networks"] for c in d if c["role"] == "sub-ca"]' --dir "$CA")" = "[['10.8.0.0/16']]" ]
	[ "$(show '(d[0]["addresses"], d[0]["days_left"] in (364, 365), d[0]["revoked"])' --dir nowhere host.crt)" = \
		"(['10.9.0.2', 'fd09::2'], True, None)" ]
	[ "$(show 'd[0]["revoked"]' --dir "$CA" host.crt)" = True ]
	[ "$(show 'd[0]["key_sha256"]' host.crt)" = \
		"$(openssl x509 -in host.crt -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)" ]
	fails 1 "'nowhere': no such directory; 'tcpmig-bpf pki init" show --dir nowhere
	fails 1 "'agent.key': no certificate in it" show agent.key
	head -n 5 host.crt >cut.crt
	fails 1 "'cut.crt': the certificate number 1 in it is damaged" show cut.crt
}

@test "issue -j names what it has made" {
	init
	made=$(pki issue --dir "$CA" --ip fd09::2 -j)
	[ "$(python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["prefix"], d["role"])' <<<"$made")" = \
		"host-fd09--2 host" ]
	serial=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["serial"])' <<<"$made")
	cmp "$CA/issued/$serial.crt" host-fd09--2.crt
}

@test "wrong usage is status 2 and one line" {
	init
	fails 2 "'': expected: pki init, issue, revoke or show"
	fails 2 "'sign': expected: pki init, issue, revoke or show" sign
	fails 2 "--ip is missing" issue --dir "$CA"
	fails 2 "'10.9.0.300': not an IPv4 address; expected the address of a host" issue --dir "$CA" --ip 10.9.0.300
	fails 2 "'10.9.0.2:80': it has a port" issue --dir "$CA" --ip 10.9.0.2:80
	fails 2 "'127.0.0.1': a loopback address" issue --dir "$CA" --ip 127.0.0.1
	fails 2 "'boss': expected host or agent for --role" issue --dir "$CA" --ip 10.9.0.2 --role boss
	for days in 0 -1 1x 36501 99999999999999999999; do
		fails 2 "'$days': expected whole days, 1..36500, for --days" issue --dir "$CA" --ip 10.9.0.2 --days "$days"
	done
	for net in 10.8.0.0/ 10.8.0.0/33 10.8.0.1/16 fd08::/129 ::ffff:10.0.0.0/104 x/8; do
		fails 2 "'$net': " issue --dir "$CA" --sub-ca east --net "$net"
	done
	for name in ca East a/b ../x '' -x; do
		fails 2 "for --sub-ca, and not 'ca'" issue --dir "$CA" "--sub-ca=$name" --net 10.8.0.0/16
	done
	fails 2 "--net is missing" issue --dir "$CA" --sub-ca east
	fails 2 "--net goes with --sub-ca" issue --dir "$CA" --ip 10.9.0.2 --net 10.8.0.0/16
	fails 2 "--sub-ca goes with" issue --dir "$CA" --sub-ca east --net 10.8.0.0/16 --ip 10.9.0.2
	fails 2 "for --name" init --dir new --name 'CÄ'
	fails 2 "for --name" init --dir new --name 123456789012345678901234567890123
	fails 2 "too many arguments" init --dir new more
	run "$T" pki --help
	[ "$status" = 0 ]
	run "$T" pki issue --help
	[[ $status = 0 && $output == "Usage: tcpmig-bpf [OPTIONS] pki issue --ip ADDR..."* ]]
}

@test "a host's own certificate is no CA, even where it lies beside one" {
	init
	issue --ip 10.9.0.2 --out "$CA/host"
	fails 1 "host.crt': not the certificate of a CA" issue --dir "$CA" --ca host --ip 10.9.0.3
	pki revoke --dir "$CA"
	[ "$(grep -c BEGIN "$CA/ca.crl")" = 1 ]
	[ "$(show 'len(d)' --dir "$CA")" = 2 ]
}

@test "no disk space: an error, and nothing half made" {
	mkdir small
	# shellcheck disable=SC2016 # expanded there
	run unshare --mount --propagation private sh -c '
		mount -t tmpfs -o size=4k,nr_inodes=20,mode=0700 tmpfs small
		"$1" pki init --dir small; echo "status $?"; find small -type f' sh "$T"
	[[ ${lines[0]} == *"No space left on device"* && ${lines[1]} == "status 1" ]]
	[ ${#lines[@]} = 2 ]
}

# doctor FILES...: with these in /etc/tcpmig, on a host that has 10.9.0.2; what it finds about
# them as "check result detail -> cure" a line in $FOUND. $AS CMD runs it.
doctor() {
	local over=$WORK/over
	rm -rf "$over" && mkdir -p "$over/tcpmig"
	[ $# = 0 ] || cp -p "$@" "$over/tcpmig/"
	# shellcheck disable=SC2016 # expanded there
	FOUND=$(OVER=$over T=$T unshare --mount --net --propagation private bash -ec '
			chmod 0755 "$OVER"/tcpmig
			mount -t tmpfs -o mode=0755 tmpfs /mnt
			mkdir /mnt/work && cp -rp "$OVER" /mnt/up && chmod 0755 /mnt/up
			mount -t overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work overlay /etc
			umount -l /mnt
			ip link set lo up
			ip addr add 10.9.0.2/32 dev lo
			CRIU=/nosuch/criu "$@" "$T" doctor -j || [ $? = 1 ]' bash "${AS[@]}" |
		python3 -c 'import json, sys
for f in json.load(sys.stdin):
    if f["check"].startswith("tls_"):
        assert (f["cure"] is None) == (f["result"] == "ok"), f
        print(f["check"], f["result"], f["detail"], "->", f["cure"])')
}
AS=(env)

not_found() {
	! grep -E -- "$1" <<<"$FOUND" || false # errexit does not see a plain `!`
}

# again DAYS NAME: the certificate NAME.crt of the root, with another end.
again() {
	openssl x509 -x509toreq -in "$2.crt" -signkey "$2.key" -copy_extensions copyall -out "$2.csr" 2>/dev/null
	openssl x509 -req -in "$2.csr" -CA "$CA/ca.crt" -CAkey "$CA/ca.key" -set_serial 7 -days "$1" \
		-copy_extensions copyall -out "$2.crt" 2>/dev/null
}

ETC=/etc/tcpmig

@test "doctor: the control plane is not set up" {
	doctor
	[ "$FOUND" = "tls_ca ok $ETC: no certificates: the control plane is not set up -> None" ]
}

@test "doctor: all is well" {
	init
	issue --ip 10.9.0.2 --out host
	issue --role agent --ip 10.9.0.2 --out agent
	doctor "$CA/ca.crt" {host,agent}.{crt,key}
	not_found ' (warn|fail) '
	found "tls_ca ok $ETC/ca.crt: until " "tls_crl ok $ETC/ca.crl: not there: nothing is revoked" \
		"tls_cert ok $ETC/host.crt: until " "days -> None" \
		"tls_key ok $ETC/host.key: for root alone" \
		"tls_chain ok $ETC/host.crt: from our CA, for the role host, and the key is its own" \
		"tls_chain ok $ETC/agent.crt: from our CA, for the role agent" \
		"tls_address ok $ETC/agent.crt: all addresses in it are of this host"
	doctor "$CA"/ca.{crt,crl} host.{crt,key}
	not_found ' (warn|fail) '
	not_found agent
	found "tls_crl ok $ETC/ca.crl: until "
}

@test "doctor: certificates that end, and the command that makes a new one" {
	init
	issue --ip 10.9.0.2 --out host --days 5
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_cert warn $ETC/host.crt: ends on "
	not_found ' fail '
	again -1 host
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_cert fail $ETC/host.crt: over since " \
		"tls_chain fail $ETC/host.crt: the certificate file: 'CN=host 10.9.0.2' (07): it has expired" \
		"tcpmig-bpf pki issue --role host --ip 10.9.0.2 --out new-host; then put"
	cure=$(sed -n '/^tls_cert/s/.*tcpmig-bpf pki \(.*\); then .*/\1/p' <<<"$FOUND")
	# shellcheck disable=SC2086 # words
	pki $cure --dir "$CA"
	mv new-host.crt host.crt && mv new-host.key host.key
	doctor "$CA/ca.crt" host.{crt,key}
	not_found ' (warn|fail) '
}

@test "doctor: the CA ends" {
	init --days 10
	issue --ip 10.9.0.2 --out host
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_ca warn $ETC/ca.crt: ends on " "pki init --dir DIR"
}

@test "doctor: a CRL that is out of date, and one that revokes" {
	init
	issue --ip 10.9.0.2 --out host
	touch index.txt
	printf '[ca]\ndefault_ca = c\n[c]\ndatabase = index.txt\ndefault_md = sha256\n' >ca.conf
	openssl ca -gencrl -config ca.conf -cert "$CA/ca.crt" -keyfile "$CA/ca.key" -crlsec 1 -out ca.crl 2>/dev/null
	sleep 2
	doctor "$CA/ca.crt" ca.crl host.{crt,key}
	found "tls_crl fail $ETC/ca.crl: over since " \
		"-> where the CA is: tcpmig-bpf pki revoke (renews it)" \
		"tls_chain fail $ETC/host.crt: the certificate file: 'CN=host 10.9.0.2'" "is out of date"
	pki revoke --dir "$CA"
	doctor "$CA"/ca.{crt,crl} host.{crt,key}
	not_found ' (warn|fail) '
	pki revoke --dir "$CA" host.crt
	doctor "$CA"/ca.{crt,crl} host.{crt,key}
	found "tls_chain fail $ETC/host.crt: " "it has been revoked"
}

@test "doctor: keys that others may read, of another certificate, or that are not there" {
	init
	issue --ip 10.9.0.2 --out host
	chmod 0640 host.key
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_key fail $ETC/host.key: others may read it (mode 0640, user 0) -> chown root $ETC/host.key; chmod 0600 $ETC/host.key"
	chmod 0600 host.key
	chown 65534 host.key
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_key fail $ETC/host.key: others may read it (mode 0600, user 65534)"
	rm host.key
	doctor "$CA/ca.crt" host.crt
	found "tls_key fail $ETC/host.key: not there, but its certificate is" "tls_chain fail"
	issue --ip 10.9.0.2 --out other
	mv other.key host.key
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_chain fail $ETC/host.crt: the key in the key file is not that of the certificate file"
	doctor "$CA/ca.crt" host.key
	found "tls_cert fail $ETC/host.crt: not there, but its key is"
}

@test "doctor: the wrong role, another CA, no CA, no policy, damage" {
	init
	issue --role agent --ip 10.9.0.2 --out host
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_chain fail $ETC/host.crt: the certificate file: 'CN=agent 10.9.0.2'" "it is not one for clientAuth"
	pki init --dir other >/dev/null
	doctor other/ca.crt host.{crt,key}
	found "tls_chain fail $ETC/host.crt: " "it is not from our CA"
	doctor host.{crt,key}
	found "tls_ca fail $ETC/ca.crt: not there -> copy ca.crt there"
	echo x >ca.crt
	doctor ca.crt host.{crt,key}
	found "tls_ca fail '$ETC/ca.crt': no certificate in it; expected PEM"
	echo x >host.crt
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_cert fail '$ETC/host.crt': no certificate in it"
	openssl x509 -req -in <(openssl req -new -key host.key -subj /CN=h) -CA "$CA/ca.crt" -CAkey "$CA/ca.key" \
		-extfile <(printf 'extendedKeyUsage=clientAuth\nsubjectAltName=IP:10.9.0.2\nkeyUsage=digitalSignature
			subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n') -out host.crt 2>/dev/null
	doctor "$CA/ca.crt" host.{crt,key}
	found "lacks the certificate policy 2.25.128620353451819874040391592202772538986"
}

@test "doctor: addresses that this host has not" {
	init
	issue --ip 10.9.0.2 --ip 10.9.0.7 --out host
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_address warn $ETC/host.crt: some addresses in it are not of this host: 10.9.0.7"
	rm host.*
	issue --ip 10.9.0.7 --ip fd09::7 --out host
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_address fail $ETC/host.crt: the addresses in it are not of this host: 10.9.0.7, fd09::7" \
		"tcpmig-bpf pki issue --role host --ip ADDR"
}

@test "doctor: without privilege it says what it could not see" {
	init
	issue --ip 10.9.0.2 --out host
	AS=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all)
	doctor "$CA/ca.crt" host.{crt,key}
	found "tls_chain fail $ETC/host.crt: not tried: $ETC/host.key: Permission denied -> run as root" \
		"tls_ca ok" "tls_cert ok"
}
