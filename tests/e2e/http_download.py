# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One HTTP connection: downloads a file slowly enough to take SECONDS, then a small one.

Usage: http_download.py ADDRESS PORT PATH SHA256 SECONDS. Prints "ready" when it has begun, one JSON
line at the end. Exits 0 only if every byte is right and nothing took longer than 10 s.
"""
import hashlib
import json
import os
import socket
import sys
import time

LIMIT_S = float(os.environ.get("LIMIT_S", 10))


class Connection:
    def __init__(self, address, port):
        self.socket = socket.create_connection((address, port), timeout=LIMIT_S)
        self.buffered = b""
        self.slowest_ms = 0.0

    def receive(self, limit=65536):
        if self.buffered:
            piece, self.buffered = self.buffered[:limit], self.buffered[limit:]
            return piece
        start = time.monotonic()
        piece = self.socket.recv(limit)
        self.slowest_ms = max(self.slowest_ms, 1000 * (time.monotonic() - start))
        if not piece:
            sys.exit("the connection has ended too early")
        return piece

    def head(self, method, path):
        """The length that the server announces."""
        self.socket.sendall(b"%s %s HTTP/1.1\r\nHost: test\r\n\r\n" % (method, path.encode()))
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.receive()
        head, _, self.buffered = head.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        if not lines[0].startswith(b"http/1.1 200 "):
            sys.exit("the server says %r" % lines[0])
        return [int(line[15:]) for line in lines if line.startswith(b"content-length:")][0]


def main(address, port, path, sha256, seconds):
    connection = Connection(address, int(port))
    length = connection.head(b"GET", path)
    digest = hashlib.sha256()
    start = time.monotonic()
    done = 0
    print("ready", flush=True)
    while done < length:
        ahead_s = done / length * float(seconds) - (time.monotonic() - start)
        if ahead_s > 0:
            time.sleep(ahead_s)
        piece = connection.receive(min(length - done, 65536))
        digest.update(piece)
        done += len(piece)
    if digest.hexdigest() != sha256:
        sys.exit("%d bytes are not what they should be" % length)
    if connection.head(b"HEAD", path) != length or connection.buffered:
        sys.exit("the next answer on this connection is wrong")
    print(json.dumps({"result": "ok", "bytes": done, "slowest_ms": round(connection.slowest_ms, 1)}))


main(*sys.argv[1:])
