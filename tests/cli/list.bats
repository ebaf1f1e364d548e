# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What list costs with many flows, and that it shows them all the same.
bats_require_minimum_version 1.5.0
load ../lib.bash

setup_file() { lab_up client; }
teardown_file() { lab_down; }
setup() { client "$T" attach eth0; }
teardown() { client "$T" detach --all; }

# flows N: of clients behind this host, N to each of two rules.
flows() {
	client python3 - "$T" "$1" <<-'END'
		import subprocess, sys
		for port in 5000, 5001:
		    flows = [f"--flow=10.9.77.{i % 250}:{1000 + i // 250}" for i in range(int(sys.argv[2]))]
		    subprocess.run([sys.argv[1], "redirect", f"10.9.0.2:{port}", f"10.9.0.3:{port + 1000}", *flows], check=True)
	END
}

# The most memory that list had.
peak_kib() {
	client python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$T" list
}

@test "a table of many flows takes little memory, and counts them" {
	flows 1
	one=$(peak_kib)
	flows 10000
	many=$(peak_kib)
	echo "one: $one KiB, many: $many KiB"
	[ $((many - one)) -lt 8000 ] # 20000 flows: 2 MB to sweep them; objects would take 25
	[ "$(client "$T" list 2>/dev/null | awk '$1 ~ /:500[01]$/ { print $4 }' | xargs)" = "10000 10000" ]
}

@test "flows are shown with -v and with -j, each with its rule" {
	flows 3
	[ "$(client "$T" list -v 2>/dev/null | grep -c '^10\.9\.77\..*10\.9\.0\.2:500[01] .*active')" = 6 ]
	[ "$(client "$T" list | grep -c '^10\.9\.77\.')" = 0 ]
	[ "$(json "[r['flows'] for r in d['rules']]")" = "[3, 3]" ]
	[ "$(json "sum(f['old'] == '10.9.0.2:5001' for f in d['flows'])")" = 3 ]
}
