# SPDX-License-Identifier: MIT
"""The figures: their names, what is wanted of them, and how they are printed.

One line per figure, `figure NAME VALUE UNIT`; what was measured beside it is
printed as lines of context that do not begin with that word.
"""

AT_MOST, AT_LEAST = "<=", ">="

# Name: unit, direction, wanted. Without a direction a figure is only printed.
WANTED = {
    "disk.copy.randread4k.qd1.latency.ratio": ("ratio", AT_MOST, 1.3),
    "disk.copy.randwrite4k.qd1.latency.ratio": ("ratio", AT_MOST, 1.3),
    "disk.copy.randread4k.qd32.iops.ratio": ("ratio", AT_LEAST, 1.0),
    "disk.copy.randwrite4k.qd32.iops.ratio": ("ratio", AT_LEAST, 1.0),
    "disk.copy.seqread1m.bandwidth.ratio": ("ratio", AT_LEAST, 0.95),
    "disk.copy.seqwrite1m.bandwidth.ratio": ("ratio", AT_LEAST, 1.0),
    "disk.copy.think1ms.latency.ratio": ("ratio", AT_MOST, 1.1),
    "disk.copy.o_direct.randread4k.qd32.iops.ratio": ("ratio", AT_LEAST, 0.9),
    "disk.copy.o_direct.randwrite4k.qd32.iops.ratio": ("ratio", AT_LEAST, 0.9),
    "disk.copy.cpu.ratio": ("ratio", None, None),
    "disk.guest.fio.ratio.qemu": ("ratio", AT_LEAST, 1.0),
    "recovery.cold.stall.p50": ("ms", AT_MOST, 10),
    "recovery.cold.stall.p99": ("ms", AT_MOST, 40),
    "recovery.standby.stall.p50": ("ms", AT_MOST, 2),
    "recovery.standby.stall.p99": ("ms", AT_MOST, 10),
    "recovery.busy.cold.stall.p99": ("ms", AT_MOST, 40),
    "recovery.busy.standby.stall.p99": ("ms", AT_MOST, 15),
    "recovery.hang.stall.p99": ("ms", AT_MOST, None),  # the bound + 20 ms
    "recovery.lost": ("requests", AT_MOST, 0),
    "recovery.duplicated": ("requests", AT_MOST, 0),
    "recovery.corrupt": ("requests", AT_MOST, 0),
    "memory.disk.idle": ("MiB", AT_MOST, 3),
    "memory.monitor.overhead": ("MiB", AT_MOST, 5),
    "memory.supervisor": ("MiB", AT_MOST, 8),
    "supervisor.loop.stall.p99": ("ms", AT_MOST, 2),
    "supervisor.loop.stall.max": ("ms", AT_MOST, 20),
    "supervisor.readopt": ("ms", None, None),
    "boot.kvm.ratio.qemu": ("ratio", AT_MOST, 0.7),
    "boot.kvm.vmm.ratio.qemu": ("ratio", AT_MOST, 0.25),
    "boot.kvm.vmm.ratio.kvmtool": ("ratio", AT_MOST, 1.0),
    "exit.doorbell.roundtrip.ratio": ("ratio", AT_MOST, 1.0),
    "restore.first_instruction.ratio": ("ratio", AT_MOST, 1.2),
    "kvm.recovery.lost": ("requests", AT_MOST, 0),
    "kvm.recovery.duplicated": ("requests", AT_MOST, 0),
    "kvm.recovery.corrupt": ("requests", AT_MOST, 0),
    "memory.monitor.kvm": ("MiB", AT_MOST, 5),
    "cpu.idle.wakeups": ("per_second", AT_MOST, 5),
    "net.tcp.ratio.bridge": ("ratio", AT_LEAST, 1.0),
    "net.tcp.128m.ratio.bridge": ("ratio", AT_LEAST, 1.0),
    "net.tcp1500.ratio.bridge": ("ratio", AT_LEAST, 0.9),
    "net.pps64.ratio.vde": ("ratio", AT_LEAST, 3),
    "net.tcp.ratio.vde": ("ratio", AT_LEAST, 3),
    "net.pps64.ratio.ovsdpdk": ("ratio", None, None),
    "net.pps64.cpu.ratio.ovsdpdk": ("ratio", None, None),
    "net.tcp.ratio.ovsdpdk": ("ratio", None, None),
    "net.tcp.cpu.ratio.ovsdpdk": ("ratio", None, None),
    "net.latency.ratio.bridge": ("ratio", AT_MOST, 3),
    "net.restart.gap.p50": ("ms", AT_MOST, 5),
    "net.restart.gap.p99": ("ms", AT_MOST, 40),
    "net.restart.standby.gap.p99": ("ms", AT_MOST, 15),
    "net.restart.busy.gap.p99": ("ms", AT_MOST, 40),
    "net.restart.tcp_broken": ("connections", AT_MOST, 0),
    "net.credit.error": ("percent", AT_MOST, 2),
    "net.fairness.jain": ("ratio", AT_LEAST, 0.99),
    "memory.net.idle": ("MiB", AT_MOST, 3),
}


class Figures:
    """What was measured so far."""

    def __init__(self):
        self.rows = []

    def add(self, name, value, wanted=None):
        unit, direction, fixed = WANTED[name]
        wanted = fixed if wanted is None else wanted
        print(f"figure {name} {_number(value)} {unit}", flush=True)
        self.rows.append((name, value, unit, direction, wanted))

    def skip(self, name, reason):
        print(f"skipped {name}: {reason}", flush=True)

    def print_table(self):
        """Each figure beside what is wanted; the number of those missed."""
        missed = 0
        print()
        for name, value, unit, direction, wanted in self.rows:
            verdict, limit = "", ""
            if direction:
                is_met = (value <= wanted if direction == AT_MOST
                          else value >= wanted)
                verdict = "ok" if is_met else "MISSED"
                limit = f"{direction} {wanted:g}"
                missed += not is_met
            print(f"{name:48} {_number(value):>9} {unit:10} {limit:9} "
                  f"{verdict}".rstrip())
        return missed


def context(text):
    """A line beside the figures."""
    print(text, flush=True)


def percentile(values, share):
    """The value that `share` of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    rank = max(1, -(-int(share * 1000 * len(ranked)) // 1000))
    return ranked[rank - 1]


def median(values):
    ranked = sorted(values)
    middle = len(ranked) // 2
    if len(ranked) % 2:
        return ranked[middle]
    return (ranked[middle - 1] + ranked[middle]) / 2


def compare(measure_ours, measure_peer, pairs):
    """Both in turn, changing places; medians of ours, the peer's, and of the
    ratio."""
    mine, theirs = [], []
    for number in range(pairs):
        both = [(mine, measure_ours), (theirs, measure_peer)]
        for values, measure in both if number % 2 else reversed(both):
            values.append(measure())
    ratio = median([a / b for a, b in zip(mine, theirs)])
    return median(mine), median(theirs), ratio


def _number(value):
    return f"{value:d}" if isinstance(value, int) else f"{value:.3f}"
