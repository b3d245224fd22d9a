#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of fuzz_nic into corpus/nic/: memory as fuzz_nic.c reads it.
"""
import pathlib
import struct

FOLDER = pathlib.Path(__file__).parent / "corpus" / "nic"
GPA = 0x40000000
SIZE = 16
RING, DATA = 0x400, 0xc00
NEXT, WRITE, INDIRECT = 1, 2, 4
MERGEABLE, EVENTS, TABLES, CONTROL = 1, 2, 4, 8


def ring(descriptors, heads, index=None, event=0):
    table = b"".join(struct.pack("<QIHH", *one) for one in descriptors)
    avail = struct.pack("<HH", 0, len(heads) if index is None else index)
    avail += b"".join(struct.pack("<H", head) for head in heads)
    avail = avail.ljust(4 + 2 * SIZE, b"\0") + struct.pack("<H", event)
    return (table.ljust(16 * SIZE, b"\0") + avail).ljust(RING, b"\0")


def save(name, flags, receive=ring([], []), transmit=ring([], []),
         control=ring([], []), data=b"", frame=100):
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_bytes(struct.pack("<BBH", flags, 0, frame - 1) +
                                receive + transmit + control + data)


BUFFER = GPA + DATA
BUFFERS = ring([(GPA + 0x4000 + 0x100 * i, 0x100, WRITE, 0)
                for i in range(SIZE)], range(SIZE))
for flags in (0, MERGEABLE, MERGEABLE | EVENTS):
    save(f"receive-{flags}", flags, BUFFERS)
    save(f"receive-long-{flags}", flags, BUFFERS, frame=1500)
    save(f"receive-too-long-{flags}", flags, BUFFERS, frame=65000)
save("receive-few", MERGEABLE | EVENTS,
     ring([(BUFFER, 64, WRITE, 0)] * 3, range(3)), frame=300)
save("receive-crumbs", MERGEABLE, ring([(BUFFER, 4, WRITE, 0)] * 8, range(8)))
save("receive-to-read", MERGEABLE, ring([(BUFFER, 64, 0, 0)], [0]))
save("receive-outside", MERGEABLE, ring([(0, 64, WRITE, 0)], [0]))
save("receive-into-ring", MERGEABLE, ring([(GPA, 0xc00, WRITE, 0)], [0]),
     frame=3000)
save("receive-twice", MERGEABLE,
     ring([(BUFFER, 64, WRITE, 0)], [0, 0, 0]), frame=150)
save("receive-jump", MERGEABLE, ring([(BUFFER, 64, WRITE, 0)], [0], 40))
save("receive-loop", MERGEABLE, ring([(BUFFER, 8, WRITE | NEXT, 0)], [0]))

save("send", 0, transmit=ring([(BUFFER, 12, NEXT, 1), (BUFFER, 60, 0, 0)],
                              [0]))
save("send-many", EVENTS,
     transmit=ring([(BUFFER, 72, 0, 0)] * SIZE, range(SIZE)))
save("send-full", EVENTS,
     transmit=ring([(GPA, 65000, 0, 0)] * SIZE, range(SIZE)))
save("send-short", 0, transmit=ring([(BUFFER, 20, 0, 0)], [0]))
save("send-giant", 0, transmit=ring([(GPA, 1 << 20, 0, 0)], [0]))
save("send-outside", 0, transmit=ring([(0, 100, 0, 0)], [0]))
save("send-to-write", 0, transmit=ring([(BUFFER, 100, WRITE, 0)], [0]))
save("send-table", TABLES, transmit=ring([(BUFFER, 32, INDIRECT, 0)], [0]),
     data=struct.pack("<QIHHQIHH", GPA, 30, NEXT, 1, GPA, 90, 0, 0))
save("send-table-in-table", TABLES,
     transmit=ring([(BUFFER, 16, INDIRECT, 0)], [0]),
     data=struct.pack("<QIHH", BUFFER, 16, INDIRECT, 0))


def command(name, data, status=1, flags=CONTROL):
    save(name, flags, control=ring([(BUFFER, len(data), NEXT, 1),
                                    (BUFFER + 0x1000, status, WRITE, 0)], [0]),
         data=data)


command("groups", b"\1\0" + struct.pack("<II", 0, 2) + b"\x33" * 12)
command("groups-both", b"\1\0" + struct.pack("<I", 1) + b"\2" * 6 +
        struct.pack("<I", 1) + b"\x33" * 6)
command("groups-many", b"\1\0" + struct.pack("<II", 0, 0xffffffff))
command("groups-cut", b"\1\0" + struct.pack("<II", 0, 60) + b"\x33" * 6)
command("groups-endless", b"\1\0" + bytes(4096))
command("promiscuous", b"\0\0\1")
command("address", b"\1\1\2\3\4\5\6\7")
command("pairs", b"\4\0\1\0")
command("pairs-none", b"\4\0\0\0")
command("pairs-many", b"\4\0\xff\xff")
command("unknown", b"\x63\x63")
command("one-byte", b"\0")
save("no-status", CONTROL, control=ring([(BUFFER, 3, 0, 0)], [0]),
     data=b"\0\0\1")
