# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a host that is let in could do to all the others by sending much."""
import re
import time

from lab import Failed, wait_for
from peer import endpoint, frame, pb
from stage import case, expect, expect_ok


@case("load: a host that sends without end keeps no other one waiting")
def others_are_served(stage):
    move = stage.move(stage.service(connections=1000))
    ask = pb.Request(id=1, old=endpoint(move.old), query=pb.Query())
    flood, other, worst = stage.connect("A"), stage.peer("B"), 0
    flood.send(frame(ask.SerializeToString()) * 3000)  # each takes milliseconds
    for _ in range(5):
        began = time.monotonic()
        expect_ok(other.ask(pb.Request(old=endpoint(("10.9.0.3", 5000)), query=pb.Query())))
        worst = max(worst, time.monotonic() - began)
    flood.close()
    if worst > 1:
        raise Failed(f"another host has waited {worst:.2f} s for its answer")


@case("load: refused orders do not fill the log, and it says how many it leaves out", late=True)
def log_is_bounded(stage):
    move, link, mark = stage.move(), stage.connect("B"), stage.agent.mark()
    order = move.request("abort", reason="x")
    order.id = 1
    with stage.unchanged():
        link.send(frame(order.SerializeToString()) * 4000)
        for _ in range(4000):
            expect(link.answer(), "DENIED")
    link.close()
    expect_ok(move.reserve())  # its line says first what was left out before it
    stage.agent.expect_log(mark, "type=reserve")
    log = stage.agent.since(mark)
    lines = log.count("type=abort")
    if not 1 <= lines < 900:
        raise Failed(f"{lines} lines about 4000 refused orders")
    left_out = sum(int(n) for n in re.findall(r"event=refused-orders not-logged=(\d+)", log))
    if lines + left_out != 4000:
        raise Failed(f"{lines} lines, and {left_out} said to be left out, of 4000 orders")


@case("load: one address cannot use up the room for what is remembered of all OLDs")
def olds_of_one_address(stage):
    def reserve(port):
        return stage.peer("B", 6).ask(pb.Request(
            uuid=b"u" * 16, epoch=1, old=endpoint(("fd09::3", port)),
            reserve=pb.Reserve(next=endpoint(("fd09::2", 6000)), max_ms=1)))

    with stage.configured(limits={"moves-a-minute": 1000}):
        known = 0
        while known < 300 and reserve(5500 + known).result == pb.OK:
            known += 1
        with stage.unchanged():
            expect(reserve(5500 + known), "LIMIT", "256")
        if known != 256:
            raise Failed(f"{known} OLDs of one address")
        expect_ok(stage.move().reserve())  # another address's
    wait_for("their end", lambda: len(status(stage).moves) <= 1)


def status(stage):
    return expect_ok(stage.local().ask(pb.Request(local_status=pb.LocalStatus())))
