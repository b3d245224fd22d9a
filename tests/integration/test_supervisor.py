# SPDX-License-Identifier: MIT
"""The supervisor and its children die in every order; nobody else notices.

There is no guest here: the load generator is the machine whose disk is
served, stamps every block, and judges what it reads back.
"""
import os
import shutil
import pathlib
import signal
import subprocess
import time

import pytest

import bulkhead
import foreign

JOURNAL = (pathlib.Path(bulkhead.ROOT) / "src/supervisor/store/journal_points.def")


def points(verb):
    """The journal's failpoints of one verb."""
    return [word for word in JOURNAL.read_text().split('"')
            if word.startswith(f"{verb}.")]


class Armed:
    """A supervisor that dies where a file says."""

    def __init__(self, make_host, **options):
        self.trigger = None
        self.host = make_host(environment={}, **options)
        self.trigger = self.host.directory / "failpoint"
        self.host.env["BULKHEAD_FAILPOINT_FILE"] = str(self.trigger)
        self.host.start()

    def arm(self, point):
        """Die at this point, once. Not early, or the keeper waits ever longer;
        and not in what is still being written behind."""
        time.sleep(1.1)
        name, _, time_of = point.partition("@")
        aside = self.trigger.with_suffix(".new")
        aside.write_text(f"{name}=kill" + (f"@{time_of}" if time_of else ""))
        aside.rename(self.trigger)

    def wait_killed(self):
        bulkhead.wait_for(lambda: not self.trigger.exists(), 20,
                          what="the point is reached")
        self.host.wait_ready()


@pytest.fixture
def armed(make_host):
    return Armed(make_host)


# ---- killed at every step ---------------------------------------------------

# verb, its words after the name, the state before it and after it
WALK = [("define", None, "undefined", "uninstalled"),
        ("install", [], "uninstalled", "stopped"),
        ("start", [], "stopped", "running"),
        ("stop", ["--force"], "running", "stopped"),
        ("uninstall", ["--scrub"], "stopped", "uninstalled"),
        ("undefine", [], "uninstalled", "undefined")]

STEPS = {
    "define": ["store.commit.before", "store.commit.after"],
    "install": points("install"),
    "start": ["state.before", "state.after", "state.before@2",
              "state.after@2", "spawn.unrecorded", "recovery.handover.before",
              "recovery.handover.between", "recovery.handover.after"],
    "stop": ["state.before", "state.after", "state.before@2",
             "state.after@2"],
    "uninstall": points("uninstall"),
    "undefine": ["store.commit.before", "store.commit.after"],
}


def act(host, verb, words):
    if words is None:
        return host.call(verb, foreign.document(host, "moved"))
    return host.call(verb, "moved", *words)


def settled(host, before, after):
    """The state once nothing is under way any more."""
    def look():
        state = host.state_of("moved") or "undefined"
        return state if state in (before, after) else None
    return bulkhead.wait_for(look, 20, what=f"{before} or {after}")


def kill_at(armed, point, verb, words):
    armed.arm(point)
    done = act(armed.host, verb, words)
    assert done.returncode != 0, f"{verb} did not pass {point}"
    armed.wait_killed()


def test_a_kill_at_any_step_of_any_verb_leaves_the_old_state_or_the_new(armed):
    host = armed.host
    socket = foreign.serve(host, "steady")

    with foreign.load(socket):
        for verb, words, before, after in WALK:
            for point in STEPS[verb]:
                kill_at(armed, point, verb, words)

                if settled(host, before, after) == after:
                    undo(host, verb)
                assert settled(host, before, before) == before, point
            done = act(host, verb, words)
            assert done.returncode == 0, done.stderr
            assert settled(host, after, after) == after
    assert not (host.directory / "moved.img").exists()


def undo(host, verb):
    """One step back, so that the next point finds the state before."""
    back = {"define": ["undefine"], "install": ["uninstall", "--remove-images"],
            "start": ["stop", "--force"], "stop": ["start"],
            "uninstall": ["install"], "undefine": ["define"]}[verb]
    done = act(host, back[0], None if back[0] == "define" else back[1:])
    assert done.returncode == 0, done.stderr


ADOPTION = ["adopt.hello", "adopt.welcomed", "adopt.reported",
            "adopt.reconciled"]


def test_a_kill_at_any_step_of_the_adoption_is_not_noticed(armed):
    host = armed.host
    socket = foreign.serve(host, "steady")
    before = host.partition("steady")["monitor_pid"], host.service_pid()

    with foreign.load(socket):
        for point in ADOPTION:
            armed.arm(point)
            host.kill_supervisor()
            armed.wait_killed()

            assert host.state_of("steady") == "running", point
    after = host.partition("steady")["monitor_pid"], host.service_pid()
    assert after == before


RECOVERY = ["recovery.died", "spawn.unrecorded", "recovery.handover.before",
            "recovery.handover.between", "recovery.handover.after"]


@pytest.mark.parametrize("standby", [0, 1])
def test_a_kill_at_any_step_of_a_recovery_is_recovered_from(armed, standby):
    host = armed.host
    host.run("service", "set", "disk0", "--standby", standby)
    socket = foreign.serve(host, "steady")

    with foreign.load(socket):
        for point in RECOVERY:
            armed.arm(point)
            os.kill(host.service_pid(), signal.SIGKILL)
            armed.wait_killed()

            wait_served(host, "steady")


def wait_served(host, name, seconds=20):
    """Until its disk is up, and stays so."""
    def is_up():
        rows = host.partition(name)["disks"]
        return all(row["state"] == "up" for row in rows)
    bulkhead.wait_for(is_up, seconds, what=f"{name} is served")


def wait_moved_on(host, name):
    """Until every request that was in flight is answered: one that meets three
    deaths in a row gets its disk a service of its own."""
    def answered():
        counters = host.partition(name)["disks"][0]["counters"]
        return counters["reads"] + counters["writes"]
    before = answered()
    bulkhead.wait_for(lambda: answered() > before + 32, 20,
                      what=f"{name} moves on")


# ---- without a supervisor ---------------------------------------------------

def test_a_service_that_dies_together_with_the_supervisor_is_replaced(host):
    socket = foreign.serve(host, "steady")

    with foreign.load(socket):
        for _ in range(5):
            time.sleep(0.3)
            service = host.service_pid()
            os.kill(host.supervisor_pid(), signal.SIGKILL)
            os.kill(service, signal.SIGKILL)
            bulkhead.wait_for(lambda old=service: replaced(host, old), 20,
                              what="the service is replaced")
            wait_served(host, "steady")


def replaced(host, old):
    rows = host.call("--json", "service", "list")
    return rows.returncode == 0 and host.service_pid() != old


def test_a_service_that_dies_beside_a_stopped_supervisor_is_replaced(host):
    socket = foreign.serve(host, "steady")
    supervisor = host.supervisor_pid()

    with foreign.load(socket):
        service = host.service_pid()
        os.kill(supervisor, signal.SIGSTOP)
        os.kill(service, signal.SIGKILL)
        time.sleep(3)
        os.kill(supervisor, signal.SIGCONT)

        bulkhead.wait_for(lambda: host.service_pid() != service, 20,
                          what="the service is replaced")
    assert host.supervisor_pid() == supervisor


def test_a_run_time_directory_that_was_removed_ends_nobody(host):
    socket = foreign.serve(host, "steady")
    before = host.partition("steady")["monitor_pid"], host.service_pid()

    with foreign.load(socket):
        shutil.rmtree(host.state / "run")
        os.kill(host.supervisor_pid(), signal.SIGKILL)
        host.wait_ready()

    after = host.partition("steady")["monitor_pid"], host.service_pid()
    assert after == before


def test_a_stopped_service_holds_up_no_adoption_for_long(host):
    foreign.serve(host, "steady")
    service = host.service_pid()

    os.kill(service, signal.SIGSTOP)
    began = time.monotonic()
    host.kill_supervisor()

    assert time.monotonic() - began < 8
    assert host.service_pid() != service
    wait_served(host, "steady")


def test_a_stopped_monitor_holds_up_nobody_else(host):
    foreign.serve(host, "stopped")
    socket = foreign.serve(host, "steady")
    monitor = host.partition("stopped")["monitor_pid"]

    with foreign.load(socket):
        os.kill(monitor, signal.SIGSTOP)
        host.kill_supervisor()
        host.replace_service()
        os.kill(monitor, signal.SIGCONT)

        wait_served(host, "stopped")
        wait_served(host, "steady")
    assert host.partition("stopped")["monitor_pid"] == monitor


def test_sigterm_ends_the_supervisor_alone_and_the_next_adopts(make_host):
    host = make_host(keep=False).start()
    socket = foreign.serve(host, "steady")
    before = host.partition("steady")["monitor_pid"], host.service_pid()

    with foreign.load(socket):
        host.keeper.send_signal(signal.SIGTERM)
        assert host.keeper.wait(10) == 0
        time.sleep(0.3)
        host.start()

    after = host.partition("steady")["monitor_pid"], host.service_pid()
    assert after == before


def test_isolation_is_told_the_same_after_an_adoption(host):
    foreign.serve(host, "steady")
    def layers():
        return sorted((row["process"], row["pid"], tuple(row["layers"]),
                       tuple(row["missing"]))
                      for row in host.partition("steady")["processes"])
    # Services are put into their groups a little later than monitors.
    bulkhead.wait_for(
        lambda: len({"cgroup" in row[2] for row in layers()}) == 1,
        what="all children are in groups, or none is")
    before = layers()

    host.kill_supervisor()

    assert before
    bulkhead.wait_for(lambda: layers() == before, 5,
                      what="the same isolation is told")


def test_a_second_supervisor_is_refused_and_disturbs_nobody(host):
    socket = foreign.serve(host, "steady")

    with foreign.load(socket):
        done = subprocess.run(host.supervisor_argv(), timeout=20, text=True,
                              stderr=subprocess.PIPE, check=False)

    assert done.returncode == 2
    assert "state_dir" in done.stderr
    assert host.state_of("steady") == "running"


def test_an_orderly_shutdown_leaves_no_process_no_group_and_no_mount(host):
    for name in ("one", "two"):
        foreign.serve(host, name)
    own = bulkhead.descendants(host.keeper.pid)

    host.shut_down()

    assert [pid for pid in own if bulkhead.parent_of(pid)] == []
    assert bulkhead.mounts() == host.mounts_before
    assert bulkhead.cgroups(host.state) == set()
    for name in ("one", "two"):
        with open(host.directory / f"{name}.img", "r+b") as image:
            os.lockf(image.fileno(), os.F_TLOCK, 0)


# ---- replacements under load ------------------------------------------------

def test_a_standby_takes_over(host):
    host.run("service", "set", "disk0", "--standby", 1)
    socket = foreign.serve(host, "steady")

    with foreign.load(socket):
        for _ in range(3):
            standby = bulkhead.wait_for(
                lambda: [row["pid"]
                         for row in host.instances("disk0", "standby")], 20,
                what="a standby is ready")[0]
            host.replace_service()
            assert host.service_pid() == standby
            wait_served(host, "steady")


def test_an_upgrade_moves_every_client_and_fails_no_request(host):
    sockets = [foreign.serve(host, name) for name in ("one", "two")]

    with foreign.load(sockets[0]), foreign.load(sockets[1]):
        time.sleep(1)
        for _ in range(5):
            before = host.service_pid()
            host.run("service", "restart", "disk0")
            assert host.service_pid() != before
    assert {row["clients"] for row in host.instances("disk0")} == {2}
    assert host.instances("disk0", "retired") == []


def test_an_upgrade_that_loses_its_supervisor_is_taken_back_or_ends(armed):
    host = armed.host
    socket = foreign.serve(host, "steady")

    with foreign.load(socket):
        for point in ("spawn.unrecorded", "recovery.handover.between"):
            armed.arm(point)
            assert host.call("service", "restart", "disk0").returncode != 0
            armed.wait_killed()
            wait_served(host, "steady")
        host.run("service", "restart", "disk0")
    assert [row["clients"] for row in host.instances("disk0")] == [1]


# ---- nothing grows ----------------------------------------------------------

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may look into our processes")


def descriptors(host):
    """How many each of ours has open, by program."""
    pids = [host.supervisor_pid(), host.service_pid(),
            host.partition("steady")["monitor_pid"]]
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]


def settled_descriptors(host):
    """The count once a fresh service and what is written behind have settled:
    the same for as long as anything of ours waits."""
    host.run("service", "restart", "disk0")
    seen = []

    def is_steady():
        seen.append(descriptors(host))
        return seen[-6:] == seen[-1:] * 6
    bulkhead.wait_for(is_steady, 30, 0.5, what="descriptors settle")
    return seen[-1]


def grown(before, after):
    """The pairs that have more now; fewer is a replacement not begun yet."""
    return [pair for pair in zip(before, after) if pair[1] > pair[0]]


@needs_root
def test_fifty_kills_leak_no_descriptor(host):
    socket = foreign.serve(host, "steady")

    with foreign.load(socket):
        before = settled_descriptors(host)
        for _ in range(50):
            host.replace_service()
            wait_moved_on(host, "steady")
        after = settled_descriptors(host)

    assert not grown(before, after)


@needs_root
def test_twenty_starts_and_stops_leak_no_descriptor(host):
    foreign.serve(host, "steady")
    foreign.serve(host, "moved")
    host.run("stop", "moved")
    before = settled_descriptors(host)

    for _ in range(20):
        host.run("start", "moved")
        host.run("stop", "moved")

    assert not grown(before, settled_descriptors(host))
