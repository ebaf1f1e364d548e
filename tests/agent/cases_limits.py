# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The administrator's policy, and the caps of a certificate."""
from peer import endpoint, frame, text_of
from stage import POLICY, case, expect, expect_ok


def outside(stage, move, next_at=None):
    next_at = next_at or move.next
    stage.expect_refusal(lambda: move.reserve(next_at=next_at), "DENIED", text_of(move.old),
                         text_of(next_at), "policy")


@case("outside the policy: OLD's address")
def old_prefix(stage):
    service = stage.service("C")
    outside(stage, stage.move(service, "B"))


@case("outside the policy: NEW's address")
def new_prefix(stage):
    outside(stage, stage.move(), ("10.9.0.9", 6000))


@case("outside the policy: OLD's port")
def old_port(stage):
    with stage.unchanged():
        for port in (4999, 7000):
            outside(stage, stage.move(stage.service(port=port)), ("10.9.0.3", 6000))


@case("outside the policy: NEW's port")
def new_port(stage):
    with stage.unchanged():
        for port in (4999, 7000, 22):
            outside(stage, stage.move(), ("10.9.0.3", port))


@case("outside the policy: IPv6, where a prefix of IPv4 would let it")
def ipv6(stage):
    outside(stage, stage.move(version=6), ("fd09::4", 6000))
    outside(stage, stage.move(stage.service("A", 6, port=7001)), ("fd09::3", 6000))


@case("invalid: NEXT is an address of the client")
def next_is_client(stage):
    move = stage.move()
    stage.expect_refusal(lambda: move.reserve(next_at=("10.9.0.1", 6000)), "INVALID",
                         "10.9.0.1:6000: an address of the client itself")


@case("invalid: NEXT is the owner")
def next_is_owner(stage):
    move = stage.move()
    stage.expect_refusal(lambda: move.reserve(next_at=move.old), "INVALID", "next")
    move.to("COMMITTED")
    move.finish()
    again = move.following("C")
    stage.expect_refusal(lambda: again.reserve(next_at=move.next), "INVALID", "next")


@case("invalid: NEXT of another family closes the connection")
def next_of_other_family(stage):
    move = stage.move()
    request = move.request("reserve", max_ms=1000, next=endpoint(("fd09::3", 6000)))
    stage.expect_close(stage.connect("A"), frame(request.SerializeToString()), "family")


@case("policy narrowed by SIGHUP: no HOLD of what was reserved, no ARM of what is held, no consent")
def narrowed(stage):
    reserved, held = stage.move().to("RESERVED"), stage.move().to("HELD")
    expect_ok(reserved.consent())
    expect_ok(held.consent())
    waiting = stage.move().to("RESERVED")
    narrow = [{**POLICY[0], "new": "10.9.0.4"}]
    with stage.configured(policy=narrow):
        with stage.unchanged():
            for asked in (reserved.hold, held.arm, held.hold, waiting.consent, waiting.reserve):
                stage.expect_refusal(asked, "DENIED", "policy")
    expect_ok(reserved.hold())
    expect_ok(held.arm())


@case("limit: one hold, one lease, one reservation for too long")
def hold_too_long(stage):
    move = stage.move()
    stage.expect_refusal(lambda: move.reserve(max_ms=600001), "LIMIT", "600001", "600000")
    move.to("RESERVED")
    expect_ok(move.consent())
    stage.expect_refusal(lambda: move.hold(max_ms=30001), "LIMIT", "30001", "30000")
    expect_ok(move.hold())
    stage.expect_refusal(lambda: move.hold(max_ms=2 ** 32 - 1), "LIMIT", 2 ** 32 - 1)
    stage.expect_refusal(lambda: move.arm(lease_ms=30001), "LIMIT", "30001")


@case("limit: migrations at once of one certificate; another one's do not count")
def moves_at_once(stage):
    first = stage.move()
    with stage.configured(limits={"moves": 1}):
        expect_ok(first.reserve())
        stage.expect_refusal(stage.move().reserve, "LIMIT", "1 migrations", "moves")
        other = stage.move(stage.service("B"), "A")
        expect_ok(other.reserve())
        expect_ok(first.abort())
        expect_ok(stage.move().reserve())


@case("limit: migrations a minute of one certificate")
def moves_a_minute(stage):
    with stage.configured(limits={"moves-a-minute": 1}):
        first = stage.move()
        expect_ok(first.reserve())
        expect_ok(first.abort())
        stage.expect_refusal(stage.move().reserve, "LIMIT", "moves-a-minute")
        stage.expect_refusal(first.following("B").reserve, "LIMIT", "moves-a-minute")


@case("limit: flows of one certificate, in one migration and in all of them together")
def flows_at_once(stage):
    with stage.configured(limits={"flows": 2}):
        stage.expect_refusal(stage.move(connections=3).reserve, "LIMIT", "3 flows", "2")
        two = stage.move(connections=2)
        expect_ok(two.reserve())
        stage.expect_refusal(stage.move().reserve, "LIMIT", "3 flows")
        expect_ok(two.abort())
        expect_ok(stage.move().reserve())


@case("limit: seconds held an hour of one certificate; what was not used is given back")
def held_an_hour(stage):
    link = capped(stage)
    with stage.configured(limits={"hold-s": 4, "held-s-an-hour": 4}):
        first, second = stage.move(), stage.move()
        for move in (first, second):
            expect_ok(move.reserve(by=link))
        expect_ok(first.hold(by=link, max_ms=3000))
        stage.expect_refusal(lambda: second.hold(by=link, max_ms=3000), "LIMIT", "held-s-an-hour")
        expect_ok(first.abort(by=link))
        expect_ok(second.hold(by=link, max_ms=3000))


def capped(stage):
    """A with another certificate: what a cap has taken from its account comes back slowly."""
    if not stage.certs.path("capped.crt").exists():
        stage.certs.issue("capped", "host", "10.9.0.2")
    return stage.peer("A", cert="capped")


@case("a refused order takes nothing from the account of its certificate")
def refusals_cost_nothing(stage):
    link = capped(stage)
    with stage.configured(limits={"moves-a-minute": 1, "hold-s": 4, "held-s-an-hour": 4}):
        move = stage.move()
        for _ in range(5):
            expect(move.reserve(by=link, next_at=("10.9.0.9", 6000)), "DENIED", "policy")
            expect(move.reserve(by="C"), "DENIED")
        expect_ok(move.reserve(by=link))
        for _ in range(5):
            expect(move.hold(by="B", max_ms=3000), "DENIED")
        expect_ok(move.hold(by=link, max_ms=1000))
