# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who may send what where, and in which order."""
import contextlib
import ssl

from certs import Leaf
from host_peer import NEXT, OLD, Closed, Failed, Sender, dial, endpoint, expect, move, pb
from host_stage import case
from lab import wait_for


@case("who: a host that no [accept] names is closed before TLS")
def not_accepted(stage):
    mark = stage.daemon.mark()
    sock = dial(stage.lab.client)
    try:
        data = sock.recv(1)
    except ConnectionResetError:
        data = b""
    sock.close()
    if data:
        raise Failed("it was answered")
    stage.daemon.expect_log(mark, "no [accept]")


@case("who: nine connections of one host: the last is closed before TLS, and a free place is used")
def too_many(stage):
    links = [stage.connect() for _ in range(8)]
    try:
        stage.connect()
    except Closed:
        pass
    else:
        raise Failed("expected that the ninth is closed")
    stage.connect("C").ask(pb.Request(uuid=bytes(range(16)), status=pb.Status()))
    links[0].close()
    wait_for("its place to be free", lambda: len(stage.daemon.sessions()) == 8)
    stage.connect()


def refused_hello(stage, cert, *texts):
    link = stage.connect(cert=cert, hello=False)
    answer = link.ask(pb.Request(hello=pb.Hello(version=1, software="refuse.py")))
    expect(answer, "DENIED", *texts)
    if not link.is_closed():
        raise Failed("expected that the connection is closed")


@case("who: a certificate for another address")
def other_address(stage):
    refused_hello(stage, "C", "not for 10.9.0.2")


def refused_by_tls(stage, cert):
    """In the handshake; by TLS 1.3 a client learns of it when it reads."""
    try:
        stage.connect(cert=cert)
    except (Closed, ssl.SSLError):
        return
    raise Failed("expected that TLS refuses it")


@case("who: the certificate of an agent")
def agent_cert(stage):
    try:
        refused_hello(stage, "agent", "host")
    except (Closed, ssl.SSLError):
        pass  # or by TLS


@case("who: a certificate of another CA, and none at all")
def other_ca(stage):
    stage.certs.forge("other-A", Leaf(), "other")
    refused_by_tls(stage, "other-A")
    refused_by_tls(stage, "")


@case("who: another version of the protocol, and a first word that is no HELLO")
def no_hello(stage):
    link = stage.connect(hello=False)
    expect(link.ask(pb.Request(hello=pb.Hello(version=2, software="refuse.py"))), "INVALID")
    if not link.is_closed():
        raise Failed("expected that the connection is closed")
    sender = Sender(stage.connect(hello=False), stage.source)
    sender.tell("prepare", **sender.prepare)
    if not sender.link.is_closed():
        raise Failed("expected that the connection is closed")


@case("prepare: CUR is not the host that sends")
def cur_of_another(stage):
    expect(stage.sender().do_prepare(moves=[move(cur=("10.9.0.4", 5000))]), "DENIED",
           "certificate does not speak for")
    expect(stage.sender().do_prepare(moves=[move(), move(cur=("10.9.0.3", 5000))]), "DENIED")


@case("prepare: NEXT is not an address of this host")
def next_not_local(stage):
    expect(stage.sender().do_prepare(moves=[move(next_at=("10.9.0.77", 5000))]), "REFUSED",
           "10.9.0.77:5000", "--new")
    expect(stage.sender().do_prepare(moves=[move(next_at=OLD)]), "REFUSED")


@case("prepare: NEXT is not accepted, by its address or its port")
def next_not_accepted(stage):
    for at in (("192.0.2.1", 5000), ("10.9.0.3", 22), ("10.9.0.3", 6000), ("10.8.0.3", 5000)):
        expect(stage.sender().do_prepare(moves=[move(next_at=at)]), "DENIED", "[accept]")


@case("prepare: criu is older here, or the CPU or kernel has less")
def machine(stage):
    expect(stage.sender().do_prepare(criu_version="99.0.0"), "REFUSED", "99.0.0")
    expect(stage.sender().do_prepare(cpu_flags=["no_such_flag"]), "REFUSED", "no_such_flag")
    expect(stage.sender().do_prepare(criu_version=""), "OK")


@case("prepare: what is refused can be tried again on the same connection")
def again(stage):
    sender = stage.sender()
    expect(sender.do_prepare(moves=[move(next_at=("10.9.0.3", 22))]), "DENIED", state="NONE")
    expect(sender.do_prepare(), "OK")


@case("prepare: a UUID that is under way already, by the same host and another; that goes on")
def twice(stage):
    first = stage.sender(state="ready")
    expect(first.do_prepare(), "CONFLICT")
    expect(stage.sender(uuid=first.uuid).do_prepare(), "FAILED")
    other = stage.sender("C", uuid=first.uuid)
    expect(other.do_prepare(moves=[move(("10.9.0.4", 5000))]), "FAILED")
    first.send_images()
    expect(first.restore(), state="RESTORED")


@case("order: nothing without PREPARE")
def unknown(stage):
    sender = stage.sender()
    for kind, fields in (("ready", {}), ("connections", {}), ("agents", {}), ("files", {}),
                         ("restore", {}), ("commit", {}), ("abort", {"reason": "x"}),
                         ("status", {}), ("alive", {})):
        expect(sender.ask(kind, **fields), "CONFLICT", "no such migration", state="NONE")


@case("order: another migration on the same connection")
def other_uuid(stage):
    first = stage.sender(state="prepared")
    other = Sender(first.link, stage.source)
    expect(other.ask("ready"), "CONFLICT", "another migration")
    expect(other.do_prepare(), "CONFLICT")
    expect(first.ask("ready"), state="PREPARED")


@case("order: RESTORE and COMMIT before READY, COMMIT before RESTORE")
def too_early(stage):
    sender = stage.sender(state="prepared")
    expect(sender.restore(), "CONFLICT")
    expect(sender.ask("commit"), "CONFLICT", state="NONE")
    expect(sender.ask("ready"))
    expect(sender.ask("commit"), "CONFLICT", "not restored", state="PREPARED")
    sender.send_images()
    expect(sender.ask("commit"), "CONFLICT", "not restored", state="PREPARED")
    if stage.trees():
        raise Failed("something runs")
    expect(sender.restore(), state="RESTORED")


@case("order: an image before READY ends it")
def image_early(stage):
    sender = stage.sender(state="prepared")
    sender.piece("core-1.img", b"x")
    if not sender.link.is_closed():
        raise Failed("expected that the connection is closed")
    stage.expect_clean()


@case("order: RESTORE twice, and images after it, change nothing")
def image_late(stage):
    sender = stage.sender(state="restored")
    expect(sender.restore(), "CONFLICT", state="RESTORED")
    held = next((stage.b.root / "run/tcpmig/images").glob("*/images"))
    before = (held / "files.img").read_bytes()
    sender.send_image("files.img", b"spoiled")
    sender.link.is_closed()
    if (held / "files.img").read_bytes() != before:
        raise Failed("an image was replaced after its digest was checked")
    expect(sender.on(stage.connect()).ask("commit"), state="RUNNING")
    stage.serves()


@case("ready: its port is taken: REFUSED, and nothing stays")
def port_taken(stage):
    taken = stage.b.socket()
    taken.bind(NEXT)
    taken.listen(1)
    sender = stage.sender(state="prepared")
    expect(sender.ask("ready"), "REFUSED", "10.9.0.3:5000", "--new-port")
    taken.close()
    sender.link.close()
    stage.expect_clean()


ANY_6 = {"addr": bytes(16), "port": 5999}


@contextlib.contextmanager
def another_server(stage):
    """It has the port by IPv4."""
    with stage.b.socket() as server:
        server.bind(("0.0.0.0", ANY_6["port"]))
        server.listen(5)
        yield server


@case("ready: a listener at ::, which is IPv4 as well, where somebody has its port by IPv4: REFUSED")
def both_families(stage):
    with another_server(stage):
        sender = stage.sender(state="prepared")
        expect(sender.ask("connections", listeners=[pb.Endpoint(**ANY_6)]))
        expect(sender.ask("ready"), "REFUSED", "[::]:5999", "--new-port")


@case("ready: a listener at ::, IPv6 only: who has its port by IPv4 gets new connections all the time")
def one_family(stage):
    with another_server(stage) as server:
        sender = stage.sender(state="prepared")
        expect(sender.ask("connections", listeners=[pb.Endpoint(v6only=True, **ANY_6)]))
        expect(sender.ask("ready"), state="PREPARED")
        with stage.lab.hosts["A"].socket() as client:
            client.connect(("10.9.0.3", ANY_6["port"]))
            server.accept()[0].close()


@case("ready: connections that another migration has")
def flow_taken(stage):
    stage.sender(state="ready")
    other = stage.sender(state="prepared")
    answer = other.ask("ready")
    if answer.result == pb.OK or "another migration" not in answer.text:
        raise Failed(f"two migrations have the same connection: {answer}")


@case("ready: again, with more connections")
def ready_again(stage):
    sender = stage.sender(state="ready")
    more = pb.Connection(local=endpoint(NEXT), remote=endpoint(("10.9.0.1", 44444)), move=0)
    expect(sender.ask("connections", connections=[more]))
    expect(sender.ask("ready"), state="PREPARED")
    sender.send_images()
    expect(sender.restore(), state="RESTORED")


@case("ready: an agent of a move that is none, and one that nobody is")
def agents(stage):
    sender = stage.sender(state="prepared")
    expect(sender.ask("agents", agents=[pb.Agent(move=7, at=endpoint(("10.9.0.1", 7170)),
                                                 epoch=1)]))
    expect(sender.ask("ready"), "FAILED", "move that is none")
    sender = stage.sender()
    expect(sender.do_prepare())
    expect(sender.ask("agents", agents=[pb.Agent(at=endpoint(("10.9.0.1", 7170)), epoch=1)]))
    expect(sender.ask("ready"), "REFUSED", "10.9.0.1:7170")


@case("files: what is not the same here")
def files(stage):
    sender = stage.sender(state="prepared")
    answer = expect(sender.ask("files", files=[
        pb.File(path="/no/such/file", mode=0o100644, size=1),
        pb.File(path="/etc/passwd", mode=0o100644, size=1),
        pb.File(path="/", mode=0o040755)]))
    found = {one.path: one.what for one in answer.differs}
    if set(found) != {"/no/such/file", "/etc/passwd"}:
        raise Failed(f"it finds {found}")


@case("owner: another host cannot go on with it, while it is under way and when nobody has it")
def other_host(stage):
    first = stage.sender(state="restored", lease_ms=20000)
    thief = Sender(stage.connect("C"), stage.source, uuid=first.uuid)
    for kind, fields in (("status", {}), ("commit", {}), ("abort", {"reason": "x"})):
        expect(thief.ask(kind, **fields), "FAILED", "another connection", state="BUSY")
    first.link.cut()
    wait_for("its session to end", lambda: len(stage.daemon.sessions()) == 1)
    for kind, fields in (("status", {}), ("commit", {}), ("abort", {"reason": "x"}),
                         ("restore", {}), ("ready", {})):
        expect(thief.ask(kind, **fields), "DENIED", "another host", state="BUSY")
    if stage.trees():
        raise Failed("something runs")
    expect(first.on(stage.connect()).ask("commit"), state="RUNNING")
    first.link.close()
    wait_for("its session to end", lambda: len(stage.daemon.sessions()) == 1)
    for kind, fields in (("status", {}), ("commit", {}), ("abort", {"reason": "x"})):
        expect(thief.ask(kind, **fields), "DENIED", "another host", state="BUSY")
    stage.serves()
