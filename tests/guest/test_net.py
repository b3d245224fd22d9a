# SPDX-License-Identifier: MIT
"""Guests that talk over a switch, and what becomes of it when things die."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess

import pytest

import bulkhead
import outside
from talkers import (SERVICE, Talker, connect, drops, mac, meet, nic,
                     stream_result, talkers)


def test_guests_of_a_vlan_talk_and_one_of_another_hears_nothing(host):
    with talkers(host, one=nic(vlan=10), two=nic(vlan=10),
                 other=nic(vlan=20)) as (one, two, other):
        connect(one, two)
        assert other.do("address", "eth0", "10.0.0.3/24") == 0
        assert other.do("ping", "10.0.0.2", 1) != 0
        assert one.do("ping", "10.0.0.3", 1) != 0
        result = stream_result(one)

        assert result["wrong"] == 0 and result["broken"] == 0
        assert other.link()["received"] == "0"
        assert one.link()["address"] == mac(host, "one")


def hop(attacker, victim, word, *vids, source=None):
    """One frame of the attacker's to the victim."""
    own = mac(attacker.host, attacker.name)
    assert attacker.do("send", "eth0", source or own,
                       mac(victim.host, victim.name), word, *vids) == 0


def test_no_tag_and_no_borrowed_address_leads_into_another_vlan(host):
    with talkers(host, victim=nic(vlan=10), near=nic(vlan=20),
                 access=nic(vlan=20), tagger=nic(tagged=[20, 30])) as guests:
        victim, near, access, tagger = guests
        victim.do("hear", "eth0")
        near.do("hear", "eth0")
        victim.console.wait("^hearing")
        near.console.wait("^hearing")

        hop(access, victim, "foreign-tag", 10)
        hop(access, victim, "double-tag", 20, 10)
        hop(access, near, "spoofed", source="02:00:00:00:00:99")
        hop(access, near, "borrowed", source=mac(host, "near"))
        hop(tagger, victim, "foreign-vlan", 10)
        hop(tagger, victim, "hidden-tag", 20, 10)
        hop(access, near, "honest")
        hop(tagger, near, "tagged", 20)
        bulkhead.wait_for(lambda: {"honest", "tagged"} <= set(near.heard()),
                          what="what may pass has passed")

        assert victim.heard() == []
        assert set(near.heard()) == {"honest", "tagged"}
        assert drops(host, "access", "unexpected-tag") == 2
        assert drops(host, "access", "spoofed-mac") == 2
        assert drops(host, "tagger", "foreign-vlan") == 1


GROUP = "01:00:5e:01:02:03"


def test_frames_to_a_group_reach_only_who_joined_it(host):
    with talkers(host, one=nic(vlan=10), member=nic(vlan=10),
                 other=nic(vlan=10)) as (one, member, other):
        member.do("hear", "eth0", GROUP)
        other.do("hear", "eth0")
        member.console.wait("^hearing")
        other.console.wait("^hearing")

        def has_heard():
            assert one.do("send", "eth0", mac(host, "one"), GROUP, "all") == 0
            return "all" in member.heard()
        bulkhead.wait_for(has_heard, what="its filter is known")
        hop(one, other, "alone")
        bulkhead.wait_for(lambda: "alone" in other.heard(), what="one is heard")

        assert other.heard() == ["alone"]


def test_a_guest_that_joins_more_groups_than_fit_gets_them_all(host):
    with talkers(host, one=nic(vlan=10), member=nic(vlan=10)) as talking:
        one, member = talking
        monitor = host.partition("member")["monitor_pid"]
        member.do("hear", "eth0", "01:00:5e:01:02:00", 100)
        member.console.wait("^hearing")

        def has_heard():
            for last in "00", "63":
                group = f"01:00:5e:01:02:{last}"
                assert one.do("send", "eth0", mac(host, "one"), group,
                              f"to-{last}") == 0
            return {"to-00", "to-63"} <= set(member.heard())
        bulkhead.wait_for(has_heard, what="frames to its groups arrive")

        assert host.partition("member")["monitor_pid"] == monitor


def test_a_guest_that_knows_vlans_is_in_several(host):
    with talkers(host, router=nic(tagged=[10, 20]), one=nic(vlan=10),
                 two=nic(vlan=20)) as (router, one, two):
        assert router.do("vlan", "eth0", 10, "10.0.1.1/24") == 0
        assert router.do("vlan", "eth0", 20, "10.0.2.1/24") == 0
        assert one.do("address", "eth0", "10.0.1.2/24") == 0
        assert two.do("address", "eth0", "10.0.2.2/24") == 0

        assert one.do("ping", "10.0.1.1", 2) == 0
        assert two.do("ping", "10.0.2.1", 2) == 0


def hang(host):
    """Stop the service; the supervisor is to notice and replace it."""
    host.replace_service(signal.SIGSTOP, SERVICE)


def test_a_connection_survives_whatever_dies_between_its_guests(host):
    with talkers(host, one=nic(vlan=10), two=nic(vlan=10)) as (one, two):
        connect(one, two)
        before = [one.link(), two.link()]

        for _ in range(5):
            host.replace_service(signal.SIGKILL, SERVICE)
            one.wait_stream()
        hang(host)
        one.wait_stream()
        old = host.service_pid(SERVICE)
        host.run("service", "restart", SERVICE)
        bulkhead.wait_for(lambda: host.service_pid(SERVICE) != old,
                          what="another instance serves")
        one.wait_stream()
        host.kill_supervisor()
        one.wait_stream()
        host.replace_service(signal.SIGKILL, SERVICE)
        one.wait_stream()
        result = stream_result(one)
        after = [one.link(), two.link()]

        print(f"longest silence {result['longest_ms']} ms")
        assert result["wrong"] == 0 and result["broken"] == 0
        assert [link["carrier"] for link in after] == ["1", "1"]
        assert [link["changes"] for link in after] == [
            link["changes"] for link in before]
        assert one.do("ping", "10.0.0.2", 2) == 0


def announcement(address, guest_mac):
    """The end of an ARP request by which a station says where it is."""
    station = bytes.fromhex(guest_mac.replace(":", ""))
    return station + socket.inet_aton(address) + bytes(6) + \
        socket.inet_aton(address)


@pytest.mark.engine("kvm")
def test_a_connection_survives_that_its_guests_are_saved_and_restored(host):
    with talkers(host, one=nic(vlan=10), two=nic(vlan=10)) as (one, two):
        connect(one, two)
        before = one.link()
        with captured(host, "two/lan0") as file:
            for saved in ("two", "two", "one"):
                host.run("save", saved)
                assert host.state_of(saved) == "saved"
                host.run("restore", saved)
                one.wait_stream()
            wanted = announcement("10.0.0.2", mac(host, "two"))
            bulkhead.wait_for(lambda: wanted in file.read_bytes(),
                              what="the guest says where it is")
        one.terminal.close()
        one.terminal = bulkhead.Terminal(host, "one")
        result = stream_result(one)

        assert result["wrong"] == 0 and result["broken"] == 0
        assert one.link()["changes"] == before["changes"]


# -- clients that others wrote

@contextlib.contextmanager
def captured(host, nic=None):
    """What is sent to the switch meanwhile, or what one interface sends and
    receives."""
    file = host.directory / f"{nic or 'all'}.pcapng".replace("/", "-")
    only = ("--nic", nic) if nic else ()
    taking = subprocess.Popen(
        host.argv("switch", "capture", "lan", "--write", file, *only),
        env=host.env)
    bulkhead.wait_for(lambda: file.exists() and file.stat().st_size,
                      what="the capture has begun")
    yield file
    taking.send_signal(signal.SIGINT)
    assert taking.wait(10) == 0


def dissect(file, wanted, *fields):
    """A row of fields for each frame of a capture that tshark finds by this
    filter; it must understand the file to its end."""
    if not shutil.which("tshark"):
        pytest.skip("no tshark")
    words = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-n", "-r", file, "-Y", wanted, "-T", "fields", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cut short" not in done.stderr, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_unmodified_clients_work_over_a_vlan(host):
    with talkers(host, one=nic(vlan=10), two=nic(vlan=10)) as (one, two):
        two.do("publish", 2048)
        with captured(host) as file:
            meet(one, two)
            assert one.do("arping", "10.0.0.2", 2, "eth0") == 0
            assert one.do("fetch", "10.0.0.2") == 0
        two.do("serve")
        bits, again = one.measure(2, "10.0.0.2")
        one.do("neighbours")

        print(f"iperf3: {bits / 1e6:.0f} Mbit/s, {again} segments again")
        assert bits > 1e6 and again < 100
        sums = [talker.console.lines(word)[-1].split("=")[1] for talker, word
                in ((one, "fetched"), (two, "published"))]
        assert sums[0] == sums[1]
        assert one.console.lines("neighbour 10.0.0.2")[-1].split()[2] == mac(
            host, "two")
        check_capture(file, mac(host, "one"), mac(host, "two"))


def check_capture(file, one, two):
    """Who asked and who answered, in the VLAN, and nothing strange."""
    asked = dissect(file, "arp.opcode == 1 && arp.dst.proto_ipv4 == 10.0.0.2",
                    "eth.src", "vlan.id")
    answered = dissect(file, "arp.opcode == 2", "eth.src", "eth.dst")
    echoes = dissect(file, "icmp", "eth.src", "eth.dst", "icmp.type")
    gets = dissect(file, "http.request", "eth.src", "http.request.uri")

    assert one in [row[0] for row in asked]
    assert [two, one] in answered
    assert [one, two, "8"] in echoes and [two, one, "0"] in echoes
    assert [one, "/file"] in gets
    assert dissect(file, "_ws.malformed", "frame.number") == []


def test_a_capture_shows_what_an_attacker_got_through(host):
    with talkers(host, victim=nic(vlan=10), near=nic(vlan=20),
                 access=nic(vlan=20)) as (victim, near, access):
        with captured(host) as tried, captured(
                host, "near/lan0") as heard, captured(
                    host, "victim/lan0") as reached:
            hop(access, victim, "double-tag", 20, 10)
            hop(access, victim, "foreign-tag", 10)
            hop(access, near, "spoofed", source="02:00:00:00:00:99")
            hop(access, near, "honest")
            bulkhead.wait_for(lambda: b"honest" in heard.read_bytes(),
                              what="what may pass has passed")

        ours = "vlan || eth.type == 0x88b5"
        assert dissect(tried, ours, "vlan.id") == [["20,10"], ["10"], [""],
                                                   [""]]
        assert dissect(heard, ours, "eth.src", "eth.dst") == [
            [mac(host, "access"), mac(host, "near")]]
        assert dissect(reached, ours, "eth.src") == []


def test_a_capture_shows_what_the_host_and_a_guest_said(host):
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("TAP interfaces take root and /dev/net/tun")
    tap = f"bhc{os.getpid() % 100000}"
    with talkers(host, one=nic(vlan=10)) as (one,):
        done = host.call("switch", "define", "lan", "--uplink", f"tap:{tap}",
                         "--vlan", "10")
        if "fails" in done.stderr:
            pytest.skip(done.stderr)
        assert done.returncode == 0, done.stderr
        give_address(tap, "10.0.0.9/24")
        assert one.do("address", "eth0", "10.0.0.1/24") == 0
        with captured(host, "one/lan0") as file:
            assert one.do("ping", "10.0.0.9", 2) == 0

        rows = dissect(file, "icmp", "ip.src", "ip.dst", "icmp.type")
        assert ["10.0.0.1", "10.0.0.9", "8"] in rows
        assert ["10.0.0.9", "10.0.0.1", "0"] in rows


def give_address(interface, address):
    for words in (("address", "add", address, "dev", interface),
                  ("link", "set", interface, "up")):
        subprocess.run(["ip", *words], check=True)


# ---- passt -------------------------------------------------------------------

needs_passt = pytest.mark.skipif(not shutil.which("passt"), reason="no passt")


@pytest.fixture
def beyond():
    """Servers on the host's loopback."""
    made = outside.Outside()
    yield made
    made.close()


@contextlib.contextmanager
def behind_passt(host):
    """A guest that has an address of passt's, and its gateway."""
    host.run("switch", "define", "wan", "--uplink", "passt:host")
    guest = Talker(host, "one", nic(switch="wan")).ready()
    assert guest.do("dhcp", "eth0") == 0
    line = guest.console.lines("leads to gateway=")[-1]
    yield guest, line.split("=", 1)[1]
    guest.terminal.close()


def fetch(guest, beyond, gateway):
    """A page over a new connection."""
    number = beyond.last_begun() + 1
    guest.do("page", f"http://{gateway}:{beyond.page_port}", number,
             bulkhead.scaled(8))
    assert outside.pages_of(guest.console)[number], guest.console.text[-500:]


@needs_passt
def test_a_connection_through_passt_survives_a_killed_network_service(
        host, beyond):
    with behind_passt(host) as (guest, gateway):
        guest.do("stream", gateway, beyond.echo_port)
        guest.wait_stream(1 << 18)
        first = outside.passt_of(host)
        for kill in [signal.SIGKILL] * 5 + [signal.SIGSTOP]:
            host.replace_service(kill, SERVICE)
            guest.wait_stream(1 << 18)
            fetch(guest, beyond, gateway)
        result = stream_result(guest)

        assert result["wrong"] == 0 and result["broken"] == 0
        assert outside.passt_of(host) == first


@needs_passt
def test_a_new_connection_works_at_once_after_passt_died(host, beyond):
    with behind_passt(host) as (guest, gateway):
        fetch(guest, beyond, gateway)
        for _ in range(3):
            outside.replace_passt(host)
            fetch(guest, beyond, gateway)
        host.kill_supervisor()
        fetch(guest, beyond, gateway)
        outside.replace_passt(host)
        fetch(guest, beyond, gateway)
