# SPDX-License-Identifier: MIT
"""./run bench recovery: kill the disk service under verified load, and look
how long the client stands still.

A stall is what the client sees: the longest time without any answer, requests
being outstanding, that the kill fell into or that began soon after it.
"""
import os
import random
import signal
import time

from figures import context, median, percentile
from measure import MIB, NotMeasured, bulkhead, busy_host, filled_file
from measure import finish_load, ours, start_load, tmpfs_folder

FILE_BYTES = 64 * MIB
KILLS = 200
BUSY_KILLS = 100
HANGS = 40
HANG_MS = 500
SOON_NS = 50_000_000
SETTLE_S = (0.10, 0.20)  # traffic between two kills
BEFORE_NS = 60_000_000  # of a kill: nothing but that traffic
LOAD = {"op": "mixed", "block": 4096, "depth": 32, "verify": True,
        "span": 16 * MIB, "seconds": 3600, "stall_us": 300}


def strike(system, signal_number, pause_s):
    """Stop the active instance once; when that was, in CLOCK_MONOTONIC."""
    pid = system.host.service_pid()
    at_ns = time.monotonic_ns()
    os.kill(pid, signal_number)
    time.sleep(pause_s)
    bulkhead.wait_for(lambda: system.host.service_pid() != pid, 30, 0.02,
                      what="the disk service is replaced")
    return at_ns


def wait_standby(system, count):
    """Until the next instance is ready, where one is kept."""
    if count:
        bulkhead.wait_for(lambda: [
            row for row in system.host.instances("disk0", "standby")
            if row["pid"]], 30, 0.01, what="a standby is ready")


def strike_often(system, standby, signal_number, count, pause_s):
    load = start_load(system.socket, **LOAD)
    times = []
    time.sleep(0.5)
    for _ in range(count):
        wait_standby(system, standby)
        time.sleep(random.uniform(*SETTLE_S))
        times.append(strike(system, signal_number, pause_s))
    time.sleep(0.5)
    load.send_signal(signal.SIGTERM)
    return times, finish_load(load)


def stalls_ms(times, result):
    """Per kill the longest stall that it cut into or that began soon after."""
    shortest_ns = LOAD["stall_us"] * 1000
    return [max((ended - began for began, ended in result["stalls"]
                 if ended > at_ns and began < at_ns + SOON_NS),
                default=shortest_ns) / 1e6 for at_ns in times]


def measure(title, file, standby, signal_number, count, pause_s, hang="2s"):
    with ours(file, standby=standby, hang=hang) as system:
        times, result = strike_often(system, standby, signal_number, count,
                                     pause_s)
    if result["errors"]:
        context(f"{title}: {result['errors']} requests answered with an error")
    if result["stalls_unlisted"]:
        raise NotMeasured(f"{title}: too many stalls to list")
    stalls = stalls_ms(times, result)
    context(f"{title}: {len(times)} kills under {result['requests']} verified "
            f"requests ({result['checked']} cells judged): stall min "
            f"{min(stalls):.2f} p50 {median(stalls):.2f} "
            f"p99 {percentile(stalls, 0.99):.2f} max {max(stalls):.2f} ms")
    return stalls, result


def measure_busy(title, file, standby):
    """The same beside others who compute, which alone makes a client wait:
    how long, the time before each kill says."""
    with ours(file, standby=standby) as system, busy_host():
        times, result = strike_often(system, standby, signal.SIGKILL,
                                     BUSY_KILLS, 0.06)
    if result["stalls_unlisted"]:
        raise NotMeasured(f"busy, {title}: too many stalls to list")
    stalls = stalls_ms(times, result)
    before = stalls_ms([at_ns - BEFORE_NS for at_ns in times], result)
    for what, found in ("a kill", stalls), ("no kill", before):
        context(f"busy, {title}, {what}: stall p50 {median(found):.2f} p90 "
                f"{percentile(found, 0.9):.2f} p99 "
                f"{percentile(found, 0.99):.2f} max {max(found):.2f} ms")
    return stalls, result


def run(figures):
    with tmpfs_folder(2 * FILE_BYTES) as folder:
        file = filled_file(folder / "disk.img", FILE_BYTES)
        cold, first = measure("cold", file, 0, signal.SIGKILL, KILLS, 0.06)
        warm, second = measure("standby", file, 1, signal.SIGKILL, KILLS, 0.03)
        hung, third = measure("hang", file, 1, signal.SIGSTOP, HANGS,
                              HANG_MS / 1000, hang=f"{HANG_MS}ms")
        busy_cold, fourth = measure_busy("cold", file, 0)
        busy_warm, fifth = measure_busy("standby", file, 1)
    for title, stalls in (("cold", cold), ("standby", warm)):
        figures.add(f"recovery.{title}.stall.p50", median(stalls))
        figures.add(f"recovery.{title}.stall.p99", percentile(stalls, 0.99))
    figures.add("recovery.busy.cold.stall.p99", percentile(busy_cold, 0.99))
    figures.add("recovery.busy.standby.stall.p99",
                percentile(busy_warm, 0.99))
    context(f"hang: the configured bound is {HANG_MS} ms")
    figures.add("recovery.hang.stall.p99", percentile(hung, 0.99),
                wanted=HANG_MS + 20)
    for what in ("lost", "duplicated", "corrupt"):
        figures.add(f"recovery.{what}",
                    sum(result[what] for result in
                        (first, second, third, fourth, fifth)))
