# SPDX-License-Identifier: MIT
"""While a guest believes to know a disk, nobody else gets its image, and no
error of its data is forgotten."""
import contextlib
import fcntl
import os
import signal
import struct
import subprocess

import pytest

import bulkhead
import foreign
import played
from slowdisk import slow_disk

EIO = 5

OFD_SETLK = 37
WRITE_LOCK = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1 << 62, 0)


class Stranger:
    """Another program that would like to have the image for itself."""

    def __init__(self, image):
        self.descriptor = os.open(image, os.O_RDWR)

    def takes(self):
        try:
            fcntl.fcntl(self.descriptor, OFD_SETLK, WRITE_LOCK)
        except BlockingIOError:
            return False
        return True

    def close(self):
        os.close(self.descriptor)


@contextlib.contextmanager
def stranger_at(image):
    stranger = Stranger(image)
    try:
        yield stranger
    finally:
        stranger.close()


def wait_new_monitor(host, old, meanwhile):
    """Until the monitor is another one; `meanwhile` at every look."""
    def is_new():
        meanwhile()
        row = host.partition("data")
        return row["state"] == "running" and row["monitor_pid"] != old

    bulkhead.wait_for(is_new, every=0, what="the monitor is replaced")


def test_nobody_gets_an_image_while_a_foreign_monitor_is_restarted(host):
    foreign.serve(host, "data")
    monitor = host.partition("data")["monitor_pid"]

    with stranger_at(host.directory / "data.img") as stranger:
        taken = [stranger.takes()]
        os.kill(monitor, signal.SIGKILL)
        wait_new_monitor(host, monitor,
                         lambda: taken.append(stranger.takes()))

        assert not any(taken)
        host.run("stop", "data")
        assert stranger.takes()


def test_nobody_gets_an_image_whose_service_outlived_everyone(host):
    foreign.serve(host, "data")
    with foreign.load(foreign.socket_of(host, "data")) as load:
        load.check = lambda: None
        bulkhead.wait_for(
            lambda: host.partition("data")["disks"][0]["state"] == "up",
            what="the disk is served")
        monitor = host.partition("data")["monitor_pid"]
        os.kill(host.keeper.pid, signal.SIGSTOP)
        try:
            os.kill(host.supervisor_pid(), signal.SIGKILL)
            os.kill(monitor, signal.SIGKILL)
            bulkhead.wait_for(lambda: bulkhead.parent_of(monitor) is None,
                              what="the monitor is dead")
            with stranger_at(host.directory / "data.img") as stranger:
                assert not stranger.takes()
        finally:
            os.kill(host.keeper.pid, signal.SIGCONT)
    host.wait_ready()


@pytest.fixture
def slow(tmp_path):
    """Set up before a supervisor, so that it outlives whoever uses it."""
    if os.geteuid() != 0:
        pytest.skip("makes a loop device over FUSE")
    with slow_disk(tmp_path) as disk:
        yield disk


def next_monitor(stage):
    """A played monitor that is READY, and whether its disk owes an error."""
    monitor = stage.next()
    monitor.ready()
    monitor.witness = monitor.wait("MONITOR_DISK")[2][0]
    after = monitor.receive()
    played.close(after[3])
    return monitor, after[0] == "MONITOR_DISK_OWES"


def lose_data(slow, witness):
    """Data of the disk that the device does not take, told to its monitor."""
    device = os.open(slow.device, os.O_RDWR)
    slow.set(write_error=EIO)
    os.pwrite(device, b"x" * 4096, 0)
    with pytest.raises(OSError):
        os.fdatasync(witness)
    slow.set(write_error=0)
    os.fdatasync(witness)
    os.close(device)


def test_an_error_that_a_foreign_monitor_died_with_is_told_to_the_next(
        slow, make_host, stage):
    host = make_host(config=f"libexec_dir = {stage.folder}\n").start()
    host.run("define", foreign.document(host, "played-one", file=slow.device, size="64M"))
    host.run("install", "played-one")

    def start():
        verb = subprocess.Popen(host.argv("start", "played-one"),
                                         env=host.env)
        found = next_monitor(stage)
        assert verb.wait(20) == 0
        return found

    first, owed_first = start()
    lose_data(slow, first.witness)
    os.close(first.witness)
    first.end()
    second, owed_second = next_monitor(stage)
    os.close(second.witness)
    second.end()
    third, owed_third = next_monitor(stage)
    host.run("stop", "played-one", "--force")
    os.close(third.witness)
    fourth, owed_fourth = start()

    assert (owed_first, owed_second, owed_third, owed_fourth) == (
        False, True, True, False)
    host.run("stop", "played-one", "--force")
    os.close(fourth.witness)
