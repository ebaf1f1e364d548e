# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Connections of the client to OLD, with their server; and a server's half, carried to another
host by TCP_REPAIR as CRIU does it."""
import contextlib
import fcntl
import os
import socket
import struct

from lab import Failed

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_REPAIR_OPTIONS = 19, 20, 21, 22
TCP_TIMESTAMP, TCP_REPAIR_WINDOW = 24, 29
RECV_QUEUE, SEND_QUEUE = 1, 2
REPAIR_OFF_SILENTLY = -1
SIOCOUTQ, SIOCOUTQNSD = 0x5411, 0x894B
MASK = 0xFFFFFFFF
MAPPED = "::ffff:"
OPT_MSS, OPT_WINDOW, OPT_SACK_PERM, OPT_TIMESTAMP = 2, 3, 4, 8
# Of struct tcp_info
INFO_TIMESTAMPS, INFO_SACK, INFO_WSCALE = 1, 2, 4


def listen(host, at):
    sock = host.socket(6 if ":" in at[0] else 4)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(at)
    sock.listen(16)
    return sock


def numbers(sock):
    """Where the socket stands, as an image would have it: rcv_nxt, snd_una, snd_nxt."""
    level, seq = socket.IPPROTO_TCP, {}
    sock.setsockopt(level, TCP_REPAIR, 1)
    for queue in (RECV_QUEUE, SEND_QUEUE):
        sock.setsockopt(level, TCP_REPAIR_QUEUE, queue)
        seq[queue] = sock.getsockopt(level, TCP_QUEUE_SEQ) & MASK
    unacked, unsent = [struct.unpack("=i", fcntl.ioctl(sock, what, bytes(4)))[0]
                       for what in (SIOCOUTQ, SIOCOUTQNSD)]
    sock.setsockopt(level, TCP_REPAIR, REPAIR_OFF_SILENTLY)
    return seq[RECV_QUEUE], (seq[SEND_QUEUE] - unacked) & MASK, (seq[SEND_QUEUE] - unsent) & MASK


class Half:
    """The server's half of a connection, taken out of its host."""

    def __init__(self, sock):
        """sock is gone from its host afterwards, without a packet."""
        level = socket.IPPROTO_TCP
        sock.setsockopt(level, TCP_REPAIR, 1)
        self.peer = sock.getpeername()[:2]
        self.seq = {}
        for queue in (RECV_QUEUE, SEND_QUEUE):
            sock.setsockopt(level, TCP_REPAIR_QUEUE, queue)
            self.seq[queue] = sock.getsockopt(level, TCP_QUEUE_SEQ) & 0xFFFFFFFF
        info = sock.getsockopt(level, socket.TCP_INFO, 8)
        self.options, self.wscale = info[5], info[6]
        self.mss = sock.getsockopt(level, socket.TCP_MAXSEG)
        self.clock = sock.getsockopt(level, TCP_TIMESTAMP) & 0xFFFFFFFF
        self.window = sock.getsockopt(level, TCP_REPAIR_WINDOW, 20)
        sock.close()

    def restore(self, host, at, off=0):
        """At (address, port) of host. off: how repair is ended: with a window probe or without."""
        level = socket.IPPROTO_TCP
        sock = host.socket(6 if ":" in at[0] else 4)
        sock.setsockopt(level, TCP_REPAIR, 1)  # also lets it bind where others are
        sock.bind(at)
        for queue in (RECV_QUEUE, SEND_QUEUE):
            sock.setsockopt(level, TCP_REPAIR_QUEUE, queue)
            sock.setsockopt(level, TCP_QUEUE_SEQ, struct.pack("=I", self.seq[queue]))
        sock.connect(self.peer)
        options = [(OPT_MSS, self.mss)]
        if self.options & INFO_WSCALE:
            options.append((OPT_WINDOW, self.wscale & 15 | self.wscale >> 4 << 16))
        if self.options & INFO_SACK:
            options.append((OPT_SACK_PERM, 0))
        if self.options & INFO_TIMESTAMPS:
            options.append((OPT_TIMESTAMP, 0))
        sock.setsockopt(level, TCP_REPAIR_OPTIONS,
                        b"".join(struct.pack("=II", *option) for option in options))
        if self.options & INFO_TIMESTAMPS:
            sock.setsockopt(level, TCP_TIMESTAMP, struct.pack("=I", self.clock))
        sock.setsockopt(level, TCP_REPAIR_WINDOW, self.window)
        sock.setsockopt(level, TCP_REPAIR, off)
        sock.setsockopt(level, socket.TCP_NODELAY, 1)
        return sock


class Service:
    """OLD on a host, with some connections of the client. Stays open to the end of all cases: a
    connection that ends removes its entries when it likes."""

    def __init__(self, client, host, port, version=4, connections=1):
        self.version = version
        self.old = (host.addr(version), port)
        self.host = host
        self.client = client
        self.clients, self.servers = [], []
        self.connect(connections)

    def connect(self, connections, mapped=False, device=None):
        """So many more, to OLD itself; mapped: by IPv6 sockets to an IPv4 OLD; bound to device."""
        listener = listen(self.host, self.old)
        for _ in range(connections):
            sock = self.client.socket(6 if mapped else self.version)
            if device:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            sock.connect((MAPPED + self.old[0], self.old[1]) if mapped else self.old)
            self.clients.append(sock)
            self.servers.append(listener.accept()[0])
        listener.close()
        for sock in self.clients + self.servers:
            sock.settimeout(3)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.echo()

    def ends(self):
        """Of the client: [(address, port), ...]"""
        names = [sock.getsockname()[:2] for sock in self.clients]
        return [(addr.removeprefix(MAPPED), port) for addr, port in names]

    def images(self):
        """Where the server's halves stand: {client's end: numbers()}."""
        return {sock.getpeername()[:2]: numbers(sock) for sock in self.servers}

    def echo(self):
        """Bytes there and back, on each connection."""
        for client, server in zip(self.clients, self.servers):
            talk(client, server)
            talk(server, client)

    def is_held(self, seconds=0.15):
        """Does nothing that the client says come through for so long? What it has said comes later,
        and is to be taken by then with take_held()."""
        self.clients[0].sendall(b"held")
        self.servers[0].settimeout(seconds)
        try:
            self.servers[0].recv(1, socket.MSG_PEEK)
        except socket.timeout:
            return True
        finally:
            self.servers[0].settimeout(3)
        return False

    def take_held(self):
        """What is_held() has sent has come through after all."""
        got = b""
        while len(got) < 4:
            part = self.servers[0].recv(4 - len(got))
            if not part:
                raise Failed("the connection was closed by the client's side")
            got += part
        if got != b"held":
            raise Failed(f"expected what was held, got {got}")

    def carry(self, host, at):
        """The server's halves to (address, port) of host; between ARM and GO."""
        halves = [Half(sock) for sock in self.servers]
        self.servers = [half.restore(host, at) for half in halves]
        for sock in self.servers:
            sock.settimeout(3)
        self.host = host


def talk(one, other):
    data = os.urandom(24)
    one.sendall(data)
    got = b""
    while len(got) < len(data):
        with contextlib.suppress(InterruptedError):
            try:
                part = other.recv(len(data) - len(got))
            except socket.timeout as error:
                raise Failed(f"the client's connection is stuck: {one} -> {other}") from error
            if not part:
                raise Failed("the client's connection has ended")
            got += part
    if got != data:
        raise Failed(f"the client's connection carries {got}, expected {data}")
