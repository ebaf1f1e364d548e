# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A migrator that talks to a host daemon, step by step, so as no program of ours would. Shares
nothing with what it talks to but host.proto."""
import hashlib
import os
import pathlib
import ssl
import struct
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/agent"), str(TOP / "build/tests/host")]
import host_pb2 as pb
import peer as net
from lab import Failed
from peer import Closed

HOST_PORT = 7171
FRAME_MAX = 256 * 1024
PIECE = FRAME_MAX - 512
OLD = ("10.9.0.2", 5000)
NEXT = ("10.9.0.3", 5000)


def endpoint(at):
    return pb.Endpoint(addr=net.packed(at[0]), port=at[1])


def move(old=OLD, cur=None, next_at=NEXT):
    return pb.Move(old=endpoint(old), cur=endpoint(cur or old), next=endpoint(next_at))


def digest(name, data, size=None):
    return pb.ImageDigest(name=name, size=len(data) if size is None else size,
                          sha256=hashlib.sha256(data).digest())


def dial(host, source=None):
    """A TCP connection from a host of the lab to the daemon on B."""
    sock = host.socket()
    sock.settimeout(8)  # a restore takes its time on a busy machine
    sock.bind((source or host.addr(4), 0))
    sock.connect((NEXT[0], HOST_PORT))
    return sock


class HostLink(net.Link):
    """To the daemon on B by TLS; without hello it has said nothing yet."""

    def __init__(self, host, tls, hello=True):
        sock = dial(host)
        try:
            super().__init__(tls.wrap_socket(sock, server_hostname=NEXT[0]))
        except (ssl.SSLError, OSError) as error:
            sock.close()
            raise Closed(net.alert_of(error)) from error
        self.ids = 0
        if hello:
            self.hello()

    def answer(self):
        size = net.HEAD.unpack(self.read(net.HEAD.size))[0]
        if not 1 <= size <= FRAME_MAX:
            raise Failed(f"an answer of {size} bytes")
        return pb.Answer.FromString(self.read(size))

    def tell(self, request):
        """Without waiting for an answer."""
        self.ids += 1
        request.id = self.ids
        self.send(net.frame(request.SerializeToString()))

    def ask(self, request):
        self.tell(request)
        answer = self.answer()
        if answer.id != request.id:
            raise Failed(f"answer {answer.id} to request {request.id}: {answer}")
        return answer

    def hello(self, version=1):
        said = self.ask(pb.Request(hello=pb.Hello(version=version, software="refuse.py")))
        if said.result != pb.OK or said.version != 1:
            raise Failed(f"HELLO: {said}")
        return said

    def cut(self):
        """As when the machine is gone: an RST, without a word of TLS."""
        self.sock.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_LINGER, struct.pack("ii", 1, 0))
        net.socket.socket.close(self.sock)


class Sender:
    """One migration, as A drives it. Images: {name: content}."""

    STEPS = ["prepared", "ready", "sent", "restored", "running"]

    def __init__(self, link, source, lease_ms=5000, uuid=None, **prepare):
        self.link = link
        self.source = source  # stage.Source: what is moved
        self.images = dict(source.images)
        self.uuid = uuid or os.urandom(16)
        self.prepare = {"moves": [move()], "criu_version": "4.2.1", "image_bytes": 1 << 20,
                        "kernel_release": os.uname().release, "lease_ms": lease_ms,
                        "pids": source.pids, **prepare}

    def request(self, kind, **fields):
        return pb.Request(uuid=self.uuid, **{kind: getattr(pb, kind.capitalize())(**fields)})

    def ask(self, kind, **fields):
        return self.link.ask(self.request(kind, **fields))

    def tell(self, kind, **fields):
        self.link.tell(self.request(kind, **fields))

    def on(self, link):
        """The same migration, by another connection."""
        self.link = link
        return self

    def do_prepare(self, **but):
        return self.ask("prepare", **{**self.prepare, **but})

    def connections(self):
        ends = [pb.Connection(local=endpoint(NEXT), remote=endpoint(at), move=0)
                for at in self.source.clients]
        return self.ask("connections", connections=ends, listeners=[endpoint(NEXT)])

    def piece(self, name, data, offset=0):
        self.tell("image", name=name, offset=offset, data=data)

    def send_image(self, name, data):
        for offset in range(0, max(len(data), 1), PIECE):
            self.piece(name, data[offset:offset + PIECE], offset)

    def send_images(self, images=None):
        for name, data in (images or self.images).items():
            self.send_image(name, data)

    def restore(self, digests=None):
        return self.ask("restore", images=self.digests() if digests is None else digests)

    def digests(self):
        return [digest(name, data) for name, data in self.images.items()]

    def to(self, state):
        """Through all up to this one."""
        for step in self.STEPS[:self.STEPS.index(state) + 1]:
            {"prepared": self.to_prepared, "ready": lambda: expect(self.ask("ready")),
             "sent": self.send_images, "restored": lambda: expect(self.restore()),
             "running": lambda: expect(self.ask("commit"))}[step]()
        return self

    def to_prepared(self):
        expect(self.do_prepare())
        expect(self.connections())


def expect(answer, result="OK", *texts, state=None):
    """Return: the answer."""
    if pb.Result.Name(answer.result) != result:
        raise Failed(f"expected {result}, got {pb.Result.Name(answer.result)}: {answer.text}")
    for text in texts:
        if text not in answer.text:
            raise Failed(f"expected '{text}' in the answer's text, got '{answer.text}'")
    if (result == "OK") == bool(answer.text):
        raise Failed(f"{result} with the text '{answer.text}'")
    if state and pb.State.Name(answer.state) != state:
        raise Failed(f"expected the state {state}, got {pb.State.Name(answer.state)}")
    return answer
