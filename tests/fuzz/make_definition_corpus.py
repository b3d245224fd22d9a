#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the seeds of fuzz_definition: sound definitions and near misses."""
import pathlib
import struct
import sys

PATH = 256


def text(value, room):
    return value.encode().ljust(room, b"\0")


def disk(name="root", size=8 << 30, access=0, cache=0, outage=0, outage_ms=0,
         hang_ms=2000, queues=1):
    return (text(name, 32) + text("disk0", 32) + text(f"/srv/{name}.img", PATH)
            + struct.pack("<Q6I", size, access, cache, outage, outage_ms,
                          hang_ms, queues))


def definition(name="web1", engine=0, cpus=2, memory=512 << 20, log=256 << 10,
               kernel="/boot/vmlinuz", socket="", disks=(), count=None):
    blob = (text(name, 32)
            + struct.pack("<6I", 0, engine, 0, 1, cpus,
                          len(disks) if count is None else count)
            + struct.pack("<QQII", memory, log, 30000, 0)
            + text(kernel, PATH) + text("", PATH)
            + text("root=/dev/vda ro" if kernel else "", 1024)
            + text(socket, 108) + struct.pack("<I", 0))
    return blob + b"".join(disks).ljust(8 * 352, b"\0")


SEEDS = {
    "plain": definition(disks=[disk()]),
    "two-disks": definition(disks=[disk(), disk("data", cache=1, queues=8)]),
    "outage": definition(disks=[disk(outage=1, outage_ms=30000)]),
    "foreign": definition(engine=3, cpus=0, memory=0, log=0, kernel="",
                          socket="/run/vm.sock", disks=[disk()]),
    "same-name": definition(disks=[disk(), disk()]),
    "too-many-disks": definition(disks=[disk()], count=9),
    "count-wraps": definition(disks=[disk()], count=0xffffffff),
    "no-end": b"a" * 32 + definition(disks=[disk()])[32:],
    "short": definition()[:100],
    "empty": b"",
}

for seed, blob in SEEDS.items():
    (pathlib.Path(sys.argv[1]) / seed).write_bytes(blob)
