# SPDX-License-Identifier: MIT
"""The figures that hold on any machine, busy or not: what is lost, and what
is weighed. ./run bench measures the rest."""
import os
import pathlib
import random
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import measure  # noqa: E402
import memory  # noqa: E402
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
