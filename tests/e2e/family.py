# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A tree: a process with a child behind a socket pair and a thread behind queues.

Whoever connects gets one line: the PIDs of both, the thread's, and how often that was asked. It
comes only if child and thread have answered.
"""
import os
import queue
import socket
import sys
import threading

asked, answered = queue.Queue(), queue.Queue()
ours, theirs = socket.socketpair()


def be_child():
    ours.close()
    count = 0
    while theirs.recv(1):
        count += 1
        theirs.send(b"%d %d" % (os.getpid(), count))


def be_thread():
    while True:
        asked.get()
        answered.put(threading.get_native_id())


if not os.fork():
    be_child()
    sys.exit()
theirs.close()
threading.Thread(target=be_thread, daemon=True).start()
listener = socket.create_server(("", int(sys.argv[1])))
while True:
    peer, _ = listener.accept()
    asked.put(None)
    ours.send(b"?")
    child, count = ours.recv(64).split()
    peer.send(b"%d %s %d %s\n" % (os.getpid(), child, answered.get(), count))
    peer.close()
