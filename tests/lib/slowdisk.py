# SPDX-License-Identifier: MIT
"""A block device that is slow, or fails, when a test says so: a loop device
over tests/lib/slowfs.c, with direct I/O: else one request would wait for
the other, and none could land late. For root."""
import contextlib
import os
import subprocess

import bulkhead


class SlowDisk:
    def __init__(self, directory, mib):
        self.backing = directory / "backing"
        self.mount = directory / "slow"
        with open(self.backing, "wb") as image:
            image.truncate(mib << 20)
        self.mount.mkdir()
        self.server = subprocess.Popen(
            [bulkhead.BUILD / "tests/slowfs", self.backing, self.mount])
        bulkhead.wait_for(lambda: os.path.ismount(self.mount),
                          what="slowfs is mounted")
        self.device = subprocess.run(
            ["losetup", "--find", "--show", "--direct-io=on",
             self.mount / "disk"],
            stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def set(self, **settings):
        text = "".join(f"{name} {value}\n"
                       for name, value in settings.items())
        descriptor = os.open(self.mount / "control", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def get(self, name):
        lines = (self.mount / "control").read_text().splitlines()
        return int(dict(line.split() for line in lines)[name])

    def begun(self):
        return self.get("begun")

    def disk(self, **fields):
        return {"name": "root", "file": self.device, **fields}

    def close(self):
        self.set(write_ms=0, read_ms=0, flush_ms=0, write_error=0,
                 flush_error=0, read_error=0)
        subprocess.run(["losetup", "--detach", self.device], check=True)
        bulkhead.wait_for(lambda: subprocess.run(
            ["umount", self.mount], stderr=subprocess.DEVNULL).returncode == 0,
            what="slowfs is unmounted")
        self.server.terminate()
        self.server.wait(30)


@contextlib.contextmanager
def slow_disk(directory, mib=64):
    disk = SlowDisk(directory, mib)
    try:
        yield disk
    finally:
        disk.close()
