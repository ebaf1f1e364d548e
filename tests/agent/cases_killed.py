# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The agent dies or stands still at the worst moment. Its rules do neither."""
import os
import signal
import time

from lab import Failed, wait_for
from peer import endpoint, pb
from stage import Move, case, expect, expect_ok
from state import POLICY_MAPS


def one_in_each_state(stage):
    """Of IN_DOUBT, too: by the state's name."""
    moves = {state: stage.move().to(state) for state in Move.STATES}
    moves["IN_DOUBT"] = stage.move().to("HELD")
    expect_ok(moves["IN_DOUBT"].consent())
    expect_ok(moves["IN_DOUBT"].arm(lease_ms=1))
    expect_ok(moves["RESERVED"].consent())
    moves["ACTIVE"] = stage.move().to("COMMITTED")
    moves["ACTIVE"].finish()
    return moves


def killed(stage, victim):
    """SIGKILL changes no rule; neither does the start of the next agent, which only writes the
    policy again."""
    with stage.watcher.unchanged():
        stage.agent.kill(victim)
    with stage.watcher.unchanged(skip=POLICY_MAPS):
        stage.restart()


@case("kill -9 of the agent in each state: rules as before; then each migration goes on", late=True)
def killed_goes_on(stage):
    moves = one_in_each_state(stage)
    moves["ACTIVE"].service.echo()
    killed(stage, stage.agent.pid)
    moves["ACTIVE"].service.echo()
    for state, move in moves.items():
        if state == "ACTIVE":
            continue
        expect_ok(move.status())
        if state == "RESERVED":
            expect_ok(move.hold())
        if state == "HELD":
            stage.expect_refusal(move.arm, "CONFLICT", "consent")
            expect_ok(move.consent())
        expect_ok(move.arm("B" if state == "COMMITTED" else "A"))
        if state == "COMMITTED":
            stage.expect_refusal(move.abort, "CONFLICT", "committed")
        else:
            stage.expect_refusal(move.go, "CONFLICT", "COMMIT")
            expect_ok(move.commit())
        move.finish()
        move.service.echo()


@case("kill -9 of the keeper in each state: the agent ends too; then each can be aborted",
      late=True)
def killed_is_aborted(stage):
    moves = one_in_each_state(stage)
    killed(stage, stage.agent.keeper)
    for state, move in moves.items():
        if state != "ACTIVE":
            stage.expect_refusal(lambda: move.consent("C"), "DENIED")
            expect_ok(move.abort("B" if state == "COMMITTED" else "A"))
        move.service.echo()


@case("replayed after a restart: RESERVE and HOLD of a migration that is over", late=True)
def replayed_after_restart(stage):
    over, gone = stage.move(epoch=4).to("HELD"), stage.move().to("COMMITTED")
    expect_ok(over.abort())
    gone.finish()
    killed(stage, stage.agent.pid)
    stage.expect_refusal(over.reserve, "STALE", "epoch 4", "more than 4")
    stage.expect_refusal(over.hold, "STALE", "epoch 4")
    again = stage.move(over.service, epoch=4)
    stage.expect_refusal(again.reserve, "STALE", "epoch 4")
    for kind in ("reserve", "hold", "abort"):
        stage.expect_refusal(lambda: gone.order(kind, "A"), "DENIED")
    expect_ok(gone.go("B"))
    gone.service.echo()
    expect_ok(over.following("B").reserve())


@case("a clean stop in each state: rules as before, and the migrations go on", late=True)
def stopped(stage):
    moves = one_in_each_state(stage)
    with stage.watcher.unchanged():
        status = stage.agent.stop()
        if status:
            raise Failed(f"status {status}")
    stage.restart()
    for state, move in moves.items():
        if state not in ("ACTIVE", "COMMITTED"):
            expect_ok(move.status())
            expect_ok(move.abort())


def ends_by_itself(move, began, max_ms):
    """The hold lasts as long as it may, and what the client said meanwhile comes through then."""
    if not move.service.is_held(0.1):
        raise Failed("not held any more")
    move.service.take_held()
    took = time.monotonic() - began
    if not max_ms / 1000 <= took <= max_ms / 1000 + 1.5:
        raise Failed(f"a hold of {max_ms} ms has ended after {took:.2f} s")
    move.service.echo()


@case("the agent is killed: a hold ends by its deadline", late=True)
def hold_ends_without_agent(stage):
    move = stage.move().to("RESERVED")
    began = time.monotonic()
    expect_ok(move.hold(max_ms=500))
    stage.agent.kill()
    ends_by_itself(move, began, 500)
    stage.restart()
    stage.expect_refusal(move.arm, "STALE", "epoch 1")


@case("the agent stands still: a hold ends by its deadline, and orders come too late", late=True)
def hold_ends_with_agent_stopped(stage):
    move = stage.move().to("RESERVED")
    expect_ok(move.consent())
    began = time.monotonic()
    expect_ok(move.hold(max_ms=500))
    os.kill(stage.agent.pid, signal.SIGSTOP)
    try:
        ends_by_itself(move, began, 500)
    finally:
        os.kill(stage.agent.pid, signal.SIGCONT)
    stage.expect_refusal(move.arm, "STALE", "epoch 1")
    expect(stage.local().ask(pb.Request(local_status=pb.LocalStatus())), "OK")


@case("what was reserved for a move that never begins ends by itself", late=True)
def reservation_ends(stage):
    move = stage.move()
    expect_ok(move.reserve(max_ms=50))
    wait_for("the end of what was reserved", lambda: move.rule() is None, 3)
    answer = expect_ok(move.query())  # at the latest now the agent knows
    for asked in (move.hold, move.arm, move.abort):
        stage.expect_refusal(asked, "STALE", "epoch 1")
    if answer.move.epoch != 1 or answer.move.cur != endpoint(move.old):
        raise Failed(f"{answer}")
