# SPDX-License-Identifier: MIT
"""./run bench disk: the data path against qemu-storage-daemon's, and a guest's
against QEMU's own."""
import time

import disk_guest
import peer
from figures import context, median
from measure import MIB, NotMeasured, block_device, cpu_seconds, filled_file
from measure import ours, run_load, tmpfs_folder

FILE_BYTES = 512 * MIB
DIRECT_BYTES = 256 * MIB
PAIRS = 5
WARMUP_MS = 250

RAND_QD1 = {"block": 4096, "depth": 1}
RAND_QD32 = {"block": 4096, "depth": 32}
SEQ = {"block": MIB, "depth": 4}

# Figure (without the prefix and ".ratio"), load, key of the result.
WORKLOADS = [
    ("randread4k.qd1.latency", {"op": "randread", **RAND_QD1}, "p50_us"),
    ("randwrite4k.qd1.latency", {"op": "randwrite", **RAND_QD1}, "p50_us"),
    ("randread4k.qd32.iops", {"op": "randread", **RAND_QD32}, "iops"),
    ("randwrite4k.qd32.iops", {"op": "randwrite", **RAND_QD32}, "iops"),
    ("seqread1m.bandwidth", {"op": "seqread", **SEQ}, "bandwidth"),
    ("seqwrite1m.bandwidth", {"op": "seqwrite", **SEQ}, "bandwidth"),
    ("think1ms.latency",
     {"op": "randread", **RAND_QD1, "think_us": 1000}, "p50_us"),
]
DIRECT_WORKLOADS = [
    ("o_direct.randread4k.qd32.iops",
     {"op": "randread", **RAND_QD32}, "iops"),
    ("o_direct.randwrite4k.qd32.iops",
     {"op": "randwrite", **RAND_QD32}, "iops"),
]


class Side:
    """One back end under load, with the CPU time it and the generator use."""

    def __init__(self, socket, cpu):
        self.socket = socket
        self.cpu = cpu

    def run(self, load, seconds=1, warmup_ms=WARMUP_MS):
        before = self.cpu()
        result = run_load(self.socket, seconds=seconds, warmup_ms=warmup_ms,
                          **load)
        if result["errors"]:
            raise NotMeasured(f"{self.socket} answers with errors")
        used = self.cpu() - before + result["cpu_all_s"]
        result["cpu_per_request_us"] = used * 1e6 / result["all_requests"]
        return result


def best_peer(candidates, load, key):
    """Try each kind shortly; the best one, and what each reached."""
    reached = {}
    for candidate in candidates:
        side = Side(candidate.socket, candidate.cpu_seconds)
        reached[candidate] = side.run(load, seconds=1, warmup_ms=100)[key]
    choose = min if key == "p50_us" else max
    best = choose(reached, key=reached.get)
    listed = ", ".join(f"{p.name} {format_value(key, v)}"
                       for p, v in reached.items())
    return best, listed


def format_value(key, value):
    if key == "bandwidth":
        return f"{value / 1e6:.0f} MB/s"
    return f"{value:.1f} us" if key == "p50_us" else f"{value / 1e3:.1f} kIOPS"


def measure(figures, system, candidates, workload):
    """One figure from pairs in turn; the ratios of CPU time per request."""
    name, load, key = workload
    best, listed = best_peer(candidates, load, key)
    our_side = Side(system.socket, lambda: cpu_seconds(system.pids()))
    their_side = Side(best.socket, best.cpu_seconds)
    pairs = []
    for number in range(PAIRS):
        sides = (our_side, their_side) if number % 2 else (their_side, our_side)
        results = {side: side.run(load) for side in sides}
        pairs.append((results[our_side], results[their_side]))
    context(f"{name}: peer qemu-storage-daemon {best.options} iothread "
            f"(tried: {listed})")
    for title, field in ((key.removesuffix("_us"), key), ("mean", "mean_us"), ("p99", "p99_us"),
                         ("cpu/request", "cpu_per_request_us")):
        mine, theirs = (median([pair[i][field] for pair in pairs])
                        for i in (0, 1))
        shown = field if field in ("bandwidth", "iops") else "p50_us"
        context(f"{name}: {title} ours {format_value(shown, mine)} "
                f"peer {format_value(shown, theirs)}")
    figures.add(f"disk.copy.{name}.ratio",
                median([a[key] / b[key] for a, b in pairs]))
    return median([a["cpu_per_request_us"] / b["cpu_per_request_us"]
                   for a, b in pairs])


def run_buffered(figures):
    with tmpfs_folder(2 * FILE_BYTES) as folder:
        file = filled_file(folder / "disk.img", FILE_BYTES)
        with ours(file) as system, \
                peer.peers(file, peer.OPTIONS) as candidates:
            time.sleep(0.5)
            ratios = [measure(figures, system, candidates, workload)
                      for workload in WORKLOADS]
    for (name, _, _), ratio in zip(WORKLOADS, ratios):
        context(f"{name}: cpu ratio {ratio:.3f}")
    figures.add("disk.copy.cpu.ratio", median(ratios))


def run_direct(figures):
    names = [f"disk.copy.{name}.ratio" for name, _, _ in DIRECT_WORKLOADS]
    try:
        with tmpfs_folder(2 * DIRECT_BYTES) as folder, \
                block_device(filled_file(folder / "disk.img",
                                         DIRECT_BYTES)) as device:
            with ours(device, cache="direct") as system, \
                    peer.peers(device, peer.DIRECT_OPTIONS,
                               "host_device") as candidates:
                for workload in DIRECT_WORKLOADS:
                    measure(figures, system, candidates, workload)
    except NotMeasured as error:
        for name in names:
            figures.skip(name, error)


def run(figures):
    context(f"peer qemu-storage-daemon {peer.version()}, file on tmpfs, "
            f"{PAIRS} pairs in turn, median of the pairs' ratios")
    run_buffered(figures)
    run_direct(figures)
    try:
        disk_guest.run(figures)
    except NotMeasured as error:
        figures.skip(disk_guest.FIGURE, error)
