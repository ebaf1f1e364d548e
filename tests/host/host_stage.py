# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What every case works with: lab, certificates, the daemon on B, a process on A and its images.
The names of cases are in CASES."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess

from host_peer import NEXT, OLD, TOP, Failed, HostLink, Sender, net, pb
from certs import Certs
from lab import NAME, PROGRAM, child_of, run, wait_for

SEQSTREAM = TOP / "build/tests/e2e/seqstream"
IMAGES, PINS = "run/tcpmig/images", "sys/fs/bpf/tcpmig-host"
LAB = ("lab", "nsenter", "sleep", "unshare", "")
CASES = []


def case(name):
    """Names a case: a function of a Stage."""
    def add(function):
        CASES.append((name, function))
        return function
    return add


class Daemon:
    """tcpmig-bpf host on B."""

    def __init__(self, host, folder, certs, criu):
        self.host = host
        self.folder = folder
        self.log_path = folder / "host.log"
        self.log_path.write_text("")
        self.cgroup = pathlib.Path(f"/run/tcpmig-lab/{NAME}/B/cgroup").read_text().strip()
        self.conf_path = folder / "host.conf"
        self.conf_path.write_text(f"""[host]
ca = {certs.path("ca.crt")}
crl = {certs.path("ca.crl")}
cert = {certs.path("B.crt")}
key = {certs.path("B.key")}
state = {folder}/state
criu = {criu}
[accept A]
from = 10.9.0.2, 10.9.0.4
new = 10.9.0.0/24, fd09::/64
ports = 5000-5999
""")
        self.entered = None

    def start(self):
        mark = self.mark()

        def join():
            pathlib.Path(self.cgroup, "cgroup.procs").write_text(str(os.getpid()))
        with self.log_path.open("a", encoding="utf-8") as log:
            self.entered = subprocess.Popen(
                self.host.command(PROGRAM, "host", "--config", self.conf_path),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=join)
        self.expect_log(mark, "event=ready")

    @property
    def pid(self):
        return child_of(self.entered.pid)

    def end(self, number=signal.SIGTERM):
        pid = self.pid
        if pid:
            os.kill(pid, number)
        self.entered.wait(timeout=5)

    def is_alive(self):
        return self.entered.poll() is None and self.pid != 0

    def sessions(self):
        """PIDs of those that serve connections."""
        pid = self.pid
        return [int(child) for child in text_of(f"/proc/{pid}/task/{pid}/children").split()
                if comm(child) == "tcpmig-bpf"]

    def mark(self):
        return self.log_path.stat().st_size

    def since(self, mark):
        with self.log_path.open("rb") as log:
            log.seek(mark)
            return log.read().decode()

    def expect_log(self, mark, text):
        wait_for(f"'{text}' in the daemon's log", lambda: text in self.since(mark), 5)

    def sweep(self):
        """As it does every 10 s: it also does when a journal is closed."""
        (self.folder / "state/migrations/swept").write_text("")


def text_of(path):
    """Of what may have gone."""
    with contextlib.suppress(OSError):
        return pathlib.Path(path).read_text()
    return ""


def comm(pid):
    return text_of(f"/proc/{pid}/comm").strip()


def is_running(pid):
    return re.search(r"^State:\s+[^ZX]", text_of(f"/proc/{pid}/status"), re.M)


def below(path):
    """All that is in a directory, by its path in there."""
    return sorted(os.path.relpath(os.path.join(at, name), path)
                  for at, folders, files in os.walk(path) for name in folders + files)


class Source:
    """The server on A, two clients of it, and what criu has made of it. It goes on."""

    def __init__(self, lab, folder, criu):
        self.lab = lab
        self.criu = criu
        self.dir = folder / "images"
        self.dir.mkdir()
        self.pid = int(run(TOP / "scripts/lab", "-n", NAME, "spawn", "A", SEQSTREAM, "serve",
                           net.text_of(OLD)))
        self.talker = subprocess.Popen(
            lab.client.command("timeout", 600, SEQSTREAM, "connect", net.text_of(OLD), 500, "chat",
                               "push"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.clients = wait_for("connections", self.connected)
        lab.hosts["A"].run(criu, "dump", "-t", self.pid, "-D", self.dir, "-j", "--leave-running",
                           "--tcp-established", "--network-lock", "skip", "-o", "dump.log")
        self.images = {path.name: path.read_bytes() for path in sorted(self.dir.glob("*.img"))}
        self.pids = self.tasks()
        self.talker.kill()  # only the child of nsenter has a connection
        lab.client.run("pkill", "-x", "seqstream")
        self.talker.wait(timeout=5)

    def connected(self):
        said = self.lab.client.run("ss", "-Htn", "state", "established", "dport", "=", ":5000")
        ends = [(OLD[0].replace("0.2", "0.1"), int(port))
                for port in re.findall(r"10\.9\.0\.1:(\d+)", said)]
        return ends if len(ends) == 2 else None

    def tasks(self):
        said = self.lab.hosts["A"].run("ls", f"/proc/{self.pid}/task")
        return sorted(int(tid) for tid in said.split())


class Stage:
    """One for all cases."""

    def __init__(self, folder, lab):
        self.folder = pathlib.Path(folder)
        self.lab = lab
        self.b = lab.hosts["B"]
        self.criu = run(TOP / "scripts/get-criu").strip()
        self.certs = Certs(self.folder / "pki")
        self.certs.foreign_ca("other")
        self.daemon = Daemon(self.b, self.folder, self.certs, self.criu)
        self.source = Source(lab, self.folder, self.criu)
        self.links = []
        self.clean = {}

    def set_up(self):
        self.daemon.start()
        Sender(self.connect(), self.source).to("prepared")  # all that the daemon makes but once
        self.end_case(expect_clean=False)
        wait_for("B to be quiet", lambda: not self.processes() and not self.images())
        self.clean = self.footprint()

    def tear_down(self):
        self.forget_links()
        self.daemon.end()

    def connect(self, host="A", cert=None, hello=True):
        """cert: another one than the host's; "": none."""
        tls = net.context(self.certs, host if cert is None else cert)
        self.links.append(HostLink(self.lab.hosts[host], tls, hello))
        return self.links[-1]

    def sender(self, host="A", state=None, **but):
        made = Sender(self.connect(host), self.source, **but)
        return made.to(state) if state else made

    def forget_links(self):
        for link in self.links:
            link.close()
        self.links = []

    def images(self):
        """Names of migrations of which something is kept."""
        return [path.name for path in (self.b.root / IMAGES).iterdir()]

    def processes(self):
        """{PID: name}, of B without its daemon and what makes the lab."""
        ours = {self.daemon.pid, self.daemon.entered.pid, *self.daemon.sessions()}
        pids = {int(pid) for path, _, _ in os.walk(self.daemon.cgroup)
                for pid in text_of(path + "/cgroup.procs").split()} - ours
        return {pid: comm(pid) for pid in pids if is_running(pid) and comm(pid) not in LAB}

    def trees(self):
        """PIDs of restored servers, committed or not."""
        return [pid for pid, name in self.processes().items() if name == "seqstream"]

    def gates(self):
        return below(self.b.root / PINS)

    def footprint(self):
        """What a migration may leave behind on B."""
        return {"images": below(self.b.root / IMAGES), "pins": self.gates(),
                "cgroups": [path for path, _, _ in os.walk(self.daemon.cgroup)],
                "processes": self.processes(),
                "listeners": self.b.run("ss", "-Htln")}

    def expect_clean(self, seconds=5, but=()):
        """Nothing of any migration is left, but what has these keys."""
        def differences():
            now = self.footprint()
            return {key: now[key] for key in now if key not in but and now[key] != self.clean[key]}
        try:
            wait_for("nothing to be left", lambda: not differences(), seconds)
        except Failed as error:
            raise Failed(f"{error}: {differences()}") from error

    def end_case(self, expect_clean=True):
        """Whatever runs ends, and then nothing is left."""
        if not self.daemon.is_alive():
            self.daemon.start()
            raise Failed("the daemon has ended")
        self.forget_links()
        wait_for("sessions to end", lambda: not self.daemon.sessions(), 15)
        for pid in self.trees():
            os.kill(pid, signal.SIGKILL)
        wait_for("trees to end", lambda: not self.trees())
        for name in self.images():  # what is kept for a COMMIT that will not come
            sender = Sender(self.connect(), self.source, uuid=bytes.fromhex(name.replace("-", "")))
            if sender.ask("status").state == pb.RESTORED:
                sender.ask("abort", reason="end of a case")
        self.forget_links()
        wait_for("sessions to end", lambda: not self.daemon.sessions(), 15)
        self.daemon.sweep()
        if expect_clean:
            self.expect_clean()

    def serves(self, at=NEXT):
        """The restored server takes new clients."""
        said = self.lab.client.run("timeout", 10, SEQSTREAM, "connect", net.text_of(at), 1, "chat")
        if "ok" not in said.lower():
            raise Failed(f"it does not serve: {said}")
