# SPDX-License-Identifier: MIT
"""A verb is answered, truthfully and in time, whatever its monitor does.

The monitor is played, so a test chooses what it answers, and when it dies.
"""
import struct

import pytest

import bulkhead
from played_machine import GUEST_RUNNING, NAME, Monitor, Verb, start
from refusals import FAILED, check_refused

DONE = struct.pack("=iI192s", 0, 0, b"")


@pytest.fixture
def host(make_host, stage, tmp_path):
    """A supervisor that believes in KVM; its monitors are played."""
    made = make_host(
        config=f"libexec_dir = {stage.folder}\nverb_ms = 1000\n",
        environment={"BULKHEAD_FAILPOINT": "engine.kvm=fail",
                     "BULKHEAD_FAILPOINT_FILE": str(tmp_path / "armed")})
    made.trigger = tmp_path / "armed"
    return made.start()


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

    check_refused(verb.end(), FAILED, "does not let its guest run")
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

    check_refused(verb.end(), FAILED, "lost the question")
    verb = Verb(host, "pause")
    monitor.answer("MONITOR_PAUSE")
    assert verb.end().returncode == 0
    assert host.state_of(NAME) == "paused"
    monitor.end()
