# SPDX-License-Identifier: MIT
"""The fence, seen from a real guest: writes of an old life that are still in
the kernel never land on newer ones. And errors of the device, which a
dead instance must not take with it."""
import os
import signal
import subprocess
import time

import pytest

import bulkhead
from slowdisk import slow_disk

EIO = 5
KIB64 = 65536

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="makes a loop device over FUSE")


@pytest.fixture
def slow(tmp_path):
    """Set up before `host`, so that it outlives whoever uses it."""
    with slow_disk(tmp_path, 96) as disk:
        yield disk


def wait_begun(slow, count=1):
    bulkhead.wait_for(lambda: slow.begun() >= count, every=0.005,
                      what="a write is in the kernel")


def wait_reset(raw):
    raw.console.wait("^ready", 60, count=2)
    raw.terminal.close()
    raw.terminal = bulkhead.Terminal(raw.host, "one")


def test_a_killed_service_leaves_no_write_to_land_late(slow, host):
    console = host.up("one", test="stamp", args="0,16", disks=[
        slow.disk(cache="direct")])
    console.wait("^stamp filled", 60)

    slow.set(write_ms=150)
    for _ in range(5):
        slow.set(begun=0)
        wait_begun(slow, 2)
        host.replace_service(signal.SIGKILL)
    slow.set(write_ms=0)
    host.run("stop", "one", "--deadline", bulkhead.scaled(60))

    console.wait("^finished")
    values = console.values("stamp requests")
    assert not any(values[key] for key in
                   ("errors", "corrupt", "lost", "duplicated"))
    assert console.values("e2fsck") == {"status": 0}


@pytest.mark.parametrize("verbs", [[["reset"]], [["stop", "--force"],
                                                 ["start"]]],
                         ids=["reset", "stop and start"])
def test_a_new_life_of_the_guest_waits_for_the_writes_of_the_old(
        slow, host, verbs):
    raw = bulkhead.Raw(host, slow.disk(cache="direct"))
    slow.set(write_ms=6000, begun=0)
    raw.ask("write", 0, KIB64, "a")
    wait_begun(slow)
    slow.set(write_ms=0)

    for verb, *options in verbs:
        host.run(verb, "one", *options)
    wait_reset(raw)
    raw.asked = 0
    written = raw.do("write", 0, KIB64, "b")
    time.sleep(6)
    holds_new = raw.do("holds", 0, KIB64, "b")

    assert written == 0
    assert holds_new == 0


def test_an_answer_after_an_outage_does_not_lift_the_fence(slow, host):
    raw = bulkhead.Raw(host, slow.disk(
        **{"cache": "direct", "on-outage": "fail: 1s", "hang": "300ms"}))
    slow.set(write_ms=8000, begun=0)
    raw.ask("write", 0, KIB64, "a")
    wait_begun(slow)
    slow.set(write_ms=0)

    os.kill(host.service_pid(), signal.SIGKILL)
    failed = raw.answer()
    # the old write is still in the kernel: only a new life may write
    written = 1
    while written != 0:
        written = raw.do("write", 0, KIB64, "b")
    time.sleep(8)
    holds_new = raw.do("holds", 0, KIB64, "b")

    assert failed != 0
    assert holds_new == 0


@pytest.mark.parametrize("how", ["killed", "replaced"])
def test_an_innocent_request_outlives_any_number_of_services(
        slow, host, how):
    raw = bulkhead.Raw(host, slow.disk(cache="direct"))
    slow.set(write_ms=700, begun=0)
    raw.ask("write", 0, KIB64, "a")

    for count in range(1, 6):
        if how == "killed":
            wait_begun(slow, count)
            host.replace_service(signal.SIGKILL)
        else:
            wait_begun(slow)
            host.run("service", "restart", "disk0")
    slow.set(write_ms=0)
    written = raw.answer()

    assert written == 0
    assert "three times" not in host.log()
    # What a service answers while it is replaced is not asked again.
    if how == "replaced":
        disk = host.partition("one")["disks"][0]
        assert disk["counters"]["replayed"] == 0


def test_an_error_of_the_device_reaches_the_guest_and_does_not_last(
        slow, host):
    raw = bulkhead.Raw(host, slow.disk(cache="direct"))

    slow.set(write_error=EIO)
    failed = raw.do("write", 0, KIB64, "a")
    slow.set(write_error=0)
    written = raw.do("write", 0, KIB64, "b")

    assert failed != 0
    assert written == 0
    assert host.partition("one")["disks"][0]["counters"]["errors"] > 0


def test_a_flush_error_outlives_its_service_and_lasts_until_the_guest_is_reset(
        slow, host):
    raw = bulkhead.Raw(host, slow.disk())

    raw.do("write", 0, KIB64, "a")
    slow.set(write_ms=500, write_error=EIO, begun=0)
    raw.ask("flush")
    wait_begun(slow)
    host.replace_service(signal.SIGKILL)
    failed = raw.answer()
    slow.set(write_ms=0, write_error=0)
    again = raw.do("flush")
    host.run("reset", "one")
    wait_reset(raw)
    afterwards = raw.do("flush")

    assert failed != 0
    assert again != 0
    assert afterwards == 0


@pytest.mark.parametrize("cache", ["buffered", "direct"])
def test_an_error_of_the_devices_own_flush_outlives_the_service(
        slow, host, cache):
    raw = bulkhead.Raw(host, slow.disk(cache=cache))

    raw.do("write", 0, KIB64, "a")
    slow.set(flush_ms=500, flush_error=EIO, flushes=0)
    raw.ask("flush")
    bulkhead.wait_for(lambda: slow.get("flushes") >= 1, every=0.005,
                      what="a flush is in the kernel")
    host.replace_service(signal.SIGKILL)
    slow.set(flush_ms=0, flush_error=0)
    failed = raw.answer()

    assert failed != 0


def test_a_neighbours_slow_device_keeps_no_recovery_waiting(slow, host):
    host.run("service", "set", "disk1", "--kind", "disk", "--standby", 0)
    raw = bulkhead.Raw(host, slow.disk(service="disk1"))
    for number in range(64):
        assert raw.do("write", number * KIB64, KIB64, "a") == 0

    slow.set(write_ms=3000, begun=0)
    stopping = subprocess.Popen(host.argv("stop", "one", "--force"),
                                env=host.env)
    wait_begun(slow)
    host.replace_service(signal.SIGKILL, "disk0")
    host.json("list")
    still_stopping = stopping.poll() is None
    slow.set(write_ms=0)

    assert stopping.wait(60) == 0
    assert still_stopping
