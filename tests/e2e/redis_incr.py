# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""INCR over one connection to a redis server until SIGTERM: every answer is the next number.

Usage: redis_incr.py ADDRESS PORT SECONDS [DEPTH]: so many under way at once, 1 if not given.
Prints how many; exits 0 only if none is missing.
"""
import os
import signal
import socket
import sys
import time

stop = False


def on_term(*_):
    global stop
    stop = True


signal.signal(signal.SIGTERM, on_term)
depth = int(sys.argv[4]) if len(sys.argv) > 4 else 1
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(os.environ.get("LIMIT_S", 15)))
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
answers = connection.makefile("rb")
until = time.monotonic() + float(sys.argv[3])
asked = count = 0
while count < asked or not stop and time.monotonic() < until:
    if count + depth // 2 >= asked and not stop and time.monotonic() < until:
        connection.sendall(b"INCR counter\r\n" * (count + depth - asked))
        asked = count + depth
    answer = answers.readline()
    count += 1
    if answer != b":%d\r\n" % count:
        sys.exit("INCR %d was answered by %r" % (count, answer))
connection.sendall(b"GET counter\r\n")
answers.readline()
if int(answers.readline()) != count:
    sys.exit("the server has another count than %d" % count)
print(count)
