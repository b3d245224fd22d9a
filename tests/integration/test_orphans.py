# SPDX-License-Identifier: MIT
"""What a monitor started does not outlive it, whatever it did to escape."""
import os
import pathlib
import signal
import subprocess

import pytest

import bulkhead
import foreign


def group_of(host, pid):
    """Where the members of the process's control group are listed."""
    for base in bulkhead.cgroups(host.state):
        for members in pathlib.Path(base).glob("c*/cgroup.procs"):
            if str(pid) in members.read_text().split():
                return members
    return None


@pytest.fixture
def left(host):
    """A monitor, and a process that nothing ties to it but its group."""
    if os.geteuid() != 0 or not bulkhead.cgroups(host.state):
        pytest.skip("control groups are root's")
    foreign.serve(host, "one")
    monitor = host.partition("one")["monitor_pid"]
    members = bulkhead.wait_for(lambda: group_of(host, monitor),
                                what="the monitor is in its group")
    stray = subprocess.Popen(["sleep", "600"])
    members.write_text(str(stray.pid))
    yield monitor, stray
    stray.kill()
    stray.wait()


def test_what_a_dead_monitor_left_behind_is_ended(left):
    monitor, stray = left

    os.kill(monitor, signal.SIGKILL)

    assert stray.wait(30) == -signal.SIGKILL


def test_what_a_monitor_left_behind_is_ended_by_the_next_supervisor(
        host, left):
    monitor, stray = left
    supervisor = host.supervisor_pid()
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(monitor, signal.SIGKILL)
    bulkhead.wait_for(lambda: bulkhead.parent_of(monitor) is None,
                      what="the monitor is dead")
    assert stray.poll() is None

    os.kill(supervisor, signal.SIGKILL)

    assert stray.wait(30) == -signal.SIGKILL
    host.wait_ready(30)
