# SPDX-License-Identifier: MIT
"""Children that the store of a supervisor does not know: nothing of theirs is
lost, and there are ways back."""
import os
import shutil
import signal

import pytest

import bulkhead
import foreign
from test_recover import overwrite, recover, wait_copied


def swap_store(host, away, back=None):
    """While there is no supervisor: another store, or none."""
    old = bulkhead.wait_for(host.supervisor_pid, what="a supervisor runs")
    os.kill(old, signal.SIGSTOP)
    away.mkdir()
    for file in host.state.glob("store.*"):
        file.rename(away / file.name)
    for file in back.glob("store.*") if back else ():
        file.rename(host.state / file.name)
    os.kill(old, signal.SIGKILL)
    bulkhead.wait_for(lambda: host.supervisor_pid() not in (None, old),
                      what="the supervisor is started again")
    host.wait_ready(30)


def kept(host):
    return {row["pid"]: (row["kind"], row["name"])
            for row in host.json("quarantine", "list")}


def end_all(host):
    for pid in kept(host):
        host.run("quarantine", "end", pid)
    bulkhead.wait_for(lambda: not kept(host), what="they have ended")


def test_guests_of_a_store_that_was_moved_away_go_on_until_it_is_back(
        host, tmp_path):
    socket = foreign.serve(host, "one")
    monitor = host.partition("one")["monitor_pid"]
    old, new = tmp_path / "old", tmp_path / "new"
    with foreign.load(socket):
        swap_store(host, old)

        found = bulkhead.wait_for(
            lambda: {("monitor", "one"), ("disk", "disk0"),
                     ("console", "console0")} <= set(kept(host).values())
            and kept(host), what="they are told of")
        assert found[monitor] == ("monitor", "one")
        assert host.json("list") == []
        doctor = host.json("doctor")["supervisor"]
        assert doctor["quarantined"] == len(kept(host))
        assert "processes in quarantine" in host.run("doctor")
        assert "is kept in quarantine, and its guest keeps running" in host.run(
            "events")
        foreign.serve(host, "two")
        host.kill_supervisor()
        bulkhead.wait_for(lambda: found.keys() <= kept(host).keys(),
                          what="the next one keeps them too")
        host.run("stop", "two")

        swap_store(host, new, back=old)
        assert host.state_of("one") == "running"
        assert host.partition("one")["monitor_pid"] == monitor
    host.run("stop", "one")
    bulkhead.wait_for(lambda: ("disk", "disk0") in kept(host).values(),
                      what="those of the store between are kept")
    end_all(host)


def test_an_operator_ends_what_is_in_quarantine(host, tmp_path):
    foreign.serve(host, "one")
    monitor = host.partition("one")["monitor_pid"]
    swap_store(host, tmp_path / "old")
    bulkhead.wait_for(lambda: monitor in kept(host),
                      what="it is told of")

    refused = host.call("quarantine", "end", 1)
    end_all(host)

    assert refused.returncode != 0 and "no process 1" in refused.stderr
    assert bulkhead.parent_of(monitor) is None
    # Its image is free again.
    foreign.serve(host, "one")


@pytest.mark.parametrize("is_by_hand", [False, True], ids=["copy", "by-hand"])
def test_a_guest_that_an_older_store_does_not_know_to_run_is_taken_over(
        host, tmp_path, is_by_hand):
    host.run("define", foreign.document(host, "one"))
    host.run("install", "one")
    wait_copied(host)
    shutil.copy(host.state / "store.copy", tmp_path / "older")
    host.run("start", "one")
    monitor = host.partition("one")["monitor_pid"]
    with foreign.load(foreign.socket_of(host, "one")):
        os.kill(host.supervisor_pid(), signal.SIGSTOP)
        if is_by_hand:
            for file in host.state.glob("store.*"):
                file.unlink()
            shutil.copy(tmp_path / "older", host.state / "store.db")
        else:
            overwrite(host)
            (host.state / "store.copy.1").unlink(missing_ok=True)
            shutil.copy(tmp_path / "older", host.state / "store.copy")
        os.kill(host.supervisor_pid(), signal.SIGKILL)
        if not is_by_hand:
            bulkhead.wait_for(lambda: recover(host).returncode == 0,
                              what="the state is free")

        host.wait_ready(30)
        host.wait_state("one", "running")
        assert host.partition("one")["monitor_pid"] == monitor
        host.replace_service()
    host.run("stop", "one")
    assert kept(host) == {}
