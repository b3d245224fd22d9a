# SPDX-License-Identifier: MIT
"""A definition changes as a whole or not at all, and what runs follows it.

The monitor is played, so a test sees what it is told, and when.
"""
import json
import struct

import pytest

import bulkhead
from played_guest import nic
from played_machine import GUEST_OFF, GUEST_RUNNING, NAME, start
from refusals import FAILED, REFUSED, check_refused, disk, document, write

OUTAGE_HOLD, OUTAGE_FAIL = 0, 1


@pytest.fixture
def host(make_believer):
    made = make_believer().start()
    made.run("switch", "define", "lan")
    return made


def stored(host, name=NAME):
    return host.partition(name)["definition"]


def settings_told(monitor):
    """Of the next MONITOR_DISK_SET: outage policy, its bound, hang time."""
    body = monitor.child.take("MONITOR_DISK_SET")
    return struct.unpack("=QIIII", body)[2:]


def stop(host, monitor):
    host.run("stop", NAME, "--force")
    monitor.end()
    host.wait_state(NAME, "stopped")


def test_what_a_running_partition_can_take_works_at_once(host, stage):
    monitor = start(host, stage)

    host.run("set", NAME, "stop.deadline=7s", "disks[root].hang=5s",
             "disks[0].on-outage=fail: 3s", "restart=always", "class=batch",
             "console.log=64K", "autostart=true")

    assert settings_told(monitor) == (OUTAGE_FAIL, 3000, 5000)
    now = stored(host)
    assert now["stop"]["deadline"] == "7s"
    assert now["disks"][0]["on-outage"] == "fail: 3s"
    assert now["restart"] == "always" and now["class"] == "batch"
    assert now["console"]["log"] == "64K" and now["autostart"] is True
    events = host.run("events")
    assert "definition changed: stop.deadline 30s to 7s" in events
    assert "redefine played-one: done" in events
    monitor.end()


def test_what_needs_a_stop_is_refused_by_name_and_changes_nothing(host, stage):
    monitor = start(host, stage, nics=[nic()])
    before = stored(host)

    for field, value in (("memory.size", "128M"), ("cpu.virtual", "2"),
                         ("disks[0].queues", "2"), ("nics[0].mtu", "9000"),
                         ("boot.cmdline", "other")):
        check_refused(host.call("set", NAME, "stop.deadline=9s",
                                f"{field}={value}"), REFUSED, field,
                      f"can be changed only while {NAME} is stopped")
    check_refused(host.call("set", NAME, "disks[root].file=/tmp/other.img"),
                  REFUSED, "disks[0].file", f"{NAME} is not installed")
    assert stored(host) == before

    stop(host, monitor)
    host.run("set", NAME, "memory.size=128M", "disks[0].queues=2")
    check_refused(host.call("set", NAME, "disks[root].size=16M"), REFUSED,
                  "disks[0].size", "not installed")
    host.run("uninstall", NAME, "--remove-images")
    host.run("set", NAME, "disks[root].size=16M")
    now = stored(host)
    assert now["memory"]["size"] == "128M"
    assert now["disks"][0]["size"] == "16M" and now["disks"][0]["queues"] == 2
    host.run("install", NAME)


def test_a_document_that_is_no_good_is_refused_as_a_new_one_is(host):
    host.run("define", write(host, document(host, partition=NAME)))
    host.run("define", write(host, document(
        host, partition="two", disks=[], engine="kvm",
        nics=[nic(mac="02:00:00:00:00:07")])))
    before = stored(host)

    for change, word in (({"nics": [nic(mac="02:00:00:00:00:07")]}, "two"),
                         ({"nics": [nic(switch="wan")]}, "wan"),
                         ({"disks": [disk(host, service="disk9")]}, "disk9")):
        path = write(host, document(host, partition=NAME, **change))
        check_refused(host.call("redefine", path), REFUSED, word)
    path = write(host, document(host, partition="three"))
    check_refused(host.call("redefine", path), REFUSED, "no partition three")
    check_refused(host.call("set", "three", "stop.deadline=1s"), REFUSED,
                  "no partition three")
    check_refused(host.call("set", NAME, "stop.deadline=1"), REFUSED,
                  "stop.deadline")
    check_refused(host.call("set", NAME), REFUSED, "FIELD=VALUE")
    assert stored(host) == before


def test_disks_and_interfaces_come_and_go_where_the_state_allows(host, stage):
    def redefine(*, disks=None, nics):
        return host.call("redefine", write(host, document(
            host, partition=NAME, engine="kvm",
            disks=disks or [disk(host)], nics=nics)))

    def nics():
        return [(row["name"], row["mac"])
                for row in host.partition(NAME)["nics"]]
    monitor = start(host, stage, restart="on-failure",
                    nics=[nic(), nic(name="lan1", vlan=11)])
    macs = dict(nics())

    check_refused(redefine(nics=[nic()]), REFUSED, "nics", "is stopped")
    check_refused(redefine(disks=[disk(host), disk(host, name="b", file=str(
        host.directory / "b.img"))], nics=[nic(), nic(name="lan1", vlan=11)]),
        REFUSED, "disks", "not installed")
    stop(host, monitor)
    check_refused(redefine(disks=[disk(host), disk(host, name="b", file=str(
        host.directory / "b.img"))], nics=[nic()]), REFUSED, "disks")
    assert redefine(nics=[nic(name="new"), nic(name="lan1", vlan=12)]
                    ).returncode == 0
    assert [name for name, _ in nics()] == ["new", "lan1"]
    assert dict(nics())["lan1"] == macs["lan1"]

    host.kill_supervisor()
    assert [name for name, _ in nics()] == ["new", "lan1"]
    assert redefine(nics=[]).returncode == 0
    assert nics() == []
    host.run("switch", "undefine", "lan")


def test_a_supervisor_killed_before_it_told_anyone_tells_when_it_is_back(
        host, stage):
    monitor = start(host, stage)
    victim = host.supervisor_pid()
    host.trigger.write_text("redefine.stored=kill\n")

    done = host.call("set", NAME, "disks[0].hang=5s",
                     "disks[0].on-outage=fail: 3s", "restart=always")
    host.trigger.unlink(missing_ok=True)
    assert done.returncode == FAILED
    bulkhead.wait_for(lambda: bulkhead.parent_of(victim) is None)
    host.wait_ready()
    monitor.come_back(GUEST_RUNNING)

    assert settings_told(monitor) == (OUTAGE_FAIL, 3000, 5000)
    assert stored(host)["restart"] == "always"
    assert stored(host)["disks"][0]["hang"] == "5s"
    monitor.end()


def test_a_supervisor_killed_before_it_stored_has_changed_nothing(host, stage):
    monitor = start(host, stage)
    before = stored(host)
    host.trigger.write_text("store.commit.before=kill\n")

    done = host.call("set", NAME, "disks[0].hang=5s")
    host.trigger.unlink(missing_ok=True)
    assert done.returncode == FAILED
    host.wait_ready()
    monitor.come_back(GUEST_RUNNING)

    assert settings_told(monitor) == (OUTAGE_HOLD, 0, 2000)
    assert stored(host) == before
    monitor.end()


def test_a_redefinition_that_cannot_be_stored_changes_nothing(host, stage):
    monitor = start(host, stage)
    before = stored(host)
    host.trigger.write_text("store.commit.full=fail\n")

    check_refused(host.call("set", NAME, "restart=always"), FAILED, "store")

    host.trigger.unlink(missing_ok=True)
    assert stored(host) == before
    monitor.end()


def test_diff_tells_what_differs_and_when_it_may_change(host):
    text = document(host, partition=NAME, nics=[nic()])
    host.run("define", write(host, text))

    equal = host.call("diff", NAME, write(host, text))
    assert (equal.returncode, equal.stdout) == (0, "")
    path = write(host, {**text, "memory": {"size": "128M"},
                        "stop": {"deadline": "7s"},
                        "disks": [disk(host, size="16M")], "nics": []})
    done = host.call("diff", NAME, path)
    assert done.returncode == 1
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["FIELD", "NOW", "THEN", "CHANGE"],
        ["memory.size", "64M", "128M", "stopped"],
        ["disks[0].size", "8M", "16M", "uninstalled"],
        ["nics", "lan0", "-", "stopped"],
        ["stop.deadline", "30s", "7s", "running"]]
    rows = json.loads(host.call("--json", "diff", NAME, path).stdout)
    assert rows[0] == {"field": "memory.size", "now": "64M", "then": "128M",
                       "change": "stopped"}
    check_refused(host.call("diff", NAME, "/nowhere"), 2, "/nowhere")
    check_refused(host.call("diff", "two", path), 2, "no partition two")

    host.run("redefine", path)
    assert host.call("diff", NAME, path).returncode == 0


def test_ports_of_a_running_partition_change_with_its_definition(host, stage):
    monitor = start(host, stage, nics=[nic()])

    host.run("set", NAME, "nics[lan0].tagged=20,30", "nics[lan0].vlan=7",
             "nics[0].rate=1M/10ms")

    row = host.partition(NAME)["nics"][0]
    assert row["vlan"] == 7 and row["tagged"] == [20, 30]
    check_refused(host.call("set", NAME, "nics[lan0].tagged=7"), REFUSED,
                  "nics[0].tagged")
    monitor.report(GUEST_OFF)
    monitor.child.take("CHILD_QUIT")
    monitor.end()
    host.wait_state(NAME, "stopped")
