# SPDX-License-Identifier: MIT
"""Guests that talk over a switch, and what becomes of it when things die."""
import contextlib
import shutil
import signal

import pytest

import bulkhead
import outside
from bulkhead import Terminal

SERVICE = "net0"


class Talker:
    """A guest that does with its interfaces what it is told."""

    def __init__(self, host, name, interface):
        self.host = host
        self.name = name
        self.asked = 0
        self.console = host.up(name, test="net", memory="128M",
                               nics=[interface])

    def ready(self):
        self.console.wait("^ready")
        self.terminal = Terminal(self.host, self.name)
        return self

    def ask(self, verb, *words):
        self.asked += 1
        self.terminal.type(" ".join([verb, *map(str, words)]) + "\n")

    def answer(self, seconds=30):
        """The exit status of the last verb asked for."""
        found = self.console.wait("^did .*status=([0-9]+)", seconds,
                                  count=self.asked)
        return int(found.group(1))

    def do(self, verb, *words):
        self.ask(verb, *words)
        return self.answer()

    def link(self):
        assert self.do("link", "eth0") == 0
        line = self.console.lines("link name=eth0 ")[-1]
        return dict(word.split("=", 1) for word in line.split()[1:])

    def heard(self):
        """The words of the frames that reached a guest told to hear."""
        return [line.split("=", 1)[1]
                for line in self.console.lines("heard word=")]

    def stream_bytes(self):
        return self.console.values("stream heard").get("heard", 0)

    def wait_stream(self, more=1 << 20, seconds=60):
        """Until the stream has come so much further."""
        goal = self.stream_bytes() + more
        bulkhead.wait_for(lambda: self.stream_bytes() >= goal, seconds,
                          what=f"{self.name}'s stream goes on")


def nic(**fields):
    return {"name": "lan0", "switch": "lan", **fields}


def drops(host, name, reason):
    """How many frames of this partition were dropped for this reason."""
    return sum(row["drops"][reason]
               for row in host.json("switch", "counters", "lan")
               if row["partition"] == name)


def mac(host, name):
    return host.partition(name)["nics"][0]["mac"]


@contextlib.contextmanager
def talkers(host, **guests):
    """Guests by name, each with one interface, all booted at once."""
    host.run("switch", "define", "lan")
    made = [Talker(host, name, interface)
            for name, interface in guests.items()]
    yield [talker.ready() for talker in made]
    for talker in made:
        talker.terminal.close()


def connect(one, two):
    """Addresses, an answered ping, and a stream from one to two."""
    assert one.do("address", "eth0", "10.0.0.1/24") == 0
    assert two.do("address", "eth0", "10.0.0.2/24") == 0
    assert one.do("ping", "10.0.0.2", 3) == 0
    two.do("echo")
    two.console.wait("^echo ready")
    one.do("stream", "10.0.0.2")
    one.wait_stream()


def stream_result(talker):
    talker.ask("end")
    talker.console.wait("^streamed ")
    return talker.console.values("streamed")


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
    host.run("switch", "define", "wan", "--uplink", "passt")
    guest = Talker(host, "one", nic(switch="wan")).ready()
    assert guest.do("dhcp", "eth0") == 0
    line = guest.console.lines("leads to gateway=")[-1]
    yield guest, line.split("=", 1)[1]
    guest.terminal.close()


def fetch(guest, beyond, gateway):
    """A page over a new connection."""
    number = beyond.last_begun() + 1
    guest.do("page", f"http://{gateway}:{beyond.page_port}", number)
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
