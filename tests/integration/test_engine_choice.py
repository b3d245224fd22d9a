# SPDX-License-Identifier: MIT
"""Which engine runs a partition, and what a start says that it cannot have.

Where KVM cannot run guests a failpoint takes its place, and the monitor is
played.
"""
import json
import struct
import subprocess

import pytest

import played
from refusals import FAILED, REFUSED, check_refused, document, write

EVENT_ERROR = 2


@pytest.fixture
def host(make_believer):
    return make_believer().start()


def install(host, **fields):
    host.run("define", write(host, document(
        host, partition="played-one", disks=[], **fields)))
    host.run("install", "played-one")


def starting(host):
    return subprocess.Popen(host.argv("start", "played-one"), env=host.env,
                            stderr=subprocess.PIPE, text=True)


def end_of(process):
    """What the verb came to, as host.call() gives it."""
    _, text = process.communicate(timeout=20)
    return subprocess.CompletedProcess([], process.returncode, "", text)


def test_the_choice_of_auto_is_told_once(make_host):
    host = make_host().start()

    doctor = host.json("doctor")["supervisor"]
    events = map(json.loads, host.run("--json", "events").splitlines())
    told = [row["text"] for row in events
            if row["text"].startswith("engine auto takes")]

    assert told == [f"engine auto takes {doctor['engine']}: "
                    f"{doctor['engine_reason']}"]


def test_kvm_where_it_cannot_run_is_refused_with_what_was_found(make_host):
    host = make_host().start()
    doctor = host.json("doctor")
    probes = {row["id"]: row for row in doctor["probes"]}
    if probes["kvm"]["verdict"] == "yes":
        assert doctor["engine"] == "kvm"
        return
    install(host, engine="kvm")

    done = host.call("start", "played-one")

    check_refused(done, REFUSED, "engine", "kvm cannot run here",
                  probes["kvm"]["detail"][:40])
    assert host.state_of("played-one") == "stopped"


def test_more_huge_pages_than_the_host_has_are_refused(host):
    install(host, engine="kvm", memory={"size": "1T", "huge-pages": True})

    check_refused(host.call("start", "played-one"), REFUSED,
                  "memory.huge-pages", "524288 huge pages of 2M are needed")
    assert host.state_of("played-one") == "stopped"


def test_a_partition_in_huge_pages_is_refused_a_balloon(host):
    install(host, engine="kvm", memory={"size": "1G", "huge-pages": True})

    check_refused(host.call("balloon", "played-one", "512M"), REFUSED,
                  "memory.huge-pages", "stay reserved")


def test_more_memory_than_the_host_has_is_refused(host):
    install(host, engine="kvm", memory={"size": "4T"})

    check_refused(host.call("start", "played-one"), REFUSED, "memory.size",
                  "4194304 MiB are needed")
    assert host.state_of("played-one") == "stopped"


def test_a_monitor_of_engine_kvm_is_given_the_device(host, stage):
    install(host, engine="kvm")
    start = starting(host)
    monitor = stage.next()
    monitor.ready()

    got = []
    while not got or got[-1] != "MONITOR_LAUNCH":
        name, _, body, fds = monitor.receive()
        got.append(name)
        assert len(fds) == (name in ("MONITOR_KVM", "MONITOR_KERNEL")) + 3 * (
            name == "MONITOR_CONSOLE")
        if name == "MONITOR_CONFIGURE":
            assert struct.unpack_from("=I", body)[0] == 1
        played.close(fds)

    assert "MONITOR_KVM" in got
    monitor.end()
    start.communicate(timeout=20)


@pytest.mark.parametrize("words,status,sentence", [
    ("boot.kernel: not an x86 kernel", REFUSED,
     "boot.kernel: not an x86 kernel"),
    ("no memory for its page tables", FAILED,
     "no memory for its page tables"),
])
def test_a_failed_start_says_what_its_monitor_said(host, stage, words, status,
                                                   sentence):
    install(host, engine="kvm")
    start = starting(host)
    monitor = stage.next()

    monitor.wait("MONITOR_LAUNCH")
    field, _, text = words.rpartition(": ")
    monitor.send("CHILD_EVENT",
                 struct.pack("=I188s64s", EVENT_ERROR, text.encode(),
                             field.encode()))
    monitor.end()

    check_refused(end_of(start), status, sentence)
    assert host.partition("played-one")["reason"] == words
    assert host.state_of("played-one") == "stopped"
