# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the client has: every pinned map but the counters, byte by byte, what `list` says, and the
agent's own memory. Two of them are the same, or something has changed."""
import contextlib
import ctypes
import json
import os
import platform
import struct

from lab import LIBC, PROGRAM, Failed

PIN_DIR = "sys/fs/bpf/tcpmig"
POLICY_MAPS = ["tcpmig_policy", "tcpmig_policy_a", "tcpmig_policy_b"]
MAPS = ["tcpmig_rules", "tcpmig_remotes", "tcpmig_filter", "tcpmig_flows", "tcpmig_wires",
        "tcpmig_ifaces", "tcpmig_meta"] + POLICY_MAPS
# What moves by itself.
CLOCKS = ["age_ms", "state_ms", "deadline_ms", "packets_out", "packets_in", "dropped"]

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_OBJ_GET, BPF_OBJ_GET_INFO_BY_FD, BPF_MAP_LOOKUP_BATCH = 7, 15, 24
ENOENT = 2


def bpf(command, attr):
    """attr: a buffer, which the kernel may write to. Return: a descriptor, 0, or -errno."""
    result = LIBC.syscall(SYS_BPF, command, attr, len(attr))
    return -ctypes.get_errno() if result < 0 else result


class Map:
    """A pinned map, open for reading."""

    def __init__(self, path):
        name = ctypes.create_string_buffer(os.fsencode(path))
        attr = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(name), 0, 0))
        self.fd = bpf(BPF_OBJ_GET, attr)
        if self.fd < 0:
            raise OSError(-self.fd, f"{path}: {os.strerror(-self.fd)}")
        info = ctypes.create_string_buffer(80)
        attr = ctypes.create_string_buffer(
            struct.pack("=IIQ", self.fd, len(info), ctypes.addressof(info)))
        if bpf(BPF_OBJ_GET_INFO_BY_FD, attr):
            raise OSError(f"{path}: no info")
        _, _, self.key_size, self.value_size, self.max = struct.unpack_from("=5I", info)

    def close(self):
        os.close(self.fd)

    def dump(self):
        """{key: value}, as bytes."""
        room = min(self.max, 4096)
        token = ctypes.create_string_buffer(max(self.key_size, 8))
        keys = ctypes.create_string_buffer(room * self.key_size)
        values = ctypes.create_string_buffer(room * self.value_size)
        found, begun, result = {}, 0, 0
        while result == 0:
            attr = ctypes.create_string_buffer(struct.pack(
                "=QQQQIIQQ", begun, ctypes.addressof(token), ctypes.addressof(keys),
                ctypes.addressof(values), room, self.fd, 0, 0), 56)
            result = bpf(BPF_MAP_LOOKUP_BATCH, attr)
            if result not in (0, -ENOENT):
                raise OSError(-result, f"dump of a map: {os.strerror(-result)}")
            count = struct.unpack_from("=I", attr, 32)[0]
            all_keys, all_values = keys.raw, values.raw
            for i in range(count):
                key = all_keys[i * self.key_size:(i + 1) * self.key_size]
                found[key] = all_values[i * self.value_size:(i + 1) * self.value_size]
            begun = ctypes.addressof(token)
        return found


def difference(before, after):
    """Of two values: where they begin to differ, and a few bytes of both."""
    if before is None or after is None:
        return "appeared" if before is None else "is gone"
    at = next(i for i, pair in enumerate(zip(before, after)) if pair[0] != pair[1])
    return f"at {at}: {before[at:at + 24].hex()} -> {after[at:at + 24].hex()}"


class State:
    """Of one moment."""

    def __init__(self, maps, listing, memory):
        self.maps = maps
        self.listing = listing
        self.memory = memory

    def differences(self, other, skip=()):
        """In words, one for each; skip: names of maps."""
        words = []
        for name, dump in self.maps.items():
            if name in skip:
                continue
            after = other.maps[name]
            words += [f"{name}: {key.hex()} {difference(dump.get(key), after.get(key))}"
                      for key in sorted(dump.keys() | after.keys())
                      if dump.get(key) != after.get(key)]
        for what, entries in self.listing.items():
            for sign, these, those in (("-", entries, other.listing[what]),
                                       ("+", other.listing[what], entries)):
                words += [f"list: {sign}{json.dumps(entry)}" for entry in these
                          if entry not in those]
        if self.memory != other.memory:
            words.append("the state file")
        return words


class Watcher:
    """Takes states of the client."""

    def __init__(self, client, state_dir):
        self.client = client
        self.state_dir = state_dir
        self.maps = {name: Map(client.root / PIN_DIR / name) for name in MAPS}
        self.latest = State({}, {}, {})

    def close(self):
        for opened in self.maps.values():
            opened.close()

    def raw(self):
        return {name: opened.dump() for name, opened in self.maps.items()}

    def listing(self, clocks=False):
        """Of list -j. Beside the rules and flows also what it says of interfaces."""
        said = json.loads(self.client.run(PROGRAM, "-j", "list"))
        for rule in said["rules"]:
            for clock in [] if clocks else CLOCKS:
                del rule[clock]
        said["flows"].sort(key=json.dumps)
        return said

    def rule(self, old):
        """The rule of OLD (as text) as list -j has it, or None."""
        return next((rule for rule in self.listing(True)["rules"] if rule["old"] == old), None)

    def memory(self):
        """The agent's files of what must survive a restart."""
        return {path.name: path.read_bytes() for path in self.state_dir.iterdir()}

    def before(self):
        """list removes what has ended before it looks, so it comes first; what it has said of the
        very same maps a moment ago it would say again."""
        maps = self.raw()
        if maps == self.latest.maps:
            return State(maps, self.latest.listing, self.memory())
        listing = self.listing()
        return State(self.raw(), listing, self.memory())

    def after(self):
        maps, memory = self.raw(), self.memory()
        self.latest = State(maps, self.listing(), memory)
        return self.latest

    @contextlib.contextmanager
    def unchanged(self, listed=True, skip=()):
        """Whatever is done within changes nothing."""
        def bare():
            return State(self.raw(), {}, self.memory())
        before = self.before() if listed else bare()
        yield
        words = before.differences(self.after() if listed else bare(), skip)
        if words:
            raise Failed("\n".join(["state changed:"] + words))
