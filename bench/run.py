#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the figures of one group, or of all: see docs/performance.md.

Exit status: 0 measured (a missed figure is marked in the closing table),
1 could not measure, 2 no such group, or --native was asked for where
/dev/kvm cannot run guests.
"""
import sys

import disk
import host_kvm
import kvm
import memory
import net
import recovery
import supervisor
from figures import Figures
from measure import NotMeasured

NATIVE = "--native"  # on this host's /dev/kvm or not at all
GROUPS = {"disk": disk.run, "recovery": recovery.run, "memory": memory.run,
          "kvm": kvm.run, "net": net.run, "supervisor": supervisor.run}


def main(argv):
    names = [name for name in argv[1:] if name != NATIVE] or list(GROUPS)
    for name in names:
        if name not in GROUPS:
            print(f"usage: run.py [{'|'.join(GROUPS)}] [{NATIVE}]",
                  file=sys.stderr)
            return 2
    trouble = host_kvm.trouble() if NATIVE in argv else None
    if trouble:
        print(f"bench: /dev/kvm of this host cannot run guests: {trouble}",
              file=sys.stderr)
        return 2
    figures = Figures()
    status = 0
    for name in names:
        try:
            GROUPS[name](figures)
        except NotMeasured as error:
            print(f"not measured: {name}: {error}")
            status = 1
    missed = figures.print_table()
    if missed:
        print(f"{missed} missed")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv))
