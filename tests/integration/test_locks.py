# SPDX-License-Identifier: MIT
"""While a guest believes to know a disk, nobody else gets its image."""
import contextlib
import fcntl
import os
import signal
import struct

import bulkhead
import foreign

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
