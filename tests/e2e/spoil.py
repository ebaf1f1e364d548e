# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Between clients and a server: spoils one byte, once, to see that who should find it does.

Usage: spoil.py ADDRESS PORT SERVER_ADDRESS SERVER_PORT WHAT down|up AT
WHAT: nothing, lose, double, change (the byte at AT of the first connection that gets there, on its
way to the client or up to the server), reset (both ends there), stall (never more from there on).
"""
import socket
import sys
import threading

once = threading.Lock()


def reset(*ends):
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        end.shutdown(socket.SHUT_RD)  # wakes who waits there
        end.close()


def spoiled(piece, at, what):
    if what == "lose":
        return piece[:at] + piece[at + 1:]
    if what == "double":
        return piece[:at + 1] + piece[at:]
    return piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1:]


def pump(source, sink, was_reset, what, at):
    """Until it has ended, or has been spoiled for good."""
    done = 0
    try:
        while piece := source.recv(65536):
            if done <= at < done + len(piece) and what and once.acquire(blocking=False):
                if what == "stall":
                    return
                if what == "reset":
                    was_reset.set()
                    return reset(source, sink)
                piece = spoiled(piece, at - done, what)
            done += len(piece)
            sink.sendall(piece)
        if not was_reset.is_set():
            sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def main(address, port, server_address, server_port, what, way, at):
    what = None if what == "nothing" else what
    listening = socket.create_server((address, int(port)), backlog=1024)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # keeps little to itself
    while True:
        client, _ = listening.accept()
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        server.connect((server_address, int(server_port)))
        was_reset = threading.Event()
        for source, sink, here in (client, server, "up"), (server, client, "down"):
            threading.Thread(target=pump, daemon=True, args=(
                source, sink, was_reset, what if here == way else None, int(at))).start()


main(*sys.argv[1:])
