# SPDX-License-Identifier: MIT
"""Saving and restoring, as the supervisor sees it: wholly or not at all.

The monitor of engine kvm is played, so a test chooses what it answers, and
when it dies.
"""
import json
import os
import stat
import struct
import subprocess

import pytest

import bulkhead
import played
from refusals import FAILED, REFUSED, check_refused, disk, document, write

NAME = "played-one"
GUEST_RUNNING, GUEST_PAUSED = 1, 2
EVENT_ERROR = 2
IMAGE = b"a guest" * 1000


@pytest.fixture
def stage(tmp_path):
    made = played.Stage(tmp_path / "libexec")
    yield made
    made.close()


@pytest.fixture
def arm(tmp_path):
    """Kill the supervisor at a point it reaches from now on."""
    def armed(point):
        (tmp_path / "armed").write_text(f"{point}=kill\n")
    armed.file = tmp_path / "armed"
    return armed


@pytest.fixture
def host(make_host, stage, arm):
    made = make_host(
        config=f"libexec_dir = {stage.folder}\n",
        environment={"BULKHEAD_FAILPOINT": "engine.kvm=fail",
                     "BULKHEAD_FAILPOINT_FILE": str(arm.file)}).start()
    made.saved = made.state / "saved"
    return made


class Verb:
    """A verb on its way."""

    def __init__(self, host, *words):
        self.process = subprocess.Popen(
            host.argv(*words, NAME), env=host.env, stdout=subprocess.PIPE,
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
        self.child.settings = self.child.take("CHILD_SETTINGS")
        self.witness = None
        self.disk = None

    def settings(self):
        """Everything up to MONITOR_LAUNCH; the names of the messages."""
        names = []
        while "MONITOR_LAUNCH" not in names:
            name, _, body, fds = self.child.receive()
            names.append(name)
            if name == "MONITOR_DISK":
                self.witness = fds.pop()
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


def start(host, stage):
    """A partition that runs under a played monitor."""
    host.run("define", write(host, document(
        host, partition=NAME, engine="kvm", restart="never",
        disks=[disk(host)])))
    host.run("install", NAME)
    verb = Verb(host, "start")
    monitor = Monitor(stage)
    monitor.settings()
    monitor.ready()
    monitor.answer("MONITOR_RESUME")
    assert verb.end().returncode == 0
    return monitor


def save(host, monitor):
    verb = Verb(host, "save")
    monitor.answer("MONITOR_PAUSE")
    monitor.write()
    monitor.child.take("CHILD_QUIT")
    monitor.end()
    assert verb.end().returncode == 0


def restoring(host, stage):
    verb = Verb(host, "restore")
    monitor = Monitor(stage)
    monitor.names = monitor.settings()
    return verb, monitor


def files(host):
    return sorted(os.listdir(host.saved))


def events(host):
    return [json.loads(line)["text"]
            for line in host.run("--json", "events").splitlines()]


def test_a_saved_guest_goes_on_in_another_monitor(host, stage):
    monitor = start(host, stage)

    save(host, monitor)

    shown = host.partition(NAME)
    assert shown["state"] == "saved" and not shown["monitor_pid"]
    assert shown["image"]["bytes"] >= len(IMAGE)
    assert shown["image"]["saved_us"] > 0
    assert files(host) == [f"{NAME}.image"]
    status = os.stat(host.saved / f"{NAME}.image")
    assert stat.S_IMODE(status.st_mode) == 0o600

    verb, monitor = restoring(host, stage)
    assert monitor.image == IMAGE
    assert "MONITOR_KVM" in monitor.names
    monitor.ready()
    request, _, _ = monitor.child.wait("MONITOR_RESUME")
    assert files(host) == [], "the image is used up before the guest runs"
    assert host.partition(NAME)["image"] is None
    monitor.child.send("MONITOR_DONE", struct.pack("=iI192s", 0, 0, b""), (),
                       request)
    assert verb.end().returncode == 0
    assert host.state_of(NAME) == "running"
    monitor.end()
