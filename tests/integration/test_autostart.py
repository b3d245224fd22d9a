# SPDX-License-Identifier: MIT
"""Partitions that start by themselves: each once, and none is forgotten.

The monitors are played, so that a start ends when a test says so.
"""
import pytest

import bulkhead
from played_machine import Monitor
from refusals import disk, document, write

ONE, TWO = "played-one", "played-two"


@pytest.fixture
def host(make_believer):
    """A supervisor with two partitions to start, that is down."""
    made = make_believer().start()
    for name in (ONE, TWO):
        image = str(made.directory / f"{name}.img")
        made.run("define", write(made, document(
            made, partition=name, engine="kvm", autostart=True,
            disks=[disk(made, file=image)])))
        made.run("install", name)
    made.shut_down()
    return made


def boots(stage):
    """The next monitor on stage lets its guest run."""
    monitor = Monitor(stage)
    monitor.settings()
    monitor.ready()
    monitor.answer("MONITOR_RESUME")
    return monitor


def image_of(host, name):
    return host.directory / f"{name}.img"


def test_a_kill_while_partitions_are_started_forgets_none(host, stage):
    host.trigger.write_text("state.after=kill")

    host.start()
    monitors = [boots(stage), boots(stage)]

    for name in (ONE, TWO):
        host.wait_state(name, "running")
    for monitor in monitors:
        monitor.end()


def test_a_refused_start_is_tried_again_until_the_guest_runs(host, stage):
    aside = image_of(host, ONE).rename(host.directory / "not-mounted")

    host.start()
    other = boots(stage)
    bulkhead.wait_for(lambda: "waits to be started: disks[0].file" in
                      host.run("list"), what="the list says what is missing")
    aside.rename(image_of(host, ONE))
    monitor = boots(stage)

    host.wait_state(ONE, "running")
    assert host.partition(ONE)["reason"] == ""
    assert host.run("events").count("is not started yet") == 1
    monitor.end()
    other.end()


@pytest.mark.parametrize("verb", ["stop", "uninstall"])
def test_a_verb_of_an_operator_ends_the_wait_for_a_start(host, stage, verb):
    aside = image_of(host, ONE).rename(host.directory / "not-mounted")
    host.start()
    other = boots(stage)
    bulkhead.wait_for(lambda: "waits to be started" in host.run("list"))

    host.run(verb, ONE)
    aside.rename(image_of(host, ONE))
    if verb == "uninstall":
        host.run("install", ONE)
    host.kill_supervisor()

    row = host.partition(ONE)
    assert (row["state"], row["reason"]) == ("stopped", "")
    other.end()
