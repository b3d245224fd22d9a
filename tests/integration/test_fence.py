# SPDX-License-Identifier: MIT
"""The fence, over a device that keeps requests in the kernel, with real
processes: natively where this user may make such a device, in the emulated
machine of tests/rig everywhere else. Never skipped."""
import os
import re
import subprocess

import bulkhead

NATIVELY = 16  # tests in tests/fence/fence_test.c
SMOKE = 16  # tests in tests/rig/lists/smoke


def run(argv, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=1500, **options)
    passed = re.findall(r"^ok +(\w+)", done.stdout, re.MULTILINE)
    return done, passed


def can_make_slow_devices():
    """A root in a container may see device nodes and not be let in."""
    if os.geteuid() != 0:
        return False
    try:
        for path in ("/dev/fuse", "/dev/loop-control"):
            os.close(os.open(path, os.O_RDWR))
    except OSError:
        return False
    return True


def fence_natively():
    environment = dict(
        os.environ, SLOWFS=str(bulkhead.BUILD / "tests/slowfs"),
        BULKHEADD=bulkhead.program("bulkheadd"))
    # a process namespace of its own: whatever a failed test left ends with it
    return run(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                str(bulkhead.BUILD / "tests/fence/bulkhead-fence-test")],
               env=environment)


def rig(*lists):
    return run([str(bulkhead.ROOT / "tests/rig/rig"), *lists])


def test_no_request_of_an_old_life_meets_a_new_one():
    done, passed = (fence_natively() if can_make_slow_devices()
                    else rig("fence"))

    assert done.returncode == 0, done.stdout[-6000:]
    assert len(passed) >= NATIVELY, done.stdout[-6000:]


def test_debians_own_kernel_runs_everything():
    done, passed = rig("smoke")

    assert done.returncode == 0, done.stdout[-6000:]
    assert len(passed) >= SMOKE, done.stdout[-6000:]
