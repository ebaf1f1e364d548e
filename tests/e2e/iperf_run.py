# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs iperf3 and checks what it reports: no error, most of the bytes, no pause of two seconds.

Usage: iperf_run.py ADDRESS PORT SECONDS MBIT [-R]
"""
import json
import os
import subprocess
import sys

LIMIT_S = float(os.environ.get("LIMIT_S", 10))
address, port, seconds, mbit, *more = sys.argv[1:]
try:
    run = subprocess.run(["iperf3", "-c", address, "-p", port, "-t", seconds, "-b", mbit + "M", "-J",
                          *more], capture_output=True, timeout=float(seconds) + LIMIT_S)
except subprocess.TimeoutExpired:
    sys.exit("iperf3 has not ended in time")
report = json.loads(run.stdout)
if run.returncode or "error" in report:
    sys.exit("status %d: %s" % (run.returncode, report.get("error")))
received = report["end"]["sum_received"]["bytes"]
if received < 0.6 * float(seconds) * float(mbit) * 125000:
    sys.exit("only %d bytes" % received)
moved = [interval["sum"]["bytes"] > 0 for interval in report["intervals"]]
if not moved[-1] or (False, False) in zip(moved, moved[1:]):
    sys.exit("nothing was moved for seconds: %s" % moved)
print(json.dumps({"result": "ok", "bytes": received}))
