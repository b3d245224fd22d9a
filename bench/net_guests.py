# SPDX-License-Identifier: MIT
"""Real guests: TCP beside QEMU's TAP interfaces on Linux' bridge, and TCP
connections while the network service is killed."""
import contextlib
import fcntl
import os
import struct
import subprocess

from beside import Beside, beside, command_line
from figures import compare, context
from measure import NotMeasured, bulkhead

import talkers

ADDRESSES = "10.0.0.1/24", "10.0.0.2/24"
SERVER = "10.0.0.2"
# Linux gives TCP a window after its memory: of 128 MiB, less than what is under
# way between four processes on two busy processors.
MEMORY = "512M"
# The figure of each memory that is asked.
BESIDE = {MEMORY: "net.tcp.ratio.bridge", "128M": "net.tcp.128m.ratio.bridge"}
SECONDS = 2
PAIRS = 15
KILLS = 100
BRIDGE = f"bhb{os.getpid() % 100000}"

# linux/if_tun.h
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000


# -- the peer: the same guests on a bridge

class BesideTalker(Beside, talkers.Talker):
    """A guest of QEMU's own, whose interface is a TAP on the bridge."""


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def open_tap(name):
    """A TAP interface that is there as long as its descriptor."""
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack(
        "16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    return tap


@contextlib.contextmanager
def bridge():
    """A bridge and two TAP interfaces on it, open."""
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK):
        raise NotMeasured("TAP interfaces take root and /dev/net/tun")
    if subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"],
                      stderr=subprocess.DEVNULL, check=False).returncode:
        raise NotMeasured("this kernel has no bridge")
    taps = []
    try:
        for number in range(2):
            name = f"{BRIDGE}t{number}"
            taps.append(open_tap(name))
            ip("link", "set", name, "master", BRIDGE)
            ip("link", "set", name, "up")
        ip("link", "set", BRIDGE, "up")
        yield taps
    finally:
        for tap in taps:
            os.close(tap)
        ip("link", "delete", BRIDGE)


# -- measuring

@contextlib.contextmanager
def two_guests(host, memory=MEMORY):
    with talkers.talkers(host, memory, one=talkers.nic(),
                         two=talkers.nic()) as both:
        yield both


def meet(one, two):
    for talker, address in zip((one, two), ADDRESSES):
        talker.do("address", "eth0", address)
    one.do("ping", SERVER, 2)
    two.do("serve")


def mbits(one):
    bits, again = one.measure(SECONDS, SERVER)
    context(f"  {one.name}: {bits / 1e6:.0f} Mbit/s, {again} segments again")
    return bits / 1e6


def compare_pairs(figures, name, ours, theirs):
    context(f"{name}: each once, to warm up")
    mbits(ours)
    mbits(theirs)
    mine, peer, ratio = compare(lambda: mbits(ours), lambda: mbits(theirs),
                                PAIRS)
    context(f"{name}: ours {mine:.0f} Mbit/s, peer {peer:.0f} Mbit/s, medians "
            f"of {PAIRS} times {SECONDS} s")
    figures.add(name, ratio)


@contextlib.contextmanager
def four_guests(memory):
    """All up all the time; two at a time talk: ours, and the peer's."""
    host = bulkhead.Host().start()
    with contextlib.ExitStack() as stack:
        stack.callback(host.close)
        taps = stack.enter_context(bridge())
        ours = stack.enter_context(two_guests(host, memory))
        theirs = []
        for talker, tap in zip(ours, taps):
            argv = beside(command_line(host.engine_pid(talker.name)),
                          {"-netdev": f"tap,id=nic0-net,fd={tap}"})
            theirs.append(BesideTalker(f"beside-{talker.name}", argv, [tap]))
            stack.callback(theirs[-1].close)
        context(f"net.tcp.ratio.bridge: peer {' '.join(argv)}")
        for talker in theirs:
            talker.ready()
        for pair in ours, theirs:
            meet(*pair)
        yield ours, theirs


def beside_bridge(figures):
    for memory, name in BESIDE.items():
        with four_guests(memory) as (ours, theirs):
            compare_pairs(figures, name, ours[0], theirs[0])
            if memory != MEMORY:
                continue
            for talker in (*ours, *theirs):
                assert talker.do("offloads", "eth0", "off") == 0
            compare_pairs(figures, "net.tcp1500.ratio.bridge", ours[0],
                          theirs[0])


def restarts(figures):
    """How many of the connections broke, and how many bytes were wrong."""
    host = bulkhead.Host().start()
    with contextlib.ExitStack() as stack:
        stack.callback(host.close)
        one, two = stack.enter_context(two_guests(host))
        talkers.connect(one, two)
        for _ in range(KILLS):
            host.replace_service(name=talkers.SERVICE)
            one.wait_stream(1 << 16)
        result = talkers.stream_result(one)
    context(f"net.restart.tcp_broken: {KILLS} kills under {result['heard']} "
            f"bytes there and back, {result['wrong']} wrong; longest silence "
            f"{result['longest_ms']} ms")
    figures.add("net.restart.tcp_broken",
                int(result["broken"] or result["wrong"] > 0))
