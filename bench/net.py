#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""./run bench net: the network service beside vde_switch and Linux' bridge."""
from measure import NotMeasured

# Each measures some of the figures and is given the table of them. One that
# cannot be had here does not keep the others from being measured.
MEASURES = []


def run(figures):
    missing = []
    for measure in MEASURES:
        try:
            measure(figures)
        except NotMeasured as error:
            missing.append(f"{measure.__name__}: {error}")
    if missing:
        raise NotMeasured("; ".join(missing))
