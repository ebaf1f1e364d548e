# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""CHECK: the numbers of an image beside those of the client's own sockets, which BPF reads. What
fits, what does not, in each direction and by one; who may ask, and when."""
import socket
import struct

from flows import MASK, RECV_QUEUE, REPAIR_OFF_SILENTLY, SEND_QUEUE, Half, numbers
from lab import Failed, wait_for
from peer import text_of
from stage import case, expect, expect_ok

LOST_FIRST = "bytes acknowledged that are not in the image"
NOT_SENT = "the image has bytes that the client has not sent"
NOT_GOT = "lacks bytes that the image holds for received"
UNSENT = "received bytes that the image holds for unsent"


def ends_of(groups):
    return [(socket.inet_ntop(socket.AF_INET if len(g.addr) == 4 else socket.AF_INET6, g.addr),
             port) for g in groups for port in g.ports]


def counted(answer, matching=0, lost=(), missing=(), unchecked=0):
    """The answer counts and names just these."""
    got = (answer.matching, answer.lost_count, sorted(ends_of(answer.lost)), answer.missing_count,
           sorted(ends_of(answer.missing)), answer.unchecked)
    want = (matching, len(lost), sorted(lost), len(missing), sorted(missing), unchecked)
    if got != want:
        raise Failed(f"expected (matching, lost, missing, unchecked) {want}, got {got}")


def fits(move, images=None, **counts):
    with move.stage.unchanged():
        counted(expect_ok(move.check(images=images)), **counts)


def fits_not(move, why, images, lost, **counts):
    with move.stage.unchanged():
        answer = expect(move.check(images=images), "FAILED", why, text_of(lost[0]),
                        f"{len(lost)} of {len(images)}")
        counted(answer, lost=lost, **counts)


def shifted(image, rcv_nxt=0, snd_una=0, snd_nxt=0):
    return tuple((number + by) & MASK for number, by in zip(image, (rcv_nxt, snd_una, snd_nxt)))


def bounds(move, end, rcv_nxt, snd_una):
    """rcv_nxt, snd_una: how far each number may go in both directions, and not one farther."""
    image = move.service.images()[end]
    (low, high), (una_low, nxt_high) = rcv_nxt, snd_una
    for by in (low, high):
        fits(move, {end: shifted(image, rcv_nxt=by)}, matching=1)
    fits(move, {end: shifted(image, snd_una=una_low, snd_nxt=nxt_high)}, matching=1)
    for why, wrong in ((LOST_FIRST, shifted(image, rcv_nxt=low - 1)),
                       (NOT_SENT, shifted(image, rcv_nxt=high + 1)),
                       (NOT_GOT, shifted(image, snd_una=1, snd_nxt=1)),
                       (UNSENT, shifted(image, snd_una=-1, snd_nxt=-1)),
                       ("ends before it begins", shifted(image, snd_una=1)),
                       (LOST_FIRST, shifted(image, rcv_nxt=-2 ** 30)),
                       (NOT_SENT, shifted(image, rcv_nxt=2 ** 30))):
        fits_not(move, why, {end: wrong}, [end])


@case("CHECK: images that are right, while held and while armed: IPv4, IPv6")
def right(stage):
    for version in (4, 6):
        move = stage.move(version=version, connections=3)
        for state in ("HELD", "ARMED"):
            if state == "HELD":
                move.to(state)
            else:
                expect_ok(move.consent())
                expect_ok(move.arm())
            fits(move, matching=3)
            fits(move, {}, matching=0)
        expect_ok(move.commit())
        fits(move, matching=3)


@case("CHECK: off by one in each direction, idle")
def off_by_one(stage):
    for version in (4, 6):
        move = stage.move(version=version).to("HELD")
        bounds(move, move.service.ends()[0], (0, 0), (-1000, 1000))


@case("CHECK: off by one where the client has sent what has not left")
def unacknowledged(stage):
    move = stage.move().to("HELD")
    if not move.service.is_held():  # 4 bytes
        raise Failed("not held")
    bounds(move, move.service.ends()[0], (0, 4), (-1000, 1000))
    expect_ok(move.abort())
    move.service.take_held()


@case("CHECK: one that lost something among many, and each is named")
def some_of_many(stage):
    move = stage.move(connections=40).to("HELD")  # more than are asked of BPF at once
    images = move.service.images()
    ends = sorted(images)
    fits(move, images, matching=40)
    for end in (ends[0], ends[31], ends[32], ends[39]):
        images[end] = shifted(images[end], rcv_nxt=-1)
    fits_not(move, LOST_FIRST, images, [ends[0], ends[31], ends[32], ends[39]], matching=36)


def renumber(service, client_seq, server_seq):
    """Gives the one connection of service other numbers: both halves are made anew."""
    pair = service.clients[0], service.servers[0]
    ends = [sock.getsockname()[:2] for sock in pair]
    halves = [Half(sock) for sock in pair]
    for half, got, sent in zip(halves, (server_seq, client_seq), (client_seq, server_seq)):
        half.seq = {RECV_QUEUE: got, SEND_QUEUE: sent}
        _, snd_wnd, max_window, rcv_wnd, _ = struct.unpack("=5I", half.window)
        half.window = struct.pack("=5I", got, snd_wnd, max_window, rcv_wnd, got)
    pair = [half.restore(host, end, REPAIR_OFF_SILENTLY)
            for half, host, end in zip(halves, (service.client, service.host), ends)]
    for sock in pair:
        sock.settimeout(3)
    service.clients, service.servers = [pair[0]], [pair[1]]


@case("CHECK: numbers that begin anew at 2^32")
def wrap_around(stage):
    for first in (2 ** 32 - 2, 2 ** 32 - 1, 0, 2 ** 31 - 2, 2 ** 31):
        service = stage.service()
        renumber(service, first, (first + 1) & MASK)
        move = stage.move(service).to("HELD")
        if numbers(service.servers[0])[0] != first:
            raise Failed("the connection has other numbers than were set")
        if not service.is_held():  # its four bytes go beyond
            raise Failed("not held")
        bounds(move, service.ends()[0], (0, 4), (-5, 5))
        expect_ok(move.abort())
        service.take_held()


@case("CHECK: a flow that is no connection here is missing; one that cannot be, too")
def missing(stage):
    move = stage.move().to("HELD")
    images = move.service.images()
    gone = ("10.9.0.1", 9), ("10.9.0.77", 9)
    fits(move, {**images, **{end: (1, 2, 3) for end in gone}}, matching=1, missing=gone)


@case("CHECK: another connection of the client, to somebody else, is not told of")
def of_another(stage):
    move, other = stage.move().to("HELD"), stage.service("B")
    fits(move, other.images(), missing=other.ends())


def is_rest(stage, end, state):
    """Is what is left of the client's socket no socket any more?"""
    shown = stage.client.run("ss", "-Htanoe", "state", state, f"sport = :{end[1]}")
    return "timer:(timewait" in shown


@case("CHECK: a client that has closed, and of whose socket the kernel keeps but a rest")
def closed(stage):
    for version in (4, 6):
        service = stage.service(version=version, connections=3)
        move = stage.move(service)
        expect_ok(move.reserve())
        ends = service.ends()
        service.clients[2].close()
        service.clients[1].close()
        for end in ends[1:]:
            wait_for("the end of its socket", lambda: is_rest(stage, end, "fin-wait-2"))
        expect_ok(move.hold(flows=()))
        service.servers[2].shutdown(socket.SHUT_WR)  # its FIN gets in, what answers it is held
        wait_for("the second FIN", lambda: is_rest(stage, ends[2], "time-wait"))
        images = service.images()
        fits(move, images, matching=3)
        for end in ends[1:]:
            before_fin = {end: shifted(images[end], rcv_nxt=-1)}
            fits_not(move, LOST_FIRST, before_fin, [end])
            fits_not(move, NOT_GOT, {end: shifted(images[end], snd_una=2, snd_nxt=2)}, [end])
        expect_ok(move.abort())
        del service.clients[1:], service.servers[1:]


@case("CHECK: a socket that holds IPv4 in IPv6, and one that is bound to an interface")
def other_sockets(stage):
    service = stage.service()
    service.connect(1, mapped=True)
    service.connect(1, device="eth0")
    move = stage.move(service).to("HELD")
    fits(move, matching=3)
    images = {end: shifted(image, rcv_nxt=-1) for end, image in service.images().items()}
    fits_not(move, LOST_FIRST, images, sorted(images))


@case("denied and conflict: CHECK by others than the owner, and where nothing is held")
def check_refused(stage):
    move = stage.move()
    stage.expect_refusal(move.check, "CONFLICT", "epoch 1", "not reserved")
    expect_ok(move.reserve())
    stage.expect_refusal(move.check, "CONFLICT", "check: reserved", "held or armed")
    for by in "BC":
        stage.expect_refusal(lambda: move.check(by), "DENIED", "check")
    expect_ok(move.hold())
    for by in "BC":
        stage.expect_refusal(lambda: move.check(by), "DENIED", "check")
    other = stage.move(move.service, epoch=1)
    stage.expect_refusal(other.check, "STALE", "epoch 1")
    expect_ok(move.consent())
    expect_ok(move.arm(lease_ms=1))
    wait_for("the end of the lease", lambda: move.state() == "in-doubt")
    stage.expect_refusal(move.check, "CONFLICT", "check: in-doubt", "held or armed")
    expect_ok(move.arm())
    fits(move, matching=1)
    expect_ok(move.abort())
    stage.expect_refusal(move.check, "STALE", "epoch 1")
