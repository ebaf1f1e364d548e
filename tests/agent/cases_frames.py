# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bytes that are no message: each closes the connection, and says why in the log."""
import os

from lab import Failed
from peer import HEAD, Closed, endpoint, frame, packed, pb
from stage import case, expect, expect_ok


def reserve(stage):
    """RESERVE as it should be, of a migration that could begin."""
    move = stage.move()
    request = move.request("reserve", next=endpoint(move.next), max_ms=20000)
    request.id = 1
    return request


def closes(stage, payload, why):
    stage.expect_close(stage.connect("A"), frame(payload), why)


def field(number, kind, data):
    """A field as protobuf writes it; kind 0: a number, 2: bytes."""
    head = varint(number << 3 | kind)
    return head + (varint(data) if kind == 0 else varint(len(data)) + data)


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


@case("closed: a frame longer than a frame may be")
def oversize(stage):
    stage.expect_close(stage.connect("A"), HEAD.pack(16 * 1024 + 1) + bytes(100), "too long")
    stage.expect_close(stage.connect("A"), HEAD.pack(2 ** 32 - 1), "too long")
    padded = reserve(stage).SerializeToString().ljust(16 * 1024 + 1, b"\0")
    stage.expect_close(stage.connect("A"), frame(padded), "too long")


@case("closed: a frame of no bytes")
def zero(stage):
    request = frame(reserve(stage).SerializeToString())
    stage.expect_close(stage.connect("A"), HEAD.pack(0) + request, "empty")


@case("a frame that is cut off by the end of the connection does nothing")
def cut_off(stage):
    whole = frame(reserve(stage).SerializeToString())
    with stage.unchanged():
        for size in (1, 3, 4, 5, len(whole) - 1):
            with stage.unchanged():
                link = stage.connect("A")
                link.send(whole[:size])
                link.close()


@case("a frame in single bytes is a frame")
def in_pieces(stage):
    request = reserve(stage)
    link = stage.connect("A")
    whole = frame(request.SerializeToString())
    for i in range(len(whole) - 1):
        link.send(whole[i:i + 1])
    with stage.unchanged():
        pass
    link.send(whole[-1:])
    expect_ok(link.answer())
    link.close()


@case("closed: bytes behind the message")
def trailing(stage):
    good = reserve(stage).SerializeToString()
    with stage.unchanged():
        for more, why in ((b"\0", "damaged"), (b"\x0f", "damaged"), (good, "one way"),
                          (b"\xff" * 16, "damaged")):
            closes(stage, good + more, why)


@case("closed: half a message in a whole frame")
def half(stage):
    good = reserve(stage).SerializeToString()
    closes(stage, good[:-1], "damaged")
    closes(stage, good[:2], "no body")


@case("closed: a type of order that is not known, and none")
def unknown_body(stage):
    request = reserve(stage)
    request.ClearField("body")
    head = request.SerializeToString()
    closes(stage, head + field(21, 2, b""), "not known")
    closes(stage, head + field(99, 2, b"\1\2\3"), "not known")
    closes(stage, head, "no body")


@case("closed: a field that is not known, at the top and within")
def unknown_field(stage):
    request = reserve(stage)
    closes(stage, request.SerializeToString() + field(5, 0, 1), "not known")
    inner = request.reserve.SerializeToString() + field(5, 0, 1)
    request.ClearField("body")
    closes(stage, request.SerializeToString() + field(12, 2, inner), "not known")


@case("closed: two orders in one message")
def two_bodies(stage):
    request = reserve(stage)
    good = request.SerializeToString()
    closes(stage, good + field(19, 2, b""), "one way")
    request.ClearField("body")
    closes(stage, request.SerializeToString() + field(18, 2, b"") + good, "one way")


@case("closed: a field twice")
def twice(stage):
    request = reserve(stage)
    closes(stage, request.SerializeToString() + field(3, 0, 2), "one way")
    closes(stage, field(1, 0, 9) + request.SerializeToString(), "one way")


@case("closed: more than 1,024 flows")
def too_many_flows(stage):
    request = reserve(stage)
    request.reserve.flows.append(pb.Flows(addr=packed("10.9.0.1"), ports=range(1, 1026)))
    closes(stage, request.SerializeToString(), "more flows")
    request.reserve.flows[0].ports.pop()
    answer = expect_ok(stage.peer("A").ask(request))
    if answer.missing_count != 1024:
        raise Failed(f"{answer.missing_count} flows are missing; expected 1024")


@case("closed: flows out of order, twice, of another family, of no port, without address")
def bad_flows(stage):
    with stage.unchanged():
        for flows, why in ((pb.Flows(addr=packed("10.9.0.1"), ports=[2, 1]), "order"),
                           (pb.Flows(addr=packed("10.9.0.1"), ports=[2, 2]), "order"),
                           (pb.Flows(addr=packed("fd09::1"), ports=[1]), "family"),
                           (pb.Flows(addr=packed("10.9.0.1"), ports=[0]), "port"),
                           (pb.Flows(addr=packed("10.9.0.1"), ports=[65536]), "port"),
                           (pb.Flows(addr=packed("10.9.0.1")), "without flows"),
                           (pb.Flows(addr=b"", ports=[1]), "address")):
            request = reserve(stage)
            request.reserve.flows.append(flows)
            closes(stage, request.SerializeToString(), why)


@case("closed: port 0, and a port beyond 65535")
def bad_port(stage):
    with stage.unchanged():
        for port in (0, 65536, 2 ** 32 - 1):
            for which in ("old", "next"):
                request = reserve(stage)
                (request.old if which == "old" else request.reserve.next).port = port
                closes(stage, request.SerializeToString(), "port")


@case("closed: an address that has neither 4 nor 16 bytes, or IPv4 in 16")
def bad_address(stage):
    with stage.unchanged():
        for addr in (b"", b"\n", packed("10.9.0.2") + b"\0", bytes(15), bytes(17),
                     packed("::ffff:10.9.0.2")):
            request = reserve(stage)
            request.old.addr = addr
            closes(stage, request.SerializeToString(), "address")


@case("closed: an address that no host has")
def no_host(stage):
    with stage.unchanged():
        for addr in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"):
            request = reserve(stage)
            request.reserve.next.addr = packed(addr)
            closes(stage, request.SerializeToString(), "next is no address")


@case("closed: no OLD, no NEXT")
def no_endpoint(stage):
    request = reserve(stage)
    request.ClearField("old")
    closes(stage, request.SerializeToString(), "old is no address")
    request = reserve(stage)
    request.reserve.ClearField("next")
    closes(stage, request.SerializeToString(), "next is no address")


@case("closed: no UUID, one of another length, one of zeros")
def bad_uuid(stage):
    with stage.unchanged():
        for uuid in (b"", bytes(16), b"\1" * 15, b"\1" * 17):
            request = reserve(stage)
            request.uuid = uuid
            closes(stage, request.SerializeToString(), "uuid")


@case("closed: epoch 0")
def no_epoch(stage):
    request = reserve(stage)
    request.epoch = 0
    closes(stage, request.SerializeToString(), "epoch")


@case("closed: a hold for no time, and one of a kind that is not known")
def bad_hold(stage):
    move = stage.move().to("RESERVED")
    closes(stage, move.request("hold", max_ms=0).SerializeToString(), "duration")
    request = move.request("hold", max_ms=1000)
    inner = request.hold.SerializeToString() + field(2, 0, 7)
    request.ClearField("body")
    closes(stage, request.SerializeToString() + field(14, 2, inner), "mode")


@case("closed: a hash of a key that has not 32 bytes")
def bad_key(stage):
    request = reserve(stage)
    request.reserve.next_key_sha256 = bytes(31)
    closes(stage, request.SerializeToString(), "32 bytes")


@case("closed: text with control characters, or too long, or no UTF-8")
def bad_text(stage):
    move = stage.move().to("HELD")
    with stage.unchanged():
        for reason in ("\x1b[2J", "a\nb", "x" * 600):
            closes(stage, move.request("abort", reason=reason).SerializeToString(), "text")
    request = move.request("abort")
    request.ClearField("body")
    closes(stage, request.SerializeToString() + field(18, 2, field(1, 2, b"\xff\xfe")), "")


@case("closed: an order before HELLO")
def before_hello(stage):
    stage.expect_close(stage.connect("A", hello=False),
                       frame(reserve(stage).SerializeToString()), "before HELLO")


@case("invalid: another version of the protocol, and then closed")
def other_version(stage):
    with stage.unchanged():
        for version in (1, 3, 2 ** 32 - 1):
            with stage.unchanged():
                link = stage.connect("A", hello=False)
                expect(link.ask(pb.Request(hello=pb.Hello(version=version))), "INVALID",
                       f"version {version}", "expected 2")
                link.send(frame(reserve(stage).SerializeToString()))
                if not link.is_closed():
                    raise Failed("expected that the connection is closed")
                link.close()


@case("closed: random bytes in whole frames")
def random_frames(stage):
    link = stage.connect("A")
    with stage.unchanged():
        for size in (1, 7, 100, 5000):
            link.send(frame(os.urandom(size - 1) + b"\xff"))
            if not link.is_closed():
                raise Failed(f"{size} random bytes: expected that the connection is closed")
            link.close()
            link = stage.connect("A")
    link.close()


@case("one connection that is closed takes no other with it")
def others_stay(stage):
    good, bad = stage.connect("B"), stage.connect("B")
    bad.send(HEAD.pack(0))
    if not bad.is_closed():
        raise Failed("expected that the connection is closed")
    try:
        expect(good.ask(pb.Request(old=endpoint(("10.9.0.3", 5000)), query=pb.Query())), "OK")
    except Closed as error:
        raise Failed("another connection was closed too") from error
    good.close()
