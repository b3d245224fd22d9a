# SPDX-License-Identifier: MIT
"""What a flood costs bystanders on the same switch; see tests/flood."""
import os
import subprocess

import pytest

import bulkhead

FLOODS = ["small_frames_to_nobody", "small_frames_to_an_accomplice",
          "small_frames_to_a_bystander", "broadcasts", "giant_broadcasts",
          "wandering_addresses", "pieces_of_frames", "frames_to_be_cut",
          "chains_against_the_rules"]


@pytest.mark.skipif(os.geteuid() != 0,
                    reason="only root may come before the rest of the machine")
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_harms_no_bystander(flood):
    program = bulkhead.BUILD / "tests/flood/bulkhead-flood-test"

    done = subprocess.run(
        [program, f"bystanders_do_not_mind_{flood}"], capture_output=True,
        text=True, timeout=60, env={**os.environ, "BULKHEAD_NET": str(
            bulkhead.program("bulkhead-net"))})

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok" in done.stdout
