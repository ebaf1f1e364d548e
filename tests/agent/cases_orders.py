# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Orders of the right host at the wrong time: epochs, states, consent."""
import os
import time
import uuid as uuids

from peer import endpoint, pb, text_of
from stage import case, expect_ok


def named(raw):
    return str(uuids.UUID(bytes=raw))


@case("stale: an epoch that has been, by the same and by another migration")
def stale_epoch(stage):
    move = stage.move(epoch=5)
    expect_ok(move.reserve())
    expect_ok(move.abort())
    with stage.unchanged():
        for epoch in (5, 4, 1):
            late = stage.move(move.service, epoch=epoch)
            stage.expect_refusal(late.reserve, "STALE", f"epoch {epoch}", "more than 5")
    stage.expect_refusal(lambda: stage.move(move.service, epoch=5, uuid=move.uuid).reserve(),
                         "STALE", "epoch 5")
    with stage.unchanged():
        for kind in ("hold", "arm", "commit", "go", "abort", "check"):
            stage.expect_refusal(lambda: move.order(kind, "A"), "STALE", "epoch 5")
        stage.expect_refusal(move.consent, "DENIED", "consent")


@case("stale: the epoch of the migration under way, with another UUID")
def equal_epoch(stage):
    move = stage.move(epoch=7).to("HELD")
    other = stage.move(move.service, epoch=7)
    stage.expect_refusal(other.reserve, "STALE", "epoch 7")
    with stage.unchanged():
        for kind in ("hold", "arm", "commit", "go", "abort", "status", "check"):
            stage.expect_refusal(lambda: other.order(kind, "A"), "STALE", "epoch 7")
    stage.expect_refusal(lambda: other.consent("B"), "STALE", "epoch 7")


@case("stale: orders with an older epoch than that of the migration under way")
def older_epoch(stage):
    first = stage.move(epoch=1)
    expect_ok(first.reserve())
    expect_ok(first.abort())
    first.following("B").to("ARMED")
    with stage.unchanged():
        for kind in ("hold", "arm", "commit", "go", "abort", "check"):
            stage.expect_refusal(lambda: first.order(kind, "A"), "STALE", "epoch 1", "2")


@case("conflict: orders with an epoch that has not been reserved")
def not_reserved(stage):
    move = stage.move(epoch=3)
    with stage.unchanged():
        for kind in ("hold", "arm", "commit", "go", "abort", "status", "check"):
            stage.expect_refusal(lambda: move.order(kind, "A"), "CONFLICT", "epoch 3",
                             "not reserved")
    under_way = stage.move().to("HELD")
    ahead = stage.move(under_way.service, epoch=9, uuid=under_way.uuid)
    with stage.unchanged():
        for kind in ("hold", "arm", "commit", "go", "abort", "check"):
            stage.expect_refusal(lambda: ahead.order(kind, "A"), "CONFLICT", "epoch 9")


@case("invalid: an epoch that leaps, so that none would be left")
def leap_of_epoch(stage):
    for epoch in (2 ** 32 + 1, 2 ** 64 - 1):
        leap = stage.move(epoch=epoch)
        stage.expect_refusal(leap.reserve, "INVALID", f"epoch {epoch}")
    expect_ok(stage.move(epoch=2 ** 32).reserve())


@case("replayed: RESERVE, HOLD and ABORT of a migration that is over, again by the right host")
def replayed_orders(stage):
    move = stage.move().to("HELD")
    expect_ok(move.abort())
    with stage.unchanged():
        for asked in (move.reserve, move.hold, move.abort, move.commit, move.arm):
            stage.expect_refusal(asked, "STALE", "epoch 1")


@case("conflict: a second migration while the first is reserved, held, armed, committed")
def second_migration(stage):
    for state in ("RESERVED", "HELD", "ARMED", "COMMITTED"):
        move = stage.move().to(state)
        second = stage.move(move.service, "C", epoch=2)
        stage.expect_refusal(second.reserve, "CONFLICT", named(move.uuid))
        stage.expect_refusal(lambda: second.hold("A"), "CONFLICT", "epoch 2")
        stage.expect_refusal(lambda: second.consent("C"), "DENIED")


@case("conflict: ARM, COMMIT and GO before HOLD")
def before_hold(stage):
    move = stage.move().to("RESERVED")
    expect_ok(move.consent())
    stage.expect_refusal(move.arm, "CONFLICT", "arm: reserved", "held or armed")
    stage.expect_refusal(move.commit, "CONFLICT", "commit: reserved", "held or armed")
    stage.expect_refusal(lambda: move.go("A"), "CONFLICT", "go: reserved", "armed")
    stage.expect_refusal(lambda: move.go("B"), "CONFLICT", "go: reserved", "armed")


@case("conflict: GO before ARM, though it is committed")
def go_before_arm(stage):
    move = stage.move().to("HELD")
    expect_ok(move.consent())
    expect_ok(move.commit())
    with stage.unchanged():
        for by in "AB":
            stage.expect_refusal(lambda: move.go(by), "CONFLICT", "go: held", "armed")


@case("conflict: GO before COMMIT, by the owner and by the next one")
def go_before_commit(stage):
    move = stage.move().to("ARMED")
    with stage.unchanged():
        for by in "AB":
            stage.expect_refusal(lambda: move.go(by), "CONFLICT", "COMMIT")


@case("conflict: HOLD and RESERVE after ARM")
def hold_after_arm(stage):
    move = stage.move().to("ARMED")
    stage.expect_refusal(move.hold, "CONFLICT", "hold: armed", "reserved or held")
    stage.expect_refusal(move.reserve, "CONFLICT", "reserve")


@case("conflict: ARM after the hold has ended by itself")
def arm_too_late(stage):
    move = stage.move().to("RESERVED")
    expect_ok(move.consent())
    expect_ok(move.hold(max_ms=60))
    time.sleep(0.08)
    stage.watcher.listing()  # whoever looks removes it
    expect_ok(move.query())
    with stage.unchanged():
        for asked in (move.arm, move.commit, lambda: move.go("A")):
            stage.expect_refusal(asked, "STALE", "epoch 1")


@case("conflict: without consent no ARM, neither before COMMIT nor after it")
def no_consent(stage):
    move = stage.move().to("HELD")
    stage.expect_refusal(move.arm, "CONFLICT", "consent")
    expect_ok(move.commit())
    with stage.unchanged():
        for by in "AB":
            stage.expect_refusal(lambda: move.arm(by), "CONFLICT", "consent")


@case("denied: consent by another than the next owner: by a third host, and by the owner")
def consent_of_another(stage):
    for state in ("RESERVED", "HELD"):
        move = stage.move().to(state)
        with stage.unchanged():
            for by, version in (("C", 4), ("A", 4), ("B", 6)):
                link = stage.peer(by, version)
                stage.expect_refusal(lambda: move.consent(link), "DENIED", "consent",
                                     link.from_addr)
    stage.expect_refusal(move.arm, "CONFLICT", "consent")


@case("denied: consent by the right certificate from another address, and the other way round")
def consent_from_elsewhere(stage):
    move = stage.move().to("RESERVED")
    stage.expect_refusal(lambda: move.consent(stage.peer("C", cert="B")), "DENIED", "10.9.0.4")
    stage.expect_refusal(lambda: move.consent(stage.peer("B", cert="C")), "DENIED", "10.9.0.3")


@case("denied: consent with another key than the owner has named")
def consent_by_another_key(stage):
    said = stage.certs.issue("B-new-key", "host", "10.9.0.3", "fd09::3")
    new_key = stage.certs.key_sha256("B-new-key")
    assert said == new_key.hex(), f"{said}, but openssl says {new_key.hex()}"
    move = stage.move()
    expect_ok(move.reserve(key=new_key))
    stage.expect_refusal(move.consent, "DENIED", "key", "10.9.0.3")
    expect_ok(move.hold())
    stage.expect_refusal(move.arm, "CONFLICT", "consent")
    expect_ok(move.consent(stage.peer("B", cert="B-new-key")))
    expect_ok(move.arm())
    other = stage.move()
    expect_ok(other.reserve(key=os.urandom(32)))
    stage.expect_refusal(other.consent, "DENIED", "key")


@case("invalid: consent to another address or port than was reserved")
def consent_to_another(stage):
    move = stage.move().to("RESERVED")
    stage.expect_refusal(lambda: move.consent(next_at=(move.next[0], 6999)), "INVALID", "next")
    stage.expect_refusal(lambda: move.consent(next_at=("10.9.0.4", move.next[1])), "INVALID",
                         "next")


@case("conflict: RESERVE again, for another next owner, when the first one has consented")
def swapped_next(stage):
    move = stage.move().to("RESERVED")
    expect_ok(move.consent())
    stage.expect_refusal(lambda: move.reserve(next_at=("10.9.0.4", move.next[1])), "CONFLICT",
                         "next")
    stage.expect_refusal(lambda: move.reserve(next_at=(move.next[0], 6999)), "CONFLICT", "next")


@case("conflict: RESERVE again, with another key of the next owner than before")
def swapped_key(stage):
    for first, second in ((b"", os.urandom(32)), (os.urandom(32), os.urandom(32)),
                          (os.urandom(32), b"")):
        move = stage.move()
        expect_ok(move.reserve(key=first))
        stage.expect_refusal(lambda: move.reserve(key=second), "CONFLICT", "key")
        expect_ok(move.reserve(key=first))


@case("denied: the next owner before COMMIT: RESERVE, HOLD, ARM, COMMIT")
def next_before_commit(stage):
    for state in ("RESERVED", "HELD", "ARMED"):
        move = stage.move().to(state)
        with stage.unchanged():
            for kind in ("reserve", "hold", "arm", "commit", "query", "check"):
                stage.expect_refusal(lambda: move.order(kind, "B"), "DENIED", kind, "10.9.0.3")


@case("denied: COMMIT by the next owner when it is committed already")
def next_commits(stage):
    move = stage.move().to("COMMITTED")
    stage.expect_refusal(lambda: move.commit("B"), "DENIED", "commit", "10.9.0.3")


@case("conflict: ABORT by the owner after COMMIT; the next one still can")
def abort_after_commit(stage):
    move = stage.move().to("COMMITTED")
    stage.expect_refusal(move.abort, "CONFLICT", "abort", "committed")
    expect_ok(move.abort("B"))


@case("denied: the former owner, with the new address as if that were OLD")
def new_address_as_old(stage):
    service = stage.service()
    move = stage.move(service, next_at=("10.9.0.3", service.old[1])).to("COMMITTED")
    move.finish()
    again = move.following("C")
    again.old = move.next
    stage.expect_refusal(lambda: again.reserve("A"), "DENIED", "10.9.0.2", text_of(move.next))


@case("an order about nothing: OLD of a host that nobody is connected to")
def no_such_connection(stage):
    move = stage.move()
    bare = pb.Request(uuid=os.urandom(16), epoch=1, old=endpoint(("10.9.0.2", 5999)),
                      hold=pb.Hold(max_ms=1000))
    stage.expect_refusal(lambda: stage.peer("A").ask(bare), "CONFLICT", "epoch 1", "not reserved")
    expect_ok(move.query())


@case("ABORT says in the log why, as text that is only text")
def abort_says_why(stage):
    move, mark = stage.move().to("RESERVED"), stage.agent.mark()
    expect_ok(move.abort(reason='disk full" result=ok'))
    stage.agent.expect_log(mark, 'why="disk full\\" result=ok"')
