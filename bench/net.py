# SPDX-License-Identifier: MIT
"""./run bench net: the network service beside vde_switch, Open vSwitch with
DPDK, and Linux' bridge."""
import random
import signal
import time

import net_guests
import netload
from figures import context, median, percentile
from measure import MIB, NotMeasured, bulkhead, busy_host, pss_bytes

PAIRS = 5
KILLS = 50
SETTLE_S = (0.10, 0.20)  # traffic between two kills
SOON_NS = 50_000_000
SILENCE_S = 3
SENDERS = 8
# A fake guest's memory, as its monitor maps it.
GUEST_MEMORY = "/memfd:fakenic"
# Each has its best, in frames under way.
WINDOWS = (32, 128, 512)
STREAM = {"mode": "stream", "bytes": 1514, "gso": 1448}
# Open vSwitch takes a second and more until a new guest is served.
OVS_WARMUP_MS = 2500


def frames_per_s(found):
    return sum(sender["frames"] for sender in found["senders"]) / \
        found["seconds"]


def bits_per_s(found):
    return 8 * sum(sender["bytes"] for sender in found["senders"]) / \
        found["seconds"]


def pairs_of(ours, peer, value, options, peer_options=None):
    """Both in turn, changing places; the medians of both and of the ratio."""
    mine, theirs = [], []
    for number in range(PAIRS):
        both = [(mine, ours, options), (theirs, peer, peer_options or options)]
        for values, system, words in both if number % 2 else reversed(both):
            values.append(value(netload.run(system, **words)))
    return (median(mine), median(theirs),
            median([a / b for a, b in zip(mine, theirs)]))


# -- beside vde_switch

def best_stream(figure, name, system, **options):
    """A stream with the window that it carries most with."""
    options = {**STREAM, **options}
    found = {window: bits_per_s(netload.run(system, window=window, **options))
             for window in WINDOWS}
    for window, rate in found.items():
        context(f"{figure}: {name}, window {window}: {rate / 1e6:.0f} Mbit/s")
    return {"window": max(found, key=found.get), **options}


def beside_vde(figures):
    with netload.made(netload.Ours, 2) as ours, \
            netload.made(netload.Vde, 2) as vde:
        mine, theirs, ratio = pairs_of(ours, vde, frames_per_s,
                                       {"mode": "flood"})
        context(f"net.pps64.ratio.vde: ours {mine / 1e3:.0f} k/s, vde_switch "
                f"{theirs / 1e3:.0f} k/s")
        figures.add("net.pps64.ratio.vde", ratio)
        mine, theirs, ratio = pairs_of(
            ours, vde, bits_per_s,
            best_stream("net.tcp.ratio.vde", "ours", ours),
            best_stream("net.tcp.ratio.vde", "vde_switch", vde))
        context(f"net.tcp.ratio.vde: ours {mine / 1e6:.0f} Mbit/s, vde_switch "
                f"{theirs / 1e6:.0f} Mbit/s, frames of 1514 bytes")
        figures.add("net.tcp.ratio.vde", ratio)
        large = bits_per_s(netload.run(ours, **{**STREAM, "bytes": 65226}))
        context(f"net.tcp.ratio.vde: ours {large / 1e6:.0f} Mbit/s in frames "
                "of 65226 bytes, which vde_switch does not carry")


# -- beside Open vSwitch with DPDK

def with_cost(system, rate, options):
    """How much a second, and how much per second of a processor: of the
    generator's, which are the guests, and of the switch's."""
    before, began = system.cpu_seconds(), time.monotonic()
    found = netload.run(system, **options)
    used = (system.cpu_seconds() - before) / (time.monotonic() - began)
    used += found["cpu_s"] / found["seconds"]
    return rate(found), rate(found) / used


def beside_ovs(figures):
    with netload.made(netload.Ours, 2) as ours, \
            netload.made(netload.OvsDpdk, 2) as ovs:
        for name, rate, unit, scale in (
                ("net.pps64", frames_per_s, "k/s", 1e3),
                ("net.tcp", bits_per_s, "Mbit/s", 1e6)):
            options = [{"mode": "flood", "warmup_ms": OVS_WARMUP_MS}] * 2
            if rate is bits_per_s:
                options = [best_stream(f"{name}.ratio.ovsdpdk", title, system,
                                       warmup_ms=OVS_WARMUP_MS)
                           for title, system in (("ours", ours),
                                                 ("ovs-dpdk", ovs))]
            compare_cost(figures, name, rate, (ours, ovs), options,
                         lambda value, unit=unit, scale=scale:
                         f"{value / scale:.0f} {unit}")


def compare_cost(figures, name, rate, systems, options, shown):
    """Pairs in turn that change places; ratios of both."""
    found = ([], [])
    for number in range(PAIRS):
        for which in (0, 1) if number % 2 else (1, 0):
            found[which].append(with_cost(systems[which], rate,
                                          options[which]))
    for what, word in enumerate(("ratio", "cpu.ratio")):
        mine, theirs = ([one[what] for one in values] for values in found)
        context(f"{name}.{word}.ovsdpdk: ours {shown(median(mine))}, ovs-dpdk "
                f"{shown(median(theirs))}"
                f"{' per second of a processor' if what else ''}")
        figures.add(f"{name}.{word}.ovsdpdk",
                    median([a / b for a, b in zip(mine, theirs)]))


# -- beside a bridge

def beside_bridge(figures):
    with netload.made(netload.Ours, 2) as ours, \
            netload.made(netload.Bridge, 2) as bridge:
        mine, theirs, ratio = pairs_of(
            ours, bridge, lambda found: found["p50_us"], {"mode": "ping"})
    context(f"net.latency.ratio.bridge: ours {mine:.1f} us, bridge "
            f"{theirs:.1f} us, one frame and back")
    figures.add("net.latency.ratio.bridge", ratio)


# -- restarts

def gap_ms(gaps, at_ns):
    """The longest that a kill cut into or that began soon after it."""
    return max((late for before, after, late, _ in gaps
                if after > at_ns and before < at_ns + SOON_NS),
               default=0) / 1e6


def wait_standby(system, count):
    if count:
        bulkhead.wait_for(lambda: [
            row for row in system.host.instances("net0", "standby")
            if row["pid"]], 30, 0.01, what="a standby is ready")


def kill_often(system, standby, rate, kills):
    """When the active instance was killed, and what the receiver saw."""
    load = netload.start(system.specs, mode="paced", rate=rate, seconds=3600,
                         gap_us=100)
    times = []
    time.sleep(0.5)
    for _ in range(kills):
        wait_standby(system, standby)
        time.sleep(random.uniform(*SETTLE_S))
        times.append(time.monotonic_ns())
        system.host.replace_service(signal.SIGKILL, "net0")
    time.sleep(0.3)
    load.send_signal(signal.SIGTERM)
    return times, netload.finish(load)


def restart(system, standby, rate):
    """How long nothing came after each kill, beyond the pace."""
    times, found = kill_often(system, standby, rate, KILLS)
    if found["gaps_unlisted"]:
        raise NotMeasured("too many gaps to list")
    gaps = [gap_ms(found["gaps"], at_ns) for at_ns in times]
    context(f"net.restart: {'standby' if standby else 'cold'}, {rate} frames/s"
            f": {len(times)} kills, gap min {min(gaps):.2f} p50 "
            f"{median(gaps):.2f} p99 {percentile(gaps, 0.99):.2f} max "
            f"{max(gaps):.2f} ms, {found['lost']} of {found['count']} frames "
            f"lost, {found['disordered']} out of order")
    return gaps


def restarts(figures):
    gaps = {}
    for standby in 0, 1:
        with netload.made(netload.Ours, 2, standby=standby) as ours:
            gaps[standby] = [gap for rate in (200, 5000)
                             for gap in restart(ours, standby, rate)]
    with netload.made(netload.Ours, 2) as ours, busy_host():
        gaps["busy"] = [gap for rate in (200, 5000)
                        for gap in restart(ours, 0, rate)]
    figures.add("net.restart.gap.p50", median(gaps[0]))
    figures.add("net.restart.gap.p99", percentile(gaps[0], 0.99))
    figures.add("net.restart.standby.gap.p99", percentile(gaps[1], 0.99))
    figures.add("net.restart.busy.gap.p99", percentile(gaps["busy"], 0.99))


# -- bandwidth

def bytes_per_s(mbit):
    return mbit * 125_000


def credit_error(system, mbit, frame_bytes):
    system.set_rate(1, bytes_per_s(mbit))
    found = bits_per_s(netload.run(system, mode="flood", bytes=frame_bytes,
                                   seconds=2, warmup_ms=500))
    error = abs(found / 1e6 - mbit) / mbit * 100
    context(f"net.credit.error: {mbit} Mbit/s in frames of {frame_bytes} "
            f"bytes: {found / 1e6:.2f} Mbit/s, {error:.2f} %")
    return error


def credits(figures):
    with netload.made(netload.Ours, 2) as ours:
        errors = [credit_error(ours, mbit, frame_bytes)
                  for mbit in (10, 100, 1000) for frame_bytes in (1500, 64)]
    figures.add("net.credit.error", max(errors))


def jain(values):
    """1 when all have the same, 1/n when one has everything."""
    return sum(values) ** 2 / (len(values) * sum(v * v for v in values))


def fairness(figures):
    with netload.made(netload.Ours, SENDERS + 1) as ours:
        found = netload.run(ours, mode="flood", bytes=1514, seconds=5)
    rates = [sender["bytes"] for sender in found["senders"]]
    context(f"net.fairness.jain: {SENDERS} senders, "
            f"{bits_per_s(found) / 1e6:.0f} Mbit/s, least and most "
            f"{min(rates) / max(rates):.3f}")
    figures.add("net.fairness.jain", jain(rates))


# -- memory

def idle_pss(system):
    """The network service's, in MiB, after load, its ports being silent."""
    netload.run(system, **STREAM)
    load = netload.start(system.specs, mode="idle", seconds=3600)
    time.sleep(SILENCE_S)
    for program in netload.PROGRAMS:
        for pid in system.pids_of(program):
            context(f"process {pid} {program}: PSS "
                    f"{pss_bytes(pid, GUEST_MEMORY) / MIB:.2f} MiB")
    weight = max(pss_bytes(pid, GUEST_MEMORY)
                 for pid in system.pids_of("bulkhead-net")) / MIB
    load.terminate()
    load.communicate()
    return weight


def memory(figures):
    with netload.made(netload.Ours, 2) as ours:
        figures.add("memory.net.idle", idle_pss(ours))


# Each measures some of the figures and is given the table of them. One that
# cannot be had here does not keep the others from being measured.
MEASURES = [beside_vde, beside_ovs, beside_bridge, restarts, credits, fairness, memory,
            net_guests.beside_bridge, net_guests.restarts]


def run(figures):
    missing = []
    for measure in MEASURES:
        try:
            measure(figures)
        except NotMeasured as error:
            missing.append(f"{measure.__module__}.{measure.__name__}: {error}")
    if missing:
        raise NotMeasured("; ".join(missing))
