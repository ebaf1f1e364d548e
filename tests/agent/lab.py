# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The lab's hosts as one process sees them: a socket is made in the network of a host and stays
there, so that all hosts are played from here. And the agent on the client, started and ended."""
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = TOP / "build/tcpmig-bpf"
NAME = os.environ.get("LAB_NAME", "deny")
HOSTS = ["client", "A", "B", "C"]
AGENT_PORT = 7170
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
# The user of the agent, and of those who try its control socket.
NOBODY = 65534


class Failed(Exception):
    """What a case expected has not come to pass."""


def wait_for(what, check, seconds=5.0):
    """Until check() gives something; it is returned."""
    end = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.004)


def run(*command, **options):
    """Its output; what fails says why."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30, check=False, **options)
    if done.returncode:
        raise Failed(f"{' '.join(str(w) for w in command)}: status {done.returncode}: "
                     f"{done.stdout}{done.stderr}")
    return done.stdout


class Host:
    """One host of the lab. Number n has 10.9.0.n and fd09::n."""

    def __init__(self, name):
        self.name = name
        self.number = HOSTS.index(name) + 1
        self.pid = int(pathlib.Path(f"/run/tcpmig-lab/{NAME}/{name}/pid").read_text())
        self.netns = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.root = pathlib.Path(f"/proc/{self.pid}/root")

    def addr(self, version):
        return f"10.9.0.{self.number}" if version == 4 else f"fd09::{self.number}"

    @contextlib.contextmanager
    def inside(self):
        """In its network. Sockets that are made there stay there."""
        ours = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(self.netns)
            yield
        finally:
            enter(ours)
            os.close(ours)

    def socket(self, version=4, kind=socket.SOCK_STREAM):
        with self.inside():
            made = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, kind)
        made.settimeout(3)
        return made

    def command(self, *command):
        """The words that run it there."""
        return ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-u", "-i", "--"] + \
            [str(word) for word in command]

    def run(self, *command):
        return run(*self.command(*command))


def enter(netns):
    if LIBC.setns(netns, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def child_of(pid):
    """The only one; 0: none (yet, or any more), which is no PID to send a signal to."""
    with contextlib.suppress(OSError):
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else 0
    return 0


class Lab:
    """Its hosts, by name. End it with down()."""

    def __init__(self):
        run(TOP / "scripts/lab", "-n", NAME, "up", *HOSTS)
        self.hosts = {name: Host(name) for name in HOSTS}
        self.client = self.hosts["client"]

    @staticmethod
    def down():
        run(TOP / "scripts/lab", "-n", NAME, "down")


class Agent:
    """tcpmig-bpf agent on the client. Two processes: the keeper, and the agent proper."""

    def __init__(self, client, folder, conf, env):
        self.client = client
        self.conf_path = folder / "agent.conf"
        self.log_path = folder / "agent.log"
        self.log_path.write_text("")
        self.conf = conf
        self.env = env
        self.entered = None  # nsenter, parent of the keeper; ends as it does
        self.keeper = 0
        self.pid = 0

    def start(self):
        self.conf_path.write_text(self.conf)
        mark = self.mark()
        with self.log_path.open("a", encoding="utf-8") as log:
            self.entered = subprocess.Popen(
                self.client.command(PROGRAM, "agent", "--config", self.conf_path),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.env})
        wait_for("the agent to be ready", lambda: self.said(mark, "event=ready") or self.ended())
        if self.ended():
            raise Failed(f"the agent does not start: {self.since(mark)}")
        self.keeper = child_of(self.entered.pid)
        self.pid = child_of(self.keeper)
        if not self.keeper or not self.pid:
            raise Failed("the agent is ready, but not there")

    def ended(self):
        return self.entered is None or self.entered.poll() is not None

    def is_alive(self):
        """Both, the same as at the start, and not as zombies."""
        if self.ended() or child_of(self.entered.pid) != self.keeper or \
                child_of(self.keeper) != self.pid:
            return False
        stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rsplit(")", 1)[1].split()[0] not in "ZX"

    def mark(self):
        """A place in the log, for since() and said()."""
        return self.log_path.stat().st_size

    def since(self, mark):
        with self.log_path.open("rb") as log:
            log.seek(mark)
            return log.read().decode()

    def said(self, mark, text):
        """The first line since mark that has it."""
        for line in self.since(mark).splitlines():
            if text in line:
                return line
        return None

    def expect_log(self, mark, text):
        return wait_for(f"'{text}' in the agent's log", lambda: self.said(mark, text), 2)

    def reload(self, conf):
        """SIGHUP, and wait until it works by it."""
        self.conf_path.write_text(conf)
        mark = self.mark()
        os.kill(self.keeper, signal.SIGHUP)
        line = wait_for("the reload", lambda: self.said(mark, "event=reload result=") or
                        self.said(mark, "event=reload-"))
        if "result=ok" not in line:
            raise Failed(f"reload: {line}")

    def kill(self, pid=0):
        """SIGKILL to the agent proper, or to pid. The other one of the two ends with it."""
        agent = self.pid
        os.kill(pid or agent, signal.SIGKILL)
        wait_for("keeper and agent to end",
                 lambda: self.ended() and not os.path.exists(f"/proc/{agent}"))

    def stop(self):
        """SIGTERM. Return: its exit status."""
        if not self.ended():
            os.kill(self.keeper, signal.SIGTERM)
            self.entered.wait(timeout=5)
        return self.entered.returncode


def conf_text(certs, folder, policy, limits=None, agent=None):
    """agent.conf. policy: a dictionary for each [move] section."""
    head = {"user": "nobody", "ca": certs.path("ca.crt"), "crl": certs.path("all.crl"),
            "cert": certs.path("agent.crt"), "key": certs.path("agent.key"),
            "state": folder / "state", **(agent or {})}
    caps = {"flows": 100000, "moves": 256, "moves-a-minute": 60000, "hold-s": 30,
            "held-s-an-hour": 3600, **(limits or {})}
    sections = [("agent", head), ("limits", caps)]
    sections += [(f"move m{number}", move) for number, move in enumerate(policy)]
    return "".join(f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
                   for name, keys in sections)
