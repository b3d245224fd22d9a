# SPDX-License-Identifier: MIT
"""A partition from its first boot to its end, with a real guest."""
import os
import re
import signal
import time

import bulkhead


def ticks(console):
    return [int(line.rsplit("=", 1)[1]) for line in console.lines("tick")]


def test_a_guest_boots_and_its_states_are_those_documented(host):
    host.define("one", disks=[host.disk()])
    assert host.state_of("one") == "uninstalled"
    host.run("install", "one")
    assert host.state_of("one") == "stopped"
    host.run("start", "one")
    assert host.state_of("one") == "running"

    host.console("one").wait(r"^up .*test=idle")

    host.run("stop", "one")
    host.run("uninstall", "one")
    assert host.state_of("one") == "uninstalled"
    host.run("undefine", "one")
    assert host.state_of("one") is None


def test_a_paused_guest_does_not_run_and_resumes_where_it_was(host):
    console = host.up("one")
    console.wait("^tick")

    host.run("pause", "one")
    time.sleep(0.5)
    before = ticks(console)
    time.sleep(1.5)
    after = ticks(console)
    state = host.state_of("one")
    host.run("resume", "one")
    console.wait(f"^tick n={after[-1] + 3}$")

    assert state == "paused"
    assert before == after
    assert ticks(console) == list(range(1, ticks(console)[-1] + 1))


def test_stop_presses_the_power_button(host):
    console = host.up("one")
    console.wait("^tick")

    host.run("stop", "one", "--deadline", bulkhead.scaled(30))

    assert host.state_of("one") == "stopped"
    console.wait("^button pressed")


def test_a_guest_deaf_to_its_power_button_is_switched_off(host):
    host.up("one", test="deaf").wait("^deaf")

    began = time.monotonic()
    host.run("stop", "one", "--deadline", 3)

    assert host.state_of("one") == "stopped"
    assert 2.5 < time.monotonic() - began < bulkhead.scaled(10)


def test_stop_force_does_not_ask(host):
    host.up("one", test="deaf").wait("^deaf")

    began = time.monotonic()
    host.run("stop", "one", "--force")

    assert host.state_of("one") == "stopped"
    assert time.monotonic() - began < bulkhead.scaled(3)


def test_reset_starts_the_guest_again_in_the_same_monitor(host):
    console = host.up("one")
    console.wait("^tick")
    monitor = host.partition("one")["monitor_pid"]

    host.run("reset", "one")

    console.wait("^up ", count=2)
    assert host.partition("one")["monitor_pid"] == monitor
    assert host.state_of("one") == "running"


def test_a_guest_that_switches_itself_off_is_stopped(host):
    console = host.up("one", test="stamp", args="1,8", disks=[host.disk()])
    console.wait("^finished")

    host.wait_state("one", "stopped", 20)

    assert console.values("e2fsck") == {"status": 0}


def test_stop_and_start_keep_the_data(host):
    console = host.up("one", test="keep", disks=[host.disk()])
    first = console.wait("^start n=(.*)").group(1)
    host.run("stop", "one")
    host.run("start", "one")
    second = console.wait("^start n=(2.*)").group(1)
    host.run("stop", "one", "--force")
    host.run("start", "one")
    third = console.wait("^start n=(3.*)").group(1)

    assert first == "1 data=none"
    assert second == "2 data=good"
    assert third == "3 data=good"


def test_a_dead_monitor_is_started_again_by_the_restart_policy(host):
    console = host.up("one", test="keep", disks=[host.disk()])
    console.wait("^start n=1")
    pid = host.partition("one")["monitor_pid"]

    os.kill(pid, signal.SIGKILL)

    assert console.wait("^start n=2 (.*)").group(1) == "data=good"
    assert host.partition("one")["monitor_pid"] != pid


def test_a_paused_guest_whose_monitor_died_starts_when_it_is_resumed(host):
    console = host.up("one", test="keep", disks=[host.disk()])
    console.wait("^start n=1")
    host.run("pause", "one")
    pid = host.partition("one")["monitor_pid"]

    os.kill(pid, signal.SIGKILL)
    bulkhead.wait_for(lambda: host.partition("one")["monitor_pid"] not in
                      (0, pid), what="it has another monitor")
    host.wait_state("one", "paused")
    host.run("resume", "one")

    assert console.wait("^start n=2 (.*)").group(1) == "data=good"


def test_a_dead_engine_counts_as_a_dead_guest(host):
    console = host.up("one", restart="never")
    console.wait("^tick")

    os.kill(host.engine_pid("one"), signal.SIGKILL)

    host.wait_state("one", "stopped", 20)


def test_a_guest_does_not_notice_that_the_supervisor_dies(host):
    console = host.up("one", disks=[host.disk()])
    console.wait("^tick")
    before = host.partition("one")

    for _ in range(3):
        host.kill_supervisor()
    now = ticks(console)[-1]
    console.wait(f"^tick n={now + 5}$")
    after = host.partition("one")

    assert after["state"] == "running"
    assert after["monitor_pid"] == before["monitor_pid"]
    assert after["engine_pid"] == before["engine_pid"]
    assert console.text.count("BULKHEAD up") == 1
    host.run("pause", "one")
    assert host.state_of("one") == "paused"


def test_a_paused_guest_is_adopted_paused(host):
    host.up("one").wait("^tick")
    host.run("pause", "one")

    host.kill_supervisor()

    assert host.state_of("one") == "paused"
    host.run("resume", "one")
    assert host.state_of("one") == "running"


def test_a_monitor_that_died_without_a_supervisor_is_noticed(host):
    host.up("one", restart="never").wait("^tick")
    monitor = host.partition("one")["monitor_pid"]
    supervisor = host.supervisor_pid()

    os.kill(supervisor, signal.SIGSTOP)
    os.kill(monitor, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    bulkhead.wait_for(lambda: host.supervisor_pid() not in (None, supervisor),
                      what="the supervisor is started again")
    host.wait_ready()

    host.wait_state("one", "stopped", 20)


def test_an_autostart_partition_starts_with_the_supervisor(make_host):
    host = make_host().start()
    host.define("one", autostart=True)
    host.run("install", "one")
    host.shut_down()

    host.start()

    host.wait_state("one", "running", 30)
    host.console("one").wait("^tick")


def test_processes_are_named_for_their_partition(host):
    host.up("one", disks=[host.disk()]).wait("^tick")

    title = bulkhead.command_line(host.partition("one")["monitor_pid"])

    assert re.search(r"bulkhead-monitor.*one", title)
