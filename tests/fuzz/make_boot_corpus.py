#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of fuzz_boot into corpus/boot/: kernels of a few KiB.

Each begins with the byte of choices that fuzz_boot takes off.
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus" / "boot"
MIB = 1 << 20
PT_LOAD, PT_NOTE = 1, 4
PHYS32_ENTRY = 18


def save(name, kernel, choices=3):
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE / name).write_bytes(bytes([choices]) + kernel)


def bzimage(relocatable=1, xloadflags=1, place=MIB, alignment=4096,
            version=0x20f, init_size=MIB, syssize=0x100):
    image = bytearray(1024 + 4096)

    def put(offset, form, value):
        struct.pack_into("<" + form, image, offset, value)

    put(0x1f1, "B", 1)
    put(0x1f4, "I", syssize)
    put(0x1fe, "H", 0xaa55)
    put(0x200, "H", 0x66eb)
    image[0x202:0x206] = b"HdrS"
    put(0x206, "H", version)
    put(0x211, "B", 1)
    put(0x214, "I", MIB)
    put(0x22c, "I", 0x7fffffff)
    put(0x230, "I", alignment)
    put(0x234, "B", relocatable)
    put(0x236, "H", xloadflags)
    put(0x238, "I", 255)
    put(0x258, "Q", place)
    put(0x260, "I", init_size)
    return bytes(image)


def note(entry):
    return struct.pack("<III4sI", 4, 4, PHYS32_ENTRY, b"Xen", entry)


def elf64(segments, machine=62, entry=MIB):
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2,
                         machine, 1, entry, 64, 0, 0, 64, 56, len(segments),
                         0, 0, 0)
    for kind, offset, gpa, in_file, in_memory in segments:
        header += struct.pack("<IIQQQQQQ", kind, 0, offset, gpa, gpa,
                              in_file, in_memory, 0)
    return header.ljust(1024, b"\0") + note(entry + 8).ljust(4096, b"\xc3")


def elf32(segments, entry=MIB):
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 3, 1,
                         entry, 52, 0, 0, 52, 32, len(segments), 0, 0, 0)
    for kind, offset, gpa, in_file, in_memory in segments:
        header += struct.pack("<IIIIIIII", kind, offset, gpa, gpa, in_file,
                              in_memory, 0, 0)
    return header.ljust(1024, b"\0") + note(entry + 8).ljust(4096, b"\xc3")


def main():
    save("bzimage-64", bzimage())
    save("bzimage-32", bzimage(xloadflags=0))
    save("bzimage-fixed", bzimage(relocatable=0))
    save("bzimage-high", bzimage(place=(1 << 64) - 1))
    save("bzimage-old", bzimage(version=0x205))
    save("bzimage-huge", bzimage(init_size=0xffffffff, syssize=0xffffffff))
    save("bzimage-alignment", bzimage(alignment=3))
    code = (PT_LOAD, 1024, MIB, 4096, 8192)
    pvh = (PT_NOTE, 1024, 0, 20, 20)
    save("elf-pvh", elf64([code, pvh]))
    save("elf-linux", elf64([code]))
    save("elf-32", elf32([code, pvh]))
    save("elf-arm64", elf64([code], machine=183))
    save("elf-overlap", elf64([code, code]))
    save("elf-wraps", elf64([(PT_LOAD, 1024, (1 << 64) - 8, 64, 64)]))
    save("elf-beyond", elf64([(PT_LOAD, 1 << 63, MIB, 4096, 4096)]))
    save("arm64", b"\0" * 56 + b"ARM\x64" + b"\0" * 64, choices=0)


if __name__ == "__main__":
    main()
