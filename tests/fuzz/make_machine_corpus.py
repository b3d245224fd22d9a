#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of fuzz_machine and fuzz_pci into corpus/.

A step of fuzz_machine is an action with a width, and what it needs; the
register offsets are those of PCI 3.0 and of virtio 1.2 4.1.
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus"
PORT, CONFIG, BAR, ANYWHERE, MEMORY, SERVE, SAVE, RESET = range(8)
WIDTH = {1: 0, 2: 1, 4: 2, 8: 3, 3: 7}
COMMAND, BAR_0, MSIX_FLAGS = 0x04, 0x10, 0x9A
SLOTS = [1, 17, 18, 19]  # disk, console, rng, balloon
QUEUES = [2, 2, 1, 5]
PORTS = ["serial", "rtc", "i8042-data", "i8042", "address", "data", "sleep",
         "events", "reset", "pvpanic"]


def save(target, name, data):
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def access(action, which, offset, width, value=None):
    is_read = 0x40 if value is None else 0
    step = struct.pack("<BBH", action | WIDTH[width] << 3 | is_read, which,
                       offset)
    return step if is_read else step + struct.pack("<Q", value)[:width]


def port(name, offset, value=None, width=1):
    return access(PORT, PORTS.index(name), offset, width, value)


def config(slot, offset, width, value=None):
    return access(CONFIG, slot, offset, width, value)


def bar(index, offset, width, value=None):
    return access(BAR, index, offset, width, value)


def memory(at, data):
    return struct.pack("<BHB", MEMORY, at, len(data)) + data


def probe(index, base=None):
    """Decode, MSI-X with all vectors open, negotiate VERSION_1."""
    slot = SLOTS[index]
    steps = [config(slot, 0, 4), config(slot, BAR_0, 4, 0xFFFFFFFF),
             config(slot, BAR_0, 4)]
    steps.append(config(slot, BAR_0, 4,
                        base or 0xC8000000 + 0x10000 * index))
    steps.append(config(slot, COMMAND, 2, 6))
    for vector in range(QUEUES[index] + 1):
        at = 0x4000 + 16 * vector
        steps += [bar(index, at, 8, 0xFEE00000), bar(index, at + 8, 8, vector)]
    steps.append(config(slot, MSIX_FLAGS, 2, 0x8000))
    for status in (0, 1, 3):
        steps.append(bar(index, 20, 1, status))
    steps += [bar(index, 0, 4, 1), bar(index, 4, 4), bar(index, 8, 4, 1),
              bar(index, 12, 4, 1), bar(index, 16, 2, 0),
              bar(index, 20, 1, 11), bar(index, 20, 1)]
    return b"".join(steps)


def queue(index, number, at, size=8):
    steps = [bar(index, 22, 2, number), bar(index, 24, 2, size),
             bar(index, 26, 2, number + 1), bar(index, 32, 8, at),
             bar(index, 40, 8, at + 0x100), bar(index, 48, 8, at + 0x200),
             bar(index, 28, 2, 1)]
    return b"".join(steps)


def chain(at, buffers):
    """One chain in the ring at `at`; buffers are address, length, flags."""
    table = b""
    for i, (address, length, flags) in enumerate(buffers):
        last = i + 1 == len(buffers)
        table += struct.pack("<QIHH", address, length, flags | (not last),
                             0 if last else i + 1)
    return memory(at, table) + memory(at + 0x100, struct.pack("<HHH", 0, 1, 0))


def drive(index, at, buffers, number=0):
    """All the way to a chain served."""
    return (probe(index) + queue(index, number, at) + bar(index, 20, 1, 15) +
            chain(at, buffers) + bar(index, 0x3000 + 4 * number, 2, number) +
            bytes([SERVE]) + bar(index, 0x1000, 1) + bar(index, 21, 1) +
            bar(index, 0x2000, 8))


WRITE = 2
HEADER = memory(0x2000, struct.pack("<IIQ", 1, 0, 3))
DISK = HEADER + drive(0, 0x1000, [(0x2000, 16, 0), (0x3000, 512, 0),
                                  (0x2100, 1, WRITE)])


def make_devices():
    save("machine", "disk", DISK)
    save("machine", "console-output",
         drive(1, 0x1000, [(0x3000, 100, 0)], 1))
    save("machine", "console-input", drive(1, 0x1000, [(0x3000, 100, WRITE)]))
    save("machine", "rng", drive(2, 0x1000, [(0x3000, 64, WRITE)]))
    pages = memory(0x3000, struct.pack("<IIII", 1, 2, 3, 0xFFFFFFFF))
    save("machine", "balloon", pages + drive(3, 0x1000, [(0x3000, 16, 0)]))
    save("machine", "balloon-config", probe(3) + bar(3, 0x2004, 4, 77))


def make_life():
    save("machine", "saved", DISK + bytes([SAVE, SERVE, SAVE, RESET, SAVE]))
    for name, changes in (("tag", [(0, 1)]), ("count", [(17, 3)]),
                          ("head", [(23, 7), (21, 1)]),
                          ("done", [(25, 1), (26, 2)]),
                          ("many", [(8 + 31 * at, 0xFF >> at)
                                    for at in range(15)])):
        save("machine", f"saved-damaged-{name}",
             DISK + bytes([SAVE | 0x80]) + change(*changes) +
             bytes([SERVE, SAVE, SERVE]))
    save("machine", "reset-in-flight",
         DISK + bar(0, 20, 1, 0) + bytes([SERVE, SAVE]) + DISK)
    save("machine", "machine-reset", DISK + bytes([RESET]) + DISK)
    save("machine", "bad-size",
         probe(0) + bar(0, 24, 2, 3) + bar(0, 20, 1) + bytes([SAVE]))
    save("machine", "ring-outside",
         probe(0) + queue(0, 0, 0xFFFFFFFFFFFFF000) + bar(0, 20, 1, 15) +
         bytes([SERVE, SAVE]))
    save("machine", "bar-over-bar",
         probe(0) + probe(1, 0xC8000000) + config(1, COMMAND, 2, 0) +
         bytes([SAVE]))
    save("machine", "bar-at-the-top",
         probe(0) + config(1, BAR_0, 4, 0xFFFFF000) + bar(0, 0, 4) +
         config(1, BAR_0, 4, 0xDFFF8000) + bar(0, 0x7FF8, 8))
    window = (config(1, 0x84 + 4, 1, 0) + config(1, 0x84 + 8, 4, 20) +
              config(1, 0x84 + 12, 4, 1) + config(1, 0x84 + 16, 4))
    save("machine", "window", probe(0) + window)
    save("machine", "odd",
         probe(0) + bar(0, 1, 4, 1) + bar(0, 0, 3, 1) + bar(0, 0x7FFF, 8) +
         bar(0, 0x4001, 8, 1) + struct.pack("<BQQ", ANYWHERE | 3 << 3,
                                            2**64 - 4, 0))


def make_ports():
    serial = b"".join(port("serial", at, 0x55) + port("serial", at)
                      for at in range(9))
    save("machine", "serial", serial + bytes([SERVE]) + serial)
    clock = b"".join(port("rtc", 0, at) + port("rtc", 1) +
                     port("rtc", 1, 0x42) for at in range(14))
    save("machine", "clock", clock + bytes([SERVE]) + clock)
    power = b"".join(port(name, 0, value) + port(name, 0)
                     for name in ("sleep", "events", "reset", "pvpanic",
                                  "i8042")
                     for value in (0x34, 1, 2, 0x42, 0xFE))
    save("machine", "power", power + bytes([SERVE]) + power)
    save("machine", "mechanism-1",
         port("address", 0, 0x80000804, 4) + port("data", 0, 6, 2) +
         port("data", 0, None, 4) + port("data", 2, None, 4))


def change(*changes):
    body = b"".join(struct.pack("<HB", at, flip) for at, flip in changes)
    return bytes([len(changes)]) + body


def make_pci():
    save("pci", "unchanged", change())
    first = 8 + 1 + 4 + 256 + 4  # behind the section of the host bridge
    for name, at in (("vendor", 13), ("bar", 13 + 16 + 2), ("slot", 8),
                     ("pending", 13 + 256), ("vector", 13 + 256 + 4),
                     ("features", 13 + 256 + 4 + 48 + 8),
                     ("status", 13 + 256 + 4 + 48 + 20),
                     ("size", 13 + 256 + 4 + 48 + 24),
                     ("length", 4), ("version", 2)):
        save("pci", f"changed-{name}", change((first + at, 3)))
    writes = b"".join(struct.pack("<BBBI", slot, at, 2, value)
                      for at in range(0, 256, 4) for slot in (0, 1, 2, 3)
                      for value in (0xFFFFFFFF, 0))
    save("pci", "all-written", change() + writes)
    save("pci", "bars-meet", change() + b"".join(
        struct.pack("<BBBI", slot, BAR_0, 2, base)
        for base in (0, 0xC0000000, 0xDFFF8000, 0xE0000000)
        for slot in (1, 2, 1)))


if __name__ == "__main__":
    make_devices()
    make_life()
    make_ports()
    make_pci()
