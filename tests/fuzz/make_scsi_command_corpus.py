#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of fuzz_scsi_command into corpus/scsi_command: a byte that
says what the unit is, and commands as that target reads them."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus" / "scsi_command"
NONE, IN, OUT = 0, 1, 2
LARGE, THIN, REMOVABLE, CD, READ_ONLY, TAPE = 1, 2, 4, 8, 16, 32


def command(cdb, *, data=b"", direction=None, length=None, nexus=0):
    """The data length is counted in units of 16 bytes."""
    if direction is None:
        direction = OUT if data else IN
    if length is None:
        length = len(data) if data else 512
    data = data.ljust(-(-length // 16) * 16, b"\0") if direction == OUT else b""
    return (struct.pack(">BBH", nexus, direction, -(-length // 16))
            + bytes(cdb).ljust(16, b"\0") + data)


def seed(name, unit, *commands):
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE / name).write_bytes(bytes([unit]) + b"".join(commands))


def persistent_out(action, kind, key, service_key, nexus=0, flags=0):
    data = struct.pack(">QQ4xB3x", key, service_key, flags)
    return command([0x5f, action, kind, 0, 0, 0, 0, 0, 24], data=data,
                   nexus=nexus)


BLOCK = bytes(range(256)) * 2

seed("tells", THIN,
     command([0]), command([0x12, 0, 0, 1, 0]),
     *(command([0x12, 1, page, 1, 0]) for page in
       (0, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2)),
     command([0x25]), command([0x9e, 0x10, *[0] * 11, 32]),
     command([0xa0, *[0] * 8, 64]), command([0x03, 1, 0, 0, 252]))
seed("codes", 0,
     command([0xa3, 0x0c, 0x80, *[0] * 5, 16, 0], length=4096),
     command([0xa3, 0x0c, 1, 0x28, 0, 0, 0, 0, 1, 0]),
     command([0xa3, 0x0c, 2, 0x9e, 0, 0x12, 0, 0, 1, 0]),
     command([0xa3, 0x0c, 3, 0x5f, 0, 6, 0, 0, 1, 0]),
     command([0xa3, 0x0d, 0x80, 0, 0, 0, 0, 0, 0, 16]))
seed("blocks", LARGE,
     command([0x2a, 8, 0, 0, 0, 3, 0, 0, 1], data=BLOCK),
     command([0x28, 0, 0, 0, 0, 3, 0, 0, 1]),
     command([0x08, 0, 0, 3, 1]),
     command([0x2f, 2, 0, 0, 0, 3, 0, 0, 1], data=BLOCK),
     command([0x2f, 6, 0, 0, 0, 3, 0, 1, 0], data=BLOCK),
     command([0x2e, 2, 0, 0, 0, 3, 0, 0, 1], data=BLOCK),
     command([0x8b, 0, *[0] * 7, 3, 0, 0, 0, 1], data=BLOCK),
     command([0x34, 0, 0, 0, 0, 3, 0, 0, 1], direction=NONE),
     command([0x35], direction=NONE))
seed("places", 0,
     command([0x88, *[0xff] * 0, 0, *[0xff] * 8, 0, 0, 0, 2]),
     command([0x28, 0, 0, 0, 1, 0xff, 0, 0, 2]),
     command([0x8a, 0, *[0xff] * 8, 0xff, 0xff, 0xff, 0xff], data=BLOCK))
seed("compare", THIN,
     command([0x89, 0, *[0] * 7, 5, 0, 0, 0, 1], data=bytes(512) + BLOCK),
     command([0x89, 8, *[0] * 7, 5, 0, 0, 0, 1], data=BLOCK + BLOCK,
             nexus=1),
     command([0x89, 0, *[0] * 7, 5, 0, 0, 0, 1], data=bytes(1024)))
seed("unmap", THIN | LARGE,
     command([0x42, *[0] * 6, 0, 40],
             data=struct.pack(">HH4xQI4xQI4x", 38, 32, 8, 16, 500, 12)),
     command([0x9e, 0x12, *[0] * 8, 0, 0, 0, 200]),
     command([0x41, 8, 0, 0, 0, 0, 0, 0, 9], data=bytes(512)),
     command([0x93, 0, *[0] * 8, 0, 0, 1, 0], data=BLOCK),
     command([0x93, 9, *[0] * 8, 0, 0, 1, 0], direction=NONE, length=0))
seed("modes", 0,
     command([0x1a, 0, 0x3f, 0, 255]), command([0x5a, 0x10, 0x7f, 0xff, 0, 0,
                                                0, 2, 0]),
     command([0x15, 0x10, 0, 0, 16],
             data=bytes([0, 0, 0, 0, 0x0a, 10, 4, 0x10, 8, 0x40, 0, 0, 0xff,
                         0xff, 0, 0])),
     command([0x2a, 0, 0, 0, 0, 3, 0, 0, 1], data=BLOCK),
     command([0], nexus=1))
seed("media", REMOVABLE,
     command([0x1e, 0, 0, 0, 1], direction=NONE),
     command([0x1b, 0, 0, 0, 2], direction=NONE),
     command([0x1e], direction=NONE),
     command([0x1b, 0, 0, 0, 2], direction=NONE),
     command([0x25]), command([0x1b, 0, 0, 0, 3], direction=NONE),
     command([0], nexus=2))
seed("reservations", 0,
     persistent_out(0, 0, 0, 7), persistent_out(6, 0, 0, 8, nexus=1),
     persistent_out(1, 5, 7, 0), command([0x2a, 0, 0, 0, 0, 3, 0, 0, 1],
                                         data=BLOCK, nexus=2),
     persistent_out(5, 5, 8, 7, nexus=1), persistent_out(3, 0, 8, 0, nexus=1),
     *(command([0x5e, action, 0, 0, 0, 0, 0, 1, 0]) for action in range(4)),
     command([0x16], direction=NONE), command([0], nexus=1),
     command([0x17], direction=NONE))
seed("disc", CD | REMOVABLE | READ_ONLY,
     command([0x43, 2, 0, 0, 0, 0, 1, 1, 0]),
     command([0x46, 0, 0, 0, 0, 0, 0, 1, 0]),
     command([0x4a, 1, 0, 0, 0xff, 0, 0, 1, 0]),
     command([0x51, 0, 0, 0, 0, 0, 0, 1, 0]),
     command([0xa8, *[0] * 8, 1]))
seed("tape", TAPE | REMOVABLE,
     command([0x05]), command([0x0a, 0, 0, 0, 64], data=b"a" * 64),
     command([0x10, 0, 0, 0, 1], direction=NONE),
     command([0x0a, 0, 0, 2, 0], data=BLOCK),
     command([0x01], direction=NONE), command([0x08, 0, 0, 1, 0]),
     command([0x11, 1, 0, 0, 1], direction=NONE), command([0x34], length=20),
     command([0x11, 3], direction=NONE),
     command([0x2b, 0, 0, 0, 0, 0, 1], direction=NONE),
     command([0x1b], direction=NONE), command([0]),
     command([0x1b, 0, 0, 0, 1], direction=NONE),
     command([0x08, 1, 0, 0, 1]), command([0x19, 1], direction=NONE))
