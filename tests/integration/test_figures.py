# SPDX-License-Identifier: MIT
"""The figures that hold on any machine, busy or not: what is lost, and what
is weighed. ./run bench measures the rest."""
import contextlib
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import host_kvm  # noqa: E402
import measure  # noqa: E402
import memory  # noqa: E402
import net  # noqa: E402
import netload  # noqa: E402
import recovery  # noqa: E402

KILLS = 20


@pytest.fixture
def image(tmp_path):
    return measure.filled_file(tmp_path / "disk.img", recovery.FILE_BYTES)


def nothing_went_wrong(result):
    keys = ("errors", "unanswered", "lost", "duplicated", "corrupt")
    return {key: result[key] for key in keys if result[key]} == {}


@pytest.mark.parametrize("standby", [0, 1])
def test_no_request_is_lost_by_killing_the_disk_service(image, standby):
    random.seed(standby)
    with measure.ours(image, standby=standby) as system:
        _, result = recovery.strike_often(system, standby, signal.SIGKILL,
                                          KILLS, 0.05)

    assert result["checked"] > 1000
    assert nothing_went_wrong(result)


def test_no_request_is_lost_by_a_disk_service_that_hangs(image):
    with measure.ours(image, standby=1, hang="300ms") as system:
        _, result = recovery.strike_often(system, 1, signal.SIGSTOP, 3, 0.3)

    assert result["checked"] > 1000
    assert nothing_went_wrong(result)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may weigh them")
def test_our_processes_are_small(image):
    with measure.ours(image) as system:
        measure.run_load(system.socket, op="mixed", block=4096, depth=32)
        with memory.idle_client(system):
            disk = memory.idle_pss(system, "bulkhead-disk")
            monitor = memory.idle_pss(system, "bulkhead-monitor")

    assert disk <= 3
    assert monitor <= 5


@pytest.mark.parametrize("standby", [0, 1])
def test_frames_go_on_in_order_when_the_network_service_is_killed(standby):
    random.seed(standby)
    with netload.made(netload.Ours, 2, standby=standby) as system:
        times, found = net.kill_often(system, standby, 1000, KILLS // 2)

    assert len(times) == KILLS // 2
    assert found["disordered"] == 0
    assert found["count"] > 0.5 * found["senders"][0]["sent"], found
    # What is sent while nobody serves is lost, and nothing else.
    outage_s = sum(late for *_, late, lost in found["gaps"] if lost) / 1e9
    assert found["lost"] <= 1000 * outage_s + 2 * len(times)


def test_a_front_end_that_breaks_the_rules_is_dropped_and_the_next_one_served():
    with netload.made(netload.Ours, 2) as system:
        with socket.socket(socket.AF_UNIX) as front:
            front.settimeout(10)
            front.connect(system.specs[0].removeprefix("vhost:"))
            front.sendall(b"\xff" * 64)
            with contextlib.suppress(ConnectionResetError):
                assert front.recv(1) == b""
        measure.bulkhead.wait_for(
            lambda: "interface lan0: its front end violated the" in
            system.host.run("events"), what="the event is told")
        found = netload.run(system, mode="paced")

    assert found["count"] > 0


@pytest.mark.parametrize("frame_bytes", [64, 1500])
def test_a_port_gets_no_more_than_its_credit(frame_bytes):
    with netload.made(netload.Ours, 2) as system:
        system.set_rate(1, net.bytes_per_s(20))
        found = net.bits_per_s(netload.run(
            system, mode="flood", bytes=frame_bytes, warmup_ms=500, seconds=2))

    # On a busy machine what waited before the two seconds comes in them.
    assert 0.5 * 20e6 < found < 1.2 * 20e6


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may weigh them")
def test_the_network_service_is_small():
    with netload.made(netload.Ours, 2) as system:
        assert net.idle_pss(system) <= 3


def test_figures_of_a_dev_kvm_that_cannot_run_guests_are_refused_by_name():
    trouble = host_kvm.trouble()
    if not trouble:
        return

    done = subprocess.run(
        [sys.executable, measure.__file__.replace("measure.py", "run.py"),
         "kvm", "--native"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == ("bench: /dev/kvm of this host cannot run guests: "
                           f"{trouble}\n")
    assert done.stdout == ""
