# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Certificates of ours that do not speak for the address, and addresses without certificate:
taken by TLS, refused by what is authorised for each order."""
from certs import Leaf
from peer import text_of
from stage import case, expect_ok

# All that a host can order about a migration.
ORDERS = ["reserve", "consent", "hold", "arm", "commit", "go", "abort", "status",
          "check"]


def may_nothing(stage, link, name, move=None):
    """Neither begin a migration, nor ask, nor have a part in one that is under way."""
    fresh = stage.move()
    with stage.unchanged():
        for kind in ("query", "reserve"):
            stage.expect_refusal(lambda: fresh.order(kind, link), "DENIED", kind, link.from_addr,
                                 name, text_of(fresh.old))
    move = move or stage.move().to("ARMED")
    with stage.unchanged():
        for kind in ORDERS:
            stage.expect_refusal(lambda: move.order(kind, link), "DENIED", kind, link.from_addr,
                                 name)


def forged(stage, name, **says):
    stage.certs.forge(name, Leaf(common_name=says.pop("common_name", name), **says))
    return stage.peer("A", cert=name)


@case("denied: a certificate with another address than the owner's")
def other_address(stage):
    may_nothing(stage, forged(stage, "san-other", san="IP:10.9.0.9, IP:fd09::9"), "san-other")


@case("denied: a certificate with the owner's address as its common name only")
def only_common_name(stage):
    may_nothing(stage, forged(stage, "cn-only", common_name="10.9.0.2", san="IP:10.9.0.9"),
                "10.9.0.2")


@case("denied: a certificate without any subjectAltName")
def no_san(stage):
    may_nothing(stage, forged(stage, "no-san", common_name="10.9.0.2", san=None), "10.9.0.2")


@case("denied: a certificate with the owner's address as a DNS name, a URI and a mail address")
def only_dns_name(stage):
    may_nothing(stage, forged(stage, "dns-only", san="DNS:10.9.0.2, URI:tcp://10.9.0.2, "
                              "email:root@10.9.0.2"), "dns-only")


@case("denied: a certificate with the owner's IPv4 address as an IPv6 one")
def mapped_address(stage):
    may_nothing(stage, forged(stage, "mapped", san="IP:::ffff:10.9.0.2"), "mapped")


@case("denied: the owner's address and another host's certificate")
def address_without_certificate(stage):
    may_nothing(stage, stage.peer("A", cert="C"), "host 10.9.0.4")


@case("denied: the owner's certificate from another address")
def certificate_without_address(stage):
    may_nothing(stage, stage.peer("C", cert="A"), "host 10.9.0.2")


@case("denied: the owner's certificate from its own address of the other family")
def certificate_from_other_family(stage):
    may_nothing(stage, stage.peer("A", version=6), "host 10.9.0.2")


@case("denied: a host that has no part in it, by its own certificate and from its own address")
def stranger(stage):
    may_nothing(stage, stage.peer("C"), "host 10.9.0.4")


@case("check-source = no: then the certificate alone tells who it is")
def source_not_checked(stage):
    move = stage.move()
    with stage.configured(agent={"check-source": "no"}):
        expect_ok(move.reserve(by=stage.peer("C", cert="A")))
        stage.expect_refusal(lambda: move.hold(by=stage.peer("A", cert="C")), "DENIED", "10.9.0.4")
    stage.expect_refusal(lambda: move.hold(by=stage.peer("C", cert="A")), "DENIED", "10.9.0.4")
    expect_ok(move.hold())


@case("denied: the former owner, every order, after A->B")
def former_owner(stage):
    move = stage.move().to("COMMITTED")
    move.finish()
    again = move.following("C")
    again.cur_host = "A"  # as it would have it
    with stage.unchanged():
        for kind in ["query"] + ORDERS:
            stage.expect_refusal(lambda: again.order(kind, stage.peer("A")), "DENIED", kind,
                                 "reserved for" if kind == "consent" else text_of(move.next))
    again.cur_host = "B"
    again.to("ARMED")
    with stage.unchanged():
        for kind in ["query"] + ORDERS:
            stage.expect_refusal(lambda: again.order(kind, stage.peer("A")), "DENIED", kind)
    expect_ok(again.abort())


@case("denied: the former owner, a new migration of what it has given away, back to itself")
def former_owner_takes_back(stage):
    move = stage.move().to("COMMITTED")
    move.finish()
    back = move.following("A", next_at=move.old)
    stage.expect_refusal(lambda: back.reserve(by="A"), "DENIED", text_of(move.next))
    expect_ok(back.reserve(by="B"))
    expect_ok(back.hold(by="B"))
    stage.expect_refusal(lambda: back.arm(by="A"), "DENIED")
    stage.expect_refusal(lambda: back.commit(by="A"), "DENIED")
    expect_ok(back.abort(by="B"))
