# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Images that are not what was sent: nothing of them runs, and nothing of them stays."""
import contextlib
import pathlib

from host_peer import Failed, digest, expect, pb
from host_stage import case


def flipped(data):
    """One bit in the middle."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]


def nothing_runs(stage, sender):
    """It was refused: COMMIT is too, and when the connection ends nothing is left."""
    expect(sender.ask("commit"), "CONFLICT", state="PREPARED")
    if stage.trees():
        raise Failed("something runs")
    sender.link.close()
    stage.expect_clean()


@case("images: a bit of each, one after the other, is not what was said")
def each_flipped(stage):
    for name in stage.source.images:
        sender = stage.sender(state="ready")
        sender.send_images({**sender.images, name: flipped(sender.images[name])})
        expect(sender.restore(), "FAILED", f"'{name}'", "not what was sent", state="PREPARED")
        nothing_runs(stage, sender)


@case("images: each, one after the other, is missing")
def each_missing(stage):
    for name in stage.source.images:
        sender = stage.sender(state="ready")
        sender.send_images({other: data for other, data in sender.images.items() if other != name})
        expect(sender.restore(), "FAILED", f"'{name}'", "has not come")
        nothing_runs(stage, sender)


@case("images: one too many")
def surplus(stage):
    sender = stage.sender(state="ready")
    sender.send_images()
    sender.send_image("surplus.img", b"who am I")
    expect(sender.restore(), "FAILED", "'surplus.img'", "no digest")
    nothing_runs(stage, sender)


@case("images: one that is named twice, and one of another size")
def named_wrong(stage):
    for extra, text in ((lambda s: s.digests() + s.digests()[:1], "named twice"),
                        (lambda s: [digest(name, data, len(data) + 1)
                                    for name, data in s.images.items()], "bytes, expected")):
        sender = stage.sender(state="ready")
        sender.send_images()
        expect(sender.restore(extra(sender)), "FAILED", text)
        nothing_runs(stage, sender)


@case("images: no image at all")
def none(stage):
    sender = stage.sender(state="ready")
    answer = sender.restore([])
    if answer.result == pb.OK:
        raise Failed("nothing was restored, well")
    nothing_runs(stage, sender)


def fails_at_once(stage, *texts, pieces, **but):
    """A piece is answered, though it has no answer else, and RESTORE fails then."""
    sender = stage.sender(state="ready", **but)
    for name, data, offset in pieces:
        sender.piece(name, data, offset)
    expect(sender.link.answer(), "FAILED", *texts, state="PREPARED")
    sender.send_images()  # A may not have heard it yet
    answer = sender.restore()
    if answer.result == pb.OK:
        raise Failed("it was restored")
    nothing_runs(stage, sender)


@case("images: a piece that does not go on where the last has ended")
def gap(stage):
    fails_at_once(stage, "'a.img'", "expected one at 1", pieces=[("a.img", b"x", 0),
                                                                 ("a.img", b"x", 2)])
    fails_at_once(stage, "'a.img'", pieces=[("a.img", b"x", 5)])


@case("images: the name that inventory.img has on B")
def aside(stage):
    fails_at_once(stage, "not a name that can be sent", pieces=[("inventory.img.tcpmig", b"x", 0)])


@case("images: names that are no plain names end it")
def names(stage):
    before = {path.name for path in (stage.b.root / "run").iterdir()}
    for name in ("../escaped", "a/b", "/run/escaped", "..", ".", "", ".hidden", "a\n", "x" * 256):
        sender = stage.sender(state="ready")
        sender.piece(name, b"x")
        if not sender.link.is_closed():
            raise Failed(f"'{name}': expected that the connection is closed")
        stage.expect_clean()
    if {path.name for path in (stage.b.root / "run").iterdir()} != before:
        raise Failed("a file was made elsewhere")


@case("images: more bytes than may come, of what was announced")
def too_much(stage):
    limit = 8 + (256 << 20)  # as host_ready.c has it, of one byte
    piece = bytes(255 << 10)
    sender = stage.sender(state="ready", image_bytes=1)
    for offset in range(0, limit, len(piece)):
        sender.piece("a.img", piece, offset)
    expect(sender.link.answer(), "FAILED", "more than", str(limit))
    held = next((stage.b.root / "run/tcpmig/images").glob("*/images"))
    size = sum(path.stat().st_size for path in pathlib.Path(held).iterdir() if path.is_file())
    if size > limit:
        raise Failed(f"{size} bytes have been kept")
    nothing_runs(stage, sender)


@case("images: sent anew, the later one counts")
def anew(stage):
    sender = stage.sender(state="ready")
    for name, data in sender.images.items():
        sender.send_image(name, flipped(data))
        sender.send_image(name, data)
    expect(sender.restore(), state="RESTORED")
    expect(sender.ask("commit"), state="RUNNING")
    stage.serves()


@case("images: digests in several messages")
def several(stage):
    sender = stage.sender(state="sent")
    digests = sender.digests()
    sender.tell("digests", images=digests[:3])
    sender.tell("digests", images=digests[3:5])
    expect(sender.restore(digests[5:]), state="RESTORED")


@case("images: spoiled before their digest was made: criu fails, or not, and nothing is left")
def spoiled(stage):
    for name, data in stage.source.images.items():
        for bad in (flipped(data), data[:len(data) // 2], bytes(len(data))):
            sender = stage.sender(state="ready")
            sender.images[name] = bad
            sender.send_images()
            sender.tell("restore", images=sender.digests())
            if restored(sender):
                expect(sender.ask("abort", reason="enough"))
            sender.link.close()
            stage.expect_clean()


def restored(sender):
    """By criu, which may also wait for ever; then A waits no longer."""
    sender.link.sock.settimeout(2)
    with contextlib.suppress(Failed):
        answer = sender.link.answer()
        return answer.result == pb.OK and expect(answer, state="RESTORED")
    return None
