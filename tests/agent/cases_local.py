# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The control socket: for root, for orders of root, and for no others."""
from lab import NOBODY, Failed
from peer import Local, endpoint, frame, pb, text_of
from stage import case, expect, expect_ok


def sample(kind, old):
    """A well-formed local order about OLD."""
    bodies = {"local_hold": pb.LocalHold(max_ms=1000),
              "local_redirect": pb.LocalRedirect(next=endpoint(("10.9.0.3", 6000))),
              "local_release": pb.LocalRelease(), "local_status": pb.LocalStatus()}
    request = pb.Request(id=7, **{kind: bodies[kind]})
    if kind != "local_status":
        request.old.CopyFrom(endpoint(old))
    return request


def local_order(kind, old):
    """The same as a frame."""
    return frame(sample(kind, old).SerializeToString())


@case("closed: what is for the control socket, by TLS from a host")
def local_by_tls(stage):
    move = stage.move().to("HELD")
    with stage.unchanged():
        for kind in ("local_hold", "local_redirect", "local_release", "local_status"):
            stage.expect_close(stage.connect("A"), local_order(kind, move.old), "other socket")


@case("closed: what is for hosts, on the control socket")
def tls_by_local(stage):
    move = stage.move().to("HELD")
    bodies = {"consent": {"next": endpoint(move.next)}, "hold": {"max_ms": 1000},
              "arm": {"lease_ms": 1000}, "reserve": {"next": endpoint(move.next), "max_ms": 1000}}
    with stage.unchanged():
        for kind in ("reserve", "consent", "hold", "arm", "commit", "go", "abort", "status",
                     "check"):
            link = Local(stage.client)
            link.hello()
            stage.expect_close(link, frame(move.request(kind, **bodies.get(kind, {}))
                                           .SerializeToString()), "other socket")
    query = pb.Request(old=endpoint(move.old), query=pb.Query())
    link = Local(stage.client)
    link.hello()
    stage.expect_close(link, frame(query.SerializeToString()), "other socket")


@case("the control socket is for root: its mode says so")
def mode_of_socket(stage):
    with stage.unchanged():
        try:
            Local(stage.client, NOBODY)
        except PermissionError:
            return
    raise Failed("another user could connect")


@case("the control socket is for root: whoever gets there all the same is closed out")
def only_root(stage):
    path = stage.client.root / "run/tcpmig/agent.sock"
    mode = path.stat().st_mode & 0o777
    path.chmod(0o666)
    try:
        move = stage.move().to("HELD")
        with stage.unchanged():
            link = Local(stage.client, NOBODY)
            link.send(frame(pb.Request(hello=pb.Hello(version=2)).SerializeToString()) +
                      local_order("local_release", move.old))
            if link.read_all():
                raise Failed("the agent has answered another user than root")
            link.close()
    finally:
        path.chmod(mode)


@case("closed: an order on the control socket before HELLO, and one that is none")
def local_frames(stage):
    move = stage.move().to("HELD")
    stage.expect_close(Local(stage.client), local_order("local_release", move.old), "before HELLO")
    link = Local(stage.client)
    link.hello()
    stage.expect_close(link, frame(b"\xff" * 9), "damaged")
    stage.expect_close(Local(stage.client), b"\0\0\0\0", "empty")


@case("denied: root itself, outside the policy")
def local_policy(stage):
    move = stage.move()
    with stage.unchanged():
        for kind, old, next_at in (("local_redirect", move.old, ("10.9.0.9", 6000)),
                                   ("local_hold", ("10.9.0.9", 5000), None),
                                   ("local_hold", (move.old[0], 4999), None),
                                   ("local_redirect", ("10.9.0.9", 5000), ("10.9.0.3", 6000))):
            request = sample(kind, old)
            if next_at:
                getattr(request, kind).next.CopyFrom(endpoint(next_at))
            stage.expect_refusal(lambda: stage.local().ask(request), "DENIED", text_of(old),
                                 "policy")


@case("conflict: root's hold or redirect of what a host is moving; release ends that")
def local_during_move(stage):
    for state in ("RESERVED", "HELD", "ARMED"):
        move = stage.move().to(state)
        with stage.unchanged():
            for kind in ("local_hold", "local_redirect"):
                stage.expect_refusal(lambda: stage.local().ask(sample(kind, move.old)), "CONFLICT",
                                     "under way")
        expect_ok(stage.local().ask(sample("local_release", move.old)))
        stage.expect_refusal(move.hold, "STALE")


@case("conflict: a host's orders of what root has held")
def move_during_local(stage):
    move = stage.move()
    expect_ok(stage.local().ask(sample("local_hold", move.old)))
    stage.expect_refusal(move.reserve, "CONFLICT", "reserve")  # and its epoch is not used up
    stage.expect_refusal(move.hold, "CONFLICT", "not reserved")
    stage.expect_refusal(move.arm, "CONFLICT", "not reserved")
    expect_ok(stage.local().ask(sample("local_release", move.old)))
    expect(stage.local().ask(sample("local_release", move.old)), "CONFLICT", "no rule")
    expect_ok(move.reserve())
