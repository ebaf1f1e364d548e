# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Connections in the states between established and closed, and with full queues, kept there.

halfclosed.py serve ADDRESS PORT
halfclosed.py hold ADDRESS PORT SECONDS [COPIES]

hold brings the server's sockets into every state of STATES, prints "ready", and after SECONDS, or at
SIGTERM, asks the server whether they still are in it. Then both sides send some more where they
still may, read all, and compare. It prints a JSON line and exits 0 only if all was right.
"""
import json
import os
import random
import select
import signal
import socket
import sys
import time

LIMIT_S = float(os.environ.get("LIMIT_S", 10))
MORE = 1000
PATTERN_BYTES = 65521
# What the server's socket is in, as TCP_INFO numbers it. In all but the last three the server has
# filled its send queue, and the client its own: nobody reads.
STATES = {"full": 1, "fin_wait1": 4, "closing": 11, "last_ack": 9,
          "fin_wait2": 5, "close_wait": 8, "idle": 1}
FILLED = ("full", "fin_wait1", "closing", "last_ack")
ENDED_BY_CLIENT = ("closing", "last_ack", "close_wait")


def tcp_state(end):
    return end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


class Stream:
    """One direction of a connection: what is sent, or received and compared."""

    def __init__(self, seed):
        self.pattern = random.Random(seed).randbytes(PATTERN_BYTES) * 2
        self.count = 0
        self.right = True

    def next(self, length):
        at = self.count % PATTERN_BYTES
        return self.pattern[at:at + min(length, PATTERN_BYTES)]

    def send(self, end, length):
        """Bytes taken by the socket, 0 if it is full."""
        try:
            done = end.send(self.next(length))
        except BlockingIOError:
            return 0
        self.count += done
        return done

    def check(self, piece):
        for at in range(0, len(piece), PATTERN_BYTES):
            part = piece[at:at + PATTERN_BYTES]
            self.right = self.right and part == self.next(len(part))
            self.count += len(part)


class Peer:
    """One connection of either side."""

    def __init__(self, end, role, number, is_server):
        self.end, self.role, self.number = end, role, number
        end.setblocking(False)
        down, up = Stream("down %s %d" % (role, number)), Stream("up %s %d" % (role, number))
        self.sends, self.receives = (down, up) if is_server else (up, down)
        self.progress = time.monotonic()
        self.shut = self.seen_end = False
        self.left = MORE

    def fill(self):
        """Has it been full for a while?"""
        while self.sends.send(self.end, 65536):
            self.progress = time.monotonic()
        return time.monotonic() - self.progress > 0.3

    def shut_down(self):
        if not self.shut:
            self.end.shutdown(socket.SHUT_WR)
            self.shut = True

    def finish(self):
        """Sends the rest, reads all. True when both have ended."""
        while not self.shut and self.left and (done := self.sends.send(self.end, self.left)):
            self.left -= done
        if not self.left:
            self.shut_down()
        try:
            while not self.seen_end and (piece := self.end.recv(65536)):
                self.receives.check(piece)
            self.seen_end = True
        except BlockingIOError:
            pass
        return self.shut and self.seen_end


# The server: says nothing but what its orders ask, and reads nothing before the last.


class Server:
    def __init__(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listening = socket.create_server((address, port), family=family)
        self.listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # soon full
        self.peers, self.controls, self.finishing = [], [], False

    def accept(self):
        end, _ = self.listening.accept()
        end.settimeout(LIMIT_S)
        word = b""
        while not word.endswith(b"\n"):
            word += end.recv(1)
        if word == b"control\n":
            self.controls.append(end)
        else:
            role, number = word.decode().split()
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            self.peers.append(Peer(end, role, int(number), True))

    def hold(self, peer):
        """Brings it to its state, as far as that is the server's to do."""
        full = peer.role not in FILLED or peer.shut or peer.fill()
        if peer.role == "fin_wait2" or peer.role in ("fin_wait1", "closing") and full:
            peer.shut_down()
        if peer.role == "last_ack" and full and tcp_state(peer.end) == STATES["close_wait"]:
            peer.shut_down()

    def order(self, control):
        word = control.recv(100)
        if not word:
            self.controls.remove(control)
            return control.close()
        if word == b"go\n":
            self.finishing = True
        said = [{"role": p.role, "number": p.number, "state": tcp_state(p.end), "sent": p.sends.count,
                 "received": p.receives.count, "right": p.receives.right,
                 "ended": self.finishing and p.shut and p.seen_end} for p in self.peers]
        control.sendall(json.dumps(said).encode() + b"\n")

    def step(self):
        ready, _, _ = select.select([self.listening] + self.controls, [], [], 0.02)
        for end in ready:
            self.accept() if end is self.listening else self.order(end)
        for peer in self.peers:
            peer.finish() if self.finishing else self.hold(peer)


# The client.


class Client:
    def __init__(self, address, port, copies):
        self.at = (address, port)
        self.control = self.connect(b"control\n", None)
        self.answers = self.control.makefile("rb")
        self.peers = [Peer(self.connect(b"%s %d\n" % (role.encode(), n), 16384), role, n, False)
                      for role in STATES for n in range(copies)]

    def connect(self, word, buffer_bytes):
        end = socket.socket(socket.AF_INET6 if ":" in self.at[0] else socket.AF_INET)
        end.settimeout(LIMIT_S)
        if buffer_bytes:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        end.connect(self.at)
        end.sendall(word)
        return end

    def ask(self, word):
        self.control.sendall(word)
        return {(p["role"], p["number"]): p for p in json.loads(self.answers.readline())}

    def wrong_states(self):
        """Of the server's sockets, as it says: those that are not as they shall be."""
        said = self.ask(b"states\n")
        return [(p.role, said.get((p.role, p.number), {}).get("state")) for p in self.peers
                if said.get((p.role, p.number), {}).get("state") != STATES[p.role]]

    def hold(self):
        """Brings all to their state, as far as that is the client's to do."""
        full = True
        said = self.ask(b"states\n")
        for peer in self.peers:
            if peer.role == "full":
                full = peer.fill() and full
            elif not peer.sends.count and not peer.shut:
                peer.sends.send(peer.end, MORE)
            state = said.get((peer.role, peer.number), {}).get("state")
            if peer.role in ENDED_BY_CLIENT and (peer.role != "closing" or state == STATES["fin_wait1"]):
                peer.shut_down()
        return full and not self.wrong_states()

    def finish(self):
        self.ask(b"go\n")
        ended = [peer.finish() for peer in self.peers]
        return all(ended) and all(p["ended"] for p in self.ask(b"states\n").values())

    def differences(self):
        said = self.ask(b"states\n")
        for peer in self.peers:
            other = said[peer.role, peer.number]
            if not (peer.receives.right and other["right"] and other["sent"] == peer.receives.count
                    and other["received"] == peer.sends.count):
                yield "%s: sent %d, received %d, the server: %s" % (
                    peer.role, peer.sends.count, peer.receives.count, other)


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("not within %g s: %s" % (seconds, what()))
        time.sleep(0.02)


def hold(address, port, seconds, copies=1):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    client = Client(address, int(port), int(copies))
    until(client.hold, LIMIT_S, client.wrong_states)
    print("ready", flush=True)
    end = time.monotonic() + float(seconds)
    while not stop and time.monotonic() < end:
        time.sleep(0.02)
    if wrong := client.wrong_states():
        sys.exit("no more in their states: %s" % wrong)
    until(client.finish, LIMIT_S, lambda: client.ask(b"states\n"))
    if wrong := list(client.differences()):
        sys.exit("\n".join(wrong))
    print(json.dumps({"result": "ok", "connections": len(client.peers) + 1,
                      "bytes": sum(p.sends.count + p.receives.count for p in client.peers)}))


def serve(address, port):
    server = Server(address, int(port))
    while True:
        server.step()


if __name__ == "__main__":
    {"serve": serve, "hold": hold}[sys.argv[1]](*sys.argv[2:])
