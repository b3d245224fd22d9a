#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_emulate_corpus: real encodings for fuzz_emulate.

Takes the instructions of tests/unit/emulate/cases.h, has the assembler
encode them, and writes one file each into corpus/emulate.
"""
import pathlib
import re
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CASES = HERE.parent / "unit/emulate/cases.h"
CORPUS = HERE / "corpus/emulate"
CASE = re.compile(r'^CASE\((\w+), "([^"]+)"', re.MULTILINE)

# More than the move tables know, and what is never an instruction.
OTHERS = {
    "unknown": bytes.fromhex("c4e2758c06"),
    "invalid": bytes.fromhex("0f04"),
    "too_long": b"\x66" * 15,
    "cut": bytes.fromhex("c746"),
    "rep_stos": bytes.fromhex("f3ab"),
    "rep_movs_32": bytes.fromhex("67f3a5"),
}


def encode(text):
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "a.s"
        source.write_text(text + "\n")
        subprocess.run(["as", "-o", f"{folder}/a.o", str(source)], check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text",
                        f"{folder}/a.o", f"{folder}/a"], check=True)
        return (pathlib.Path(folder) / "a").read_bytes()


def start(code, mode):
    """A struct start of fuzz_emulate.c."""
    general = [0x1000 * i + 8 for i in range(16)]
    return struct.pack("<B15s8B16Q5Q6Q6I6B2BQ", len(code), code, mode, 0,
                       0xff, 0xff, 0, 0, 0, 0, *general,
                       0x1000, 2, 0x80000033, 0x40620, 0xe7, *[0] * 6,
                       *[0xffffffff] * 6, 3, 11, 3, 3, 3, 3, 0x3f, 0x3f,
                       0x5555555555555555)


def main():
    CORPUS.mkdir(exist_ok=True)
    for name, text in CASE.findall(CASES.read_text()):
        (CORPUS / name).write_bytes(start(encode(text), 2))
    for name, code in OTHERS.items():
        for mode in range(3):
            (CORPUS / f"{name}_{mode}").write_bytes(start(code, mode))


if __name__ == "__main__":
    main()
