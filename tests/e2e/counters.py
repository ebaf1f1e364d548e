# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Servers that count the requests of each connection, and clients that check every answer.

counters.py serve asyncio|threads|tree ADDRESS PORT
counters.py load ADDRESS PORT CONNECTIONS INTERVAL_MS SECONDS   one request under way on each
counters.py open ADDRESS PORT INTERVAL_MS LIMIT_MS SECONDS      a connection for each request

A request is a line that is long and never the same; the answer is the server's own count, the
request, and what the server says of itself: NAME=VALUE never changes, NAME>VALUE only grows, and
does not stop to. load and open end after SECONDS or at SIGTERM, print one JSON line and exit 0 only
if everything was right and nothing took longer than its limit (load: 10 s).
"""
import asyncio
import hashlib
import json
import os
import signal
import socket
import sys
import threading
import time

LIMIT_S = float(os.environ.get("LIMIT_S", 10))  # no client waits longer for anything
GROWS_WITHIN_S = 3


def request_line(connection, number):
    """What is sent: any byte of it lost, doubled or changed makes another line."""
    digest = hashlib.sha256(b"%d/%d" % (connection, number)).hexdigest().encode()
    return b"%d %s\n" % (number, digest * (1 + number % 8))


# Servers: answer(line) says what they add.


def listener(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=1024,
                                dualstack_ipv6=address == "::")


async def serve_asyncio(address, port):
    async def talk(reader, writer):
        count = 0
        try:
            while line := await reader.readline():
                writer.write(b"%d %s|tasks=1\n" % (count, line.rstrip(b"\n")))
                await writer.drain()
                count += 1
        except OSError:
            pass  # the client says what it has missed
        writer.close()

    server = await asyncio.start_server(talk, sock=listener(address, port), backlog=1024)
    await server.serve_forever()


def talk_blocking(connection, answer):
    """One connection, in a thread of its own."""
    lines = connection.makefile("rb")
    count = 0
    try:
        for line in lines:
            line = line.rstrip(b"\n")
            connection.sendall(b"%d %s|%s\n" % (count, line, answer(line)))
            count += 1
    except OSError:
        pass
    lines.close()
    connection.close()


def serve_with(address, port, answer):
    listening = listener(address, port)
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=talk_blocking, args=(connection, answer), daemon=True).start()


def serve_threads(address, port):
    """Threads: one that only counts time, one for each connection, a lock between them."""
    lock = threading.Lock()
    state = {"ticks": 0, "total": 0}

    def tick():
        while True:
            time.sleep(0.01)
            with lock:
                state["ticks"] += 1

    def answer(_):
        with lock:
            state["total"] += 1
            return b"pid=%d total>%d ticks>%d" % (os.getpid(), state["total"], state["ticks"])

    threading.Thread(target=tick, daemon=True).start()
    serve_with(address, port, answer)


def first_worker(requests, passed_on):
    """Takes lines from a UNIX socket, counts them, hands them to the second by a pipe."""
    count = 0
    while line := requests.recv(65536):
        count += 1
        os.write(passed_on, b"first=%d passed>%d %s\n" % (os.getpid(), count, line))


def second_worker(passed_on, done):
    """Has a timer: what it says of it grows only as long as signals come."""
    ticks = 0

    def on_alarm(*_):
        nonlocal ticks
        ticks += 1

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    with os.fdopen(passed_on, "rb") as lines:
        for line in lines:
            said, rest = line.rstrip(b"\n").rsplit(b" ", 1)
            os.write(done, b"%s second=%d ticks>%d %s\n" % (said, os.getpid(), ticks, rest))


def fork(work, *args, close):
    if os.fork() == 0:
        for end in close:
            end.close() if isinstance(end, socket.socket) else os.close(end)
        work(*args)
        os._exit(0)


def serve_tree(address, port):
    """Three processes: every answer has been through a UNIX socket and two pipes."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pass_out, pass_in = os.pipe()
    done_out, done_in = os.pipe()
    fork(first_worker, theirs, pass_in, close=(ours, pass_out, done_out, done_in))
    fork(second_worker, pass_out, done_in, close=(ours, theirs, pass_in, done_out))
    theirs.close()
    for end in pass_out, pass_in, done_in:
        os.close(end)
    answers = os.fdopen(done_out, "rb")
    lock = threading.Lock()

    def answer(line):
        with lock:
            token = hashlib.sha256(line).hexdigest().encode()
            ours.send(token)
            said, back = answers.readline().rstrip(b"\n").rsplit(b" ", 1)
        if back != token:
            return b"wrong=%s" % back
        return b"root=%d %s" % (os.getpid(), said)

    serve_with(address, port, answer)


# Clients.


class Wrong(Exception):
    pass


class Said:
    """What a server says of itself, over all connections."""

    def __init__(self):
        self.fixed = {}
        self.grows = {}  # name: (value, when it was less)

    def check(self, text):
        now = time.monotonic()
        for word in text.split():
            if b"=" in word:
                name, value = word.split(b"=")
                if self.fixed.setdefault(name, value) != value:
                    raise Wrong("%r was %r" % (word, self.fixed[name]))
                continue
            name, value = word.split(b">")
            last, when = self.grows.get(name, (-1, now))
            if int(value) > last:
                self.grows[name] = (int(value), now)
            elif now - when > GROWS_WITHIN_S:
                raise Wrong("%r has not grown for %d s" % (word, GROWS_WITHIN_S))


class Run:
    """What all connections of a client have in common."""

    def __init__(self, address, port, seconds):
        self.at = (address, port)
        self.until = time.monotonic() + seconds
        self.stop = asyncio.Event()
        self.said = Said()
        self.requests = 0
        self.slowest_ms = 0.0
        self.wrong = []
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop.set)

    def ended(self):
        return self.stop.is_set() or time.monotonic() > self.until

    async def ask(self, reader, writer, connection, number, count, expected_ms):
        start = time.monotonic()
        line = request_line(connection, number)
        writer.write(line)
        answer = await reader.readline()
        head, _, said = answer.rstrip(b"\n").rpartition(b"|")
        if head != b"%d %s" % (count, line.rstrip(b"\n")):
            raise Wrong("request %d of connection %d: %r" % (number, connection, answer[:80]))
        self.said.check(said)
        self.requests += 1
        self.slowest_ms = max(self.slowest_ms, 1000 * (time.monotonic() - start) - expected_ms)

    def failed(self, connection, error):
        self.wrong.append("connection %d: %s" % (connection, error or type(error).__name__))
        self.stop.set()

    def report(self, connections):
        print(json.dumps({"result": "wrong" if self.wrong else "ok", "connections": connections,
                          "requests": self.requests, "slowest_ms": round(self.slowest_ms, 1),
                          "wrong": self.wrong[:5]}), flush=True)
        return 1 if self.wrong or not self.requests else 0


async def load_one(run, number, ready, interval_s):
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*run.at), LIMIT_S)
        count = 0
        await asyncio.sleep(interval_s * (number % 97) / 97)  # not all at once
        while not run.ended() or not count:
            await asyncio.wait_for(run.ask(reader, writer, number, count, count, 0), LIMIT_S)
            count += 1
            if count == 1:
                ready()
            await asyncio.sleep(interval_s)
        writer.write_eof()
        if rest := await asyncio.wait_for(reader.read(), LIMIT_S):
            raise Wrong("%r after the end" % rest[:80])
        writer.close()
    except (OSError, Wrong, ValueError, asyncio.TimeoutError) as error:
        run.failed(number, error)


async def load(address, port, connections, interval_ms, seconds):
    run = Run(address, port, seconds)
    left = connections

    def ready():
        nonlocal left
        left -= 1
        if not left:
            print("ready", flush=True)

    tasks = []
    for number in range(connections):
        tasks.append(asyncio.create_task(load_one(run, number, ready, interval_ms / 1000)))
        if number % 100 == 99:
            await asyncio.sleep(0.05)  # not more than a backlog
    await asyncio.gather(*tasks)
    return run.report(connections)


async def open_one(run, number, limit_s):
    async def once():
        reader, writer = await asyncio.open_connection(*run.at)
        await run.ask(reader, writer, number, 0, 0, 0)
        writer.close()

    start = time.monotonic()
    try:
        await asyncio.wait_for(once(), limit_s)
        run.slowest_ms = max(run.slowest_ms, 1000 * (time.monotonic() - start))
    except (OSError, Wrong, ValueError) as error:
        run.failed(number, error)
    except asyncio.TimeoutError:
        run.failed(number, "not within %d ms" % (limit_s * 1000))


async def open_many(address, port, interval_ms, limit_ms, seconds):
    """With one that lasts from the beginning to the end: so it is known who the clients are."""
    run = Run(address, port, seconds)
    reader, writer = await asyncio.wait_for(asyncio.open_connection(*run.at), LIMIT_S)
    tasks = []
    try:
        await asyncio.wait_for(run.ask(reader, writer, 0, 0, 0, 0), LIMIT_S)
        while not run.ended() or not tasks:
            tasks.append(asyncio.create_task(open_one(run, len(tasks) + 1, limit_ms / 1000)))
            if len(tasks) == 10:
                print("ready", flush=True)
            await asyncio.sleep(interval_ms / 1000)
        await asyncio.gather(*tasks)
        await asyncio.wait_for(run.ask(reader, writer, 0, 1, 1, 0), LIMIT_S)
    except (OSError, Wrong, ValueError, asyncio.TimeoutError) as error:
        run.failed(0, error)
    writer.close()
    return run.report(len(tasks) + 1)


def main(command, *args):
    if command == "serve":
        kind, address, port = args
        if kind == "asyncio":
            return asyncio.run(serve_asyncio(address, int(port)))
        return {"threads": serve_threads, "tree": serve_tree}[kind](address, int(port))
    address, port, *numbers = args
    client = {"load": load, "open": open_many}[command]
    return asyncio.run(client(address, int(port), *map(int, numbers)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
