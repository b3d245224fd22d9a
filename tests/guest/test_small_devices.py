# SPDX-License-Identifier: MIT
"""The virtio console, the clock, and memory that a guest does without."""
import os
import time

import pytest

import bulkhead
from bulkhead import Terminal

pytestmark = pytest.mark.engine("kvm")

MIB = 1 << 20


def taken_bytes(host, name):
    """What the guest's memory takes of the host's."""
    folder = f"/proc/{host.partition(name)['monitor_pid']}/fd"
    for fd in os.listdir(folder):
        path = f"{folder}/{fd}"
        if "memfd:bulkhead-guest" in os.readlink(path):
            return os.stat(path).st_blocks * 512
    raise AssertionError("no guest memory")


def test_input_goes_to_the_line_that_spoke_last(host):
    console = host.up("one", test="hvc")
    console.wait("^hvc ready")
    terminal = Terminal(host, "one")

    terminal.type("one\n")
    console.wait("^hvc=one$")
    terminal.type("leave\n")
    console.wait("^serial ready")
    terminal.type("two\n")

    console.wait("^serial=two$")
    assert "hvc=two" not in console.text
    terminal.close()


def test_much_output_of_the_virtio_console_arrives_whole(host):
    console = host.up("one", test="hvc")
    console.wait("^hvc ready")
    terminal = Terminal(host, "one")
    lines = [f"{n:04}" + "x" * 60 for n in range(200)]

    terminal.type("\n".join(lines) + "\n")

    console.wait(f"^hvc={lines[-1]}$")
    assert console.lines("hvc=") == [f"hvc={line}" for line in lines]
    terminal.close()


def test_the_clock_is_the_hosts_and_its_alarm_rings(host):
    console = host.up("one", test="clock", cpus=1)

    seen = console.wait("^rtc name=(.*) seconds=([0-9]+)")
    now = time.time()

    assert seen.group(1).startswith("rtc_cmos")
    assert now - 30 < int(seen.group(2)) <= now + 1
    assert console.wait("^alarm interrupts=([0-9]+)").group(1) != "0"


def test_memory_that_a_guest_frees_goes_back_to_the_host(host):
    console = host.up("one", test="memory", memory="256M")
    console.wait("^ready")
    terminal = Terminal(host, "one")

    terminal.type("fill 128\n")
    console.wait("^did verb=fill")
    full = taken_bytes(host, "one")
    terminal.type("free\n")
    console.wait("^did verb=free")

    assert full > 128 * MIB
    bulkhead.wait_for(lambda: taken_bytes(host, "one") < full - 100 * MIB,
                      30, what="the host has it")
    terminal.close()


def test_a_balloon_takes_what_is_asked_for_and_gives_it_back(host):
    console = host.up("one", test="memory", memory="256M")
    console.wait("^ready")
    terminal = Terminal(host, "one")

    host.run("balloon", "one", "128M")
    bulkhead.wait_for(lambda: "keeps 128 MiB" in host.run("events"),
                      what="the guest comes to it")
    assert taken_bytes(host, "one") < 130 * MIB
    host.run("balloon", "one", "256M")
    bulkhead.wait_for(lambda: "keeps 256 MiB" in host.run("events"),
                      what="the guest has it again")
    terminal.type("fill 150\n")

    console.wait("^did verb=fill")
    assert taken_bytes(host, "one") > 150 * MIB
    assert host.state_of("one") == "running"
    terminal.close()


def test_console_and_balloon_go_on_in_a_restored_guest(host):
    console = host.up("one", test="hvc", memory="256M")
    console.wait("^hvc ready")
    other = host.up("two", test="memory", memory="256M")
    other.wait("^ready")
    host.run("balloon", "two", "192M")
    bulkhead.wait_for(lambda: "keeps 192 MiB" in host.run("events"),
                      what="the guest comes to it")

    for name in ("one", "two"):
        host.run("save", name)
        host.run("restore", name)
    terminal = Terminal(host, "one")
    terminal.type("again\n")
    host.run("balloon", "two", "256M")

    console.wait("^hvc=again$")
    bulkhead.wait_for(lambda: "keeps 256 MiB" in host.run("events"),
                      what="the guest has it again")
    assert console.text.count("BULKHEAD up") == 1
    assert other.text.count("BULKHEAD up") == 1
    terminal.close()
