# SPDX-License-Identifier: MIT
"""Networks that are killed and stopped under TCP between guests."""
import os
import random
import signal
import time

import pytest

import bulkhead
from talkers import (SERVICE, connect, meet, nic, stream_result, talkers)

HANG_SHARE = 0.1


@pytest.fixture
def pair(host):
    with talkers(host, one=nic(vlan=10), two=nic(vlan=10)) as both:
        yield both


def strike(host, chance, one):
    """Kill the service, or stop it until it is found out: what TCP sent in the
    meantime is lost, and it waits ever longer before it tries again."""
    if chance.random() < HANG_SHARE:
        host.replace_service(signal.SIGSTOP, SERVICE)
        one.wait_stream(1 << 14)
    else:
        host.replace_service(signal.SIGKILL, SERVICE)


def check_stream(one):
    result = stream_result(one)
    print(f"{result['heard'] >> 20} MiB came back; longest silence "
          f"{result['longest_ms']} ms")
    assert result["heard"] > 0
    assert result["wrong"] == 0 and result["broken"] == 0


@pytest.mark.parametrize("standby", (0, 1))
def test_a_connection_survives_many_kills_and_hangs(host, pair, standby):
    chance = random.Random(2)
    one, two = pair
    host.run("service", "set", SERVICE, "--standby", standby, "--kind",
             "net")
    connect(one, two)
    before = [talker.link()["changes"] for talker in pair]

    for _ in range(bulkhead.kills // 2):
        strike(host, chance, one)
        time.sleep(chance.uniform(0, 0.4))

    one.wait_stream()
    check_stream(one)
    assert [talker.link()["changes"] for talker in pair] == before


def test_a_file_comes_whole_while_its_network_is_killed(host, pair):
    chance = random.Random(3)
    one, two = pair
    meet(one, two)
    assert two.do("publish", 32768) == 0
    one.ask("fetch", "10.0.0.2", "--limit-rate", "4M")
    kills = 0
    until = time.monotonic() + bulkhead.scaled(180)

    while len(one.console.lines("did ")) < one.asked:
        assert time.monotonic() < until, one.console.text[-500:]
        host.replace_service(name=SERVICE)
        time.sleep(chance.uniform(0, 0.4))
        kills += 1

    assert one.answer() == 0 and kills > 5
    sums = [talker.console.lines(word)[-1].split("=")[1] for talker, word
            in ((one, "fetched"), (two, "published"))]
    assert sums[0] == sums[1]


def test_a_connection_survives_service_and_supervisor_dying_together(
        host, pair):
    one, two = pair
    connect(one, two)

    for _ in range(5):
        service, supervisor = host.service_pid(SERVICE), host.supervisor_pid()
        os.kill(supervisor, signal.SIGKILL)
        os.kill(service, signal.SIGKILL)
        bulkhead.wait_for(lambda: host.supervisor_pid() not in
                          (None, supervisor), what="a new supervisor runs")
        host.wait_ready()
        bulkhead.wait_for(lambda: host.service_pid(SERVICE) != service,
                          what="the service is replaced")
        one.wait_stream()

    check_stream(one)
