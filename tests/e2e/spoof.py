# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One TCP segment that no socket sends: spoof.py ADDR PORT TO PORT FLAGS (letters of F, S, R,
P, A), with a sequence number that fits nothing. IPv4, checksum right. ADDR may be another
host's."""
import socket
import struct
import sys

addr, port, to, to_port, letters = sys.argv[1:]
flags = sum(1 << "FSRPA".index(letter) for letter in letters)


def tcp(check):
    return struct.pack("!HHIIBBHHH", int(port), int(to_port), 0x12345678, 0x9ABCDEF0, 5 << 4,
                       flags, 500, check, 0)


pseudo = socket.inet_aton(addr) + socket.inet_aton(to) + struct.pack("!BBH", 0, 6, 20)
words = struct.unpack("!16H", pseudo + tcp(0))
total = sum(words)
while total >> 16:
    total = (total & 0xFFFF) + (total >> 16)
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
    raw.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT
    raw.bind((addr, 0))
    raw.sendto(tcp(~total & 0xFFFF), (to, 0))
