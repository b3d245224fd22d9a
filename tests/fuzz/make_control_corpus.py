#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of fuzz_control: messages of the right shape and wrong ones."""
import pathlib
import struct
import sys


def message(fd_count, number, body=b"", request=7):
    return bytes([fd_count]) + struct.pack("<II", number, request) + body


SEEDS = {
    "ping": message(0, 7),
    "kernel": message(1, 21),
    "kernel-without-descriptor": message(0, 21),
    "attach": message(4, 60, bytes(104)),
    "too-many-descriptors": message(6, 60, bytes(104)),
    "start": message(0, 103, b"web1".ljust(32, b"\0")),
    "start-short": message(0, 103, b"web1"),
    "unknown": message(0, 99),
    "no-header": bytes([0]) + b"abc",
    "descriptor-only": bytes([1]),
    "too-long": message(0, 101, bytes(9000)),
}

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, seed in SEEDS.items():
    (folder / name).write_bytes(seed)
