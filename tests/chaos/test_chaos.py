# SPDX-License-Identifier: MIT
"""Services die and hang under a real guest's load, and nothing is lost."""
import os
import random
import signal
import time

import bulkhead

MIB = 1 << 20


def disk(host, name="root"):
    return host.disk(name, "96M", hang=f"{300 * bulkhead.slowness:.0f}ms")


def end_cleanly(host, name, console):
    """Stop the guest; its test must have found nothing wrong."""
    host.run("stop", name, "--deadline", bulkhead.scaled(90))
    console.wait("^finished")
    assert console.values("e2fsck") == {"status": 0}
    assert console.values("kernel") == {"errors": 0}


def requests_of(console):
    return console.values("stamp requests").get("requests", 0)


def wait_progress(console):
    seen = requests_of(console)
    bulkhead.wait_for(lambda: requests_of(console) > seen,
                      what="the guest's requests are answered")


def stamp_is_clean(console):
    values = console.values("stamp requests")
    return not any(values[key] for key in
                   ("errors", "corrupt", "lost", "duplicated"))


def test_fio_verifies_through_many_kills_and_hangs(host):
    chance = random.Random(1)
    host.run("service", "set", "disk0", "--standby", 1)
    console = host.up("one", test="fio", args="0,24", cpus=2, disks=[disk(host)])
    console.wait("^fio rounds=1", 60)
    killed = hung = 0

    while killed + hung < bulkhead.kills:
        if chance.random() < 0.25:
            host.replace_service(signal.SIGSTOP)
            hung += 1
        else:
            host.replace_service(signal.SIGKILL)
            killed += 1
        time.sleep(chance.uniform(0, 0.4))

    rounds = console.values("fio rounds")["rounds"]
    console.wait(f"^fio rounds={rounds + 1} ", 90)
    end_cleanly(host, "one", console)
    assert console.values("finished")["failed"] == 0
    assert console.values("finished")["rounds"] > 1
    assert killed > 0 and hung > 0
    assert host.state_of("one") == "stopped"


def test_stamped_blocks_survive_kills_without_a_standby(host):
    console = host.up("one", test="stamp", args="0,24", cpus=2, disks=[disk(host)])
    console.wait("^stamp filled", 60)

    for round_number in range(30):
        host.replace_service(signal.SIGSTOP if round_number % 5 == 4
                             else signal.SIGKILL)
        time.sleep(0.2)

    end_cleanly(host, "one", console)
    assert stamp_is_clean(console)


def test_an_upgrade_under_load_is_not_an_outage_to_the_guest(host):
    console = host.up("one", test="stamp", args="0,24", disks=[
        host.disk(size="96M")])
    console.wait("^stamp filled", 60)

    for _ in range(5):
        old = host.service_pid()
        host.run("service", "restart", "disk0")
        assert host.service_pid() != old
        time.sleep(0.5)

    end_cleanly(host, "one", console)
    assert stamp_is_clean(console)


def test_supervisor_and_service_die_together(host):
    console = host.up("one", test="stamp", args="0,24", disks=[disk(host)])
    console.wait("^stamp filled", 60)

    for _ in range(5):
        service = host.service_pid()
        supervisor = host.supervisor_pid()
        os.kill(supervisor, signal.SIGKILL)
        os.kill(service, signal.SIGKILL)
        bulkhead.wait_for(lambda: host.supervisor_pid() not in
                          (None, supervisor), what="a new supervisor runs")
        host.wait_ready()
        bulkhead.wait_for(lambda: host.service_pid() != service,
                          what="the service is replaced")
        wait_progress(console)

    end_cleanly(host, "one", console)
    assert stamp_is_clean(console)


def test_a_reset_and_a_restart_during_an_outage_lose_nothing(host):
    console = host.up("one", test="keep", args="busy", disks=[disk(host)])
    starts = 1

    for verb in (("reset",), ("stop", "--force"), ("reset",)):
        console.wait(f"^start n={starts} ", 60)
        os.kill(host.service_pid(), signal.SIGSTOP)
        host.run(verb[0], "one", *verb[1:])
        if verb[0] == "stop":
            host.run("start", "one")
        starts += 1
    last = console.wait(f"^start n={starts} data=(.*)", 60)

    assert last.group(1) == "good"
    host.run("stop", "one")


def test_a_poisonous_request_harms_only_its_own_partition(make_host):
    offset = 200 * MIB
    host = make_host(
        environment={"BULKHEAD_POISON_OFFSET": str(offset)}).start()
    good = host.up("good", test="stamp", args="0,24", disks=[
        host.disk("good", "96M")])
    good.wait("^stamp filled", 60)
    bad = bulkhead.Raw(host, host.disk("bad", "256M"), "bad")

    assert bad.do("write", offset, 4096) != 0
    assert bad.do("write", 0, 4096) == 0

    assert host.state_of("bad") == "running"
    end_cleanly(host, "good", good)
    assert stamp_is_clean(good)
