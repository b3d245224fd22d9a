#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of fuzz_ledger into corpus/ledger: changes of a ledger in
use and of its plate, as the target has them."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus" / "ledger"
HEADER, STATES, NOTES, ROW, AREA, PLATE = range(6)
SLOT = 0x4000


def save(name, *changes, fits=True):
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE / name).write_bytes(bytes([fits]) + b"".join(
        struct.pack("<BHB", *change) for change in changes))


save("whole")
save("magic", (HEADER, 0, 1))
save("another-boot", (HEADER, 32, 1))
save("not-made", (HEADER, 64, 0), (STATES, 0, 0))
save("current-ahead", (HEADER, 64, 99))
save("current-huge", *((HEADER, 64 + i, 255) for i in range(8)))
save("settled-behind", (HEADER, 72, 4))
save("settled-far-behind", (HEADER, 72, 1))
for slot in (0, SLOT):
    save(f"last-nexus-{slot}", (STATES, slot + 16, 64))
    save(f"last-row-{slot}", (STATES, slot + 24, 200))
    save(f"last-sense-{slot}", (STATES, slot + 33, 255))
    save(f"all-of-a-port-{slot}", *((STATES, slot + 184 + i, 255)
                                    for i in range(24)))
    save(f"a-nibble-{slot}", *((STATES, slot + i, 15)
                               for i in range(1720, 1760)))
save("notes-current", (NOTES, 0, 77))
save("notes-settled", (NOTES, 8, 0))
save("notes-pending", *((NOTES, 16 + i, 255) for i in range(12, 60)))
save("notes-told", *((NOTES, 8 + i, 0) for i in range(8)))
save("row-state", *((ROW, i * 128 + 4, 9) for i in range(4)))
save("row-moved", *((ROW, i * 128 + 4, 2) for i in range(4)))
save("row-area", *((ROW, i * 128 + 5, 200) for i in range(4)))
save("row-aborted", *((ROW, i * 128 + 4, 4) for i in range(4)))
save("row-sense", *((ROW, i * 128 + 49, 255) for i in range(4)))
save("area-bytes", *((AREA, 12 + i, 255) for i in range(4)))
save("area-owner", (AREA, 0, 1))
save("plate-type", (PLATE, 44, 9), (PLATE, 4096 + 44, 9))
save("plate-port", *((PLATE, 4096 + i, 0) for i in range(560, 600)))
save("plate-torn", (PLATE, 4096 + 100, 7), fits=False)
save("plate-lost", (PLATE, 100, 7), (PLATE, 4196, 7), fits=False)
save("torn-state", (STATES, 500, 3), (STATES, SLOT + 500, 3), fits=False)
save("torn-notes", (NOTES, 30, 3), (NOTES, 90, 3), fits=False)
save("torn-rows", *((ROW, i * 128 + j, 3) for i in range(4)
                    for j in (20, 60)), fits=False)
