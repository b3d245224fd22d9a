# SPDX-License-Identifier: MIT
"""Who recovers runs before those who compute, and nobody can buy that."""
import os
import signal
import socket
import struct
import threading

import bulkhead
import played
import pytest

from test_life_of_services import group_of, serve

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="only root may be urgent")

ON_LOAN = os.SCHED_RR | os.SCHED_RESET_ON_FORK


def classes(pid):
    """By thread."""
    found = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            name = open(f"/proc/{pid}/task/{thread}/comm").read().strip()
            found[name] = os.sched_getscheduler(int(thread))
        except OSError:
            pass
    return found


def children(host):
    return [pid for pid in bulkhead.descendants(host.keeper.pid)
            if pid != host.supervisor_pid()]


def is_like_everyone(pid):
    return set(classes(pid).values()) <= {os.SCHED_OTHER}


def may_be_urgent(pid):
    """Some kernels give a group of version 1 a budget, of which there may be
    none left."""
    group = group_of(pid, "cpu")
    budget = group and group / "cpu.rt_runtime_us"
    return not (budget and budget.exists() and budget.read_text() == "0\n")


def monitor_of(host):
    return next(pid for pid in children(host)
                if "bulkhead-monitor" in bulkhead.command_line(pid))


def test_only_the_supervisors_turn_is_urgent(host):
    serve(host)
    host.run("service", "set", "disk0", "--standby", "1")

    host.replace_service()

    assert os.sched_getscheduler(host.supervisor_pid()) == os.SCHED_RR
    bulkhead.wait_for(lambda: all(map(is_like_everyone, children(host))),
                      what="everything lent is back")
    assert is_like_everyone(host.keeper.pid)


def test_what_a_dead_supervisor_had_lent_is_taken_back(make_host, tmp_path):
    armed = tmp_path / "failpoint"
    host = make_host(environment={
        "BULKHEAD_FAILPOINT_FILE": str(armed)}).start()
    serve(host)
    host.run("service", "set", "disk0", "--standby", "1")
    bulkhead.wait_for(lambda: host.instances("disk0", "standby"),
                      what="a standby is ready")
    standby = host.instances("disk0", "standby")[0]["pid"]
    monitor, supervisor = monitor_of(host), host.supervisor_pid()
    bulkhead.wait_for(lambda: is_like_everyone(standby),
                      what="what it was lent at its birth is back")
    # It lends, and cannot take back.
    armed.write_text("recovery.handover.before=hang\n")
    os.kill(host.service_pid(), signal.SIGKILL)
    bulkhead.wait_for(lambda: not armed.exists(), what="it hangs")
    if may_be_urgent(standby):
        assert ON_LOAN in classes(standby).values()
    if may_be_urgent(monitor):
        assert classes(monitor)["io"] == ON_LOAN
        assert classes(monitor)["bulkhead-monito"] == ON_LOAN

    os.kill(supervisor, signal.SIGKILL)
    bulkhead.wait_for(lambda: host.supervisor_pid() not in
                      (None, supervisor), what="a new supervisor runs")
    host.wait_ready()

    bulkhead.wait_for(lambda: is_like_everyone(monitor) and
                      all(map(is_like_everyone, children(host))),
                      what="everything lent is back")


def flood(path, is_over):
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.connect(str(path))
    while not is_over.is_set():
        link.send(struct.pack("=II", played.NUMBERS["SERVICE_LIST"], 1))
        while struct.unpack_from("=I", link.recv(8192))[0] != \
                played.NUMBERS["REPLY"]:
            pass
    link.close()


def test_who_keeps_the_supervisor_busy_buys_nothing(host):
    is_over = threading.Event()
    flooders = [threading.Thread(target=flood, args=(host.socket, is_over))
                for _ in range(4)]
    supervisor = host.supervisor_pid()

    for flooder in flooders:
        flooder.start()
    try:
        bulkhead.wait_for(lambda: os.sched_getscheduler(supervisor) ==
                          os.SCHED_OTHER, 60, every=0.001,
                          what="it is like everyone")
    finally:
        is_over.set()
        for flooder in flooders:
            flooder.join()

    bulkhead.wait_for(lambda: os.sched_getscheduler(supervisor) == os.SCHED_RR,
                      every=0.01, what="its share is earned again")
