# SPDX-License-Identifier: MIT
"""Children of the supervisor whose words a test chooses.

A stand-in is started where the supervisor starts its own programs. For names
that begin with "played" it hands its control link to the test and sleeps; for
all others it becomes the real program. What the test then sends is what the
supervisor hears from that child.
"""
import mmap
import os
import pathlib
import re
import select
import signal
import socket
import struct
import sys
import time

import bulkhead

PROGRAMS = {"bulkhead-monitor": 1, "bulkhead-disk": 2, "bulkhead-console": 3,
            "bulkhead-net": 4}
NAME_SIZE = 32
TOKEN_BYTES = 16

STAND_IN = """#!/usr/bin/python3 -S
import os, sys
name = sys.argv[1].strip("[]")
if not name.startswith("played"):
    os.execv({real!r}, [{program!r}, sys.argv[1]])
sys.path.insert(0, {library!r})
import relay
relay.run({stage!r}, name)
"""

NUMBERS = {name: int(number) for number, name in re.findall(
    r"^MESSAGE\((\d+), *(\w+),",
    (bulkhead.ROOT / "src/control/protocol.def").read_text(), re.MULTILINE)}
NAMES = {number: name for name, number in NUMBERS.items()}


class Gone(Exception):
    """The supervisor has closed the link."""


class Child:
    """One played child: its control link is ours."""

    def __init__(self, relay):
        self.relay = relay
        data, fds, _, _ = socket.recv_fds(relay, 256, 1)
        pid, name = data.decode().split(" ", 1)
        self.pid, self.name = int(pid), name
        self.link = socket.socket(fileno=fds[0])
        self.link.settimeout(10)
        self.meet = None
        self.settings = b""

    def receive(self, seconds=10):
        """The next message: its name, request, body and descriptors."""
        if not select.select([self.link], [], [], seconds)[0]:
            raise AssertionError(f"no message for {self.name}")
        try:
            data, fds, _, _ = socket.recv_fds(self.link, 8192, 6)
        except ConnectionError:
            raise Gone from None
        if not data:
            raise Gone
        number, request = struct.unpack_from("=II", data)
        return NAMES[number], request, data[8:], fds

    def wait(self, name, seconds=10):
        """The next message of this name; others are passed over, and pings
        answered, which come without end."""
        until = time.monotonic() + seconds
        while True:
            got, request, body, fds = self.receive(
                max(0, until - time.monotonic()))
            if got == name:
                return request, body, fds
            if got == "CHILD_PING":
                self.send("CHILD_PONG", request=request)
            close(fds)

    def take(self, name, seconds=10):
        """The body of the next message of this name; nothing is kept open,
        so that no fence stands because of the test."""
        _, body, fds = self.wait(name, seconds)
        close(fds)
        return body

    def send(self, name, body=b"", fds=(), request=0):
        self.send_raw(struct.pack("=II", NUMBERS[name], request) + body, fds)

    def send_raw(self, data, fds=()):
        try:
            socket.send_fds(self.link, [data], list(fds))
        except (BrokenPipeError, ConnectionResetError):
            raise Gone from None

    def ready(self):
        """Take the settings and say READY."""
        _, self.settings, fds = self.wait("CHILD_SETTINGS")
        self.meet = fds[0]
        self.send("CHILD_READY", struct.pack("=II", 0, 0))

    def token(self):
        return self.settings[NAME_SIZE:NAME_SIZE + TOKEN_BYTES]

    def come_back(self, role, version=1):
        """A new link, from the child's own process, and CHILD_HELLO."""
        self.link.close()
        def connected():
            socket.send_fds(self.relay, [b"connect"], [self.meet])
            _, fds, _, _ = socket.recv_fds(self.relay, 16, 1)
            return fds
        self.link = socket.socket(fileno=bulkhead.wait_for(
            connected, 10, what="the supervisor listens")[0])
        self.link.settimeout(10)
        self.send("CHILD_HELLO", struct.pack(
            f"=II{NAME_SIZE}s{TOKEN_BYTES}s", version, role,
            self.name.encode(), self.token()))

    def is_alive(self):
        return bulkhead.parent_of(self.pid) is not None

    def wait_killed(self, seconds=10):
        bulkhead.wait_for(lambda: not self.is_alive(), seconds,
                          what=f"{self.name} is killed")

    def end(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.link.close()
        self.relay.close()


class Stage:
    """A folder of programs for `libexec_dir`, and who plays there."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.children = []
        path = self.folder / "stage"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen(16)
        for program in PROGRAMS:
            self._stand_in(program, path)

    def _stand_in(self, program, path):
        file = self.folder / program
        file.write_text(STAND_IN.format(
            real=bulkhead.program(program), program=program, stage=str(path),
            library=str(bulkhead.ROOT / "tests/lib")))
        file.chmod(0o755)

    def next(self, seconds=10):
        """The next child that comes on stage."""
        self.listener.settimeout(seconds)
        self.children.append(Child(self.listener.accept()[0]))
        return self.children[-1]

    def close(self):
        for child in self.children:
            child.end()
        self.listener.close()


def close(fds):
    for fd in fds:
        os.close(fd)


def attachment(number, generation):
    return struct.pack("=QQ", number, generation)


class Rings:
    """A monitor's end of an interface's rings (src/channel/frames.c)."""
    HEADER = 12
    PAGE, UNIT = 4096, 16
    OUT, IN = 128, 384  # of the ring's positions
    PRODUCED, CONSUMED, WAKE = 0, 64, 128

    def __init__(self, fds):
        memory, self.kick, self.call = fds
        self.map = mmap.mmap(memory, 0)
        os.close(memory)
        self.bytes = struct.unpack_from("=I", self.map, 8)[0]
        self.sent = self.taken = 0

    def _position(self, at):
        return struct.unpack_from("=Q", self.map, at)[0]

    def send(self, frame):
        """One frame, which must not reach the end of the ring."""
        at = self.PAGE + self.sent
        struct.pack_into("=I", self.map, at, self.HEADER + len(frame))
        self.map[at + self.UNIT:at + self.UNIT + self.HEADER] = bytes(
            self.HEADER)
        start = at + self.UNIT + self.HEADER
        self.map[start:start + len(frame)] = frame
        length = -(-(self.HEADER + len(frame)) // self.UNIT) * self.UNIT
        self.sent += self.UNIT + length
        struct.pack_into("=Q", self.map, self.OUT + self.PRODUCED, self.sent)
        os.write(self.kick, struct.pack("=Q", 1))

    def receive(self, seconds=5):
        """The next frame; None when there comes none."""
        deadline = time.monotonic() + seconds
        while self._position(self.IN + self.PRODUCED) == self.taken:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.002)
        at = self.PAGE + self.bytes + self.taken
        length = struct.unpack_from("=I", self.map, at)[0]
        start = at + self.UNIT + self.HEADER
        frame = bytes(self.map[start:at + self.UNIT + length])
        self.taken += self.UNIT + -(-length // self.UNIT) * self.UNIT
        struct.pack_into("=Q", self.map, self.IN + self.CONSUMED, self.taken)
        return frame

    def close(self):
        self.map.close()
        os.close(self.kick)
        os.close(self.call)


def disk_channel(number, generation, index=0):
    return struct.pack("=QQII", number, generation, index, 0)
