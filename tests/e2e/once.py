# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients of echo.py through a redirect: once.py HOW ADDR...

close, reset, abort, half, wait: connect to port 5000 of each ADDR, talk, and end so: by FIN,
by RST, by an RST of the server, by FIN while the server has something to say, never. clash OLD NEW: to port 6000 of NEW, then from the same
port to port 5000 of OLD; overtake OLD NEW: the other way round. Both print how that went."""
import socket
import struct
import sys
import time


def ask(connection, word):
    connection.sendall(word)
    answer = connection.recv(64)
    assert answer == word, answer


def talk(how, addr):
    connection = socket.create_connection((addr, 5000), timeout=5)
    ask(connection, b"hello")
    if how == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if how == "abort":
        ask(connection, b"abort")
        connection.sendall(b"never read")
        try:
            assert connection.recv(1) != b"", "FIN"
        except ConnectionResetError:
            pass
    if how == "wait":
        return connection
    if how == "half":
        ask(connection, b"later")
        connection.settimeout(15)
        connection.shutdown(socket.SHUT_WR)
        print(connection.recv(64).decode())
        assert connection.recv(1) == b""
    if how == "close":
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    connection.close()


def reusable(addr):
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    connection = socket.socket(family)
    connection.settimeout(5)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return connection


def clash(old, new):
    direct = reusable(new)
    direct.connect((new, 6000))
    ask(direct, b"hello")
    later = reusable(old)
    later.bind(direct.getsockname())
    try:
        later.connect((old, 5000))
    except ConnectionRefusedError:
        ask(direct, b"still there")
        print("refused")
        return
    print("connected")


def overtake(old, new):
    first = reusable(old)
    first.connect((old, 5000))
    ask(first, b"hello")
    direct = reusable(new)
    direct.bind(first.getsockname())
    start = time.monotonic()
    try:
        direct.connect((new, 6000))
    except ConnectionRefusedError:
        ask(first, b"still there")
        print("refused" if time.monotonic() - start < 0.9 else "refused late")
        return
    print("connected")


how, addrs = sys.argv[1], sys.argv[2:]
if how == "clash":
    clash(*addrs)
elif how == "overtake":
    overtake(*addrs)
else:
    open_ones = [talk(how, addr) for addr in addrs]
    if how == "wait":
        time.sleep(15)
