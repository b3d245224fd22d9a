#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes corpus/switch: frames as fuzz_switch.c reads them."""
import pathlib
import struct

FOLDER = pathlib.Path(__file__).parent / "corpus" / "switch"
NEEDS_CHECKSUM, TCP4, UDP = 1, 1, 5


def mac(port):
    return bytes([2, 0, 0, 0, 0, port + 1])


def frame(port, body, flags=0, gso=0, head=0, segment=0, start=0, offset=0):
    return struct.pack(">BBBHHHHH", port, flags, gso, head, segment, start,
                       offset, len(body)) + body


def ethernet(to, source, kind, rest):
    return to + source + struct.pack(">H", kind) + rest


def ipv4(protocol, rest):
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(rest), 1, 0, 64,
                       protocol, 0, bytes([10, 0, 0, 1]),
                       bytes([10, 0, 0, 2])) + rest


def tcp(data):
    return struct.pack(">HHIIBBHHH", 1, 2, 3, 4, 0x50, 0x18, 100, 0,
                       0) + data


BROADCAST = b"\xff" * 6
SEEDS = {
    "plain": frame(0, ethernet(mac(2), mac(0), 0x88b5, bytes(46))),
    "tagged": frame(4, ethernet(mac(3), mac(4), 0x8100,
                                struct.pack(">HH", 0x6002, 0x88b5) +
                                bytes(46))),
    "double": frame(0, ethernet(mac(3), mac(0), 0x8100,
                                struct.pack(">HHH", 0, 0x8100, 2) +
                                bytes(46))),
    "broadcast": frame(0, ethernet(BROADCAST, mac(0), 0x0806, bytes(46))),
    "tso": frame(0, ethernet(mac(2), mac(0), 0x0800,
                             ipv4(6, tcp(bytes(5000)))), NEEDS_CHECKSUM, TCP4,
                 54, 1448, 34, 16),
    "uso": frame(0, ethernet(mac(2), mac(0), 0x0800,
                             ipv4(17, struct.pack(">HHHH", 1, 2, 3008, 0) +
                                  bytes(3000))), NEEDS_CHECKSUM, UDP, 42, 1000,
                 34, 6),
    "guarded": frame(2, ethernet(BROADCAST, mac(2), 0x86dd,
                                 b"\x60" + bytes(5) + b"\x00\x40" +
                                 bytes(32) + b"\x3a" + bytes(7) + b"\x88" +
                                 bytes(24))),
    "takeover": frame(4, ethernet(BROADCAST, mac(0), 0x88b5, bytes(46))),
}

FOLDER.mkdir(parents=True, exist_ok=True)
for name, seed in SEEDS.items():
    (FOLDER / name).write_bytes(seed)
(FOLDER / "all").write_bytes(b"".join(SEEDS.values()))
