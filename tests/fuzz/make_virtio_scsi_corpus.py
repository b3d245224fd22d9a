#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the seeds of fuzz_virtio_scsi: a command each way, task management, a
question about notifications, and other sizes of CDB and sense data."""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent / "corpus/virtio_scsi"
SEGMENTS = 14


def seed(name, is_control, readable, writable, memory, write=(0, 0)):
    """One input; segments follow each other from the start of memory on."""
    head = bytes([is_control | len(readable) << 1 | len(writable) << 4])
    place, segments = 0, b""
    for length in [*readable, *writable]:
        segments += bytes([place // 16, place % 16, (length - 1) % 256,
                           (length - 1) // 256])
        place += length
    segments += bytes(4 * SEGMENTS - len(segments))
    (HERE / name).write_bytes(head + struct.pack("<HI", *write) + segments
                              + memory)


def command(*cdb):
    """The header of a command for target 1."""
    return bytes([1, 1, 0x40]) + bytes(16) + bytes(cdb).ljust(32, b"\0")


def main():
    HERE.mkdir(exist_ok=True)
    task = struct.pack("<II", 0, 5) + bytes([1, 2]) + bytes(14)
    notice = struct.pack("<I", 2) + bytes([1]) + bytes(7) + b"\xff" * 4
    seed("read", 0, [51], [108, 512], command(0x28))
    seed("write", 0, [51, 512], [108], command(0x2a))
    seed("both-ways", 0, [51, 1], [108, 1], command(0x2a))
    seed("in-pieces", 0, [1, 20, 30], [12, 96], command(0x00))
    seed("no-room", 0, [51], [107], command(0x00))
    seed("small-cdb", 0, [35, 99], [108], command(0x2a), (24, 16))
    seed("small-sense", 0, [51], [30, 99], command(0x28), (20, 18))
    seed("reset", 1, [24], [1], task)
    seed("subscribe", 1, [16], [5], notice)
    seed("unknown-control", 1, [4], [1], b"\x09\0\0\0")


if __name__ == "__main__":
    main()
