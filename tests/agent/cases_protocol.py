# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is allowed, and does what it says: the whole protocol, with traffic."""
import json
import time

from lab import Failed, run
from peer import endpoint, flows, pb, text_of
from stage import case, expect, expect_ok
from state import PIN_DIR

ROOM = 1 << 20


def is_like(answer, **fields):
    for name, value in fields.items():
        there = getattr(answer, name)
        if there != value:
            raise Failed(f"{name} is {there}, expected {value}, in {answer}")


def shows(move, state):
    """list, and the agent's answer."""
    if move.state() != state:
        raise Failed(f"list says {move.state()}, expected {state}")


@case("the dumps that all cases compare are what bpftool shows")
def dumps_are_true(stage):
    stage.move(connections=2).to("ARMED")
    for name, dump in stage.watcher.raw().items():
        if name == "tcpmig_policy":
            continue  # bpftool shows the inner maps, which are among these
        shown = json.loads(run("bpftool", "-j", "map", "dump", "pinned",
                               stage.client.root / PIN_DIR / name))
        theirs = {bytes(int(byte, 16) for byte in entry["key"]):
                  bytes(int(byte, 16) for byte in entry["value"]) for entry in shown}
        if theirs != dump:
            raise Failed(f"{name}: {len(dump)} entries, of bpftool {len(theirs)}, which differ")
        if name not in ("tcpmig_policy_a", "tcpmig_policy_b") and not any(map(any, dump.values())):
            raise Failed(f"{name} is empty")


@case("a change of each map, of list and of the agent's memory is seen")
def changes_are_seen(stage):
    move = stage.move()
    before = stage.watcher.before()
    move.to("RESERVED")
    seen = " ".join(before.differences(stage.watcher.after()))
    for what in ("tcpmig_rules", "tcpmig_remotes", "tcpmig_filter", "tcpmig_flows", "tcpmig_wires",
                 "list", "the state file"):
        if what not in seen:
            raise Failed(f"{what}: no change was seen in: {seen}")


def full_move(stage, version):
    move = stage.move(version=version, connections=2)
    answer = expect_ok(move.query())
    is_like(answer, flows=2)
    if answer.HasField("move") and answer.move.epoch:
        raise Failed(f"an epoch before the first migration: {answer}")
    if answer.room > ROOM or answer.room < ROOM - 10000:
        raise Failed(f"room for {answer.room} flows")
    is_like(expect_ok(move.reserve(max_ms=20000)), flows=2, missing_count=0, taken=0)
    shows(move, "reserved")
    move.service.echo()
    is_like(expect_ok(move.consent()).move, consented=True, committed=False, state=pb.RESERVED)
    answer = expect_ok(move.hold(max_ms=5000))
    is_like(answer, flows=2)
    is_like(answer.move, state=pb.HELD, epoch=move.epoch, uuid=move.uuid)
    if not 4000 < answer.deadline_ms <= 5000:
        raise Failed(f"a hold of 5000 ms ends in {answer.deadline_ms} ms")
    shows(move, "held")
    if not move.service.is_held():
        raise Failed("held, but what the client says comes through")
    is_like(expect_ok(move.arm()).move, state=pb.ARMED)
    shows(move, "armed")
    is_like(expect_ok(move.commit()).move, committed=True)
    move.service.carry(stage.lab.hosts[move.next_host], move.next)
    answer = expect_ok(move.go())
    is_like(answer, flows=2)
    is_like(answer.move, state=pb.ACTIVE)
    shows(move, "active")
    move.service.take_held()
    move.service.echo()
    return move


@case("A->B, B->C, C->A over IPv4, with traffic; each host drives what it owns")
def round_trip(stage):
    move = full_move(stage, 4)
    if move.rule()["new"] != text_of(move.next):
        raise Failed(f"list: {move.rule()}")
    onward = move.following("C")
    is_like(expect_ok(onward.query()).move, epoch=1, cur=endpoint(move.next), state=pb.ACTIVE)
    onward.to("COMMITTED")
    onward.finish()
    onward.service.echo()
    back = onward.following("A", next_at=move.old)
    back.to("COMMITTED")
    back.finish()
    if back.rule():
        raise Failed(f"back at home, and there still is a rule: {back.rule()}")
    back.service.echo()
    answer = expect_ok(back.query(by="A"))
    is_like(answer, flows=2)
    is_like(answer.move, epoch=3, cur=endpoint(move.old), state=pb.NONE)


@case("A->B and back over IPv6, with traffic")
def round_trip_6(stage):
    move = full_move(stage, 6)
    back = move.following("A", next_at=move.old)
    back.to("COMMITTED")
    back.finish()
    back.service.echo()


@case("every order twice is as once")
def idempotent(stage):
    move = stage.move()
    steps = [("reserve", move.reserve), ("consent", move.consent), ("hold", move.hold),
             ("arm", move.arm), ("commit", move.commit), ("status", move.status)]
    for what, asked in steps:
        first, second = expect_ok(asked()), expect_ok(asked())
        for answer in (first, second):
            answer.id = answer.deadline_ms = 0
        if first != second:
            raise Failed(f"{what}: {first} and then {second}")
    move.service.carry(stage.lab.hosts["B"], move.next)
    expect_ok(move.go("A"))
    with stage.unchanged():
        for by in "AB":
            is_like(expect_ok(move.go(by)).move, cur=endpoint(move.next), state=pb.ACTIVE)
            is_like(expect_ok(move.status(by)).move, cur=endpoint(move.next), epoch=1)
    for by in "AB":
        stage.expect_refusal(lambda: move.abort(by), "DENIED" if by == "A" else "STALE")
    move.service.echo()


@case("HOLD again is a new deadline; the second one counts")
def hold_again(stage):
    move = stage.move().to("RESERVED")
    expect_ok(move.hold(max_ms=100))
    expect_ok(move.hold(max_ms=3000))
    time.sleep(0.15)
    if not move.service.is_held():
        raise Failed("the first deadline has ended the hold")
    expect_ok(move.abort())
    move.service.take_held()


@case("flows that are no connections here come back as missing, and the others are added")
def missing(stage):
    move = stage.move(connections=2)
    ends = move.service.ends()
    absent = [("10.9.0.1", 1), ("10.9.0.1", 2), ("10.9.0.200", ends[0][1])]
    answer = expect_ok(move.reserve(flows=ends + absent))
    is_like(answer, flows=2, missing_count=3)
    if list(answer.missing) != flows(absent):
        raise Failed(f"missing: {answer.missing}")
    answer = expect_ok(move.hold(flows=ends + absent[:1]))
    is_like(answer, flows=2, missing_count=1)
    listed = [flow for flow in stage.watcher.listing()["flows"]
              if flow["old"] == text_of(move.old)]
    if sorted(flow["client"] for flow in listed) != sorted(map(text_of, ends)):
        raise Failed(f"list: {listed}")


@case("room: as many flows fewer as are in the table")
def room(stage):
    def free(move):
        expect_ok(move.reserve())
        return ROOM - expect_ok(move.hold()).room
    before = free(stage.move(connections=1))
    after = free(stage.move(connections=3))
    if after != before + 3:
        raise Failed(f"three flows more, and {before} are {after}")
    if after != len(stage.watcher.raw()["tcpmig_flows"]):
        raise Failed(f"{after} flows, but the table has another number")


@case("a connection that has come after RESERVE is moved, too")
def reserve_more(stage):
    move = stage.move()
    is_like(expect_ok(move.reserve()), flows=1)
    move.service.connect(1)
    is_like(expect_ok(move.reserve()), flows=2, missing_count=0)
    expect_ok(move.consent())
    expect_ok(move.hold())
    expect_ok(move.arm())
    expect_ok(move.commit())
    move.finish()
    move.service.echo()


@case("two migrations of different OLDs at once, A->B and B->A")
def two_at_once(stage):
    one, other = stage.move(), stage.move(stage.service("B"), "A")
    for state in ("RESERVED", "HELD"):
        step = {"RESERVED": "reserve", "HELD": "hold"}[state]
        for move in (one, other):
            expect_ok(getattr(move, step)())
    for move in (other, one):
        expect_ok(move.consent())
        expect_ok(move.arm())
    expect_ok(one.commit())
    stage.expect_refusal(lambda: other.go("A"), "CONFLICT", "COMMIT")
    expect_ok(other.commit())
    for move in (one, other):
        move.finish()
        move.service.echo()


@case("consent may come before HOLD and after it")
def consent_any_time(stage):
    for late in (False, True):
        move = stage.move().to("HELD" if late else "RESERVED")
        is_like(expect_ok(move.status()).move, consented=False)
        expect_ok(move.consent())
        is_like(expect_ok(move.status("B")).move, consented=True)
        if not late:
            expect_ok(move.hold())
        expect_ok(move.arm())


@case("consent with the very key that the owner has named")
def consent_by_key(stage):
    move = stage.move()
    expect_ok(move.reserve(key=stage.certs.key_sha256("B")))
    expect_ok(move.consent())
    expect_ok(move.hold())
    expect_ok(move.arm())


@case("the answer to GO is lost: asked again, by a new connection, it is the same")
def lost_answer(stage):
    move = stage.move().to("COMMITTED")
    move.service.carry(stage.lab.hosts["B"], move.next)
    link = stage.connect("B")
    request = move.request("go")
    request.id = 1
    payload = request.SerializeToString()
    link.send(len(payload).to_bytes(4, "big") + payload)
    link.close()
    for by in "BA":
        is_like(expect_ok(move.go(stage.connect(by))).move, cur=endpoint(move.next), epoch=1,
                state=pb.ACTIVE)
    move.service.echo()


@case("after COMMIT the next owner alone can do the rest: HOLD, ARM, GO")
def next_finishes(stage):
    move = stage.move().to("HELD")
    expect_ok(move.commit())
    expect_ok(move.hold(by="B"))
    expect_ok(move.consent())
    expect_ok(move.arm(by="B"))
    move.finish()
    move.service.echo()


@case("after COMMIT the next owner can give it up: back to the owner, who may begin anew")
def next_gives_up(stage):
    move = stage.move().to("COMMITTED")
    expect_ok(move.abort("B"))
    move.service.echo()
    move.following("C").to("ARMED")


@case("ABORT by the owner and by the next one, reserved, held and armed")
def abort_any_time(stage):
    for state in ("RESERVED", "HELD", "ARMED"):
        for by in "AB":
            move = stage.move().to(state)
            expect_ok(move.abort(by))
            if move.rule():
                raise Failed(f"aborted when {state}, and there is a rule: {move.rule()}")
            move.service.echo()


@case("a lease that has run out: in doubt, still held, and GO, ABORT and ARM still work")
def in_doubt(stage):
    for last in ("go", "abort", "arm"):
        move = stage.move().to("HELD")
        expect_ok(move.consent())
        expect_ok(move.arm(lease_ms=20))
        time.sleep(0.03)
        shows(move, "in-doubt")
        is_like(expect_ok(move.status()).move, state=pb.IN_DOUBT)
        if last == "go":
            expect_ok(move.commit())
            move.finish()
        else:
            expect_ok(move.order(last, "A"))


@case("STATUS of root lists what is under way")
def local_status(stage):
    moves = [stage.move().to("RESERVED"), stage.move().to("COMMITTED")]
    answer = expect(stage.local().ask(pb.Request(local_status=pb.LocalStatus())), "OK")
    listed = {move.uuid: move for move in answer.moves}
    for move, state in zip(moves, (pb.RESERVED, pb.ARMED)):
        is_like(listed[move.uuid], epoch=1, old=endpoint(move.old), next=endpoint(move.next),
                cur=endpoint(move.old), state=state)
    if not listed[moves[1].uuid].committed or listed[moves[0].uuid].committed:
        raise Failed(f"{answer}")
