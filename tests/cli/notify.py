#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Listens as systemd does: notify.py SOCKET: each message as a line, with ; for newlines."""
import socket
import sys

address = sys.argv[1]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind("\0" + address[1:] if address.startswith("@") else address)
print("listening", flush=True)
while True:
    print(listener.recv(4096).decode().replace("\n", ";"), flush=True)
