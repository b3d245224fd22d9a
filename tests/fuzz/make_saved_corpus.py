#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of fuzz_saved into corpus/saved: small images by the layout
in src/saved/format.h. The target makes the checksums fit."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus" / "saved"
PAGE = 4096
CHUNK = 262144


def image(name, *, memory=2 * PAGE, state=b"", kind=1, version=1, chunks=1,
          cut=None):
    state_offset = 2 * PAGE + memory
    header = struct.pack(
        "<8sIIIIQQQQIIQQIIIII12s", b"BULKHEAD", version, 0, CHUNK, chunks,
        state_offset + len(state), 2 * PAGE, state_offset, len(state), 0, 0,
        memory, 7, 832, 1, 2, 1, 2000000, b"AuthenticAMD")
    data = (header.ljust(PAGE, b"\0")
            + struct.pack("<II", 0, kind).ljust(PAGE, b"\0")
            + b"memory".ljust(memory, b"m") + state)
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE / name).write_bytes(data[:cut])


image("whole", state=struct.pack("<HHI", 1, 1, 4) + b"abcd")
image("zero-chunk", kind=0)
image("unknown-chunk", kind=7)
image("other-version", version=2)
image("many-chunks", chunks=0xffffffff)
image("cut", cut=PAGE + 3)
image("cut-header", cut=100)
