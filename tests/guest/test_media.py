# SPDX-License-Identifier: MIT
"""Discs and tapes as a guest's own drivers and tools use them."""
import struct

from bulkhead import Told

SECTOR = 2048


def both(number, code):
    """A number as ISO 9660 has it, in both orders."""
    return struct.pack(f"<{code}", number) + struct.pack(f">{code}", number)


def entry(name, sector, size, is_directory=False):
    body = both(sector, "I") + both(size, "I") + bytes(7) + \
        bytes([2 if is_directory else 0, 0, 0]) + both(1, "H") + \
        bytes([len(name)]) + name
    body += bytes(len(body) % 2)
    return bytes([len(body) + 2, 0]) + body


def make_disc(path, words):
    """An ISO image with one file, "hello"."""
    root = entry(b"\0", 20, SECTOR, True)
    described = bytes([1]) + b"CD001" + bytes([1, 0]) + b" " * 32 + \
        b"TEST".ljust(32) + bytes(8) + both(22, "I") + bytes(32) + \
        both(1, "H") + both(1, "H") + both(SECTOR, "H") + both(10, "I") + \
        struct.pack("<II", 18, 0) + struct.pack(">II", 19, 0) + root
    path_table = bytes([1, 0]) + struct.pack("<IH", 20, 1) + bytes(2)
    folder = root + entry(b"\1", 20, SECTOR, True) + \
        entry(b"HELLO.;1", 21, len(words))
    sectors = [b""] * 16 + [
        described.ljust(882, b" ").ljust(SECTOR, b"\0"),
        b"\xffCD001\x01", path_table, path_table, folder, words]
    path.write_bytes(b"".join(s.ljust(SECTOR, b"\0") for s in sectors))


def read_tape(path):
    """The blocks of a SIMH image, None for a filemark."""
    data, at, objects = path.read_bytes(), 0, []
    while at + 4 <= len(data):
        size, = struct.unpack_from("<I", data, at)
        if size == 0xffffffff:
            break
        if size == 0:
            objects.append(None)
            at += 4
            continue
        block = data[at + 4:at + 4 + size]
        at += 4 + size + size % 2
        assert data[at:at + 4] == struct.pack("<I", size)
        objects.append(block)
        at += 4
    return objects


def numbers(first, last):
    return [b"%d\n" % (1000000 + n) for n in range(first, last + 1)]


def media(host):
    disc = host.directory / "disc.iso"
    make_disc(disc, b"words of a disc")
    return Told(host, "one", test="media", disks=[
        {"name": "cd", "type": "cd", "file": str(disc)},
        {"name": "lto", "type": "tape", "size": "16M",
         "file": str(host.directory / "lto.tap")}]).ready()


def test_a_guest_mounts_a_disc_and_records_a_tape(host):
    guest = media(host)

    assert guest.do("mount") == 0
    guest.console.wait("^disc hello=words of a disc$")

    assert guest.do("record", 100) == 0
    assert guest.do("record", 7) == 0
    assert guest.do("play") == 0
    guest.console.wait("^played blocks=100 last=1000100$")
    assert guest.do("tape", "eom") == 0
    assert guest.do("tape", "weof", 1) == 0
    host.run("stop", "one", "--force")
    assert read_tape(host.directory / "lto.tap") == \
        numbers(1, 100) + [None] + numbers(1, 7) + [None, None]


def test_a_tape_loses_and_repeats_nothing_when_its_service_is_killed(host):
    guest = media(host)

    guest.ask("record", 4000)
    for _ in range(5):
        host.replace_service()
    assert guest.answer(seconds=120) == 0

    assert guest.do("play") == 0
    guest.console.wait("^played blocks=4000 last=1004000$")
    host.run("stop", "one", "--force")
    assert read_tape(host.directory / "lto.tap") == \
        numbers(1, 4000) + [None]
