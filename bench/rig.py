# SPDX-License-Identifier: MIT
"""Figures that this machine's kernel cannot give, from tests/rig/rig."""
import os
import subprocess

from figures import WANTED, context
from measure import ROOT, NotMeasured

SECONDS = 900


def measure(part, figures):
    """What `run.py PART` prints in the emulated machine, and its figures."""
    context(f"{part}: in an emulated machine, since this one has no bridge")
    with subprocess.Popen(
            [ROOT / "tests/rig/rig", "--", "sh", "tests/rig/python.sh",
             "bench/run.py", part], stdout=subprocess.PIPE, text=True,
            env={"RIG_SECONDS": str(SECONDS), **os.environ}) as process:
        for line in process.stdout:
            words = line.split()
            if words[:1] == ["figure"]:
                figures.add(words[1], float(words[2]))
            elif words and words[0] not in WANTED:
                context(line.rstrip())
    if process.returncode:
        raise NotMeasured(f"{part}: the emulated machine ended with "
                          f"{process.returncode}")
