# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Echo server: echo.py ADDR PORT. "abort" is answered, but what follows it is not read: the
kernel ends such a connection with RST. After "later" and the client's FIN it says "the rest" when
another connection has said "now"."""
import socket
import sys
import threading


now = threading.Event()


def serve(connection):
    with connection:
        while True:
            data = connection.recv(64)
            if not data:
                return
            connection.sendall(data)
            if data == b"later":
                assert connection.recv(1) == b""
                now.wait()
                connection.sendall(b"the rest")
                return
            if data == b"now":
                now.set()
            if data == b"abort":
                connection.recv(1, socket.MSG_PEEK)
                return


addr, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in addr else socket.AF_INET
with socket.create_server((addr, port), family=family, backlog=64) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
