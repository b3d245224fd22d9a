# SPDX-License-Identifier: MIT
"""Volumes as an operator has them."""
import json
import os
import signal

import pytest

import bulkhead

from refusals import REFUSED, check_refused, document, write


def volume(host, **changes):
    return {"volume": "quorum", "file": str(host.directory / "quorum.img"),
            "size": "8M", **changes}


def define(host, text):
    path = host.directory / "volume.yaml"
    path.write_text(json.dumps(text))
    return host.call("volume", "define", path)


def disk(**changes):
    return {"name": "quorum", "volume": "quorum",
            "access": "rw-published",
            **changes}


def test_a_volume_is_defined_listed_shown_and_forgotten(host):
    assert define(host, volume(host)).returncode == 0
    host.run("define", write(host, document(host, disks=[disk()])))
    host.run("install", "one")

    row, = host.json("volume", "list")
    assert (row["volume"], row["disks"], row["disks_up"]) == ("quorum", 1, 0)
    shown = host.json("volume", "show", "quorum")
    assert shown["disk_rows"] == [{"partition": "one", "name": "quorum",
                                   "access": "rw-published",
                                   "state": "detached"}]
    assert "quorum.img" in host.run("volume", "show", "quorum")
    assert host.json("reservations", "quorum") == []
    check_refused(host.call("volume", "undefine", "quorum"), REFUSED,
                  "quorum", "partition one")

    host.run("uninstall", "one", "--remove-images")
    host.run("undefine", "one")
    host.run("volume", "undefine", "quorum")
    assert host.json("volume", "list") == []
    assert (host.directory / "quorum.img").stat().st_size == 8 << 20


def test_a_bad_volume_is_refused_by_field(host):
    check_refused(define(host, volume(host, size="1000")), REFUSED, "size",
                  "512")
    check_refused(define(host, volume(host, access="ro")), REFUSED, "access",
                  "not a field of a volume")
    check_refused(define(host, volume(host, service="nowhere")), REFUSED,
                  "service", "nowhere")
    assert define(host, volume(host)).returncode == 0
    check_refused(define(host, volume(host)), REFUSED, "volume", "already")
    check_refused(define(host, volume(host, volume="other")), REFUSED, "file",
                  "volume quorum")
    assert len(host.json("volume", "list")) == 1


def test_a_disk_of_a_volume_is_refused_by_field(host):
    def refused(*words, **changes):
        text = document(host, disks=[disk(**changes)])
        check_refused(host.call("define", write(host, text)), REFUSED, *words)

    refused("disks[0].volume", "no volume quorum")
    assert define(host, volume(host)).returncode == 0
    refused("disks[0].access", "bus: scsi", access="rw-shared")
    refused("disks[0].file", file="/srv/other.img")
    refused("disks[0].access", access="rw-unfenced")


def test_a_volume_outlives_the_supervisor(host):
    assert define(host, volume(host)).returncode == 0
    host.run("define", write(host, document(host, disks=[disk()])))

    host.kill_supervisor()
    host.wait_ready()

    assert host.json("volume", "show", "quorum")["disks"] == 1


def test_the_file_of_a_volume_is_no_disk_of_its_own(host):
    assert define(host, volume(host)).returncode == 0
    host.run("define", write(host, document(host, disks=[disk()])))
    host.run("install", "one")
    private = {"name": "root", "file": str(host.directory / "quorum.img")}
    host.run("define", write(host, document(host, partition="two",
                                            disks=[private])))

    check_refused(host.call("install", "two"), REFUSED, "disks[0].file", "one")


def instances_of(host):
    """Which process serves each disk that is up."""
    return {row["partition"]: row["instance_pid"]
            for row in host.json("disk", "list") if row["state"] == "up"}


# Beside each other: a writer and its reader, and two writers.
PAIRS = [({"access": "rw-published"}, {"access": "ro-stale"}),
         2 * ({"access": "rw-shared", "bus": "scsi"},)]


@pytest.mark.parametrize("first,second", PAIRS)
def test_two_guests_have_one_volume_through_a_killed_service(host, first,
                                                             second):
    assert define(host, volume(host)).returncode == 0
    host.up("one", disks=[disk(**first)])
    host.up("two", disks=[disk(**second)])
    before = instances_of(host)
    assert len(before) == 2 and len(set(before.values())) == 1

    os.kill(before["one"], signal.SIGKILL)

    def is_served():
        now = instances_of(host)
        return len(now) == 2 and before["one"] not in now.values()
    bulkhead.wait_for(is_served, 30, what="both are served again")
    assert len(set(instances_of(host).values())) == 1
    host.kill_supervisor()
    host.wait_ready()
    bulkhead.wait_for(is_served, 30, what="both are served still")


def test_a_second_writer_of_a_volume_is_refused(host):
    assert define(host, volume(host)).returncode == 0
    host.run("define", write(host, document(host, disks=[disk()])))
    host.run("install", "one")
    host.run("define", write(host, document(host, partition="two",
                                            disks=[disk()])))

    check_refused(host.call("install", "two"), REFUSED, "disks[0].access",
                  "partition one")
    assert host.state_of("two") == "uninstalled"
