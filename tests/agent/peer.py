# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A host that talks to the agent: TLS by Python's ssl, messages by Google's protobuf. Shares
nothing with what it talks to but control.proto."""
import contextlib
import itertools
import os
import socket
import ssl
import struct
import sys

from lab import AGENT_PORT, TOP, Failed

sys.path.insert(0, str(TOP / "build/tests/agent"))
import control_pb2 as pb

IDS = itertools.count(1)
HEAD = struct.Struct("!I")
FRAME_MAX = 16 * 1024


def packed(addr):
    return socket.inet_pton(socket.AF_INET6 if ":" in addr else socket.AF_INET, addr)


def endpoint(at):
    """(address, port) as a message."""
    return pb.Endpoint(addr=packed(at[0]), port=at[1])


def flows(ends):
    """[(address, port), ...] as messages, in the one order that is right."""
    by_addr = {}
    for addr, port in ends:
        by_addr.setdefault(packed(addr), set()).add(port)
    ordered = sorted(by_addr.items(), key=lambda item: (len(item[0]), item[0]))
    return [pb.Flows(addr=addr, ports=sorted(ports)) for addr, ports in ordered]


def sequences(images):
    """{(address, port): (rcv_nxt, snd_una, snd_nxt), ...} as messages, in the right order."""
    made = []
    for group in flows(images):
        addr = socket.inet_ntop(socket.AF_INET if len(group.addr) == 4 else socket.AF_INET6,
                                group.addr)
        columns = zip(*(images[addr, port] for port in group.ports))
        rcv_nxt, snd_una, snd_nxt = [list(column) for column in columns]
        made.append(pb.Sequences(addr=group.addr, ports=group.ports, rcv_nxt=rcv_nxt,
                                 snd_una=snd_una, snd_nxt=snd_nxt))
    return made


def text_of(at):
    """(address, port) as the program writes it."""
    return f"[{at[0]}]:{at[1]}" if ":" in at[0] else f"{at[0]}:{at[1]}"


def frame(payload):
    return HEAD.pack(len(payload)) + payload


def context(certs, name, version=ssl.TLSVersion.TLSv1_3, weak=False):
    """Of a host with this certificate (None: with none); the agent must be our CA's."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if weak:
        made.set_ciphers("DEFAULT:@SECLEVEL=0")
    made.minimum_version = made.maximum_version = version
    made.load_verify_locations(certs.path("ca.crt"))
    if name:
        made.load_cert_chain(certs.path(f"{name}.crt"), certs.path(f"{name}.key"))
    return made


def dial(host, version=4, source=None, client_addr=None):
    """A TCP connection from a host to the agent."""
    sock = host.socket(version)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind((source or host.addr(version), 0))
    sock.connect((client_addr or f"{'10.9.0.1' if version == 4 else 'fd09::1'}", AGENT_PORT))
    return sock


class Closed(Exception):
    """The agent has closed the connection; .alert is what TLS said, or ''."""

    def __init__(self, alert=""):
        super().__init__(f"closed by the agent{': ' if alert else ''}{alert}")
        self.alert = alert


def alert_of(error):
    """'unknown_ca' of an error of Python's; '' if it is none of TLS."""
    reason = getattr(error, "reason", None) or ""
    return reason.split("ALERT_", 1)[1].lower() if "ALERT_" in reason else ""


class Link:
    """Frames over a stream."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, data):
        """What cannot be sent any more is seen when the answer is read."""
        with contextlib.suppress(OSError):
            self.sock.sendall(data)

    def read(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.sock.recv(size - len(data))
            except socket.timeout as error:
                raise Failed("no answer, and not closed") from error
            except (ssl.SSLError, OSError) as error:
                raise Closed(alert_of(error)) from error
            if not part:
                raise Closed()
            data += part
        return data

    def answer(self):
        """The next one, as a message."""
        size = HEAD.unpack(self.read(HEAD.size))[0]
        if not 1 <= size <= FRAME_MAX:
            raise Failed(f"an answer of {size} bytes")
        return pb.Answer.FromString(self.read(size))

    def ask(self, request):
        """Send it, and wait for its answer, which must be its own."""
        request.id = next(IDS)
        self.send(frame(request.SerializeToString()))
        answer = self.answer()
        if answer.id != request.id:
            raise Failed(f"answer {answer.id} to request {request.id}")
        return answer

    def hello(self):
        said = self.ask(pb.Request(hello=pb.Hello(version=2, software="deny.py")))
        if said.result != pb.OK or said.version != 2:
            raise Failed(f"HELLO: {said}")
        return said

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()

    def is_closed(self, seconds=3):
        """Has the agent closed it, or does so within this time? What it says first is left."""
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(4096):
                pass
        except (socket.timeout, ssl.SSLWantReadError):
            return False
        except (ssl.SSLError, OSError):
            pass
        return True


    def read_all(self):
        """What comes until the agent closes it."""
        data = b""
        while True:
            try:
                part = self.sock.recv(4096)
            except socket.timeout as error:
                raise Failed("expected that the connection is closed") from error
            except OSError:
                return data
            if not part:
                return data
            data += part


class Peer(Link):
    """A host, connected by TLS. Without hello: it has said nothing yet."""

    def __init__(self, host, tls, version=4, source=None, hello=True, session=None):
        sock = dial(host, version, source)
        try:
            super().__init__(tls.wrap_socket(
                sock, server_hostname="10.9.0.1" if version == 4 else "fd09::1", session=session))
        except (ssl.SSLError, OSError) as error:
            sock.close()
            if isinstance(error, ssl.SSLCertVerificationError):
                raise
            raise Closed(alert_of(error)) from error
        self.from_addr = source or host.addr(version)
        if hello:
            try:
                self.hello()
            except Closed:
                self.close()
                raise


class Local(Link):
    """A command on the client, by the control socket. user: with whose rights it connects."""

    def __init__(self, client, user=0):
        here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(3)
        os.chdir(client.root / "run/tcpmig")  # others than root cannot come by this way
        try:
            if user:
                os.seteuid(user)
            sock.connect("agent.sock")
        except OSError:
            sock.close()
            raise
        finally:
            os.seteuid(0)
            os.fchdir(here)
            os.close(here)
        super().__init__(sock)
