# SPDX-License-Identifier: MIT
"""An engine that dies or freezes at a bad moment harms its own partition."""
import os
import signal
import threading
import time

import pytest

import bulkhead

# After it is there: its jail, its start, its first requests, its guest.
MOMENTS = [0, 0.02, 0.05, 0.1, 0.3, 1]


def engines():
    """QEMU's processes; a monitor runs guests of engine kvm by itself."""
    title = {"qemu": "qemu-system-x86_64", "kvm": "bulkhead-monitor"}
    return [pid for pid in bulkhead.descendants(os.getpid())
            if title[bulkhead.engine] in bulkhead.command_line(pid)]


def start_quietly(host):
    try:
        host.run("start", "one")
    except bulkhead.Failed:
        pass


def test_an_engine_killed_at_any_moment_leaves_a_partition_that_starts(host):
    host.define("one", disks=[host.disk()], restart="never")
    host.run("install", "one")

    for moment in MOMENTS:
        starting = threading.Thread(target=start_quietly, args=(host,))
        starting.start()
        pid = bulkhead.wait_for(engines, 20, 0.002, "an engine")[0]
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        starting.join(bulkhead.scaled(30))
        host.wait_state("one", "stopped", 20)
        assert not engines()

    host.run("start", "one")
    host.console("one").wait("^tick")


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_frozen_engine_is_switched_off(host, force):
    host.up("one", disks=[host.disk()]).wait("^tick")
    other = host.up("two")
    other.wait("^tick")
    os.kill(host.engine_pid("one"), signal.SIGSTOP)

    host.run("stop", "one", *(force or ("--deadline", "2")))

    assert host.state_of("one") == "stopped"
    assert host.state_of("two") == "running"


def install_hopeless(host, restart):
    """A guest that cannot come up: a triple fault at its first instructions."""
    host.define("one", restart=restart, boot={
        "kernel": str(bulkhead.BUILD / "bench/fault.elf"), "cmdline": ""})
    host.run("install", "one")


def test_a_guest_that_can_never_come_up_is_given_up_with_one_reason(host):
    install_hopeless(host, "never")

    host.run("start", "one")
    host.wait_state("one", "stopped")

    why = "the guest reset itself 10 times in a row as soon as it had begun"
    assert why in host.partition("one")["reason"]
    assert host.run("events").count(why) == 2  # it ended, and is stopped


def test_a_guest_that_can_never_come_up_is_the_restart_policys(host):
    install_hopeless(host, "on-failure")

    host.run("start", "one")
    bulkhead.wait_for(lambda: host.partition("one")["restarts"] >= 2, 60,
                      what="its policy has restarted it")

    host.run("stop", "one", "--force")
    assert host.state_of("one") == "stopped"
