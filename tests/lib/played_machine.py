# SPDX-License-Identifier: MIT
"""A partition whose monitor a test plays: it chooses what the monitor answers,
and when it dies."""
import os
import struct
import subprocess

import played
from refusals import disk, document, write

NAME = "played-one"
GUEST_RUNNING, GUEST_PAUSED, GUEST_OFF = 1, 2, 4
IMAGE = b"a guest" * 1000


class Verb:
    """A verb on its way."""

    def __init__(self, host, verb, *words):
        self.process = subprocess.Popen(
            host.argv(verb, NAME, *words), env=host.env, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def end(self):
        """What came of it, as host.call() gives it."""
        out, err = self.process.communicate(timeout=30)
        return subprocess.CompletedProcess([], self.process.returncode, out,
                                           err)


class Monitor:
    """A played monitor of a guest that is all in one file."""

    def __init__(self, stage):
        self.child = stage.next()
        _, self.child.settings, fds = self.child.wait("CHILD_SETTINGS")
        self.child.meet = fds[0]
        self.witness = None
        self.held = None
        self.image = None

    def settings(self):
        """Everything up to MONITOR_LAUNCH; the names of the messages."""
        names = []
        while "MONITOR_LAUNCH" not in names:
            name, _, body, fds = self.child.receive()
            names.append(name)
            if name == "MONITOR_DISK":
                self.witness = fds.pop()
                self.held = played.disk_channel(
                    struct.unpack_from("=Q", body)[0], 0)
            if name == "MONITOR_IMAGE":
                self.image = os.pread(fds[0], 1 << 20, 0)
            played.close(fds)
        return names

    def report(self, state):
        self.child.send("MONITOR_GUEST", struct.pack("=IIiI", state, 0, 0, 0))

    def ready(self):
        self.report(GUEST_PAUSED)
        self.child.send("CHILD_READY", struct.pack("=II", 0, 0))

    def answer(self, name, status=0, text=b""):
        """Wait for a verb and say what came of it."""
        request, _, fds = self.child.wait(name)
        played.close(fds)
        self.child.send("MONITOR_DONE",
                        struct.pack("=iI192s", status, 0, text), (), request)

    def write(self, image=IMAGE, total=1 << 30):
        """Take MONITOR_SAVE, write, tell how far, and be done."""
        request, _, fds = self.child.wait("MONITOR_SAVE")
        os.write(fds[0], image)
        os.fsync(fds[0])
        played.close(fds)
        for done in (total // 2, total):
            self.child.send("MONITOR_PROGRESS",
                            struct.pack("=QQ", done, total), (), request)
        self.child.send("MONITOR_DONE", struct.pack("=iI192s", 0, 0, b""), (),
                        request)

    def end(self):
        """Die, with every descriptor."""
        if self.witness is not None:
            os.close(self.witness)
        self.witness = None
        self.child.end()

    def come_back(self, state):
        self.child.come_back(1)
        self.child.wait("CHILD_WELCOME")
        self.report(state)
        self.child.send("MONITOR_DISK_HELD", self.held, [self.witness])
        self.child.send("CHILD_REPORTED")


def start(host, stage, engine="kvm", restart="never", **fields):
    """A partition that runs under a played monitor."""
    host.run("define", write(host, document(
        host, partition=NAME, engine=engine, restart=restart,
        **{"disks": [disk(host)], **fields})))
    host.run("install", NAME)
    verb = Verb(host, "start")
    monitor = Monitor(stage)
    monitor.settings()
    monitor.ready()
    monitor.answer("MONITOR_RESUME")
    assert verb.end().returncode == 0
    return monitor
