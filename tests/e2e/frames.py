#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ethernet frames with VLAN tags: sends one TCP packet, or shows one as it arrives.

frames.py send IFACE DEST_MAC TAGS SRC DST     TAGS: "", "8100:7", "88a8:5,8100:7"
frames.py show IFACE PORT SECONDS              prints "ready", then what came

Addresses are ADDR:PORT or [V6]:PORT. `show` sees packets before the tc hooks of IFACE, with
the tag that the kernel has put beside the frame, and checks all sums.
"""
import select
import socket
import struct
import sys
import time

IP4, IP6, VLAN, QINQ = 0x0800, 0x86DD, 0x8100, 0x88A8
ALL = 3
SOL_PACKET, PACKET_AUXDATA, VLAN_VALID, TPID_VALID = 263, 8, 0x10, 0x40


def checksum(data):
    """Of @data, its own checksum field included: 0 means that it is right."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def endpoint(text):
    """("10.9.0.1:5000") -> family, address bytes, port."""
    addr, port = text.rsplit(":", 1)
    family = socket.AF_INET6 if addr.startswith("[") else socket.AF_INET
    return family, socket.inet_pton(family, addr.strip("[]")), int(port)


def packet(src, dst):
    """A TCP segment with some data, all sums made here. -> ether type, bytes"""
    family, saddr, sport = endpoint(src)
    _, daddr, dport = endpoint(dst)
    data = b"tagged"
    tcp = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 5 << 4, 0x18, 1000, 0, 0) + data
    pseudo = saddr + daddr + struct.pack("!II", len(tcp), socket.IPPROTO_TCP)
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    if family == socket.AF_INET6:
        return IP6, struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + saddr + daddr + tcp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0) + saddr + daddr
    return IP4, head[:10] + struct.pack("!H", checksum(head)) + head[12:] + tcp


def send(iface, mac, tags, src, dst):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((iface, 0))
        frame = bytes.fromhex(mac.replace(":", "")) + sock.getsockname()[4]
        for tag in filter(None, tags.split(",")):
            proto, vlan = tag.split(":")
            frame += struct.pack("!HH", int(proto, 16), int(vlan))
        proto, data = packet(src, dst)
        sock.send(frame + struct.pack("!H", proto) + data)


def tags_of(frame, beside):
    """-> tags as text, ether type, payload"""
    tags, at = list(beside), 12
    (proto,) = struct.unpack_from("!H", frame, at)
    while proto in (VLAN, QINQ):
        tci, inner = struct.unpack_from("!HH", frame, at + 2)
        tags.append(f"{proto:x}:{tci & 0xFFF}")
        proto, at = inner, at + 4
    return ",".join(tags), proto, frame[at + 2:]


def describe(frame, beside, port):
    """-> a line about a TCP packet of which one end has @port, or None"""
    tags, proto, data = tags_of(frame, beside)
    if proto == IP4 and data[9] == 6:
        data = data[:struct.unpack_from("!H", data, 2)[0]]
        saddr, daddr, tcp, name = data[12:16], data[16:20], data[(data[0] & 15) * 4:], "{}:{}"
        head_ok = checksum(data[:(data[0] & 15) * 4]) == 0
    elif proto == IP6 and data[6] == 6:
        data = data[:40 + struct.unpack_from("!H", data, 4)[0]]
        saddr, daddr, tcp, name, head_ok = data[8:24], data[24:40], data[40:], "[{}]:{}", True
    else:
        return None
    ports = struct.unpack_from("!HH", tcp)
    if port not in ports:
        return None
    sums = checksum(saddr + daddr + struct.pack("!II", len(tcp), 6) + tcp) == 0 and head_ok
    family = socket.AF_INET if len(saddr) == 4 else socket.AF_INET6
    src, dst = (name.format(socket.inet_ntop(family, addr), number)
                for addr, number in zip((saddr, daddr), ports))
    return f"{src} > {dst} tags {tags or 'none'} sums {'right' if sums else 'wrong'}"


def show(iface, port, seconds):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    sock.bind((iface, ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    print("ready", flush=True)
    end = time.monotonic() + seconds
    while select.select([sock], [], [], max(0, end - time.monotonic()))[0]:
        frame, control, _, address = sock.recvmsg(4096, 256)
        beside = []
        for _, _, aux in control:
            status, _, _, _, _, tci, tpid = struct.unpack_from("=IIIHHHH", aux)
            if status & VLAN_VALID:
                beside = [f"{tpid if status & TPID_VALID else VLAN:x}:{tci & 0xFFF}"]
        line = describe(frame, beside, port)
        if line and address[2] != socket.PACKET_OUTGOING:
            print(line)
            return
    sys.exit("nothing came")


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(*sys.argv[2:])
    else:
        show(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
