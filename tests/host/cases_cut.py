# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The connection, a session or the daemon ends in each state; what was committed runs, once."""
import os
import signal
import time

from host_peer import NEXT, Failed, Sender, expect
from host_stage import case
from lab import wait_for

# What may stay of a migration that A may have decided: for another COMMIT.
KEPT = ("images", "pins")


def one_tree(stage):
    trees = stage.trees()
    if len(trees) != 1:
        raise Failed(f"{len(trees)} trees, expected one")
    return trees[0]


def sessions_end(stage):
    wait_for("sessions to end", lambda: not stage.daemon.sessions(), 15)


def only_images_stay(stage, but=()):
    """Place, cgroup, tree and criu are gone."""
    stage.expect_clean(but=(*KEPT, *but))
    if len(stage.images()) != 1 or not stage.gates():
        raise Failed("images and gate are gone, though A may have decided")


def killed(stage, _):
    os.kill(stage.daemon.sessions()[0], signal.SIGKILL)
    sessions_end(stage)


for how, end in (("cut", lambda stage, sender: sender.link.cut()),
                 ("closed", lambda stage, sender: sender.link.close()),
                 ("its session killed", killed),
                 ("given up by A", lambda stage, sender:
                  expect(sender.ask("abort", reason="test")))):
    for at in ("prepared", "ready", "sent"):
        @case(f"{how}: {at}: nothing is left")
        def ended(stage, end=end, at=at):
            end(stage, stage.sender(state=at))
            stage.daemon.sweep()  # what the session could not do, when it was killed
            stage.expect_clean()


for how, end in (("cut", lambda stage, sender: sender.link.cut()),
                 ("its session killed", killed)):
    @case(f"{how}: restored: images and gate are kept, and COMMIT on another connection runs it once")
    def recommit(stage, end=end):
        sender = stage.sender(state="restored")
        end(stage, sender)
        sessions_end(stage)
        stage.daemon.sweep()
        only_images_stay(stage)
        sender.on(stage.connect())
        expect(sender.ask("status"), state="RESTORED")
        pid = expect(sender.ask("commit"), state="RUNNING").pid
        one_tree(stage)
        stage.serves()
        again = Sender(stage.connect(), stage.source, uuid=sender.uuid)
        sender.link.close()
        wait_for("a session to end", lambda: len(stage.daemon.sessions()) == 1)
        if expect(again.ask("commit"), state="RUNNING").pid != pid:
            raise Failed("another PID")
        one_tree(stage)
        if stage.gates():
            raise Failed("the gate is still there")


@case("cut: restored: COMMIT at once, before B has seen that the connection is cut")
def commit_at_once(stage):
    sender = stage.sender(state="restored")
    link = stage.connect()
    sender.link.cut()
    expect(sender.on(link).ask("commit"), state="RUNNING")
    one_tree(stage)
    stage.serves()


@case("another connection: has it: its owner learns that it is there, and so that it is not lost")
def busy(stage):
    sender = stage.sender(state="restored", lease_ms=20000)
    second = Sender(stage.connect(), stage.source, uuid=sender.uuid)
    expect(second.ask("commit"), "FAILED", "another connection", state="BUSY")
    expect(sender.ask("commit"), state="RUNNING")


@case("cut: restored: a COMMIT that fails, because the port is taken, can come again")
def commit_fails(stage):
    sender = stage.sender(state="restored")
    sender.link.cut()
    sessions_end(stage)
    taken = stage.b.socket()
    taken.bind(NEXT)
    taken.listen(1)
    sender.on(stage.connect())
    expect(sender.ask("commit"), "FAILED", "criu restore", state="RESTORED")
    only_images_stay(stage, but=("listeners",))
    expect(sender.ask("commit"), "FAILED", "criu restore", state="RESTORED")
    taken.close()
    expect(sender.ask("commit"), state="RUNNING")
    one_tree(stage)
    stage.serves()


@case("given up: restored: nothing is left, whether A says so at once or later")
def abort_restored(stage):
    expect(stage.sender(state="restored").ask("abort", reason="test"), state="NONE")
    stage.expect_clean()
    sender = stage.sender(state="restored")
    sender.link.cut()
    sessions_end(stage)
    only_images_stay(stage)
    expect(sender.on(stage.connect()).ask("abort", reason="test"), state="NONE")
    stage.expect_clean()
    expect(sender.ask("commit"), "CONFLICT", "no such migration")


@case("the daemon is killed in each state: what its successor finds is cleared, or kept for COMMIT")
def daemon_killed(stage):
    for at in ("prepared", "ready", "sent", "restored"):
        sender = stage.sender(state=at)
        for pid in stage.daemon.sessions():
            os.kill(pid, signal.SIGKILL)
        stage.daemon.end(signal.SIGKILL)
        sender.link.close()
        stage.daemon.start()
        if at != "restored":
            stage.expect_clean()
    only_images_stay(stage)
    expect(sender.on(stage.connect()).ask("commit"), state="RUNNING")
    one_tree(stage)
    stage.serves()


@case("silence: A says nothing for its lease: gate and place are gone")
def silent(stage):
    for at in ("prepared", "ready", "sent"):
        sender = stage.sender(state=at, lease_ms=700)
        stage.expect_clean(4)
        if not sender.link.is_closed():
            raise Failed("expected that the connection is closed")
    sender = stage.sender(state="restored", lease_ms=700)
    sessions_end(stage)
    only_images_stay(stage)


@case("silence: a connection without a PREPARE is closed after 10 s")
def no_prepare(stage):
    link = stage.connect()
    if not link.is_closed(12):
        raise Failed("expected that the connection is closed")


@case("silence: ALIVE is a word")
def alive(stage):
    sender = stage.sender(state="ready", lease_ms=1500)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        expect(sender.ask("alive"), state="PREPARED")
        time.sleep(0.3)
    sender.send_images()
    expect(sender.restore(), state="RESTORED")


@case("commit: twice, and on another connection: the same, and it runs once")
def commit_twice(stage):
    sender = stage.sender(state="running")
    pid = expect(sender.ask("commit"), state="RUNNING").pid
    one_tree(stage)
    expect(sender.ask("status"), state="RUNNING")
    sender.link.close()
    sessions_end(stage)
    sender.on(stage.connect())
    if expect(sender.ask("commit"), state="RUNNING").pid != pid:
        raise Failed("another PID")
    one_tree(stage)
    stage.serves()


@case("commit: no way back: ABORT, RESTORE and silence change nothing")
def no_way_back(stage):
    sender = stage.sender(state="running", lease_ms=700)
    expect(sender.ask("abort", reason="test"), "CONFLICT", "it runs here", state="RUNNING")
    expect(sender.restore(), "CONFLICT", state="RUNNING")
    sessions_end(stage)  # silence
    stage.daemon.sweep()
    one_tree(stage)
    expect(sender.on(stage.connect()).ask("abort", reason="test"), "CONFLICT", state="RUNNING")
    one_tree(stage)
    stage.serves()


@case("commit: the daemon ends, and is killed: the tree runs, and its successor knows it")
def survives(stage):
    sender = stage.sender(state="running")
    pid = one_tree(stage)
    for number in (signal.SIGTERM, signal.SIGKILL):
        sender.link.close()
        sessions_end(stage)
        stage.daemon.end(number)
        stage.daemon.start()
        stage.daemon.sweep()
        expect(sender.on(stage.connect()).ask("commit"), state="RUNNING")
        if one_tree(stage) != pid:
            raise Failed("another process")
    stage.serves()


@case("commit: when the tree has ended nothing is known of it any more")
def ended_tree(stage):
    sender = stage.sender(state="running")
    sender.link.close()
    sessions_end(stage)
    os.kill(one_tree(stage), signal.SIGKILL)
    wait_for("the tree to end", lambda: not stage.trees())
    stage.daemon.sweep()
    stage.expect_clean()
    expect(sender.on(stage.connect()).ask("commit"), "CONFLICT", "no such migration")
