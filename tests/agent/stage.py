# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What every case works with: lab, certificates, agent, hosts that are connected to it, and
migrations. The names of cases are in CASES."""
import contextlib
import itertools
import os
import pathlib

import peer as net
from certs import Certs
from flows import Service
from lab import Agent, Failed, conf_text
from peer import Closed, Local, Peer, pb
from state import Watcher

POLICY = [
    {"old": "10.9.0.2/31", "new": "10.9.0.0/29, 10.9.7.0/24", "ports": "5000-5999",
     "new-ports": "5000-6999"},
    {"old": "fd09::2/127", "new": "fd09::2/127", "ports": "5000-5999", "new-ports": "5000-6999"},
]
# A network that C has too: sources within the policy, and one outside of it.
MORE_NET, OUTSIDE_NET = "10.9.7", "10.8.0"
CASES = []


def case(name, late=False):
    """Names a case: a function of a Stage, or a generator that yields for how many seconds it has
    nothing to do. late: when none of those is under way, because it restarts the agent."""
    def add(function):
        CASES.append((name, function, late))
        return function
    return add


class Stage:
    """One for all cases."""

    def __init__(self, folder, lab):
        self.folder = pathlib.Path(folder)
        self.lab = lab
        self.client = lab.client
        self.certs = Certs(self.folder / "pki")
        self.agent = None
        self.watcher = None
        self.links = {}
        self.contexts = {}
        self.ports = itertools.count(5000)
        self.moves = []
        self.services = []  # open to the end of all cases
        self.watched = 0

    def set_up(self):
        hosts = self.lab.hosts
        for number in range(1, 9):
            hosts["C"].run("ip", "addr", "add", f"{MORE_NET}.{number}/32", "dev", "eth0")
        hosts["C"].run("ip", "addr", "add", f"{OUTSIDE_NET}.4/32", "dev", "eth0")
        self.client.run("ip", "route", "add", f"{MORE_NET}.0/24", "dev", "eth0")
        self.client.run("ip", "route", "add", f"{OUTSIDE_NET}.0/24", "dev", "eth0")
        self.client.run(net.TOP / "build/tcpmig-bpf", "attach", "eth0")
        self.certs.foreign_ca("other")
        self.certs.foreign_ca("system")
        # As a machine has them that trusts all the world.
        env = {"SSL_CERT_FILE": str(self.certs.path("system.crt")),
               "SSL_CERT_DIR": str(self.folder)}
        self.agent = Agent(self.client, self.folder, self.conf(), env)
        self.agent.start()
        self.watcher = Watcher(self.client, self.folder / "state")

    def tear_down(self):
        for link in self.links.values():
            link.close()
        if self.agent:
            self.agent.stop()

    def conf(self, **but):
        self.certs.write_crls()
        return conf_text(self.certs, self.folder, but.pop("policy", POLICY), **but)

    @contextlib.contextmanager
    def configured(self, **but):
        """With another agent.conf, by SIGHUP; then with the usual one again."""
        self.agent.reload(self.conf(**but))
        try:
            yield
        finally:
            if not self.agent.ended():
                self.agent.reload(self.conf())

    def context(self, cert, **options):
        key = (cert, tuple(sorted(options.items())))
        if key not in self.contexts:
            self.contexts[key] = net.context(self.certs, cert, **options)
        return self.contexts[key]

    def connect(self, host, cert=None, version=4, **options):
        """A new connection of a host, by its own certificate or another one."""
        return Peer(self.lab.hosts[host], self.context(cert or host), version, **options)

    def peer(self, host, version=4, cert=None):
        """As connect(), but one for all that want the same: handshakes are rationed."""
        key = (host, version, cert)
        if key not in self.links or self.links[key].sock.fileno() < 0:
            self.links[key] = self.connect(host, cert, version)
        return self.links[key]

    def local(self):
        """A connection to the control socket, as root."""
        if "local" not in self.links:
            self.links["local"] = Local(self.client)
            self.links["local"].hello()
        return self.links["local"]

    def forget_links(self):
        """They have ended with the agent."""
        for link in self.links.values():
            link.close()
        self.links = {}

    def restart(self):
        """After Agent.kill() or stop()."""
        self.forget_links()
        self.agent.start()

    def service(self, host="A", version=4, connections=1, port=0):
        self.services.append(Service(self.client, self.lab.hosts[host], port or next(self.ports),
                                     version, connections))
        return self.services[-1]

    def move(self, service=None, next_host="B", version=4, **but):
        """A migration that is still to begin: of a new OLD, unless told otherwise."""
        service = service or self.service(version=version, connections=but.pop("connections", 1))
        made = Move(self, service, next_host, **but)
        self.moves.append(made)
        return made

    def alive(self):
        if not self.agent.is_alive():
            raise Failed("the agent has ended")
        answer = self.local().ask(pb.Request(local_status=pb.LocalStatus()))
        if answer.result != pb.OK:
            raise Failed(f"the agent does not serve: {answer}")

    @contextlib.contextmanager
    def unchanged(self):
        """Nothing of the state changes within, and the agent is there all the time. list, which
        takes longest, is asked by the outermost only."""
        self.watched += 1
        try:
            with self.watcher.unchanged(listed=self.watched == 1):
                yield
            self.alive()
        finally:
            self.watched -= 1

    def end_case(self):
        """All that is under way is ended, by whoever may; then every client must be served."""
        moves, self.moves = self.moves, []
        if self.agent.ended():
            self.restart()
        under_way = {rule["old"]: rule["state"] for rule in self.watcher.listing()["rules"]
                     if rule["state"] != "active"} if moves else {}
        for move in moves:
            if under_way.pop(net.text_of(move.old), None):
                move.end()
        for service in {id(move.service): move.service for move in moves}.values():
            service.echo()

    def expect_refusal(self, asked, result, *texts):
        """asked() is answered with this result and all of the texts, and changes nothing."""
        with self.unchanged():
            expect(asked(), result, *texts)

    def expect_close(self, link, data, why):
        """The agent closes link on data, says why in its log, and changes nothing."""
        mark = self.agent.mark()
        with self.unchanged():
            link.send(data)
            if not link.is_closed():
                raise Failed("expected that the connection is closed")
        link.close()
        self.agent.expect_log(mark, why)

    def expect_alert(self, alert, **connection):
        """The agent refuses a connection with this alert of TLS, and it changes nothing."""
        with self.unchanged():
            try:
                self.connect(**connection).close()
            except Closed as error:
                if error.alert != alert:
                    raise Failed(f"expected the alert '{alert}', got '{error.alert}'") from error
                return
        raise Failed(f"expected the alert '{alert}', but the agent has taken it")


def name_of(result):
    return pb.Result.Name(result)


def expect(answer, result, *texts):
    """Return: the answer."""
    if name_of(answer.result) != result:
        raise Failed(f"expected {result}, got {name_of(answer.result)}: {answer.text or answer}")
    for text in texts:
        if str(text) not in answer.text:
            raise Failed(f"expected '{text}' in the answer's text, got '{answer.text}'")
    if (result == "OK") == bool(answer.text):
        raise Failed(f"{result} with the text '{answer.text}'")
    return answer


def expect_ok(answer):
    return expect(answer, "OK")


class Move:
    """A migration of the flows of a service, as its hosts drive it."""

    STATES = ["RESERVED", "HELD", "ARMED", "COMMITTED"]

    def __init__(self, stage, service, next_host, next_at=None, epoch=1, uuid=None):
        self.stage = stage
        self.service = service
        self.version = service.version
        self.cur_host = service.host.name
        self.next_host = next_host
        self.old = service.old
        self.next = next_at or (stage.lab.hosts[next_host].addr(self.version),
                                service.old[1] + 1000)
        self.epoch = epoch
        self.uuid = uuid or os.urandom(16)

    def request(self, kind, **fields):
        """Of this migration: kind as in control.proto."""
        body = getattr(pb, kind.capitalize())(**fields)
        return pb.Request(uuid=self.uuid, epoch=self.epoch, old=net.endpoint(self.old),
                          **{kind: body})

    def ask(self, by, kind, **fields):
        """By a host's name, or by a Peer."""
        link = by if isinstance(by, Peer) else self.stage.peer(by, self.version)
        if kind == "query":
            return link.ask(pb.Request(old=net.endpoint(self.old), query=pb.Query()))
        return link.ask(self.request(kind, **fields))

    def reserve(self, by=None, next_at=None, flows=None, max_ms=20000, key=b""):
        return self.ask(by or self.cur_host, "reserve", next=net.endpoint(next_at or self.next),
                        max_ms=max_ms, next_key_sha256=key,
                        flows=net.flows(self.service.ends() if flows is None else flows))

    def consent(self, by=None, next_at=None):
        return self.ask(by or self.next_host, "consent", next=net.endpoint(next_at or self.next))

    def hold(self, by=None, max_ms=5000, flows=None, mode=pb.HOLD_DROP):
        return self.ask(by or self.cur_host, "hold", max_ms=max_ms, mode=mode,
                        flows=net.flows(self.service.ends() if flows is None else flows))

    def arm(self, by=None, lease_ms=5000, flows=()):
        return self.ask(by or self.cur_host, "arm", lease_ms=lease_ms, flows=net.flows(flows))

    def commit(self, by=None):
        return self.ask(by or self.cur_host, "commit")

    def go(self, by=None):
        return self.ask(by or self.next_host, "go")

    def abort(self, by=None, reason="test"):
        return self.ask(by or self.cur_host, "abort", reason=reason)

    def status(self, by=None):
        return self.ask(by or self.cur_host, "status")

    def check(self, by=None, images=None):
        return self.ask(by or self.cur_host, "check", flows=net.sequences(
            self.service.images() if images is None else images))

    def query(self, by=None):
        return self.ask(by or self.cur_host, "query")

    def order(self, kind, by):
        """The order of this kind, with what it usually says."""
        return getattr(self, kind)(by=by)

    def to(self, state):
        """Through all states up to this one, with consent before ARM."""
        for step in self.STATES[:self.STATES.index(state) + 1]:
            for asked in {"RESERVED": [self.reserve], "HELD": [self.hold],
                          "ARMED": [self.consent, self.arm], "COMMITTED": [self.commit]}[step]:
                expect_ok(asked())
        return self

    def finish(self):
        """From COMMITTED: with the server's half of each connection."""
        self.service.carry(self.stage.lab.hosts[self.next_host], self.next)
        expect_ok(self.go())

    def following(self, next_host, **but):
        """The next migration of the same OLD."""
        return self.stage.move(self.service, next_host, epoch=self.epoch + 1, **but)

    def rule(self):
        return self.stage.watcher.rule(net.text_of(self.old))

    def state(self):
        """As list has it; None: there is no rule."""
        rule = self.rule()
        return rule["state"] if rule else None

    def end(self):
        """By root, unless that would undo an earlier one of the same OLD."""
        if self.cur_host == "A" or self.epoch == 1:
            expect_ok(self.stage.local().ask(pb.Request(old=net.endpoint(self.old),
                                                        local_release=pb.LocalRelease())))
        else:
            expect_ok(self.abort(self.next_host))
