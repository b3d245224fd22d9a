# SPDX-License-Identifier: MIT
"""What a guest notices of a definition that changes while it runs."""
import os
import signal

import bulkhead
from bulkhead import Raw

MIB = 1 << 20


def lose_disk_services(host, program):
    """Every instance is killed, and none can be started again."""
    program.unlink()
    for row in host.json("service", "list"):
        if row["kind"] == "disk" and row["pid"]:
            os.kill(row["pid"], signal.SIGKILL)


def test_a_running_guest_is_under_its_new_settings_at_once(make_host,
                                                           tmp_path):
    for name in ("disk", "console", "monitor", "net"):
        (tmp_path / f"bulkhead-{name}").symlink_to(
            bulkhead.program(f"bulkhead-{name}"))
    program = tmp_path / "bulkhead-disk"
    host = make_host(config=f"libexec_dir = {tmp_path}\n").start()
    raw = Raw(host, host.disk(size="24M"))
    assert raw.do("write", 0, MIB) == 0

    lose_disk_services(host, program)
    raw.ask("write", MIB, MIB)
    bulkhead.wait_for(
        lambda: host.partition("one")["disks"][0]["counters"]["held"],
        what="the request is held")
    host.run("set", "one", "disks[root].on-outage=fail: 1ms",
             "console.log=1K")
    assert raw.answer() != 0

    host.run("set", "one", "disks[root].on-outage=hold")
    raw.ask("write", 2 * MIB, MIB)
    program.symlink_to(bulkhead.program("bulkhead-disk"))
    assert raw.answer(60) == 0
    log = host.state / "console" / "one.log"
    assert 0 < log.stat().st_size <= 1024
