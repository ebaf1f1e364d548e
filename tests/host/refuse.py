#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No migration that a host may not send comes to another, and what is not committed leaves
nothing: refuse.py [-v] [PATTERN...], as root; prints TAP.

A migrator of its own making talks to the daemon on B, with images of a real process. After each
case B must be as before: images, gate, cgroups, processes. PATTERN: only cases whose name has one
of these words."""
import os
import re
import signal
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
os.environ.setdefault("LAB_NAME", "refuse")
import cases_cut
import cases_images
import cases_who
from host_stage import CASES, Stage
from lab import Lab


def run_case(stage, function):
    """Return: an exception, or None. What a case has left is not the fault of the next."""
    error = None
    for step in (lambda: function(stage), stage.end_case):
        try:
            step()
        except Exception as raised:
            error = error or raised
    if error:
        stage.clean = stage.footprint()
    return error


def report(stage, number, name, error, mark):
    if not error:
        print(f"ok {number} {name}", flush=True)
        return
    for line in "".join(traceback.format_exception(error)).splitlines()[-12:]:
        print(f"#   {line}")
    for line in stage.daemon.since(mark).splitlines()[-12:]:
        print(f"#   host: {line}")
    print(f"not ok {number} {name}", flush=True)


def run_all(stage, cases):
    failed = 0
    for number, (name, function) in enumerate(cases, 1):
        mark, began = stage.daemon.mark(), time.monotonic()
        error = run_case(stage, function)
        failed += error is not None
        report(stage, number, name, error, mark)
        if "-v" in sys.argv:
            print(f"# {int((time.monotonic() - began) * 1000)} ms")
    return failed


def main():
    words = [word for word in sys.argv[1:] if word != "-v"]
    cases = [entry for entry in CASES
             if not words or any(re.search(word, entry[0]) for word in words)]
    print(f"1..{len(cases)}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without the end of the lab
    began = time.monotonic()
    lab = Lab()
    try:
        with tempfile.TemporaryDirectory(prefix="tcpmig-refuse.") as folder:
            stage = Stage(folder, lab)
            stage.set_up()
            failed = run_all(stage, cases)
            stage.tear_down()
    finally:
        lab.down()
    print(f"# {time.monotonic() - began:.1f} s")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
