# SPDX-License-Identifier: MIT
"""Uplinks with traffic: a TAP interface, one in a bridge, a packet socket.

The monitor is played; network service and kernel are the real ones. What a
kernel cannot make is skipped: list net of the rig has all.
"""
import fcntl
import os
import signal
import socket
import struct
import subprocess

import pytest

import bulkhead
from played_guest import Guest, wire_of
from refusals import REFUSED, check_refused

BROADCAST = b"\xff" * 6
TYPE = b"\x88\xb5"
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI = 2, 0x1000
OUTSIDE = b"\2\0\0\0\0\x99"


def ip(words):
    return subprocess.run(["ip", *words.split()], capture_output=True,
                          text=True)


def make(words):
    done = ip(words)
    if done.returncode:
        pytest.skip(f"ip {words}: {done.stderr}")


@pytest.fixture
def host(make_host, stage):
    return make_host(config=f"libexec_dir = {stage.folder}\n").start()


class Uplink:
    """`word` as the command line has it; `wire`, where the host listens."""

    def __init__(self, kind):
        number = os.getpid() % 100000
        self.kind = kind
        self.cable, self.wire = f"bha{number}", f"bhb{number}"
        self.bridge = f"bhr{number}"
        if kind == "tap":
            self.wire = self.cable
        self.word = (f"bridge:{self.bridge}" if kind == "bridge"
                     else f"{kind}:{self.cable}")

    def lay(self):
        if self.kind == "tap":
            return
        make(f"link add {self.cable} type veth peer name {self.wire}")
        make(f"link set {self.cable} up")
        make(f"link set {self.wire} up")
        if self.kind == "bridge":
            make(f"link add {self.bridge} type bridge")
            make(f"link set {self.bridge} up")
            make(f"link set {self.cable} master {self.bridge}")

    def remove(self):
        ip(f"link delete {self.cable}")
        ip(f"link delete {self.bridge}")


needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK),
    reason="interfaces take root and /dev/net/tun")


@pytest.fixture(params=["tap", "bridge", "packet"])
def uplink(request):
    made = Uplink(request.param)
    try:
        made.lay()
        yield made
    finally:
        made.remove()


@pytest.fixture
def guest(host, stage, uplink):
    host.run("switch", "define", "lan", "--uplink", uplink.word, "--vlan", 10)
    return Guest(host, stage, "played-one")


def is_heard(wire, guest, word):
    """Does what the guest sends come out?"""
    guest.rings.send(BROADCAST + guest.mac + TYPE + word.ljust(46, b"\0"))
    try:
        while word not in wire.recv(2000):
            pass
        return True
    except TimeoutError:
        return False


def check_talk(uplink, guest, word):
    """Frames go out and in. A bridge's port is heard after a moment."""
    with wire_of(uplink.wire, 0.2) as wire:
        bulkhead.wait_for(lambda: is_heard(wire, guest, word))
        wire.send(guest.mac + OUTSIDE + TYPE + word.ljust(46, b"\0"))
        assert guest.hear() == word.decode()


def events(host):
    return host.run("events")


def state(host):
    return host.json("switch", "list")[0]["state"]


@needs_root
def test_frames_go_out_and_in_whoever_dies(host, uplink, guest):
    check_talk(uplink, guest, b"first")
    for turn in range(3):
        os.kill(host.service_pid("net0"), signal.SIGKILL)
        guest.up()
        check_talk(uplink, guest, b"again %d" % turn)

    assert "was lost" not in events(host)


@needs_root
def test_an_uplink_that_vanishes_is_told_of_and_made_anew(host, uplink, guest):
    check_talk(uplink, guest, b"before")

    uplink.remove()
    bulkhead.wait_for(lambda: "was lost" in events(host))
    uplink.lay()

    bulkhead.wait_for(lambda: state(host) == "up")
    bulkhead.wait_for(lambda: socket.if_nametoindex(uplink.wire))
    check_talk(uplink, guest, b"after")


@needs_root
def test_an_uplink_in_use_is_refused_and_nothing_changes(host):
    uplink = Uplink("tap")
    with open("/dev/net/tun", "r+b", buffering=0) as tun:
        fcntl.ioctl(tun, TUNSETIFF, struct.pack(
            "16sH22x", uplink.cable.encode(), IFF_TAP | IFF_NO_PI))

        check_refused(host.call("switch", "define", "lan", "--uplink",
                                uplink.word), REFUSED, "uplink", "in use")

    assert host.json("switch", "list") == []
    host.run("switch", "define", "lan", "--uplink", uplink.word)
