#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes corpus/frames: positions and rings as fuzz_frames.c reads them."""
import pathlib
import struct

FOLDER = pathlib.Path(__file__).parent / "corpus" / "frames"
RING = 256 << 10
SKIP = 0xffffffff


def position(value):
    return struct.pack("<Q", value) + bytes(56)


def ring(produced=0, consumed=0):
    return position(produced) + position(consumed) + 2 * position(1 << 63)


def record(count, said=None):
    padded = (count + 15) & ~15
    return struct.pack("<I", count if said is None else said) + bytes(12) + \
        bytes([count & 255]) * padded


def memory(records=b"", produced=None, consumed=0):
    produced = len(records) if produced is None else produced
    return position(0) + ring(produced) + ring(0, consumed) + records


SEEDS = {
    "plain": memory(record(72) + record(1526) + record(100)),
    "longest": memory(record(65410)),
    "zero": memory(record(16, 0)),
    "beyond": memory(record(16, 65536)),
    "skip": memory(record(16, SKIP)),
    "odd": memory(record(16), 17),
    "far": memory(record(16), RING + 16),
    "room": memory(consumed=1 << 40),
}

FOLDER.mkdir(parents=True, exist_ok=True)
for name, seed in SEEDS.items():
    (FOLDER / name).write_bytes(seed)
