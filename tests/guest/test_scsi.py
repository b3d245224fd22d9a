# SPDX-License-Identifier: MIT
"""Disks on bus: scsi, as a guest's own driver sees them."""
import signal
import time

import bulkhead
from bulkhead import Raw

MIB = 1 << 20


def scsi_disk(host, name="root", size="96M"):
    return host.disk(name, size, bus="scsi",
                     hang=f"{300 * bulkhead.slowness:.0f}ms")


def requests_of(console):
    return console.values("stamp requests").get("requests", 0)


def end_cleanly(host, console):
    host.run("stop", "one", "--deadline", bulkhead.scaled(90))
    console.wait("^finished")
    values = console.values("stamp requests")
    assert not any(values[key] for key in
                   ("errors", "corrupt", "lost", "duplicated"))
    assert console.values("e2fsck") == {"status": 0}
    assert console.values("kernel") == {"errors": 0}


def test_a_guest_reads_and_writes_a_scsi_disk(host):
    raw = Raw(host, scsi_disk(host, size="64M"))

    assert raw.do("write", 0, MIB, "x") == 0
    assert raw.do("holds", 0, MIB, "x") == 0
    assert raw.do("write", 63 * MIB, MIB, "y") == 0
    assert raw.do("flush") == 0
    assert raw.do("discard", 8 * MIB, MIB) == 0
    assert raw.do("holds", 63 * MIB, MIB, "y") == 0
    raw.ask("size")
    raw.console.wait(f"^size={64 * MIB // 512}$")


def test_stamped_blocks_on_a_scsi_disk_survive_kills(host):
    console = host.up("one", test="stamp", args="0,24,/dev/sda", cpus=2,
                      disks=[scsi_disk(host)])
    console.wait("^stamp filled", 60)

    for round_number in range(10):
        host.replace_service(signal.SIGSTOP if round_number % 5 == 4
                             else signal.SIGKILL)
        time.sleep(0.2)
    seen = requests_of(console)
    bulkhead.wait_for(lambda: requests_of(console) > seen,
                      what="the guest's requests are answered")

    end_cleanly(host, console)


def test_scsi_units_stand_beside_disks_of_their_own(host):
    console = host.up("one", test="stamp", args="3,16,/dev/sdb", disks=[
        host.disk("first", "16M"), scsi_disk(host, "second"),
        host.disk("third", "16M"), scsi_disk(host, "fourth")])
    console.wait("^stamp filled", 60)

    host.replace_service(signal.SIGKILL)

    console.wait("^finished", 60)
    assert console.values("kernel") == {"errors": 0}
    counters = {row["name"]: row["counters"]
                for row in host.partition("one")["disks"]}
    assert counters["fourth"]["writes"] > counters["second"]["writes"]


def test_a_partition_that_starts_again_finds_its_scsi_disk(host):
    raw = Raw(host, scsi_disk(host, size="64M"))
    assert raw.do("write", 0, MIB, "x") == 0

    host.run("stop", "one", "--force")
    host.wait_state("one", "stopped")
    host.run("start", "one")
    raw.asked = 0
    raw.console = host.console("one")
    raw.ready()

    assert raw.do("holds", 0, MIB, "x") == 0
    assert raw.do("write", 0, MIB, "y") == 0
