#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of fuzz_small_devices into corpus/small_devices/.

Rings are laid out as in make_virtio_corpus.py; ports as in machine/layout.h.
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus" / "small_devices"
GPA = 0x40000000
NEXT, WRITE = 1, 2
SIZE = 8
DATA = 0x400
CONSOLE_IN, CONSOLE_OUT, RNG, INFLATE, REPORT, PORTS = range(6)


def save(name, mode, data):
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE / name).write_bytes(bytes([mode]) + data)


def ring(chain, memory=b"", offers=1, next_of_last=None):
    table = b""
    for i, (gpa, length, flags) in enumerate(chain):
        last = i + 1 == len(chain)
        following = 0 if last else i + 1
        flags |= 0 if last else NEXT
        if last and next_of_last is not None:
            flags, following = flags | NEXT, next_of_last
        table += struct.pack("<QIHH", gpa, length, flags, following)
    table = table.ljust(16 * SIZE, b"\0")
    avail = struct.pack("<HH", 0, offers) + b"\0\0" * offers
    return (table + avail).ljust(DATA, b"\0") + memory


def access(port, write, width, value=0):
    return struct.pack("<HBBI", port, write, width, value)


BUFFER = GPA + DATA
for mode, name in ((CONSOLE_IN, "in"), (CONSOLE_OUT, "out"), (RNG, "rng"),
                   (INFLATE, "inflate"), (REPORT, "report")):
    flag = 0 if mode in (CONSOLE_OUT, INFLATE) else WRITE
    pages = struct.pack("<8I", *range(GPA >> 12, (GPA >> 12) + 8))
    save(name, mode, ring([(BUFFER, 32, flag)], pages))
    save(name + "-two", mode,
         ring([(BUFFER, 16, flag), (BUFFER + 4096, 8192, flag)], pages))
    save(name + "-long", mode, ring([(GPA, 4 << 20, flag)]))
    save(name + "-outside", mode, ring([(0, 4096, flag)]))
    save(name + "-beyond", mode, ring([(GPA + (4 << 20) - 8, 64, flag)]))
    save(name + "-wrong-way", mode, ring([(BUFFER, 32, WRITE - flag)], pages))
    save(name + "-loop", mode, ring([(BUFFER, 32, flag)], next_of_last=0))
    save(name + "-empty", mode, ring([(BUFFER, 0, flag)]))
    save(name + "-twice", mode, ring([(BUFFER, 32, flag)], offers=2))
    save(name + "-jump", mode, ring([(BUFFER, 32, flag)], offers=20))
save("inflate-wild", INFLATE,
     ring([(BUFFER, 20, 0)], struct.pack("<5I", 0, 0xffffffff, GPA >> 12,
                                         (GPA >> 12) + 1024, 1 << 20)))

serial = b"".join(access(0x3f8 + offset, 1, 0, value) for offset, value in
                  ((3, 0x80), (0, 1), (1, 0), (3, 3), (2, 0xc7), (4, 0x0b),
                   (1, 0x0f), (0, 0x41), (0, 0x48), (4, 0x1f), (0, 0x42)))
serial += b"".join(access(0x3f8 + i, 2, 0) for i in range(8))
save("serial", PORTS, serial)
save("wide", PORTS, b"".join(access(0x3f8, 1, w, 0x41424344) for w in range(4)))
clock = b""
for index, value in ((11, 0x82), (0, 0x59), (2, 0x59), (4, 0x23), (7, 0x31),
                     (8, 0x12), (9, 0x99), (0x32, 0x19), (11, 0x72),
                     (10, 0x23), (1, 0xff), (3, 0xc0), (5, 0x12)):
    clock += access(0x70, 1, 0, index) + access(0x71, 17, 0, value)
clock += b"".join(access(0x70, 1, 0, i) + access(0x71, 16, 0xf8)
                  for i in range(14))
save("clock", PORTS, clock)
save("clock-nonsense", PORTS,
     b"".join(access(0x70, 1, 0, i) + access(0x71, 17, 0xf8, 0xff)
              for i in list(range(12)) + [0x32, 11]))
save("power", PORTS,
     access(0x600, 1, 0, 0x34) + access(0x608, 1, 0, 0x42) +
     access(0x64, 1, 0, 0xfe) + access(0x505, 1, 0, 1) +
     access(0x604, 8, 0) + access(0x604, 1, 0, 1))
