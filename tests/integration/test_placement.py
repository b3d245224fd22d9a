# SPDX-License-Identifier: MIT
"""More clients than one service takes: another is started beside it."""
import os
import signal
import subprocess

import bulkhead
import foreign
import pytest
from played_machine import Monitor
from refusals import REFUSED, check_refused, disk, document, write

CONSOLES_MOST = 128
DISKS_MOST = 256
DISKS_EACH = 2


def services(host, kind):
    return {row["name"]: row for row in host.json("service", "list")
            if row["kind"] == kind and row["role"] == "active"}


def start_played(host, stage, index):
    """A partition with a console and two disks under a played monitor."""
    name = f"played-{index}"
    disks = [disk(host, name=f"disk{i}", size="4K",
                  file=str(host.directory / f"{index}-{i}.img"))
             for i in range(DISKS_EACH)]
    host.run("define", write(host, document(
        host, partition=name, restart="never", memory={"size": "16M"},
        disks=disks)))
    host.run("install", name)
    verb = subprocess.Popen(host.argv("start", name), env=host.env)
    monitor = Monitor(stage)
    monitor.settings()
    monitor.ready()
    monitor.answer("MONITOR_RESUME")
    assert verb.wait(30) == 0
    return monitor


def test_who_comes_to_a_full_service_is_served_by_another(make_host, stage):
    host = make_host(config=f"libexec_dir = {stage.folder}\n").start()
    monitors = [start_played(host, stage, i)
                for i in range(CONSOLES_MOST + 1)]

    def all_up():
        return {row["state"] for row in host.json("disk", "list")} == {"up"}
    bulkhead.wait_for(all_up, what="every disk is served")
    serving = [row["service"] for row in host.json("disk", "list")]
    assert serving.count("disk0") == DISKS_MOST
    assert serving.count("disk0.2") == DISKS_EACH
    bulkhead.wait_for(lambda: len(services(host, "console")) == 2,
                      what="a second console service")
    consoles = services(host, "console")
    assert consoles["console0"]["clients"] == CONSOLES_MOST
    bulkhead.wait_for(
        lambda: services(host, "console")["console0.2"]["clients"] == 1,
        what="the last console is served")
    assert not any(row["restarts"] for row in host.json("service", "list"))
    for monitor in monitors:
        monitor.end()


@pytest.fixture
def full(make_host):
    """A supervisor for whom every service is full with one client."""
    return make_host(config="disk_standby = 0\n", environment={
        "BULKHEAD_FAILPOINT": "placement.full=fail"}).start()


def test_a_service_beside_another_is_adopted_and_upgraded(full):
    foreign.serve(full, "one")
    row = full.json("disk", "list")[0]
    assert (row["service"], row["state"]) == ("disk0.2", "up")
    pid = full.service_pid("disk0.2")

    full.kill_supervisor()
    full.wait_ready()
    bulkhead.wait_for(lambda: full.json("disk", "list")[0]["state"] == "up",
                      what="its disk is served")
    assert full.service_pid("disk0.2") == pid
    full.run("service", "restart", "disk0.2")
    assert full.service_pid("disk0.2") != pid
    row = full.json("disk", "list")[0]
    assert (row["service"], row["state"]) == ("disk0.2", "up")


def test_when_every_service_is_full_a_start_is_refused(full):
    for i in range(8):
        foreign.serve(full, f"served-{i}")
    image = full.directory / "more.img"
    image.write_bytes(bytes(4096))

    check_refused(full.call("disk", "serve", "more", "--file", image,
                            "--vhost-user", full.directory / "more.sock"),
                  REFUSED, "disk0 is full")
    assert {row["state"] for row in full.json("disk", "list")
            if row["partition"] != "more"} == {"up"}


def test_a_service_that_a_disk_is_placed_with_is_not_removed(make_host, stage):
    host = make_host(
        config=f"libexec_dir = {stage.folder}\ndisk_standby = 0\n",
        environment={"BULKHEAD_FAILPOINT": "placement.full=fail"}).start()
    foreign.serve(host, "one")
    (stage.folder / "bulkhead-disk").unlink()

    os.kill(host.service_pid("disk0.2"), signal.SIGKILL)
    bulkhead.wait_for(
        lambda: host.json("disk", "list")[0]["state"] != "up",
        what="its disk has no service")

    check_refused(host.call("service", "remove", "disk0.2"), REFUSED,
                  "partition one has a disk")
