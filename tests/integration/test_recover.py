# SPDX-License-Identifier: MIT
"""A store that is damaged or gone while guests run: they go on, and there is a
way back."""
import os
import signal
import subprocess

import pytest

import bulkhead
import foreign

REFUSED = 2


@pytest.fixture
def host(make_host):
    return make_host().start()


def wait_copied(host):
    """Everything that has happened by now is in the copy."""
    copy = host.state / "store.copy"
    host.run("service", "set", "mark", "--kind", "disk", "--standby", "0")
    bulkhead.wait_for(
        lambda: copy.exists() and b"mark" in copy.read_bytes(), 30,
        what="the store is copied")


def overwrite(host):
    store = host.state / "store.db"
    for name in (store, host.state / "store.db-wal"):
        if name.exists():
            with open(name, "r+b") as file:
                for at in range(0, name.stat().st_size, 4096):
                    file.seek(at)
                    file.write(b"junk" * 256)


def truncate(host):
    os.truncate(host.state / "store.db", 0)


def remove(host):
    (host.state / "store.db").unlink()


def recover(host):
    return subprocess.run(
        [bulkhead.program("bulkheadd"), "--recover", "--state",
         str(host.state)], capture_output=True, text=True, env=host.env)


@pytest.mark.parametrize("damage", [overwrite, truncate, remove],
                         ids=lambda damage: damage.__name__)
def test_a_guest_goes_on_over_a_recovery_and_is_managed_again(host, damage):
    socket = foreign.serve(host, "one")
    wait_copied(host)
    monitor = host.partition("one")["monitor_pid"]
    with foreign.load(socket):
        os.kill(host.supervisor_pid(), signal.SIGSTOP)
        damage(host)
        os.kill(host.supervisor_pid(), signal.SIGKILL)
        # The keeper tries again and again, and says what helps.
        bulkhead.wait_for(lambda: "bulkheadd --recover takes" in host.log(),
                          what="the way out is named")

        done = bulkhead.wait_for(
            lambda: (lambda run: run.returncode != REFUSED and run)(
                recover(host)), what="the state is free")

        assert done.returncode == 0, done.stderr
        assert "took the store's copy store.copy of " in done.stdout
        host.wait_ready(30)
        assert host.partition("one")["monitor_pid"] == monitor
        assert host.state_of("one") == "running"
    host.replace_service()
    host.run("stop", "one")
    host.run("start", "one")
    assert "took the store's copy" in host.run("events")
    if damage is not remove:
        assert list(host.state.glob("store.db.damaged-*"))


def test_a_recovery_starts_no_guest_that_has_ended_since_the_copy(host):
    foreign.serve(host, "one")
    wait_copied(host)
    monitor = host.partition("one")["monitor_pid"]
    os.kill(host.supervisor_pid(), signal.SIGSTOP)
    overwrite(host)
    os.kill(host.supervisor_pid(), signal.SIGKILL)
    os.kill(monitor, signal.SIGKILL)

    bulkhead.wait_for(lambda: recover(host).returncode == 0,
                      what="the state is free")

    host.wait_ready(30)
    host.wait_state("one", "stopped")
    host.run("start", "one")


def test_a_copy_that_cannot_be_written_is_told_of_and_made_later(host):
    foreign.serve(host, "one")
    wait_copied(host)
    blocker = host.state / "store.copy.new"
    blocker.mkdir()

    host.run("service", "set", "other", "--kind", "disk", "--standby", "0")
    bulkhead.wait_for(lambda: "copy cannot be written" in host.log(), 30,
                      what="that is told")
    blocker.rmdir()

    bulkhead.wait_for(
        lambda: b"other" in (host.state / "store.copy").read_bytes(), 30,
        what="the copy is made")
    assert host.state_of("one") == "running"
