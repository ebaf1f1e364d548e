# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Certificates that are no licence: the TLS handshake refuses them."""
import ssl

from certs import Leaf
from lab import Failed
from peer import Closed, endpoint, pb
from stage import case, expect, expect_ok


def refused(stage, name, alert, leaf=None, ca="ca", chain=(), weak=False):
    """A forged certificate, which claims the address of A and comes from there. The very same one
    without the flaw is taken: see good_forgery()."""
    stage.certs.forge(name, leaf or Leaf(), ca, chain)
    stage.contexts.pop((name, ()), None)
    stage.context(name, weak=weak)
    stage.contexts[(name, ())] = stage.context(name, weak=weak)
    stage.expect_alert(alert, host="A", cert=name)


@case("a certificate that openssl has made, without any flaw, is taken and may give orders")
def good_forgery(stage):
    stage.certs.forge("good", Leaf())
    move = stage.move()
    expect_ok(move.reserve(by=stage.peer("A", cert="good")))
    expect_ok(move.abort(by=stage.peer("A", cert="good")))


@case("refused: a certificate of another CA")
def other_ca(stage):
    refused(stage, "of-other", "unknown_ca", ca="other")


@case("refused: a certificate of another CA that sends that CA along")
def other_ca_sent(stage):
    refused(stage, "with-other", "unknown_ca", ca="other", chain=["other"])


@case("refused: a certificate of a CA that the system trusts (SSL_CERT_FILE)")
def system_ca(stage):
    refused(stage, "of-system", "unknown_ca", ca="system")


@case("refused: a certificate signed by itself")
def self_signed(stage):
    stage.certs.self_sign("self", Leaf())
    stage.expect_alert("unknown_ca", host="A", cert="self")


@case("refused: a certificate signed by a host's certificate")
def leaf_as_ca(stage):
    stage.certs.signer("B", "B.crt", "B.key")
    refused(stage, "of-leaf", "unknown_ca", ca="B", chain=["B"])


@case("refused: no certificate at all")
def no_certificate(stage):
    stage.contexts[("none", ())] = stage.context(None)
    stage.expect_alert("certificate_required", host="A", cert="none")


@case("refused: the certificate of an agent, which is only for serverAuth")
def agent_certificate(stage):
    stage.certs.issue("agent-of-A", "agent", "10.9.0.2", "fd09::2")
    stage.expect_alert("unsupported_certificate", host="A", cert="agent-of-A")


@case("refused: a certificate without extended key usage")
def no_usage(stage):
    refused(stage, "no-usage", "unsupported_certificate", Leaf(usage=None))


@case("refused: a certificate for signing code")
def other_usage(stage):
    refused(stage, "code", "unsupported_certificate", Leaf(usage="codeSigning"))


@case("refused: a certificate without the policy OID")
def no_policy(stage):
    refused(stage, "no-policy", "certificate_unknown", Leaf(policy=None))


@case("refused: a certificate with another policy OID, or any policy")
def other_policy(stage):
    refused(stage, "other-policy", "certificate_unknown", Leaf(policy="2.25.1"))
    refused(stage, "any-policy", "certificate_unknown", Leaf(policy="2.5.29.32.0"))


@case("refused: an expired certificate")
def expired(stage):
    refused(stage, "expired", "certificate_expired", Leaf(starts_s=-7200, ends_s=-60))


@case("refused: a certificate that is not yet valid")
def not_yet_valid(stage):
    refused(stage, "early", "bad_certificate", Leaf(starts_s=3600, ends_s=7200))


@case("refused: a certificate of a sub-CA, for an address outside its networks")
def outside_constraint(stage):
    refused(stage, "outside-sub", "certificate_unknown", ca="sub", chain=["sub"])
    refused(stage, "both-sub", "certificate_unknown",
            Leaf(san="IP:10.8.0.4, IP:10.9.0.2"), ca="sub", chain=["sub"])


@case("refused: a certificate of a sub-CA of whom there is no CRL")
def no_crl(stage):
    crl = stage.certs.path("ca.crl")
    kept = crl.read_text()
    stage.certs.sub_ca("new", "10.9.0.0/24")
    stage.certs.issue("of-new", "host", "10.9.0.2", ca="new")
    with_new = crl.read_text()
    crl.write_text(kept)
    with stage.configured():
        stage.expect_alert("unknown_ca", host="A", cert="of-new")
        crl.write_text(with_new)
    expect_ok(stage.move().query(by=stage.peer("A", cert="of-new")))


@case("refused: a certificate with a weak key")
def weak_key(stage):
    refused(stage, "weak", "bad_certificate", Leaf(key="rsa:1024"), weak=True)


@case("refused: a certificate that was revoked before")
def revoked_before(stage):
    stage.certs.issue("revoked", "host", "10.9.0.2", "fd09::2")
    stage.certs.revoke("revoked")
    with stage.configured():
        stage.expect_alert("certificate_revoked", host="A", cert="revoked")


@case("revoked in the middle of a session: the next message closes it")
def revoked_meanwhile(stage):
    stage.certs.issue("later", "host", "10.9.0.2", "fd09::2")
    move = stage.move()
    link = stage.connect("A", cert="later")
    expect_ok(move.reserve(by=link))
    expect_ok(move.hold(by=link))
    stage.certs.revoke("later")
    stage.agent.reload(stage.conf())
    stage.expect_close(link, raw(move, "commit"), "it has been revoked")
    stage.expect_alert("certificate_revoked", host="A", cert="later")
    expect_ok(move.abort())


@case("expired in the middle of a session: the next message closes it")
def expired_meanwhile(stage):
    stage.certs.forge("short", Leaf(ends_s=3))
    request = pb.Request(id=1, old=endpoint(("10.9.0.2", 5000)), query=pb.Query())
    link = stage.connect("A", cert="short")
    expect(link.ask(request), "OK")
    yield 4.1
    stage.expect_close(link, framed(request), "it has expired")
    stage.expect_alert("certificate_expired", host="A", cert="short")


@case("after all of that a host is taken by its certificate, and takes the agent by its own")
def still_good(stage):
    with stage.unchanged():
        link = stage.connect("A")
        if link.sock.version() != "TLSv1.3":
            raise Failed(f"{link.sock.version()}: expected TLSv1.3")
        link.close()
        other = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        other.load_verify_locations(stage.certs.path("other.crt"))
        stage.contexts[("trusts-other", ())] = other
        try:
            stage.connect("A", cert="trusts-other")
        except (ssl.SSLCertVerificationError, Closed):
            return
        raise Failed("a host that trusts another CA has taken the agent for its own")


def raw(move, kind, **fields):
    request = move.request(kind, **fields)
    request.id = 1
    return framed(request)


def framed(request):
    payload = request.SerializeToString()
    return len(payload).to_bytes(4, "big") + payload
