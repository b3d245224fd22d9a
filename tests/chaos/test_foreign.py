# SPDX-License-Identifier: MIT
"""A virtual machine that is not ours, started by nothing but QEMU's own
command line, with its disk served by Bulkhead."""
import os
import re
import signal
import subprocess
import threading
import time

import pytest

import bulkhead

# Whose own QEMU runs its guest.
pytestmark = pytest.mark.engine("qemu")


class ForeignGuest:
    """A plain QEMU with a vhost-user disk, and what its guest prints."""

    def __init__(self, socket, test, args):
        image = bulkhead.guest_image()
        self.text = ""
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "q35,memory-backend=memory",
             "-accel", "tcg,thread=multi", "-m", "192M",
             # With one processor QEMU 7.2 leaves the barriers out of TCG.
             "-smp", "1,maxcpus=2",
             "-object", "memory-backend-memfd,id=memory,size=192M,share=on",
             "-nodefaults", "-nic", "none", "-display", "none", "-no-reboot",
             "-serial", "stdio", "-kernel", str(image / "vmlinuz"),
             "-initrd", str(image / "initrd"), "-append",
             f"console=ttyS0 quiet panic=-1 bulkhead.test={test} "
             f"bulkhead.args={args}",
             "-chardev", f"socket,id=disk,path={socket},reconnect=1",
             "-device", "vhost-user-blk-pci,chardev=disk"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.text += line.decode(errors="replace").replace("\r", "")

    def last(self, pattern):
        found = re.findall(f"^BULKHEAD {pattern}$", self.text, re.MULTILINE)
        return found[-1] if found else None

    def wait(self, pattern, seconds=60):
        try:
            return bulkhead.wait_for(lambda: self.last(pattern), seconds)
        except AssertionError:
            raise AssertionError(
                f"no {pattern!r}; console:\n{self.text[-3000:]}") from None

    def requests(self):
        return int(self.last("stamp requests=([0-9]+) .*") or 0)

    def wait_progress(self):
        seen = self.requests()
        bulkhead.wait_for(lambda: self.requests() > seen, 30,
                          what="the foreign guest's requests are answered")

    def close(self):
        self.process.kill()
        self.process.wait()


def serve(host):
    socket = host.directory / "data.sock"
    host.run("disk", "serve", "data", "--file", host.directory / "data.img",
             "--size", "96M", "--vhost-user", socket)
    return socket


def check_end(guest):
    guest.wait("finished", 120)
    last = guest.last("(stamp requests=.*)")
    assert re.search(r"errors=0 corrupt=0 lost=0 duplicated=0", last)
    assert guest.last("e2fsck status=([0-9]+)") == "0"
    assert guest.last("kernel errors=([0-9]+)") == "0"


def test_a_foreign_guest_survives_killed_services(host):
    guest = ForeignGuest(serve(host), "stamp", "25,24")
    try:
        guest.wait("stamp filled")

        for _ in range(20):
            host.replace_service(signal.SIGKILL)
            time.sleep(0.3)
        guest.wait_progress()

        check_end(guest)
    finally:
        guest.close()


def test_a_foreign_guest_survives_a_killed_monitor(host):
    guest = ForeignGuest(serve(host), "stamp", "30,24")
    try:
        guest.wait("stamp filled")

        for _ in range(3):
            monitor = host.partition("data")["monitor_pid"]
            os.kill(monitor, signal.SIGKILL)
            bulkhead.wait_for(
                lambda: host.partition("data")["monitor_pid"]
                not in (0, None, monitor), what="the monitor is replaced")
            guest.wait_progress()

        check_end(guest)
    finally:
        guest.close()


def test_a_foreign_guest_survives_a_killed_supervisor(host):
    guest = ForeignGuest(serve(host), "stamp", "15,24")
    try:
        guest.wait("stamp filled")

        host.kill_supervisor()
        host.replace_service(signal.SIGKILL)
        guest.wait_progress()

        check_end(guest)
    finally:
        guest.close()
