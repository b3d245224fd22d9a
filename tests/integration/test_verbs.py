# SPDX-License-Identifier: MIT
"""A verb is answered, truthfully and in time, whatever its monitor does.

The monitor is played, so a test chooses what it answers, and when it dies.
"""
import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import threading

import pytest

import bulkhead
from played_machine import (GUEST_OFF, GUEST_RUNNING, NAME, Monitor, Verb,
                            start)
from refusals import FAILED, REFUSED, check_refused, document, write

DONE = struct.pack("=iI192s", 0, 0, b"")


@pytest.fixture
def host(make_believer):
    return make_believer("verb_ms = 1000\n").start()


def kill(supervisor):
    """And wait until nobody can reach it any more."""
    os.kill(supervisor, signal.SIGKILL)
    bulkhead.wait_for(lambda: not bulkhead.parent_of(supervisor), 10, 0.005,
                      what="the supervisor is dead")


# ---- a question has an end --------------------------------------------------

ASKED = [(["pause"], "MONITOR_PAUSE"), (["reset"], "MONITOR_RESET"),
         (["balloon", "32M"], "MONITOR_BALLOON")]


@pytest.mark.parametrize("words,message", ASKED)
def test_a_verb_that_the_monitor_does_not_answer_fails_in_time(host, stage,
                                                               words, message):
    monitor = start(host, stage)

    verb = Verb(host, *words)
    monitor.child.take(message)

    check_refused(verb.end(), FAILED, "does not answer")
    assert host.state_of(NAME) == "running"
    verb = Verb(host, "pause")
    monitor.answer("MONITOR_PAUSE")
    assert verb.end().returncode == 0
    monitor.end()


def test_a_resume_that_the_monitor_does_not_answer_fails_in_time(host, stage):
    monitor = start(host, stage)
    verb = Verb(host, "pause")
    monitor.answer("MONITOR_PAUSE")
    assert verb.end().returncode == 0

    verb = Verb(host, "resume")
    monitor.child.take("MONITOR_RESUME")

    check_refused(verb.end(), FAILED, "does not answer")
    assert host.state_of(NAME) == "paused"
    monitor.end()


def test_a_late_answer_is_shown_and_answers_nobody_else(host, stage):
    monitor = start(host, stage)
    verb = Verb(host, "pause")
    request, _, _ = monitor.child.wait("MONITOR_PAUSE")
    assert verb.end().returncode == FAILED

    verb = Verb(host, "reset")
    second, _, _ = monitor.child.wait("MONITOR_RESET")
    monitor.child.send("MONITOR_DONE", DONE, request=request)
    host.wait_state(NAME, "paused")
    assert verb.process.poll() is None
    monitor.child.send("MONITOR_DONE", DONE, request=second)

    assert verb.end().returncode == 0
    assert host.state_of(NAME) == "paused"
    monitor.end()


def test_a_guest_that_is_never_let_run_is_a_start_that_failed(host, stage):
    monitor = start(host, stage)
    host.run("stop", NAME, "--force")
    monitor.end()
    verb = Verb(host, "start")
    monitor = Monitor(stage)
    monitor.settings()
    monitor.ready()

    monitor.child.take("MONITOR_RESUME")
    monitor.child.wait_killed()
    monitor.end()

    check_refused(verb.end(), FAILED, "cannot run its guest")
    assert host.state_of(NAME) == "stopped"


def test_a_question_lost_with_the_old_link_fails_and_blocks_no_verb(host,
                                                                    stage):
    monitor = start(host, stage)
    host.config.write_text(f"libexec_dir = {stage.folder}\n")
    host.kill_supervisor()

    verb = Verb(host, "pause")
    bulkhead.wait_for(lambda: "another operation" in host.call(
        "balloon", NAME, "1G").stderr, what="the pause is under way")
    monitor.come_back(GUEST_RUNNING)

    check_refused(verb.end(), FAILED, "lost the request")
    verb = Verb(host, "pause")
    monitor.answer("MONITOR_PAUSE")
    assert verb.end().returncode == 0
    assert host.state_of(NAME) == "paused"
    monitor.end()


# ---- no verb is said to have happened that did not --------------------------

@pytest.mark.parametrize("words,message", ASKED)
def test_a_verb_overtaken_by_the_guests_power_off_fails(host, stage, words,
                                                        message):
    monitor = start(host, stage)

    verb = Verb(host, *words)
    request, _, _ = monitor.child.wait(message)
    monitor.report(GUEST_OFF)
    monitor.child.send("MONITOR_DONE", DONE, request=request)
    monitor.child.take("CHILD_QUIT")
    monitor.end()

    check_refused(verb.end(), FAILED, "powered off")
    host.wait_state(NAME, "stopped")


def test_nothing_is_started_during_a_shutdown(host, stage):
    host.define("late", disks=[host.disk("late", "8M")])
    host.run("install", "late")
    monitor = start(host, stage)

    shutdown = subprocess.Popen(host.argv("shutdown"), env=host.env)
    monitor.child.take("MONITOR_POWERDOWN")
    done = host.call("start", "late")

    check_refused(done, REFUSED, "state", "shutting down")
    assert host.state_of("late") == "stopped"
    monitor.report(GUEST_OFF)
    monitor.child.take("CHILD_QUIT")
    monitor.end()
    assert shutdown.wait(30) == 0


# ---- memory and store agree -------------------------------------------------

@contextlib.contextmanager
def full_store(host):
    """Nothing can be stored meanwhile."""
    is_over = threading.Event()

    def keep_armed():
        aside = host.trigger.with_suffix(".new")
        while not is_over.wait(0.001):
            if not host.trigger.exists():
                aside.write_text("store.commit.full=fail")
                aside.rename(host.trigger)
    thread = threading.Thread(target=keep_armed)
    thread.start()
    bulkhead.wait_for(host.trigger.exists)
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        host.trigger.unlink(missing_ok=True)


def has_event(host, words):
    return words in host.run("events")


def test_a_power_off_that_cannot_be_stored_keeps_its_monitor(host, stage):
    monitor = start(host, stage, restart="on-failure")

    with full_store(host):
        monitor.report(GUEST_OFF)
        bulkhead.wait_for(lambda: "cannot be stored" in host.run("list"),
                          what="the list says so")
        assert host.state_of(NAME) == "running"
        check_refused(host.call("uninstall", NAME), REFUSED, "running")
    monitor.child.take("CHILD_QUIT")
    monitor.end()

    host.wait_state(NAME, "stopped")
    host.run("uninstall", NAME)


def test_a_guest_that_is_off_is_not_started_by_the_next_supervisor(host,
                                                                   stage):
    monitor = start(host, stage, restart="on-failure")

    with full_store(host):
        monitor.report(GUEST_OFF)
        bulkhead.wait_for(lambda: "cannot be stored" in host.run("list"),
                          what="the list says so")
        supervisor = host.supervisor_pid()
        os.kill(supervisor, signal.SIGSTOP)
    kill(supervisor)
    monitor.come_back(GUEST_OFF)
    monitor.child.take("CHILD_QUIT")
    monitor.end()

    host.wait_ready()
    host.wait_state(NAME, "stopped")
    assert not has_event(host, "is starting: ")


def test_a_state_that_could_not_be_stored_is_stored_when_it_can_be(host,
                                                                   stage):
    monitor = start(host, stage)
    stop = Verb(host, "stop", "--force")
    monitor.child.take("CHILD_QUIT")

    with full_store(host):
        monitor.end()
        assert stop.end().returncode == 0
        assert host.state_of(NAME) == "stopped"
        check_refused(host.call("uninstall", NAME), FAILED,
                      "the store cannot be used")

    host.run("uninstall", NAME)


def test_the_deadline_of_a_stop_outlives_the_supervisor(host, stage):
    monitor = start(host, stage, stop={"deadline": "50m"})

    stop = Verb(host, "stop", "--deadline", "1")
    monitor.child.take("MONITOR_POWERDOWN")
    kill(host.supervisor_pid())
    assert stop.end().returncode == FAILED
    monitor.come_back(GUEST_RUNNING)

    monitor.child.take("MONITOR_POWERDOWN")
    monitor.child.take("CHILD_QUIT", 30)
    monitor.end()
    host.wait_ready()
    host.wait_state(NAME, "stopped")


# ---- what is pending is shown -----------------------------------------------

def test_an_uninstall_that_was_cut_off_is_shown(make_host, tmp_path):
    trigger = tmp_path / "armed"
    host = make_host(keep=False, environment={
        "BULKHEAD_FAILPOINT_FILE": str(trigger)}).start()
    host.define("one", disks=[host.disk(size="8M")])
    host.run("install", "one")
    trigger.write_text("uninstall.intended=kill")
    assert host.call("uninstall", "one", "--scrub").returncode == FAILED
    host.keeper.wait(10)

    with open(host.directory / "root.img", "r+b") as image:
        fcntl.lockf(image, fcntl.LOCK_EX | fcntl.LOCK_NB)
        host.start()

        assert "partly uninstalled" in host.partition("one")["reason"]
        check_refused(host.call("start", "one"), REFUSED, "partly uninstalled")
    host.run("uninstall", "one")
    assert host.partition("one")["reason"] == ""


# ---- memory is promised once ------------------------------------------------

def host_mib():
    """What the host has, but for the pool of huge pages."""
    with open("/proc/meminfo", encoding="ascii") as file:
        kib = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return (kib["MemTotal"] - kib.get("Hugetlb", 0)) // 1024


def test_memory_is_promised_once(make_believer, stage):
    host = make_believer(
        f"memory_reserve_mib = {host_mib() - 200}\n").start()
    size = {"size": "128M"}
    monitor = start(host, stage, memory=size)
    host.run("define", write(host, document(
        host, partition="two", engine="kvm", memory=size, disks=[])))
    host.run("install", "two")

    check_refused(host.call("start", "two"), REFUSED, "memory.size",
                  "128 MiB are needed", "128 are reserved")
    verb = Verb(host, "pause")
    monitor.answer("MONITOR_PAUSE")
    assert verb.end().returncode == 0
    check_refused(host.call("start", "two"), REFUSED, "128 are reserved")
    stop = Verb(host, "stop", "--force")
    monitor.child.take("CHILD_QUIT")
    monitor.end()
    assert stop.end().returncode == 0

    assert "are reserved" not in host.call("start", "two").stderr
