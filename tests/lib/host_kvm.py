# SPDX-License-Identifier: MIT
"""Ends in 0 if engine kvm can run guests on this host, else in 1."""
import json
import subprocess
import sys

import bulkhead


def main():
    done = subprocess.run([bulkhead.program("bulkhead"), "doctor", "--json"],
                          stdout=subprocess.PIPE, text=True, check=False)
    verdicts = {probe["id"]: probe["verdict"]
                for probe in json.loads(done.stdout)["probes"]}
    return 0 if verdicts["kvm"] == "yes" else 1


if __name__ == "__main__":
    sys.exit(main())
