#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Nobody unauthorised can move a flow: deny.py [PATTERN...], as root; prints TAP.

A host of its own making talks to the agent, so as no program of ours would. Every refusal must
leave maps, list and memory of the agent as they were (state.py). PATTERN: only cases whose name has
one of these words."""
import inspect
import re
import signal
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
import cases_certs
import cases_check
import cases_frames
import cases_killed
import cases_limits
import cases_load
import cases_local
import cases_orders
import cases_owner
import cases_protocol
import cases_tls
from lab import Lab
from stage import CASES, Stage


class Runner:
    """Runs cases one after the other; those that wait do so while others run."""

    def __init__(self, stage):
        self.stage = stage
        self.number = 0
        self.failed = 0
        self.waiting = []  # [due, name, generator, mark in the log]

    def report(self, name, error, mark, began):
        self.number += 1
        if not error:
            print(f"ok {self.number} {name}", flush=True)
            if "-v" in sys.argv:
                print(f"# {int((time.monotonic() - began) * 1000)} ms")
            return
        self.failed += 1
        for line in "".join(traceback.format_exception(error)).splitlines()[-12:]:
            print(f"#   {line}")
        for line in self.stage.agent.since(mark).splitlines()[-12:]:
            print(f"#   agent: {line}")
        print(f"not ok {self.number} {name}", flush=True)

    def step(self, name, waits, mark):
        """One piece of a case that waits."""
        began = time.monotonic()
        try:
            pause = next(waits)
        except StopIteration:
            self.report(name, None, mark, began)
        except Exception as error:
            self.report(name, error, mark, began)
        else:
            self.waiting.append((began + pause, name, waits, mark))

    def resume(self, until_none=False):
        """Those whose time has come; or wait for all."""
        while self.waiting:
            self.waiting.sort(key=lambda entry: entry[0])
            pause = self.waiting[0][0] - time.monotonic()
            if pause > 0 and not until_none:
                return
            time.sleep(max(0, pause))
            _, name, waits, mark = self.waiting.pop(0)
            self.step(name, waits, mark)

    def run(self, name, function):
        mark, began, error = self.stage.agent.mark(), time.monotonic(), None
        try:
            function(self.stage)
            self.stage.end_case()
        except Exception as raised:
            error = raised
            self.tidy()
        self.report(name, error, mark, began)

    def tidy(self):
        """After a failure: the next case begins as if nothing had been."""
        try:
            self.stage.forget_links()
            self.stage.end_case()
        except Exception as error:
            print(f"#   and afterwards: {error}")


def wanted(words):
    return [entry for entry in CASES
            if not words or any(re.search(word, entry[0]) for word in words)]


def run_all(stage, cases):
    """Those that wait begin first; those that restart the agent come when they have ended."""
    runner = Runner(stage)
    waiting = [entry for entry in cases if inspect.isgeneratorfunction(entry[1])]
    for name, function, _ in waiting:
        runner.step(name, function(stage), stage.agent.mark())
    for late in (False, True):
        for name, function, _ in (entry for entry in cases
                                  if entry[2] == late and entry not in waiting):
            runner.run(name, function)
            runner.resume()
        runner.resume(until_none=True)
    return runner.failed


def main():
    cases = wanted([word for word in sys.argv[1:] if word != "-v"])
    print(f"1..{len(cases)}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without the end of the lab
    began = time.monotonic()
    lab = Lab()
    try:
        with tempfile.TemporaryDirectory(prefix="tcpmig-deny.") as folder:
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
