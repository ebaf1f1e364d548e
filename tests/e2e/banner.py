#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A server that speaks first, and clients that know what it must say.

banner.py serve ADDR PORT
banner.py talk OLD NEW     ROUNDS connections to each, from two addresses, by the same ports

On accept the server says who its peer is; then it sends back what it gets.
"""
import selectors
import socket
import sys

ROUNDS = 40
CLIENTS = "10.9.0.1", "10.9.0.11"
FIRST_PORT = 42000


def serve(addr, port):
    listener = socket.create_server((addr, int(port)), backlog=1024)
    select = selectors.DefaultSelector()
    select.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in select.select():
            if key.fileobj is listener:
                sock, peer = listener.accept()
                sock.sendall(f"{peer[0]}:{peer[1]}\n".encode())
                select.register(sock, selectors.EVENT_READ)
                continue
            data = key.fileobj.recv(4096)
            if data:
                key.fileobj.sendall(data)
            else:
                select.unregister(key.fileobj)
                key.fileobj.close()


def dial(local, remote):
    host, port = remote.split(":")
    sock = socket.socket()
    sock.settimeout(5)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(local)
    sock.connect((host, int(port)))
    return sock


def expect(sock, text):
    got = b""
    while len(got) < len(text):
        part = sock.recv(4096)
        assert part, f"{sock}: ended"
        got += part
    assert got == text, f"{sock}: expected {text}, got {got}"


def talk(old, new):
    ends = []
    for i in range(ROUNDS):
        for client in CLIENTS:  # the same port from both; another one for the direct one
            ends.append(((client, FIRST_PORT + i), old))
            ends.append(((client, FIRST_PORT + ROUNDS + i), new))
    socks = [(local, remote, dial(local, remote)) for local, remote in ends]
    for local, remote, sock in socks:
        assert "%s:%d" % sock.getpeername() == remote
        expect(sock, b"%s:%d\n" % (local[0].encode(), local[1]))
    for local, remote, sock in socks:
        sock.sendall(f"{local} {remote}".encode())
    for local, remote, sock in socks:
        expect(sock, f"{local} {remote}".encode())


if __name__ == "__main__":
    {"serve": serve, "talk": talk}[sys.argv[1]](*sys.argv[2:])
