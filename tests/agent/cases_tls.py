# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What comes before the first message: TLS as it must not be, silence, and too many at once."""
import concurrent.futures
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import time

from lab import AGENT_PORT, Failed, child_of, wait_for
from peer import Closed, Link, Peer, dial, endpoint, frame, pb
from stage import MORE_NET, OUTSIDE_NET, case, expect, expect_ok

AGENT, TICKET_PORT = f"10.9.0.1:{AGENT_PORT}", 7999


def order(stage):
    """HELLO and a RESERVE that would be in order, as bytes."""
    move = stage.move()
    hello = pb.Request(hello=pb.Hello(version=2))
    reserve = move.request("reserve", next=endpoint(move.next), max_ms=20000)
    return frame(hello.SerializeToString()) + frame(reserve.SerializeToString())


def is_cut(sock, seconds=2):
    """Closed by the agent, with whatever it may have sent before. Return: that; None: not."""
    sock.settimeout(seconds)
    data = b""
    while True:
        try:
            part = sock.recv(4096)
        except socket.timeout:
            return None
        except OSError:
            return data
        if not part:
            return data
        data += part


def when_cut(sock, seconds):
    """Return: time.monotonic(); None: it was not."""
    return None if is_cut(sock, seconds) is None else time.monotonic()


@case("refused: TLS 1.2")
def tls_1_2(stage):
    stage.contexts[("old-tls", ())] = stage.context("A", version=ssl.TLSVersion.TLSv1_2)
    stage.expect_alert("protocol_version", host="A", cert="old-tls")


@case("closed: orders without TLS, and other bytes that are none")
def garbage(stage):
    with stage.unchanged():
        for data in (order(stage), b"GET / HTTP/1.1\r\n\r\n", os.urandom(600), b"\x16\x03\x01\xff",
                     bytes(5000)):
            with stage.unchanged():
                sock = dial(stage.lab.hosts["B"])
                with contextlib.suppress(OSError):  # it may be closed already
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                if is_cut(sock) is None:
                    raise Failed("expected that the connection is closed")
                sock.close()


class Recorder:
    """TLS with all that the client has sent kept."""

    def __init__(self, stage, sock):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = stage.context("A").wrap_bio(self.incoming, self.outgoing,
                                               server_hostname="10.9.0.1")
        self.sock = sock
        self.sent = []
        self.exchange(self.tls.do_handshake)

    def exchange(self, action, *args):
        while True:
            try:
                result = action(*args)
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                if not data:
                    raise Closed() from None
                self.incoming.write(data)
            else:
                self.flush()
                return result

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.sent.append(data)
            self.sock.sendall(data)

    def recv(self, size):
        return self.exchange(self.tls.read, size)

    def sendall(self, data):
        self.exchange(self.tls.write, data)


@case("replayed: the recorded bytes of a session, with its orders, on a new connection")
def replayed_bytes(stage):
    move = stage.move()
    recorder = Recorder(stage, dial(stage.lab.hosts["A"]))
    link = Link(recorder)
    link.hello()
    expect_ok(link.ask(move.request("reserve", next=endpoint(move.next), max_ms=20000)))
    expect_ok(link.ask(move.request("abort")))
    recorder.sock.close()
    for pieces in (recorder.sent, [b"".join(recorder.sent)]):
        with stage.unchanged():
            sock = dial(stage.lab.hosts["A"])
            with contextlib.suppress(OSError):
                for piece in pieces:
                    sock.sendall(piece)
                    time.sleep(0.005)
            if is_cut(sock) is None:
                raise Failed("expected that the connection is closed")
            sock.close()


@contextlib.contextmanager
def ticket_server(stage):
    """On A, by openssl, with the agent's own certificate: one that does give tickets."""
    host, certs = stage.lab.hosts["A"], stage.certs
    with subprocess.Popen(host.command(
            "openssl", "s_server", "-accept", f"10.9.0.2:{TICKET_PORT}", "-tls1_3", "-cert",
            certs.path("agent.crt"), "-key", certs.path("agent.key"), "-early_data", "-quiet",
            "-no_anti_replay"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL) as server:
        child = wait_for("openssl s_server", lambda: child_of(server.pid))
        try:
            yield
        finally:
            os.kill(child, signal.SIGTERM)
            server.wait(5)


def s_client(stage, host, to, *options, text=b""):
    """openssl s_client on a host. Return: status, output."""
    done = subprocess.run(
        stage.lab.hosts[host].command("openssl", "s_client", "-connect", to, "-tls1_3", *options),
        input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=5, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def get_ticket(stage, path):
    """Of the agent, if it should give one after all; else of another server with its name."""
    s_client(stage, "A", AGENT, "-sess_out", path, "-ign_eof", *own(stage, "A"), text=b"\0" * 4)
    with ticket_server(stage):
        for _ in range(50):
            if path.exists() and path.stat().st_size:
                return
            time.sleep(0.02)
            s_client(stage, "client", f"10.9.0.2:{TICKET_PORT}", "-sess_out", path, text=b"Q\n")
    raise Failed("openssl s_server has given no ticket")


def own(stage, name):
    return ("-cert", stage.certs.path(f"{name}.crt"), "-key", stage.certs.path(f"{name}.key"))


@case("no session tickets, and none of another server is taken: a full handshake or nothing")
def resumption(stage):
    link = stage.connect("A")
    expect(link.ask(pb.Request(old=endpoint(("10.9.0.2", 5000)), query=pb.Query())), "OK")
    if link.sock.session and link.sock.session.has_ticket:
        raise Failed("the agent has given a session ticket")
    again = Peer(stage.lab.hosts["A"], stage.context("A"), session=link.sock.session)
    if again.sock.session_reused:
        raise Failed("the agent has resumed a session")
    link.close()
    again.close()
    ticket = stage.folder / "ticket"
    get_ticket(stage, ticket)
    with stage.unchanged():
        status, said = s_client(stage, "A", AGENT, "-sess_in", ticket, "-ign_eof")
        if "certificate required" not in said:
            raise Failed(f"a session without a certificate: status {status}: {said[-500:]}")
        status, said = s_client(stage, "A", AGENT, "-sess_in", ticket, *own(stage, "A"))
        if "Reused" in said or "New, TLSv1.3" not in said:
            raise Failed(f"a session to be resumed: status {status}: {said[-500:]}")


@case("refused: a key that was agreed on before (PSK) in place of a certificate")
def psk(stage):
    with stage.unchanged():
        _, said = s_client(stage, "A", AGENT, "-psk", "00" * 32, "-psk_identity", "A",
                           "-ign_eof", text=order(stage))
        if "certificate required" not in said:
            raise Failed(said[-500:])


@case("early data: orders in it are not carried out")
def early_data(stage):
    ticket, early = stage.folder / "ticket-early", stage.folder / "early"
    early.write_bytes(order(stage))
    get_ticket(stage, ticket)
    with stage.unchanged():
        _, said = s_client(stage, "A", AGENT, "-sess_in", ticket, *own(stage, "A"), "-early_data",
                           early)
        if "Early data was accepted" in said:
            raise Failed(said[-500:])
        if "Early data was rejected" not in said and "alert" not in said:
            raise Failed(f"no early data was sent: {said[-800:]}")


@case("closed without a handshake: a source outside of all prefixes of agent.conf")
def outside_source(stage):
    with stage.unchanged():
        sock = dial(stage.lab.hosts["C"], source=f"{OUTSIDE_NET}.4")
        if is_cut(sock, 1) != b"":
            raise Failed("expected that the connection is closed at once")
        sock.close()
        sock = dial(stage.lab.hosts["C"], source=f"{OUTSIDE_NET}.4")
        try:
            stage.context("C").wrap_socket(sock, server_hostname="10.9.0.1").close()
        except OSError:
            return
    raise Failed("a handshake with a source outside of all prefixes")


@case("a handshake that does not end, one that does not begin, a HELLO that does not come: closed "
      "after 5 s, and nobody waits for it")
def silence(stage):
    half_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    began = time.monotonic()
    quiet = {"no byte": dial(stage.lab.hosts["C"]),
             "half a ClientHello": dial(stage.lab.hosts["C"]),
             "no HELLO": stage.connect("C", hello=False).sock,
             "half a HELLO": stage.connect("C", hello=False).sock}
    quiet["half a ClientHello"].sendall(half_hello)
    quiet["half a HELLO"].sendall(frame(pb.Request(hello=pb.Hello(version=2))
                                        .SerializeToString())[:-1])
    expect(stage.peer("B").ask(pb.Request(old=endpoint(("10.9.0.3", 5000)), query=pb.Query())),
           "OK")
    with concurrent.futures.ThreadPoolExecutor() as watchers:  # others may keep this case waiting
        ends = {what: watchers.submit(when_cut, sock, 8) for what, sock in quiet.items()}
        yield 4.4
        stage.connect("B").close()
        with stage.unchanged():
            for what, end in ends.items():
                after_s = (end.result() or float("inf")) - began
                if not 4.5 < after_s < 7:
                    raise Failed(f"{what}: closed after {after_s:.1f} s; expected 5 s")
                quiet[what].close()


@case("more than 64 connections that are not authenticated: the oldest goes, and a host gets in")
def many_strangers(stage):
    host = stage.lab.hosts["C"]
    with stage.unchanged():
        strangers = [dial(host, source=f"{MORE_NET}.{1 + i // 16}") for i in range(64)]
        wait_served(stage)
        if any(closed(sock) for sock in strangers):
            raise Failed("one of 64 was closed; expected that they may wait")
        began = time.monotonic()
        link = stage.connect("A")
        took = time.monotonic() - began
        if took > 1:
            raise Failed(f"a host had to wait for {took:.1f} s")
        if [closed(sock) for sock in strangers] != [True] + [False] * 63:
            raise Failed("expected that the oldest one had to go, and no other")
        for sock in strangers:
            sock.close()
        link.close()


@case("more than 16 connections that are not authenticated from one source: no more of them")
def many_from_one(stage):
    host = stage.lab.hosts["C"]
    with stage.unchanged():
        strangers = [dial(host, source=f"{MORE_NET}.7") for _ in range(18)]
        wait_served(stage)
        if [closed(sock) for sock in strangers] != [False] * 16 + [True] * 2:
            raise Failed("expected that 16 may wait, and the others are closed")
        stage.connect("A").close()
        for sock in strangers:
            sock.close()


@case("more than 32 connections of one certificate: no more of them, and another host gets in")
def many_of_one_certificate(stage):
    stage.certs.issue("many", "host", "10.9.0.4")
    with stage.unchanged():
        links = [stage.connect("C", cert="many") for _ in range(32)]
        for source in (None, f"{MORE_NET}.8"):
            try:
                stage.connect("C", cert="many", source=source)
            except Closed:
                continue
            raise Failed("one more was taken")
        stage.connect("A").close()
        links.pop().close()
        wait_served(stage)
        links.append(stage.connect("C", cert="many"))
        for link in links:
            link.close()


def closed(sock):
    return is_cut(sock, 0.001) is not None


def wait_served(stage):
    """Until the agent has accepted all that came before."""
    stage.local().ask(pb.Request(local_status=pb.LocalStatus()))
    time.sleep(0.05)
    stage.local().ask(pb.Request(local_status=pb.LocalStatus()))
