#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the seeds of fuzz_definition: sound definitions and near misses."""
import pathlib
import struct
import sys

NESTED, MAY_IGNORE = 1 << 15, 1 << 14
PARTITION, DISK, NIC, SWITCH, VOLUME = b"\0", b"\1", b"\2", b"\3", b"\4"


def attribute(number, payload):
    if isinstance(payload, int):
        payload = struct.pack("<I", payload)
    if isinstance(payload, str):
        payload = payload.encode()
    head = struct.pack("<HH", number, len(payload))
    return head + payload + bytes(-len(payload) % 4)


def record(**fields):
    return b"".join(attribute(int(name[1:]), payload)
                    for name, payload in fields.items())


def disk(name="root", **more):
    return attribute(11 | NESTED, record(
        **{"_1": name, "_2": f"/srv/{name}.img", **more}))


LAN0 = record(_1="lan0", _2="lan", _3=bytes([2, 0, 0, 0, 0, 1]),
              _4=struct.pack("<H", 10), _5=struct.pack("<2H", 20, 30), _6=1,
              _10=1500, _11=1, _12=struct.pack("<QII", 125 << 10, 10000, 0),
              _13=struct.pack("<I", 1) + bytes([10, 0, 0, 1]) + bytes(16))
OWN = record(_1="web1", _5="/boot/vmlinuz", _7="root=/dev/vda ro", _8=2,
             _9=struct.pack("<Q", 512 << 20))
FOREIGN = record(_1="ext", _3=3, _4="/run/vm.sock")

SEEDS = {
    "plain": PARTITION + OWN + disk(),
    "two-disks": PARTITION + OWN + disk() + disk("data", _5=1, _9=8),
    "outage": PARTITION + OWN + disk(_7=struct.pack("<II", 1, 30000)),
    "foreign": PARTITION + FOREIGN + disk(),
    "interface": PARTITION + OWN + attribute(12 | NESTED, LAN0),
    "same-name": PARTITION + OWN + disk() + disk(),
    "too-many-disks": PARTITION + OWN + 9 * disk(),
    "ignored": PARTITION + OWN + attribute(99 | MAY_IGNORE, "later"),
    "unknown": PARTITION + OWN + attribute(99, "later"),
    "twice": PARTITION + OWN + OWN,
    "no-need": PARTITION + FOREIGN + disk() + record(_8=1),
    "deep": PARTITION + attribute(11 | NESTED, disk()),
    "short": (PARTITION + OWN)[:30],
    "long": PARTITION + struct.pack("<HH", 1, 0xffff) + b"web1",
    "nic": NIC + LAN0,
    "switch": SWITCH + record(
        _1="lan", _2="net0", _3=struct.pack("<16sI", b"br0", 2),
        _4=struct.pack("<H", 1)),
    "disk": DISK + record(_1="root", _2="/srv/root.img"),
    "shared-disk": DISK + record(_1="quorum", _14="quorum", _4=3, _10=1),
    "volume": VOLUME + record(_1="quorum", _2="/srv/quorum.img"),
    "empty": b"",
}

for seed, blob in SEEDS.items():
    (pathlib.Path(sys.argv[1]) / seed).write_bytes(blob)
