# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""paced.py serve ADDR PORT: reads what comes. SIGUSR1: it closes its side of the connections
whose clients have begun with "close".
paced.py talk ADDR PORT N BYTES MS: N connections, on each so many bytes (0: none) every so many ms,
for 60 s at most. SIGUSR1: one byte on each.
paced.py states ADDR PORT: one connection for each thing that an image may have to say; then it says
"ready", and keeps them for 60 s."""
import selectors
import signal
import socket
import sys
import time

ADDR, PORT = sys.argv[2], int(sys.argv[3])
FAMILY = socket.AF_INET6 if ":" in ADDR else socket.AF_INET
WORD = 5  # bytes with which a connection may begin
KEPT = []


def serve():
    selector, to_close = selectors.DefaultSelector(), []

    def close(*_):
        for sock in to_close:
            sock.shutdown(socket.SHUT_WR)

    signal.signal(signal.SIGUSR1, close)
    listener = socket.create_server((ADDR, PORT), family=FAMILY, backlog=2000)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ, WORD)
            else:
                answer(selector, key, to_close)


def answer(selector, key, to_close):
    sock = key.fileobj
    said = sock.recv(key.data)
    selector.modify(sock, selectors.EVENT_READ, 65536)
    if not said or said == b"leave":
        selector.unregister(sock)
        KEPT.append(sock)  # else it would be closed
    elif said == b"shut!":
        sock.shutdown(socket.SHUT_WR)
    elif said == b"close":
        to_close.append(sock)
    elif said == b"fill!":
        sock.setblocking(False)
        try:
            while True:
                sock.send(bytes(65536))
        except BlockingIOError:
            pass


def talk():
    count, size, pause = (int(word) for word in sys.argv[4:7])
    socks = [socket.create_connection((ADDR, PORT), timeout=60) for _ in range(count)]
    signal.signal(signal.SIGUSR1, lambda *_: [sock.sendall(b"1") for sock in socks])
    end, due = time.monotonic() + 60, time.monotonic()
    while time.monotonic() < end:
        for sock in socks if size else ():
            sock.sendall(bytes(size))
        due += pause / 1000
        time.sleep(max(0, due - time.monotonic()))


def states():
    def connection(*words):
        sock = socket.create_connection((ADDR, PORT), timeout=60)
        sock.sendall(b"".join(words))
        return sock

    socks = [connection(), connection(b"shut!"), connection(b"leave", bytes(5000)),
             connection(b"fill!"), connection(b"close"), connection(b"close")]
    for number in (2, 5):
        socks[number].shutdown(socket.SHUT_WR)
    print("ready", flush=True)
    time.sleep(60)


{"serve": serve, "talk": talk, "states": states}[sys.argv[1]]()
