# SPDX-License-Identifier: MIT
"""Ends in 0 if engine kvm can run guests on this host, else in 1."""
import json
import subprocess
import sys

import bulkhead


def trouble():
    """What the probe found that keeps guests of engine kvm from this host, or
    None."""
    done = subprocess.run([bulkhead.program("bulkhead"), "doctor", "--json"],
                          stdout=subprocess.PIPE, text=True, check=False)
    found = next(probe for probe in json.loads(done.stdout)["probes"]
                 if probe["id"] == "kvm")
    return None if found["verdict"] == "yes" else found["detail"]


if __name__ == "__main__":
    sys.exit(1 if trouble() else 0)
