#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of fuzz_ring, fuzz_inflight and fuzz_vhostuser into corpus/.

The layouts are those of virtio 1.2 2.7 and of vhost-user; the constants are
those of tests/lib/fake_driver.h (a ring of 8 at the start of guest memory).
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus"
GPA = 0x40000000
NEXT, WRITE, INDIRECT = 1, 2, 4
SIZE = 8
DATA = 0x400  # where tables and buffers lie, behind the ring


def save(target, name, data):
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def descriptor(offset, length, flags, following=0):
    return struct.pack("<QIHH", GPA + offset, length, flags, following)


def ring(descriptors, heads, features=3, avail_idx=None, memory=b""):
    """One input of fuzz_ring; `memory` is placed at DATA."""
    table = b"".join(descriptors).ljust(16 * SIZE, b"\0")
    index = len(heads) if avail_idx is None else avail_idx
    avail = struct.pack("<HH", 0, index)
    avail += b"".join(struct.pack("<H", h) for h in heads)
    image = (table + avail).ljust(DATA, b"\0") + memory
    return bytes([features]) + image


def header(kind, sector):
    return struct.pack("<IIQ", kind, 0, sector)


def request(kind, sector, data_flags=0, data_bytes=512, body=b""):
    """Header, data and status as a direct chain."""
    chain = [
        descriptor(DATA, 16, NEXT, 1),
        descriptor(DATA + 0x100, data_bytes, NEXT | data_flags, 2),
        descriptor(DATA + 0x800, 1, WRITE),
    ]
    memory = header(kind, sector).ljust(0x100, b"\0") + body
    return ring(chain, [0], memory=memory)


def make_ring():
    save("ring", "read", request(0, 1, WRITE))
    save("ring", "write", request(1, 1))
    save("ring", "get-id", request(8, 0, WRITE, 20))
    span = struct.pack("<QII", 8, 8, 0)
    save("ring", "discard", request(11, 0, 0, 16, span))
    save("ring", "zeroes", request(13, 0, 0, 16, struct.pack("<QII", 8, 8, 1)))
    save("ring", "unknown", request(14, 0, WRITE))
    flush = [descriptor(DATA, 16, NEXT, 1), descriptor(DATA + 64, 1, WRITE)]
    save("ring", "flush", ring(flush, [0], memory=header(4, 0)))
    table = b"".join([
        descriptor(DATA + 0x80, 16, NEXT, 1),
        descriptor(DATA + 0x100, 513, WRITE),
    ])
    memory = table.ljust(0x80, b"\0") + header(0, 0)
    save("ring", "indirect",
         ring([descriptor(DATA, 32, INDIRECT)], [0], memory=memory))
    save("ring", "nested",
         ring([descriptor(DATA, 16, INDIRECT)], [0],
              memory=descriptor(DATA, 16, INDIRECT)))
    save("ring", "loop", ring([descriptor(DATA, 1, NEXT, 0)], [0]))
    save("ring", "jump", ring([], [], avail_idx=9))
    save("ring", "beyond", ring([], [8]))
    save("ring", "twice", ring([descriptor(DATA, 1, WRITE)] * 3, [0, 1, 2, 2]))
    wrap = struct.pack("<QIHH", 2**64 - 1, 2, WRITE, 0)
    save("ring", "wrap", ring([wrap], [0]))


def part(entries, version=1, count=SIZE, last=0, used=0):
    out = struct.pack("<QHHHH", 0, version, count, last, used)
    for in_flight, following, counter in entries:
        out += struct.pack("<B5xHQ", in_flight, following, counter)
    return out


def inflight(used, region, size=1):
    return struct.pack("<BH", size, used) + region


def make_inflight():
    three = [(1, 0, 7), (0, 0, 0), (1, 0, 3), (1, 0, 5)]
    save("inflight", "fresh", inflight(500, b""))
    save("inflight", "three", inflight(9, part(three, used=9)))
    save("inflight", "half-answered", inflight(10, part(three, used=9, last=2)))
    save("inflight", "batch", inflight(11, part([(1, 2, 1), (0, 0, 0), (1, 0, 2)], used=9)))
    save("inflight", "wrapped", inflight(0, part(three, used=65535, last=3)))
    save("inflight", "long-batch", inflight(100, part(three, used=1)))
    save("inflight", "out-of-bounds", inflight(2, part([(1, 999, 1)], used=0)))
    save("inflight", "same-counter", inflight(0, part([(1, 0, 1), (1, 0, 1)])))
    save("inflight", "small-ring", inflight(0, part([(1, 0, i) for i in range(8)]), 0))


def message(kind, body=b"", fds=0, flags=1):
    data = struct.pack("<III", kind, flags, len(body)) + body
    out = b""
    while data:
        out += bytes([fds, len(data[:255])]) + data[:255]
        data, fds = data[255:], 0
    return out


def u64(value):
    return struct.pack("<Q", value)


def state(index, value):
    return struct.pack("<II", index, value)


NEGOTIATED = (message(1) + message(3) + message(2, u64(1 << 30)) + message(15)
              + message(16, u64(1 << 0 | 1 << 3 | 1 << 5 | 1 << 9 | 1 << 12 | 1 << 13 | 1 << 15)))
TABLE = message(5, struct.pack("<II", 1, 0) + struct.pack("<QQQQ", GPA, 1 << 16, 0x7f0000000000, 0), 1)
USER = 0x7f0000000000


def start(index):
    addresses = struct.pack("<IIQQQQ", index, 0, USER, USER + 0x300, USER + 0x200, 0)
    return (message(8, state(index, 8)) + message(10, state(index, 0))
            + message(9, addresses) + message(12, u64(index), 1)
            + message(13, u64(index), 1) + message(18, state(index, 1)))


def make_vhostuser():
    region = u64(0) + struct.pack("<QQQQ", 1 << 20, 4096, 1 << 21, 0)
    flight = struct.pack("<QQHHI", 4096, 0, 2, 8, 0)
    config = struct.pack("<III", 0, 60, 0) + bytes(60)
    save("vhostuser", "negotiate", NEGOTIATED + message(17) + message(36))
    save("vhostuser", "serve", NEGOTIATED + TABLE + start(0) + start(1)
         + message(11, state(0, 0)) + message(34))
    save("vhostuser", "inflight", NEGOTIATED + message(31, flight)
         + message(32, flight, 1) + TABLE + start(0) + message(14, u64(0), 1))
    save("vhostuser", "regions", NEGOTIATED + message(37, region, 1, 9)
         + message(38, region, 0, 9) + message(38, region, 0, 9))
    save("vhostuser", "config", NEGOTIATED + message(24, config)
         + message(25, config, 0, 9) + message(21, b"", 1))
    save("vhostuser", "move-memory", NEGOTIATED + TABLE + start(0) + TABLE + message(4))
    save("vhostuser", "unknown", NEGOTIATED + message(99, b"", 0, 9) + message(99))
    save("vhostuser", "too-many-fds", message(1, b"", 9))
    save("vhostuser", "no-features", message(2, u64(0)) + TABLE + start(0))


make_ring()
make_inflight()
make_vhostuser()
