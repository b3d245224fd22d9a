# SPDX-License-Identifier: MIT
"""What a guest sees of its disk when the host's own storage misbehaves."""
import contextlib
import os
import subprocess

import pytest

import bulkhead
from bulkhead import Raw

MIB = 1 << 20
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")


@contextlib.contextmanager
def tmpfs(directory, mib):
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs",
                    directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def test_a_guest_reads_and_writes_its_whole_disk(host):
    raw = Raw(host, host.disk(size="64M"))

    assert raw.do("write", 0, MIB) == 0
    assert raw.do("write", 63 * MIB, MIB) == 0
    assert raw.do("read", 63 * MIB, MIB) == 0
    assert raw.do("discard", 8 * MIB, MIB) == 0
    assert raw.do("flush") == 0
    raw.ask("size")
    raw.console.wait(f"^size={64 * MIB // 512}$")


def test_a_read_only_disk_cannot_be_written(host):
    disk = host.disk(size="64M", access="ro")
    with open(disk["file"], "wb") as image:
        image.truncate(64 * MIB)
    raw = Raw(host, disk)

    raw.ask("readonly")
    raw.console.wait("^readonly=1")

    assert raw.do("read", 0, MIB) == 0
    assert raw.do("write", 0, MIB) != 0


@needs_root
def test_a_full_file_system_holds_the_request_until_there_is_room(host,
                                                                  tmp_path):
    with tmpfs(tmp_path / "small", 32) as directory:
        ballast = directory / "ballast"
        ballast.write_bytes(bytes(20 * MIB))
        raw = Raw(host, host.disk(size="24M",
                                  file=str(directory / "root.img")))
        for offset in range(0, 10 * MIB, MIB):
            assert raw.do("write", offset, MIB) == 0

        for offset in range(10 * MIB, 14 * MIB, MIB):
            raw.ask("write", offset, MIB)
        bulkhead.wait_for(
            lambda: host.partition("one")["disks"][0]["counters"]["held"],
            what="a request is held")
        events = host.run("events")
        ballast.unlink()

        assert raw.answer() == 0
        assert all(" status=0" in line for line in raw.console.lines("did"))
        assert "room" in events or "space" in events
        host.run("stop", "one", "--force")
        host.run("uninstall", "one")
