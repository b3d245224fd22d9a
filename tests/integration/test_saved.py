# SPDX-License-Identifier: MIT
"""Saving and restoring, as the supervisor sees it: wholly or not at all.

The monitor of engine kvm is played, so a test chooses what it answers, and
when it dies.
"""
import fcntl
import json
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import time
from pathlib import Path

import pytest

import bulkhead
import foreign
import played
from played_machine import (GUEST_PAUSED, GUEST_RUNNING, IMAGE, NAME, Monitor,
                            Verb, start)
from refusals import FAILED, REFUSED, check_refused, disk, document, write

EVENT_ERROR = 2


@pytest.fixture
def arm(tmp_path):
    """Kill the supervisor at a point it reaches from now on."""
    def armed(point):
        (tmp_path / "armed").write_text(f"{point}=kill\n")
    armed.file = tmp_path / "armed"
    return armed


@pytest.fixture
def host(make_host, stage, arm):
    """A supervisor that believes in KVM; its monitors are played."""
    made = make_host(
        config=f"libexec_dir = {stage.folder}\n"
               "ready_ms = 2000\nsave_ms = 1500\n",
        environment={"BULKHEAD_FAILPOINT": "engine.kvm=fail",
                     "BULKHEAD_FAILPOINT_FILE": str(arm.file)}).start()
    made.saved = made.state / "saved"
    made.victim = made.supervisor_pid()
    return made


def saving(host, stage):
    """A save whose monitor was told to write, and has not begun."""
    monitor = start(host, stage)
    verb = Verb(host, "save")
    monitor.answer("MONITOR_PAUSE")
    _, _, fds = monitor.child.wait("MONITOR_SAVE")
    played.close(fds)
    return verb, monitor


def save(host, monitor):
    verb = Verb(host, "save")
    monitor.answer("MONITOR_PAUSE")
    monitor.write()
    monitor.child.take("CHILD_QUIT")
    monitor.end()
    assert verb.end().returncode == 0


def restoring(host, stage):
    verb = Verb(host, "restore")
    monitor = Monitor(stage)
    monitor.names = monitor.settings()
    return verb, monitor


def cut_off(host, verb):
    """Its supervisor died, so that nobody can reach it any more."""
    assert verb.end().returncode == FAILED
    bulkhead.wait_for(lambda: not bulkhead.parent_of(host.victim), 10, 0.005,
                      what="the supervisor is dead")


def files(host):
    return sorted(os.listdir(host.saved))


def events(host):
    return [json.loads(line)["text"]
            for line in host.run("--json", "events").splitlines()]


def test_a_saved_guest_goes_on_in_another_monitor(host, stage):
    monitor = start(host, stage)

    save(host, monitor)

    shown = host.partition(NAME)
    assert shown["state"] == "saved" and not shown["monitor_pid"]
    assert shown["image"]["bytes"] >= len(IMAGE)
    assert shown["image"]["saved_us"] > 0
    assert files(host) == [f"{NAME}.image"]
    status = os.stat(host.saved / f"{NAME}.image")
    assert stat.S_IMODE(status.st_mode) == 0o600

    verb, monitor = restoring(host, stage)
    assert monitor.image == IMAGE
    assert "MONITOR_KVM" in monitor.names
    monitor.ready()
    request, _, _ = monitor.child.wait("MONITOR_RESUME")
    assert files(host) == [], "the image is used up before the guest runs"
    assert host.partition(NAME)["image"] is None
    monitor.child.send("MONITOR_DONE", struct.pack("=iI192s", 0, 0, b""), (),
                       request)
    assert verb.end().returncode == 0
    assert host.state_of(NAME) == "running"
    monitor.end()


def write_log(host):
    """What the guest has said, as its console service keeps it."""
    log = host.state / "console" / f"{NAME}.log"
    log.write_bytes(b"the guest's secret")
    return log


def test_a_scrub_overwrites_the_console_log_and_the_saved_memory(host, stage):
    monitor = start(host, stage)
    save(host, monitor)
    log = write_log(host)
    image = host.saved / f"{NAME}.image"

    with open(log, "rb") as said, open(image, "rb") as memory:
        host.run("uninstall", NAME, "--scrub")

        assert not log.exists() and not image.exists()
        assert set(said.read()) == set(memory.read()) == {0}


def test_a_scrub_that_was_cut_off_goes_on_with_log_and_memory(host, stage,
                                                              arm):
    monitor = start(host, stage)
    save(host, monitor)
    log = write_log(host)

    with open(log, "rb") as said:
        arm("uninstall.intended")
        assert host.call("uninstall", NAME, "--scrub").returncode == FAILED
        host.wait_ready()
        bulkhead.wait_for(lambda: not log.exists(), what="the log is gone")
        assert set(said.read()) == {0}


def test_a_new_partition_has_no_log_of_an_old_one_of_its_name(host, arm):
    definition = write(host, document(host, partition=NAME))
    host.run("define", definition)
    log = write_log(host)

    arm("store.commit.after")
    assert host.call("undefine", NAME).returncode == FAILED
    host.wait_ready()
    assert host.json("list") == [] and log.exists()
    host.run("define", definition)

    assert not log.exists()


def test_a_paused_guest_is_saved_and_restored_paused(host, stage):
    monitor = start(host, stage)
    verb = Verb(host, "pause")
    monitor.answer("MONITOR_PAUSE")
    assert verb.end().returncode == 0

    verb = Verb(host, "save")
    monitor.write()
    monitor.child.take("CHILD_QUIT")
    monitor.end()
    assert verb.end().returncode == 0
    verb, monitor = restoring(host, stage)
    monitor.ready()

    assert verb.end().returncode == 0
    assert host.state_of(NAME) == "paused" and files(host) == []
    monitor.end()


def test_a_save_that_fails_says_why_and_the_guest_runs_on(host, stage):
    monitor = start(host, stage)
    verb = Verb(host, "save")
    monitor.answer("MONITOR_PAUSE")

    monitor.answer("MONITOR_SAVE", -28, b"the image: no space left")
    monitor.answer("MONITOR_RESUME")

    check_refused(verb.end(), FAILED, "the image: no space left")
    assert host.state_of(NAME) == "running" and files(host) == []
    assert "is not saved: the image: no space left" in events(host)
    save(host, monitor)


def test_a_guest_whose_processors_do_not_stop_is_not_saved(host, stage):
    monitor = start(host, stage)
    verb = Verb(host, "save")

    monitor.answer("MONITOR_PAUSE", -5, b"a processor does not stop")
    monitor.answer("MONITOR_RESUME")

    check_refused(verb.end(), FAILED, "a processor does not stop")
    assert host.state_of(NAME) == "running" and files(host) == []
    monitor.end()


def test_a_monitor_that_dies_while_it_saves_leaves_no_image(host, stage):
    monitor = start(host, stage)
    verb = Verb(host, "save")
    monitor.answer("MONITOR_PAUSE")
    request, _, fds = monitor.child.wait("MONITOR_SAVE")
    os.write(fds[0], IMAGE)
    played.close(fds)
    assert files(host) == [f"{NAME}.partial"]

    monitor.end()

    assert verb.end().returncode == FAILED
    assert host.state_of(NAME) == "stopped" and files(host) == []


def test_a_forced_stop_gives_a_save_up(host, stage):
    monitor = start(host, stage)
    verb = Verb(host, "save")
    monitor.answer("MONITOR_PAUSE")
    request, _, fds = monitor.child.wait("MONITOR_SAVE")
    os.write(fds[0], IMAGE)
    check_refused(host.call("stop", NAME), REFUSED, "state",
                  "is saving; only a forced stop is possible")
    assert host.state_of(NAME) == "saving"
    monitor.child.send("MONITOR_PROGRESS", struct.pack("=QQ", 1, 2), (),
                       request)

    stop = subprocess.Popen(host.argv("stop", "--force", NAME), env=host.env)
    monitor.child.take("CHILD_QUIT")
    check_refused(verb.end(), FAILED, "is being stopped")
    assert files(host) == []
    played.close(fds)
    monitor.end()

    assert stop.wait(20) == 0
    assert host.state_of(NAME) == "stopped" and files(host) == []


@pytest.mark.parametrize("words,status", [
    ("image: its memory is damaged at byte 4096", REFUSED),
    ("no memory for its page tables", FAILED)])
def test_a_restore_that_fails_says_why_and_leaves_it_saved(host, stage, words,
                                                           status):
    save(host, start(host, stage))
    verb, monitor = restoring(host, stage)

    field, _, text = words.rpartition(": ")
    monitor.child.send("CHILD_EVENT",
                       struct.pack("=I188s64s", EVENT_ERROR, text.encode(),
                                   field.encode()))
    monitor.end()

    check_refused(verb.end(), status, words)
    assert host.state_of(NAME) == "saved"
    assert host.partition(NAME)["reason"] == words
    assert files(host) == [f"{NAME}.image"]


def test_a_restored_guest_that_cannot_run_is_not_restored_again(host, stage):
    save(host, start(host, stage))
    verb, monitor = restoring(host, stage)
    monitor.ready()
    monitor.answer("MONITOR_RESUME", -5, b"no processor starts")
    monitor.child.wait_killed()
    monitor.end()

    assert verb.end().returncode == FAILED
    assert host.state_of(NAME) == "stopped" and files(host) == []
    check_refused(host.call("restore", NAME), REFUSED, "restore")


def test_an_image_that_is_gone_is_refused_and_nothing_started(host, stage):
    save(host, start(host, stage))
    (host.saved / f"{NAME}.image").unlink()

    check_refused(host.call("restore", NAME), REFUSED, "image",
                  "cannot be opened")
    assert host.state_of(NAME) == "saved"


def test_a_captured_monitor_cannot_fill_the_disk_with_an_image(host):
    foreign.serve(host, "theirs")
    monitor = host.partition("theirs")["monitor_pid"]

    limits = Path(f"/proc/{monitor}/limits").read_text()

    found = re.search(r"Max file size +(\d+) +(\d+)", limits).groups()
    assert found == (str(64 << 20), str(64 << 20))


def test_what_a_saved_partition_cannot_do_is_refused(host, stage):
    monitor = start(host, stage)
    check_refused(host.call("restore", NAME), REFUSED, "running")
    save(host, monitor)

    check_refused(host.call("start", NAME), REFUSED, "saved", "restore it")
    for verb in ("save", "pause", "resume", "reset"):
        check_refused(host.call(verb, NAME), REFUSED, "saved")
    check_refused(host.call("undefine", NAME), REFUSED, "saved")
    check_refused(host.call("define", host.directory / "one.yaml"), REFUSED,
                  "already defined")
    assert host.state_of(NAME) == "saved"


def test_a_saved_guests_interface_stays_as_the_guest_knows_it(host, stage):
    host.run("switch", "define", "lan")
    monitor = start(host, stage, nics=[{"name": "lan0", "switch": "lan"}])
    save(host, monitor)

    check_refused(host.call("nic", "remove", NAME, "lan0"), REFUSED, "saved")
    host.run("nic", "set", NAME, "lan0", "--vlan", 20)
    host.run("set", NAME, "nics[lan0].mtu=1500")
    check_refused(host.call("set", NAME, "nics[lan0].mtu=9000"), REFUSED,
                  "nics[0].mtu", "saved")
    verb, monitor = restoring(host, stage)
    monitor.ready()
    monitor.answer("MONITOR_RESUME")

    assert verb.end().returncode == 0
    assert "MONITOR_NIC" in monitor.names


@pytest.mark.parametrize("verb,state", [("stop", "stopped"),
                                        ("uninstall", "uninstalled")])
def test_a_saved_partition_is_stopped_or_uninstalled_without_its_image(
        host, stage, verb, state):
    save(host, start(host, stage))

    host.run(verb, NAME)

    assert host.state_of(NAME) == state and files(host) == []
    assert host.partition(NAME)["image"] is None


def test_the_disk_of_a_saved_partition_is_nobody_elses(host, stage):
    save(host, start(host, stage))
    host.run("define", write(host, document(host, partition="other",
                                            disks=[disk(host)])))

    check_refused(host.call("install", "other"), REFUSED, "disks[0].file",
                  "locked")


def is_locked(path):
    """Would another program that asks for a lock be refused?"""
    with open(path, "r+b") as file:
        wish = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, wish)
        except (BlockingIOError, PermissionError):
            return True
    return False


def test_the_disk_of_a_saved_partition_stays_locked(host, stage):
    save(host, start(host, stage))
    image = host.directory / "root.img"

    assert is_locked(image)
    host.kill_supervisor()
    assert is_locked(image)
    verb, monitor = restoring(host, stage)
    monitor.end()
    assert verb.end().returncode == FAILED
    assert is_locked(image)
    host.run("stop", NAME)
    assert not is_locked(image)


def test_a_restore_is_given_up_by_a_stop_and_stays_saved(host, stage):
    save(host, start(host, stage))
    verb, monitor = restoring(host, stage)

    stop = Verb(host, "stop")
    monitor.child.take("CHILD_QUIT")
    monitor.ready()
    monitor.end()

    check_refused(verb.end(), FAILED, "is being stopped")
    assert stop.end().returncode == 0
    assert host.state_of(NAME) == "saved"
    assert host.partition(NAME)["reason"] == ""
    assert files(host) == [f"{NAME}.image"]
    verb, monitor = restoring(host, stage)
    monitor.ready()
    monitor.answer("MONITOR_RESUME")
    assert verb.end().returncode == 0
    monitor.end()


def again(host, stage):
    """The monitor that the restart policy starts, READY."""
    monitor = Monitor(stage)
    monitor.settings()
    monitor.ready()
    return monitor


def test_a_guest_whose_monitor_died_in_a_save_is_started_by_policy(host,
                                                                   stage):
    monitor = start(host, stage, restart="on-failure")
    verb = Verb(host, "save")
    monitor.answer("MONITOR_PAUSE")
    _, _, fds = monitor.child.wait("MONITOR_SAVE")
    played.close(fds)

    monitor.end()
    monitor = again(host, stage)
    monitor.answer("MONITOR_RESUME")

    assert verb.end().returncode == FAILED
    host.wait_state(NAME, "running")
    assert files(host) == []
    monitor.end()


def paused(host, stage):
    monitor = start(host, stage, restart="on-failure")
    verb = Verb(host, "pause")
    monitor.answer("MONITOR_PAUSE")
    assert verb.end().returncode == 0
    return monitor


def stays_paused(host, stage):
    """A new monitor is there, and its guest is not told to run."""
    monitor = again(host, stage)
    host.wait_state(NAME, "paused")
    verb = Verb(host, "resume")
    monitor.answer("MONITOR_RESUME")
    assert verb.end().returncode == 0
    assert host.state_of(NAME) == "running"
    monitor.end()


def test_a_paused_guest_whose_monitor_died_is_paused_again(host, stage):
    monitor = paused(host, stage)

    monitor.end()

    stays_paused(host, stage)


def test_a_paused_guest_that_died_in_a_save_is_paused_again(host, stage):
    monitor = paused(host, stage)
    verb = Verb(host, "save")
    _, _, fds = monitor.child.wait("MONITOR_SAVE")
    played.close(fds)

    monitor.end()

    stays_paused(host, stage)
    assert verb.end().returncode == FAILED
    assert files(host) == []


def test_a_paused_guest_is_paused_again_after_a_power_cut(host, stage):
    monitor = paused(host, stage)
    supervisor = host.supervisor_pid()

    os.kill(supervisor, signal.SIGSTOP)
    monitor.end()
    os.kill(supervisor, signal.SIGKILL)

    stays_paused(host, stage)


def test_a_disk_that_was_changed_behind_a_saved_guest_is_refused(host, stage):
    save(host, start(host, stage))
    image = host.directory / "root.img"
    before = os.stat(image)

    image.write_bytes(b"\1" * image.stat().st_size)

    check_refused(host.call("restore", NAME), REFUSED, "disks[0].file",
                  "was changed after the guest was saved")
    assert host.state_of(NAME) == "saved" and is_locked(image)
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    verb, monitor = restoring(host, stage)
    monitor.ready()
    monitor.answer("MONITOR_RESUME")
    assert verb.end().returncode == 0
    monitor.end()


@pytest.fixture
def device(tmp_path):
    """Set up before `host`, so that it outlives whoever uses it."""
    if os.geteuid() != 0:
        pytest.skip("makes a loop device")
    with open(tmp_path / "device", "wb") as image:
        image.truncate(8 << 20)
    made = subprocess.run(["losetup", "--find", "--show", image.name],
                          stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()
    yield made
    subprocess.run(["losetup", "--detach", made], check=True)


def test_a_device_that_was_changed_behind_a_saved_guest_is_refused(
        device, host, stage):
    save(host, start(host, stage, disks=[
        {"name": "root", "file": device, "size": "8M"}]))

    stranger = os.open(device, os.O_WRONLY)
    os.pwrite(stranger, b"x", 4096)
    os.fdatasync(stranger)
    os.close(stranger)

    check_refused(host.call("restore", NAME), REFUSED, "disks[0].file",
                  "was changed after the guest was saved")
    assert host.state_of(NAME) == "saved"
    host.run("stop", NAME)


def test_a_device_that_nobody_changed_is_restored(device, host, stage):
    save(host, start(host, stage, disks=[
        {"name": "root", "file": device, "size": "8M"}]))

    verb, monitor = restoring(host, stage)
    monitor.ready()
    monitor.answer("MONITOR_RESUME")

    assert verb.end().returncode == 0
    assert "is unknown" not in host.log()
    monitor.end()


def test_qemu_and_foreign_guests_are_not_saved(host, stage):
    foreign.serve(host, "theirs")
    monitor = start(host, stage, engine="qemu")

    check_refused(host.call("save", "theirs"), REFUSED, "engine", "foreign")
    check_refused(host.call("save", NAME), REFUSED, "engine", "qemu")
    assert host.state_of(NAME) == "running" and files(host) == []
    monitor.end()


def test_a_save_without_progress_is_given_up(host, stage):
    verb, monitor = saving(host, stage)

    monitor.answer("MONITOR_RESUME")

    check_refused(verb.end(), FAILED, "no progress")
    assert host.state_of(NAME) == "running" and files(host) == []
    monitor.end()


def test_a_monitor_that_never_lets_its_guest_run_on_is_ended(host, stage):
    verb, monitor = saving(host, stage)

    monitor.child.wait("MONITOR_RESUME")
    monitor.child.wait_killed()
    monitor.end()

    assert verb.end().returncode == FAILED
    assert host.state_of(NAME) == "stopped" and files(host) == []


def test_a_save_that_makes_progress_takes_its_time_and_tells(host, stage):
    monitor = start(host, stage)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(str(host.socket))
    client.send(struct.pack("=II32s", played.NUMBERS["PARTITION_SAVE"], 7,
                            NAME.encode()))
    monitor.answer("MONITOR_PAUSE")
    request, _, fds = monitor.child.wait("MONITOR_SAVE")
    for step in range(1, 5):
        time.sleep(0.6)
        monitor.child.send("MONITOR_PROGRESS", struct.pack("=QQ", step, 4), (),
                           request)
    os.write(fds[0], IMAGE)
    played.close(fds)
    monitor.child.send("MONITOR_DONE", struct.pack("=iI192s", 0, 0, b""), (),
                       request)
    monitor.child.take("CHILD_QUIT")
    monitor.end()

    told = [client.recv(4096) for _ in range(5)]
    assert [struct.unpack("=IIQQ", row)[2:] for row in told[:4]] == [
        (1, 4), (2, 4), (3, 4), (4, 4)]
    assert struct.unpack_from("=IIi", told[4]) == (played.NUMBERS["REPLY"], 7,
                                                   0)
    client.close()


def test_a_restore_that_makes_progress_has_time(host, stage):
    save(host, start(host, stage))
    verb, monitor = restoring(host, stage)

    for step in range(1, 5):
        time.sleep(0.7)
        monitor.child.send("MONITOR_PROGRESS", struct.pack("=QQ", step, 4))
    monitor.ready()
    monitor.answer("MONITOR_RESUME")

    assert verb.end().returncode == 0
    monitor.end()


def test_a_restore_that_takes_too_long_leaves_it_saved(host, stage):
    save(host, start(host, stage))
    verb, monitor = restoring(host, stage)

    monitor.child.wait_killed()
    monitor.end()

    check_refused(verb.end(), FAILED, "not ready in time")
    assert host.state_of(NAME) == "saved"
    assert files(host) == [f"{NAME}.image"]


def test_a_save_whose_link_is_lost_is_taken_back(host, stage):
    verb, monitor = saving(host, stage)

    monitor.come_back(GUEST_PAUSED)
    monitor.answer("MONITOR_RESUME")

    check_refused(verb.end(), FAILED, "lost")
    assert host.state_of(NAME) == "running" and files(host) == []
    monitor.end()


def test_a_shutdown_lets_a_save_end_and_ends_a_restore(host, stage):
    monitor = start(host, stage)
    saving = Verb(host, "save")
    monitor.answer("MONITOR_PAUSE")
    shutdown = subprocess.Popen(host.argv("shutdown"), env=host.env)
    monitor.write()
    monitor.child.take("CHILD_QUIT")
    monitor.end()
    assert saving.end().returncode == 0 and shutdown.wait(30) == 0
    host.keeper.wait(30)

    host.start()
    verb, monitor = restoring(host, stage)
    shutdown = subprocess.Popen(host.argv("shutdown"), env=host.env)
    monitor.child.take("CHILD_QUIT")
    monitor.end()
    assert verb.end().returncode == FAILED and shutdown.wait(30) == 0
    host.keeper.wait(30)

    host.start()
    assert host.state_of(NAME) == "saved"
    assert files(host) == [f"{NAME}.image"]


def test_a_host_shutdown_leaves_a_saved_partition_saved(host, stage):
    save(host, start(host, stage))

    host.shut_down()
    host.start()

    assert host.state_of(NAME) == "saved"
    verb, monitor = restoring(host, stage)
    assert monitor.image == IMAGE
    monitor.ready()
    monitor.answer("MONITOR_RESUME")
    assert verb.end().returncode == 0
    monitor.end()


# ---- the real monitor -------------------------------------------------------

@pytest.fixture
def real(host):
    """A saved guest of the real engine; it need not have run far."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("there is no /dev/kvm")
    host.run("define", write(host, document(host, partition="real",
                                            engine="kvm",
                                            memory={"size": "256M"})))
    host.run("install", "real")
    host.run("start", "real")
    host.run("save", "real")
    host.image = host.saved / "real.image"
    return host


def test_a_real_guest_is_saved_and_goes_on(real):
    real.run("restore", "real")

    assert real.state_of("real") == "running" and files(real) == []


def test_an_image_cut_anywhere_is_refused_and_stays_saved(real):
    whole = real.image.read_bytes()
    before = os.stat(real.image).st_ino

    for length in (0, 1, 4095, 4096, 70000, len(whole) // 2, len(whole) - 1):
        with open(real.image, "r+b") as file:
            file.truncate(length)
        check_refused(real.call("restore", "real"), REFUSED, "image: the saved")
        assert real.state_of("real") == "saved"
        real.image.write_bytes(whole)

    assert os.stat(real.image).st_ino == before
    real.run("restore", "real")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
def test_a_full_disk_fails_the_save_and_the_guest_runs_on(real):
    real.run("restore", "real")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs",
                    real.saved], check=True)
    try:
        done = real.call("save", "real")

        check_refused(done, FAILED, "No space left")
        assert real.state_of("real") == "running" and files(real) == []
    finally:
        subprocess.run(["umount", real.saved], check=True)
    real.run("save", "real")


@pytest.mark.parametrize("point,state", [
    ("save.begun", "running"), ("save.paused", "running"),
    ("save.written", "running"), ("save.named", "running"),
    ("save.recorded", "saved"), ("save.ended", "saved"),
    ("restore.begun", "saved"), ("restore.ready", "running"),
    ("restore.recorded", "running"), ("restore.consumed", "running"),
    ("restore.resumed", "running")])
def test_a_real_guest_survives_a_kill_at_every_step(real, arm, point, state):
    if point.startswith("save"):
        real.run("restore", "real")
    arm(point)

    assert real.call(point.split(".")[0], "real").returncode == FAILED

    real.wait_ready()
    real.wait_state("real", state)
    assert files(real) == (["real.image"] if state == "saved" else [])
    both = ("save", "restore") if state == "running" else ("restore", "save")
    for verb in both:
        real.run(verb, "real")


# ---- the supervisor is killed at every step ---------------------------------

TAKEN_BACK = ["save.begun", "save.paused", "save.written", "save.named"]
CARRIED_THROUGH = ["save.recorded", "save.ended"]
RESTORED = ["restore.ready", "restore.recorded", "restore.consumed",
            "restore.resumed"]
OTHERS = ["restore.begun", "discard.recorded"]


def test_the_points_that_are_walked_are_all_that_exist():
    found = {point for file in (bulkhead.ROOT / "src/supervisor").rglob("*.c")
             for point in re.findall(
                 r'failpoint\("((?:save|restore|discard)\.\w+)"\)',
                 file.read_text())}

    assert found == set(TAKEN_BACK + CARRIED_THROUGH + RESTORED + OTHERS)


@pytest.mark.parametrize("point", TAKEN_BACK)
def test_a_save_cut_off_before_its_record_is_taken_back(host, stage, arm,
                                                        point):
    monitor = start(host, stage)
    arm(point)
    verb = Verb(host, "save")
    if point != "save.begun":
        monitor.answer("MONITOR_PAUSE")
    if point in ("save.written", "save.named"):
        monitor.write()
    cut_off(host, verb)

    monitor.come_back(GUEST_RUNNING if point == "save.begun" else GUEST_PAUSED)
    monitor.answer("MONITOR_RESUME")

    host.wait_ready()
    host.wait_state(NAME, "running")
    assert files(host) == []
    save(host, monitor)
    assert files(host) == [f"{NAME}.image"]


@pytest.mark.parametrize("point", CARRIED_THROUGH)
def test_a_save_cut_off_after_its_record_is_carried_through(host, stage, arm,
                                                            point):
    monitor = start(host, stage)
    arm(point)
    verb = Verb(host, "save")
    monitor.answer("MONITOR_PAUSE")
    monitor.write()
    if point == "save.recorded":
        cut_off(host, verb)
        monitor.come_back(GUEST_PAUSED)
    monitor.child.take("CHILD_QUIT")
    monitor.end()
    verb.end()

    host.wait_ready()
    host.wait_state(NAME, "saved")
    verb, monitor = restoring(host, stage)
    assert monitor.image == IMAGE
    monitor.ready()
    monitor.answer("MONITOR_RESUME")
    assert verb.end().returncode == 0
    monitor.end()


@pytest.mark.parametrize("point", ["save.begun", "save.written", "save.named"])
def test_a_save_that_lost_supervisor_and_monitor_leaves_no_image(host, stage,
                                                                 arm, point):
    monitor = start(host, stage)
    arm(point)
    verb = Verb(host, "save")
    if point != "save.begun":
        monitor.answer("MONITOR_PAUSE")
        monitor.write()
    cut_off(host, verb)

    monitor.end()

    host.wait_ready()
    host.wait_state(NAME, "stopped")
    assert files(host) == []


def test_a_restore_cut_off_before_its_monitor_leaves_it_saved(host, stage,
                                                              arm):
    save(host, start(host, stage))
    arm("restore.begun")

    assert host.call("restore", NAME).returncode == FAILED

    host.wait_ready()
    assert host.state_of(NAME) == "saved"
    assert files(host) == [f"{NAME}.image"]


@pytest.mark.parametrize("point", RESTORED)
def test_a_restore_cut_off_after_its_monitor_was_ready_ends_running(
        host, stage, arm, point):
    save(host, start(host, stage))
    arm(point)
    verb, monitor = restoring(host, stage)
    monitor.ready()
    if point == "restore.resumed":
        monitor.answer("MONITOR_RESUME")
    cut_off(host, verb)

    if point == "restore.resumed":
        monitor.come_back(GUEST_RUNNING)
    else:
        monitor.come_back(GUEST_PAUSED)
        monitor.answer("MONITOR_RESUME")

    host.wait_ready()
    host.wait_state(NAME, "running")
    assert host.partition(NAME)["reason"] == ""
    assert files(host) == []
    monitor.end()


@pytest.mark.parametrize("point,state", [("restore.ready", "saved"),
                                         ("restore.recorded", "stopped"),
                                         ("restore.consumed", "stopped")])
def test_an_image_is_kept_until_it_is_recorded_as_used(host, stage, arm,
                                                       point, state):
    save(host, start(host, stage))
    arm(point)
    verb, monitor = restoring(host, stage)
    monitor.ready()
    cut_off(host, verb)

    monitor.end()

    host.wait_ready()
    host.wait_state(NAME, state)
    assert files(host) == ([f"{NAME}.image"] if state == "saved" else [])


def test_a_stop_of_a_saved_partition_cut_off_leaves_no_image(host, stage,
                                                             arm):
    save(host, start(host, stage))
    arm("discard.recorded")

    assert host.call("stop", NAME).returncode == FAILED

    host.wait_ready()
    assert host.state_of(NAME) == "stopped" and files(host) == []


# ---- memory and emulations -----------------------------------------------

def test_a_balloon_asks_the_guest_for_memory(host, stage):
    monitor = start(host, stage)

    check_refused(host.call("balloon", NAME, "1G"), REFUSED, "size", "64M")
    check_refused(host.call("balloon", NAME, "much"), REFUSED, "size")
    asking = subprocess.Popen(host.argv("balloon", NAME, "32M"), env=host.env)
    request, body, _ = monitor.child.wait("MONITOR_BALLOON")
    assert struct.unpack("=Q", body)[0] == 32 << 20
    monitor.child.send("MONITOR_DONE", struct.pack("=iI192s", 0, 0, b""), (),
                       request)

    assert asking.wait(20) == 0
    monitor.end()


def test_what_a_monitor_emulated_for_its_guest_is_shown(host, stage):
    monitor = start(host, stage)
    shown = subprocess.Popen(host.argv("--json", "show", NAME), env=host.env,
                             stdout=subprocess.PIPE, text=True)
    request, _, _ = monitor.child.wait("MONITOR_COUNT")

    monitor.child.send("MONITOR_EMULATION",
                       struct.pack("=16sQ", b"movups", 7))
    monitor.child.send("MONITOR_DONE", struct.pack("=iI192s", 0, 0, b""), (),
                       request)

    answer = json.loads(shown.communicate(timeout=20)[0])
    assert answer["emulations"] == [{"mnemonic": "movups", "count": 7}]
    monitor.end()
