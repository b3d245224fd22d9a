#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes corpus/tape_image: tapes as other tools make and leave them."""
import pathlib
import struct

FOLDER = pathlib.Path(__file__).parent / "corpus" / "tape_image"
FILEMARK, GAP, END = 0, 0xfffffffe, 0xffffffff


def mark(value):
    return struct.pack("<I", value)


def block(data, begin=None, end=None):
    begin = len(data) if begin is None else begin
    end = begin if end is None else end
    return mark(begin) + data + bytes(len(data) % 2) + mark(end)


HALF_GAP = b"\xff\xff" + mark(GAP)

SEEDS = {
    "tape": block(b"even") + block(b"odd") + 2 * mark(FILEMARK) + mark(END),
    "without_end": block(b"even") + mark(FILEMARK),
    "bad_data": block(b"even", 4 | 1 << 31) + mark(END),
    "gaps": 2 * mark(GAP) + block(b"even") + HALF_GAP + block(b"odd"),
    "only_gaps": 64 * mark(GAP),
    "only_filemarks": bytes(256),
    "marks_differ": block(b"even", 4, 6),
    "cut": block(b"even")[:9],
    "beyond": block(b"even", 0x7fffffff),
    "no_data": mark(1 << 31) + mark(1 << 31),
    "behind_the_end": mark(END) + block(b"even"),
}

FOLDER.mkdir(parents=True, exist_ok=True)
for name, seed in SEEDS.items():
    (FOLDER / name).write_bytes(seed)
