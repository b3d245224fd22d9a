# SPDX-License-Identifier: MIT
"""Switches and interfaces: what is refused, and who serves whom.

Monitors are played; the network service between them is the real one.
"""
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

import bulkhead
import outside
from played_guest import Guest, define, nic, wire_of
from refusals import REFUSED, check_refused


@pytest.fixture
def host(make_host, stage):
    return make_host(
        config=f"libexec_dir = {stage.folder}\n",
        environment={"BULKHEAD_FAILPOINT_FILE":
                     str(stage.folder / "failpoint")}).start()


@pytest.fixture
def pair(host, stage):
    host.run("switch", "define", "lan")
    return [Guest(host, stage, f"played-{name}") for name in ("one", "two")]


def check_talk(one, two, word):
    one.say(two, word)
    assert two.hear() == word
    two.say(one, word + " back")
    assert one.hear() == word + " back"


def state_of(host, name):
    return host.partition(name)["nics"][0]["state"]


def test_no_network_means_no_network_service(host):
    kinds = {row["kind"] for row in host.json("service", "list")}

    assert "net" not in kinds
    host.run("switch", "define", "lan")
    bulkhead.wait_for(lambda: host.service_pid("net0"))


BAD_SWITCHES = {
    "bridge that is not there": (("--uplink", "bridge:nope0"), "no bridge"),
    "interface that is not there": (("--uplink", "packet:nope0"),
                                    "no interface"),
    "uplink of no kind": (("--uplink", "pigeon"), "--uplink"),
    "uplink without interface": (("--uplink", "tap"), "uplink"),
    "VLAN 0": (("--uplink", "tap:x", "--vlan", "0"), "--vlan"),
    "VLAN 4095": (("--uplink", "tap:x", "--tagged", "5,4095"), "--tagged"),
    "VLAN without an uplink": (("--vlan", "5"), "uplink"),
    "second untagged VLAN": (("--uplink", "tap:x", "--vlan", "5",
                              "--tagged", "5"), "tagged"),
    "service that is not there": (("--service", "net9"), "net9"),
}


@pytest.mark.parametrize("case", BAD_SWITCHES)
def test_a_switch_that_cannot_be_is_refused(host, case):
    words, sentence = BAD_SWITCHES[case]

    check_refused(host.call("switch", "define", "lan", *words), REFUSED,
                  sentence)
    assert host.json("switch", "list") == []


def test_an_interface_that_cannot_be_is_refused(host):
    host.run("switch", "define", "lan")
    mac = "02:00:00:00:00:07"

    check_refused(define(host, "played-a", nic(switch="wan")), REFUSED,
                  "nics[0].switch", "no switch wan")
    assert define(host, "played-a", nic(mac=mac)).returncode == 0
    check_refused(define(host, "played-b", nic(mac=mac)), REFUSED,
                  "nics[0].mac", "played-a", "same VLAN")
    assert define(host, "played-b", nic(mac=mac, vlan=11)).returncode == 0
    check_refused(host.call("nic", "set", "played-b", "lan0", "--vlan", "10"),
                  REFUSED, "mac", "played-a")
    check_refused(host.call("nic", "add", "played-b", "lan0", "--switch",
                            "lan"), REFUSED, "name")
    check_refused(host.call("nic", "add", "played-b", "lan1", "--switch",
                            "lan", "--trunk"), REFUSED, "trunk")
    check_refused(host.call("switch", "undefine", "lan"), REFUSED, "ports")
    assert len(host.partition("played-b")["nics"]) == 1


def test_interfaces_come_and_go_while_a_partition_is_stopped(host):
    host.run("switch", "define", "lan")
    assert define(host, "played-a").returncode == 0

    host.run("nic", "add", "played-a", "lan0", "--switch", "lan", "--tagged",
             "20,30", "--rate", "1M/10ms")
    row = host.partition("played-a")["nics"][0]
    assert "vlan" not in row and row["tagged"] == [20, 30]
    host.run("nic", "set", "played-a", "lan0", "--tagged", "none", "--vlan",
             "7", "--rate", "none")
    defined = host.partition("played-a")["definition"]["nics"][0]
    assert defined["vlan"] == 7 and "rate" not in defined
    host.run("nic", "remove", "played-a", "lan0")
    assert host.partition("played-a")["nics"] == []
    host.run("switch", "undefine", "lan")


def test_two_partitions_talk_over_a_switch(host, pair):
    check_talk(*pair, "hello")

    ports = {row["partition"]: row
             for row in host.json("switch", "counters", "lan")}
    assert ports["played-one"]["in_frames"] == 1
    assert ports["played-one"]["out_frames"] == 1
    addresses = host.json("switch", "fdb", "lan")
    assert {(row["vlan"], row["partition"]) for row in addresses} == {
        (10, "played-one"), (10, "played-two")}


def offer(guest, other):
    """An answer of DHCP, as a server sends it."""
    address = struct.pack("=4B", 10, 0, 0, 9)
    guest.rings.send(
        other.mac + guest.mac +
        struct.pack("!HBBHHHBBH", 0x0800, 0x45, 0, 46, 0, 0, 64, 17, 0) +
        address + address + struct.pack("!HHHH", 67, 68, 26, 0) + bytes(18))


def test_a_guest_that_is_no_router_cannot_answer_dhcp(host, pair):
    one, two = pair

    offer(one, two)
    check_talk(one, two, "after")
    row = next(row for row in host.json("switch", "counters", "lan")
               if row["partition"] == "played-one")
    assert row["drops"]["rogue-router"] == 1
    host.run("nic", "set", "played-one", "lan0", "--router", "true")
    check_talk(one, two, "it may now")
    offer(one, two)
    assert two.rings.receive()[12:14] == b"\x08\x00"
    host.run("nic", "set", "played-one", "lan0", "--router", "false")
    offer(one, two)
    check_talk(one, two, "no more")
    check_refused(host.call("nic", "set", "played-one", "lan0", "--router",
                            "perhaps"), REFUSED, "--router")


def test_a_vlan_that_leads_nowhere_is_warned_of(host, stage):
    def warnings():
        return [event["text"] for event in map(
            json.loads, host.run("--json", "events").splitlines())
            if "no other port" in event["text"]]

    def shown():
        return [(row["partition"], row["nic"], row["vlan"], row["tagged"])
                for row in host.json("switch", "show", "lan")["dead_ends"]]
    host.run("switch", "define", "lan")
    one = Guest(host, stage, "played-one")
    assert len(warnings()) == 1 and warnings()[0].endswith("in VLAN 10")
    assert shown() == [("played-one", "lan0", 10, [])]
    assert "ALONE IN VLAN" in host.run("switch", "show", "lan")
    two = Guest(host, stage, "played-two")
    assert shown() == []
    assert "ALONE" not in host.run("switch", "show", "lan")
    check_talk(one, two, "hello")
    assert len(warnings()) == 1

    host.run("nic", "set", "played-two", "lan0", "--tagged", "30,40")
    assert len(warnings()) == 2 and warnings()[1].endswith("in VLAN 30, 40")
    assert shown() == [("played-two", "lan0", 0, [30, 40])]
    host.run("nic", "set", "played-one", "lan0", "--tagged", "30,40")
    assert len(warnings()) == 2 and shown() == []

    host.run("switch", "mirror", "lan", "--to", "played-two/lan0", "--nic",
             "played-one/lan0")
    assert shown() == [("played-one", "lan0", 10, [30, 40])]


def test_a_vlan_changed_at_run_time_parts_and_joins(host, pair):
    one, two = pair

    host.run("nic", "set", "played-two", "lan0", "--vlan", "20")
    one.say(two, "lost")
    assert two.hear(0.3) is None
    host.run("nic", "set", "played-two", "lan0", "--vlan", "10")
    check_talk(one, two, "joined")
    check_refused(host.call("nic", "remove", "played-two", "lan0"), REFUSED,
                  "stopped")
    check_refused(host.call("nic", "add", "played-two", "lan1", "--switch",
                            "lan"), REFUSED, "stopped")


def test_a_killed_network_service_is_replaced_with_new_rings(host, pair):
    for turn in range(5):
        os.kill(host.service_pid("net0"), signal.SIGKILL)
        for guest in pair:
            guest.up()
        check_talk(*pair, f"again {turn}")


def test_an_upgrade_of_the_network_service_moves_every_port(host, pair):
    before = host.service_pid("net0")
    upgrade = subprocess.Popen(host.argv("service", "restart", "net0"),
                               env=host.env)
    for guest in pair:
        guest.up()

    assert upgrade.wait(20) == 0
    assert host.service_pid("net0") != before
    check_talk(*pair, "moved")


def test_rings_that_a_service_broke_are_replaced(host, pair):
    pair[0].child.send("MONITOR_NIC_BROKEN", pair[0].channel())
    pair[0].up()

    check_talk(*pair, "mended")


def test_a_hostile_monitor_cannot_name_an_interface_of_another(host, pair):
    one, two = pair
    one.child.send("MONITOR_NIC_BROKEN",
                   struct.pack("=QQII", two.id, two.generation, 0, 0))
    one.child.wait_killed()

    assert state_of(host, "played-two") == "up"


def features(attachment, groups):
    """MONITOR_NIC_FEATURES with this many groups, and no address."""
    return struct.pack("=QIIII", attachment, 0, 1518, 0, groups) + bytes(384 + 8)


def test_a_hostile_monitor_cannot_choke_the_service_of_others(host, pair):
    one, two = pair
    service = host.service_pid("net0")

    os.kill(service, signal.SIGSTOP)
    for turn in range(3000):
        one.child.send("MONITOR_NIC_FEATURES", features(one.id, turn % 64))
    os.kill(service, signal.SIGCONT)
    one.child.send("MONITOR_NIC_FEATURES", features(one.id, 7))

    check_talk(one, two, "still here")
    assert host.service_pid("net0") == service


def test_whoever_looks_at_a_switch_that_goes_is_answered(host):
    host.run("switch", "define", "lan")
    bulkhead.wait_for(lambda: host.service_pid("net0"))
    host.run("switch", "show", "lan")
    os.kill(host.service_pid("net0"), signal.SIGSTOP)
    with connect(host) as client:
        look(host, [client])

        host.run("switch", "undefine", "lan")

        assert ports_told(client) == 0


def connect(host):
    """A client of its own."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(10)
    client.connect(str(host.socket))
    return client


REPLY, SWITCH_SHOW, SWITCH_PORT_ROW, SWITCH_CAPTURE = 100, 154, 155, 157


def is_read(client):
    """Whether what it sent has been taken by the supervisor."""
    left = fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4))
    return struct.unpack("=i", left)[0] == 0


def look(host, clients):
    """Ask for the switch, and wait until the supervisor asks its service."""
    for client in clients:
        client.send(struct.pack("=II32s", SWITCH_SHOW, 1, b"lan"))
    for client in clients:
        bulkhead.wait_for(lambda client=client: is_read(client), every=0.001)
    host.run("list")  # whoever asks later is answered later


def ports_told(client):
    """How many rows of ports come before the answer, which is yes."""
    rows = 0
    while True:
        answer = client.recv(8192)
        kind, _, status = struct.unpack_from("=IIi", answer)
        if kind == REPLY:
            assert status == 0, answer
            return rows
        rows += kind == SWITCH_PORT_ROW


def test_everyone_who_looks_at_a_switch_sees_its_ports(host, pair):
    service = host.service_pid("net0")
    clients = [connect(host) for _ in range(5)]

    os.kill(service, signal.SIGSTOP)
    look(host, clients)
    os.kill(service, signal.SIGCONT)

    assert [ports_told(client) for client in clients] == [2] * 5
    for client in clients:
        client.close()


def test_whoever_shares_the_pipe_of_a_capture_cannot_stop_its_switch(
        host, pair):
    one, two = pair
    reader, writer = os.pipe2(os.O_NONBLOCK)
    with connect(host) as client:
        socket.send_fds(client, [struct.pack(
            "=II32s32s32sII", SWITCH_CAPTURE, 1, b"lan", b"", b"", 0, 0)],
            [writer])
        assert struct.unpack_from("=IIi", client.recv(8192))[2] == 0
    os.set_blocking(writer, True)
    check_talk(one, two, "on record")

    for turn in range(2000):
        check_talk(one, two, f"{turn} " + 30 * "x")
    os.close(reader)
    os.close(writer)


def test_an_interface_moves_while_its_old_service_hangs(host, stage, pair):
    host.run("service", "set", "net1", "--kind", "net", "--standby", 0)
    host.run("switch", "define", "other", "--service", "net1")
    bulkhead.wait_for(lambda: host.service_pid("net1"))
    os.kill(host.service_pid("net0"), signal.SIGSTOP)
    host.run("stop", "played-one", "--force", timeout=30)

    host.run("set", "played-one", "nics[lan0].switch=other")
    pair[1].up()
    bulkhead.wait_for(lambda: state_of(host, "played-one") == "detached")
    host.run("nic", "remove", "played-one", "lan0")


def kill_supervisor(host):
    pid = host.supervisor_pid()
    os.kill(pid, signal.SIGKILL)
    bulkhead.wait_for(lambda: host.supervisor_pid() not in (pid, None))


def test_no_frame_waits_for_a_supervisor(host, pair):
    before = [guest.generation for guest in pair]

    kill_supervisor(host)
    check_talk(*pair, "alone")
    for guest in pair:
        guest.come_back()
    host.wait_ready()
    for guest in pair:
        guest.take_all()

    check_talk(*pair, "together")
    assert [guest.generation for guest in pair] == before


@pytest.mark.parametrize("point", ["before", "between", "after"])
def test_a_supervisor_killed_while_it_hands_over_brings_everyone_up(
        host, stage, pair, point):
    dead = host.supervisor_pid()
    (stage.folder / "failpoint").write_text(f"net.handover.{point}=kill")

    os.kill(host.service_pid("net0"), signal.SIGKILL)
    bulkhead.wait_for(lambda: host.supervisor_pid() not in (dead, None))
    for guest in pair:
        guest.take_all(5)
        guest.come_back()
    host.wait_ready()
    for guest in pair:
        guest.take_all()
        assert state_of(host, guest.child.name) == "up"

    check_talk(*pair, "after all")


def test_a_change_that_a_killed_supervisor_never_told_is_made(
        host, stage, pair):
    dead = host.supervisor_pid()
    (stage.folder / "failpoint").write_text("redefine.stored=kill")

    host.call("nic", "set", "played-two", "lan0", "--vlan", "11")
    bulkhead.wait_for(lambda: host.supervisor_pid() not in (dead, None))
    for guest in pair:
        guest.come_back()
    host.wait_ready()

    # Not among those of its old VLAN any more, but of the new.
    pair[0].say(pair[1], "secret")
    assert pair[1].hear(0.3) is None
    host.run("nic", "set", "played-one", "lan0", "--vlan", "11")
    check_talk(*pair, "in the other VLAN")


# ---- uplinks -----------------------------------------------------------------

BROADCAST = b"\xff" * 6
ARP_REQUEST, ARP_REPLY = 1, 2


@pytest.fixture
def tap(host):
    """The name of a TAP interface that is there as long as its switch."""
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("TAP interfaces take root and /dev/net/tun")
    name = f"bht{os.getpid() % 100000}"
    done = host.call("switch", "define", "lan", "--uplink", f"tap:{name}",
                     "--vlan", "10")
    if "fails" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    return name


def test_a_tap_uplink_stays_when_its_service_dies(host, stage, tap):
    guest = Guest(host, stage, "played-one")
    index = socket.if_nametoindex(tap)
    wire = wire_of(tap)

    for word in (b"first", b"second"):
        guest.rings.send(BROADCAST + guest.mac + b"\x88\xb5" +
                         word.ljust(46, b"\0"))
        assert word in wire.recv(2000)
        wire.send(guest.mac + b"\2\0\0\0\0\x99\x88\xb5" +
                  word.ljust(46, b"\0"))
        assert guest.hear() == word.decode()
        os.kill(host.service_pid("net0"), signal.SIGKILL)
        guest.up()

    wire.close()
    assert socket.if_nametoindex(tap) == index
    host.run("nic", "set", "played-one", "lan0", "--vlan", "11")
    check_refused(host.call("switch", "define", "wan", "--uplink",
                            f"tap:{tap}"), REFUSED, "uplink", "switch lan")


def test_an_uplink_goes_with_its_switch(host, tap):
    assert socket.if_nametoindex(tap)
    host.run("switch", "define", "lan")
    with pytest.raises(OSError):
        bulkhead.wait_for(lambda: not socket.if_nametoindex(tap))
    assert host.json("switch", "list")[0]["uplink"] == "none"
    bulkhead.wait_for(lambda: all(
        row["clients"] == 0 for row in host.json("service", "list")
        if row["kind"] == "net"), what="the service has let go")


def test_what_was_an_uplink_may_be_one_again_at_once(host, tap):
    for turn in range(10):
        host.run("switch", "undefine", "lan")
        host.run("switch", "define", "wan", "--uplink", f"tap:{tap}",
                 "--vlan", 10)
        host.run("switch", "define", "wan")
        host.run("switch", "define", "lan", "--uplink", f"tap:{tap}",
                 "--vlan", 10)
        host.run("switch", "undefine", "wan")

    assert socket.if_nametoindex(tap)


def test_an_uplink_stays_when_the_supervisor_dies_and_then_its_service(
        host, stage, tap):
    guest = Guest(host, stage, "played-one")
    index = socket.if_nametoindex(tap)

    kill_supervisor(host)
    guest.come_back()
    host.wait_ready()
    assert host.json("switch", "list")[0]["interface"] == tap
    os.kill(host.service_pid("net0"), signal.SIGKILL)
    guest.up()
    wire = wire_of(tap)
    guest.rings.send(BROADCAST + guest.mac + b"\x88\xb5" + bytes(46))

    assert wire.recv(2000)[6:12] == guest.mac
    assert socket.if_nametoindex(tap) == index
    wire.close()


def test_an_uplink_that_is_another_by_now_is_made_anew(host, stage, tap):
    dead, other = host.supervisor_pid(), f"{tap}x"
    (stage.folder / "failpoint").write_text("net.switch.stored=kill")

    host.call("switch", "define", "lan", "--uplink", f"tap:{other}", "--vlan",
              "10")
    bulkhead.wait_for(lambda: host.supervisor_pid() not in (dead, None))
    host.wait_ready()

    def names():
        return [name for _, name in socket.if_nameindex()]
    bulkhead.wait_for(lambda: other in names() and tap not in names())


def ask_for(guest, address):
    """Who has this address? The MAC address that answers."""
    asked = struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, ARP_REQUEST,
                        guest.mac, bytes(4), bytes(6),
                        socket.inet_aton(address))
    guest.rings.send(BROADCAST + guest.mac + b"\x08\x06" + asked +
                     bytes(18))
    while frame := guest.rings.receive():
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2":
            return frame[22:28]
    return None


@pytest.mark.skipif(not shutil.which("passt"), reason="no passt")
def test_passt_answers_whoever_dies(host, stage):
    host.run("switch", "define", "lan", "--uplink", "passt", "--vlan", "10")
    guest = Guest(host, stage, "played-one")
    first = bulkhead.wait_for(lambda: outside.passt_of(host))

    assert ask_for(guest, "192.0.2.1")
    os.kill(host.service_pid("net0"), signal.SIGKILL)
    guest.up()
    assert ask_for(guest, "192.0.2.1")
    assert outside.passt_of(host) == first
    os.kill(first, signal.SIGKILL)
    bulkhead.wait_for(lambda: outside.passt_of(host) not in (None, first))
    bulkhead.wait_for(lambda: host.json("switch", "list")[0]["state"]
                      == "up")
    assert ask_for(guest, "192.0.2.1")


@pytest.mark.skipif(not shutil.which("passt"), reason="no passt")
def test_passt_leads_to_the_hosts_loopback_only_where_that_is_defined(host):
    def arguments():
        pid = bulkhead.wait_for(lambda: outside.passt_of(host),
                                what="passt runs")
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")

    host.run("switch", "define", "lan", "--uplink", "passt")
    assert "--no-map-gw" in arguments()
    old = outside.passt_of(host)
    host.run("switch", "define", "lan", "--uplink", "passt:host")
    bulkhead.wait_for(lambda: outside.passt_of(host) not in (None, old),
                      what="passt is started anew")
    assert "--no-map-gw" not in arguments()
    check_refused(host.call("switch", "define", "lan", "--uplink", "passt:eth0"),
                  REFUSED, "uplink", "passt:host")


def arm(host, stage, point):
    file = stage.folder / "failpoint"
    file.write_text(point)
    return file


def check_supervisor_goes_on(host, armed):
    bulkhead.wait_for(lambda: not armed.exists(), what="somebody waits")
    assert host.run("list")
    host.run("switch", "define", "other")
    assert host.json("switch", "show", "other")
    # What hangs would be left behind.
    host.kill_supervisor()


@pytest.mark.skipif(not shutil.which("passt"), reason="no passt")
def test_an_uplink_that_takes_long_to_open_holds_up_nobody(host, stage):
    host.run("switch", "define", "lan", "--uplink", "passt")
    passt = bulkhead.wait_for(lambda: outside.passt_of(host))
    armed = arm(host, stage, "uplink.open=hang")

    os.kill(passt, signal.SIGKILL)

    check_supervisor_goes_on(host, armed)


def test_a_console_log_that_takes_long_to_open_holds_up_nobody(host, stage):
    host.run("switch", "define", "lan")
    armed = arm(host, stage, "console.log=hang")

    guest = Guest(host, stage, "played-one")

    check_supervisor_goes_on(host, armed)
    guest.child.end()


def test_a_port_that_its_service_has_no_room_for_is_refused(make_host):
    host = make_host(environment={"BULKHEAD_FAILPOINT": "net.full=fail"})
    host.start()
    check_refused(host.call("switch", "define", "lan", "--uplink", "tap:bha0"),
                  REFUSED, "service", "256 ports")
    host.run("switch", "define", "lan")
    assert define(host, "one", nic()).returncode == 0
    host.run("install", "one")

    check_refused(host.call("start", "one"), REFUSED, "nics[0].switch",
                  "net0", "256 ports")

    assert host.partition("one")["state"] == "stopped"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root leaves the network")
@pytest.mark.skipif(not shutil.which("passt"), reason="no passt")
def test_a_host_without_a_network_is_reached_through_passt(make_host, stage):
    host = make_host(config=f"libexec_dir = {stage.folder}\n")
    argv = host.supervisor_argv()
    host.supervisor_argv = lambda: ["unshare", "-n", *argv]
    host.start()

    host.run("switch", "define", "lan", "--uplink", "passt", "--vlan", "10")
    guest = Guest(host, stage, "played-one")

    assert ask_for(guest, "10.0.2.2")


def test_a_mirror_gets_copies_whoever_dies(host, stage, pair):
    one, two = pair
    third = Guest(host, stage, "played-mirror", vlan=30)

    host.run("switch", "mirror", "lan", "--to", "played-mirror/lan0", "--nic",
             "played-two/lan0")
    check_talk(one, two, "first")
    assert [third.hear(), third.hear()] == ["first", "first back"]
    os.kill(host.service_pid("net0"), signal.SIGKILL)
    for guest in (one, two, third):
        guest.up()
    check_talk(one, two, "second")
    assert [third.hear(), third.hear()] == ["second", "second back"]
    kill_supervisor(host)
    for guest in (one, two, third):
        guest.come_back()
    host.wait_ready()
    row, = host.json("switch", "show", "lan")["mirrors"]
    assert (row["partition"], row["from_partition"]) == (
        "played-mirror", "played-two")

    third.say(one, "never")
    one.say(two, "third")
    assert two.hear() == "third" and third.hear() == "third"
    assert one.hear(0.3) is None
    ports = {row["partition"]: row
             for row in host.json("switch", "counters", "lan")}
    assert ports["played-mirror"]["drops"]["mirror"] == 1
    assert ports["played-mirror"]["out_frames"] == 3

    host.run("switch", "mirror", "lan", "--to", "played-mirror/lan0", "--off")
    check_talk(one, two, "last")
    assert third.hear(0.3) is None
    assert host.json("switch", "show", "lan")["mirrors"] == []


BAD_MIRRORS = {
    "without a source": ((), "one of"),
    "two sources": (("--vlan", "10", "--off"), "one of"),
    "of itself": (("--nic", "played-a/lan0"), "own copies"),
    "of a mirror": (("--nic", "played-c/lan0"), "mirror itself"),
    "VLAN 4095": (("--vlan", "4095"), "--vlan"),
    "of an uplink that is not": (("--nic", "uplink"), "no uplink"),
    "of nobody": (("--nic", "played-z/lan0"), "no partition"),
    "of no port": (("--nic", "played-b"), "PARTITION/NAME"),
    "of another switch's": (("--nic", "played-d/lan0"), "switch wan"),
}


@pytest.mark.parametrize("case", BAD_MIRRORS)
def test_a_mirror_that_cannot_be_is_refused(host, case):
    words, sentence = BAD_MIRRORS[case]
    host.run("switch", "define", "lan")
    host.run("switch", "define", "wan")
    for name in ("a", "b", "c"):
        define(host, f"played-{name}", nic())
    define(host, "played-d", nic(switch="wan"))
    host.run("switch", "mirror", "lan", "--to", "played-c/lan0", "--nic",
             "played-b/lan0")

    check_refused(host.call("switch", "mirror", "lan", "--to",
                            "played-a/lan0", *words), REFUSED, sentence)
    check_refused(host.call("switch", "mirror", "lan", "--to",
                            "played-b/lan0", "--vlan", "10"), REFUSED,
                  "copied to a mirror")
    assert len(host.json("switch", "show", "lan")["mirrors"]) == 1


def test_a_capture_is_written_to_a_file(host, pair):
    file = host.directory / "capture.pcapng"
    taking = subprocess.Popen(host.argv("switch", "capture", "lan", "--nic",
                                        "played-one/lan0", "--write", file),
                              env=host.env)
    bulkhead.wait_for(lambda: file.exists() and file.stat().st_size)

    check_talk(*pair, "on record")
    bulkhead.wait_for(lambda: b"on record back" in file.read_bytes())
    taking.send_signal(signal.SIGINT)

    assert taking.wait(10) == 0
    assert file.read_bytes().startswith(b"\x0a\x0d\x0d\x0a")
    check_talk(*pair, "off record")


def descriptors(host, guests):
    """How many the supervisor and the network service have open."""
    for guest in guests:
        guest.take_all(0.3)
    return [len(os.listdir(f"/proc/{pid}/fd"))
            for pid in (host.supervisor_pid(), host.service_pid("net0"))]


def settled_descriptors(host, guests):
    """The count once standbys and what is written behind have settled."""
    seen = []

    def is_steady():
        seen.append(descriptors(host, guests))
        return seen[-4:] == seen[-1:] * 4
    bulkhead.wait_for(is_steady, 30, 0.2, what="descriptors settle")
    return seen[-1]


@pytest.mark.skipif(os.geteuid() != 0,
                    reason="only root may look into our processes")
def test_kills_upgrades_and_broken_rings_leak_no_descriptor(host, pair, tap):
    os.kill(host.service_pid("net0"), signal.SIGKILL)
    for guest in pair:
        guest.up()
    before = settled_descriptors(host, pair)

    for turn in range(30):
        time.sleep(0.1)  # one that exits early is replaced later each time
        os.kill(host.service_pid("net0"), signal.SIGKILL)
        for guest in pair:
            guest.up()
    check_talk(*pair, "after kills")
    for turn in range(5):
        upgrade = subprocess.Popen(host.argv("service", "restart", "net0"),
                                   env=host.env)
        for guest in pair:
            guest.up()
        assert upgrade.wait(20) == 0
    for turn in range(2):
        pair[0].child.send("MONITOR_NIC_BROKEN", pair[0].channel())
        pair[0].up()

    check_talk(*pair, "after all")
    assert settled_descriptors(host, pair) == before
