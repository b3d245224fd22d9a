# SPDX-License-Identifier: MIT
"""What tools for real SCSI devices say of our units: tests/lib/sg_shim.c lets
them speak SG_IO to the library, over memory, tests/lib/iscsi_front.py iSCSI."""
import contextlib
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import bulkhead

SHIM = bulkhead.BUILD / "tests/libsg_shim.so"
FRONT = bulkhead.BUILD / "tests/libscsi_front.so"
DEVICE = "/dev/bulkhead-sg"

# What the library does not have, by the names that iscsi-test-cu gives it.
MISSING = {"ExtendedCopy", "ReceiveCopyResults", "Sanitize", "WriteAtomic16"}
# On a unit whose blocks are freed eight at a time, it expects of block 9 what
# is so of block 16.
WRONG_OF_512E = {"GetLBAStatus.UnmapSingle"}

needs_cu = pytest.mark.skipif(not shutil.which("iscsi-test-cu"),
                              reason="no iscsi-test-cu")
needs_sg = pytest.mark.skipif(not shutil.which("sg_inq"),
                              reason="no sg3-utils")


def environment(unit="", image=None):
    """Of a program that finds the shim; a sanitizer's own library first."""
    needed = subprocess.run(["ldd", SHIM], capture_output=True, text=True,
                            check=True).stdout
    preload = re.findall(r"=> (\S*lib[au]\S*san\S*)", needed) + [str(SHIM)]
    return {**os.environ, "LD_PRELOAD": " ".join(preload),
            "SG_SHIM_UNIT": unit, "SG_SHIM_IMAGE": str(image or ""),
            "ASAN_OPTIONS": "detect_leaks=0"}


def results_of(done):
    """{suite.test: (outcome, whether any part of it was skipped)}. That is in
    the test's own output, and only if that is verbose."""
    results = {}
    for suite in re.split(r"^Suite: ", done.stdout, flags=re.M)[1:]:
        for test in re.split(r"^  Test: ", suite, flags=re.M)[1:]:
            name = f"{suite.split()[0]}.{test.split()[0]}"
            skipped = re.search(r"\[(SKIPPED|SKIPPING)\]|not implemented",
                                test, re.I)
            passed = re.search(r"(^|\.)passed\b", test, re.M)
            results[name] = (bool(passed), bool(skipped))
    assert "Tests completed" in done.stdout, done.stdout + done.stderr
    return results


def run_tool(tests, paths, **options):
    return results_of(subprocess.run(
        ["iscsi-test-cu", "--dataloss", "--Verbose-scsi", "--test", tests,
         *paths], capture_output=True, text=True, errors="replace",
        timeout=300, check=False, **options))


@functools.lru_cache
def run_cu(unit, *, paths=1, tests="SCSI"):
    return run_tool(tests, [f"{DEVICE}{path}" for path in range(paths)],
                    env=environment(unit))


@contextlib.contextmanager
def iscsi_front(unit):
    program = pathlib.Path(bulkhead.__file__).parent / "iscsi_front.py"
    with subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, program, FRONT,
             *unit.split()], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield (f"iscsi://127.0.0.1:{int(process.stdout.readline())}/"
                   "iqn.2026-01.org.bulkhead:front/0")
        finally:
            process.kill()


@functools.lru_cache
def run_cu_over_iscsi(unit, *, paths=1, tests="SCSI"):
    with iscsi_front(unit) as url:
        return run_tool(tests, [url] * paths)


def failed(results):
    return {name for name, (passed, _) in results.items() if not passed}


def executed(results):
    return {name for name, (passed, skipped) in results.items()
            if passed and not skipped}


@needs_cu
def test_iscsi_test_cu_finds_no_fault_in_a_disk():
    fixed, thin = run_cu(""), run_cu("thin")
    large = run_cu("thin physical4k")

    assert len(fixed) == len(thin) == 215
    assert failed(fixed) | failed(thin) | failed(large) - WRONG_OF_512E \
        == set()
    done = executed(fixed) | executed(thin) | executed(large)
    assert len(done) >= 152, sorted(set(fixed) - done)


@needs_cu
def test_iscsi_test_cu_finds_no_fault_in_a_removable_disk():
    results = run_cu("removable thin")

    assert failed(results) == set()
    assert {"NoMedia.NoMediaSBC", "PreventAllow.Simple", "PreventAllow.Eject",
            "StartStopUnit.Simple", "StartStopUnit.PwrCnd",
            "StartStopUnit.NoLoej"} <= executed(results)


@needs_cu
def test_iscsi_test_cu_cannot_write_a_read_only_disk():
    results = run_cu("read-only thin", tests="SCSI.ReadOnly")

    assert executed(results) == {"ReadOnly.ReadOnlySBC"}


@needs_cu
def test_iscsi_test_cu_finds_no_fault_in_initiators_that_come_and_go():
    results = run_cu_over_iscsi("removable thin")

    assert len(results) == 215
    assert failed(results) == set()
    assert len(executed(results)) >= 178


@needs_cu
def test_iscsi_test_cu_finds_no_fault_in_two_paths():
    results = run_cu_over_iscsi("thin", paths=2, tests="SCSI.MultipathIO")

    assert len(executed(results)) == len(results) == 4


@needs_cu
def test_iscsi_test_cu_finds_no_fault_in_transfers():
    results = run_cu_over_iscsi("thin", tests="iSCSI")

    assert len(executed(results)) == len(results) == 15


@needs_cu
def test_only_what_is_known_to_be_missing_was_not_tried():
    tried = executed(run_cu_over_iscsi("removable thin"))
    for unit in ("", "thin physical4k"):
        tried |= executed(run_cu(unit))
    tried |= executed(run_cu("read-only thin", tests="SCSI.ReadOnly"))
    tried |= executed(run_cu_over_iscsi("thin", paths=2,
                                        tests="SCSI.MultipathIO"))
    tried |= executed(run_cu_over_iscsi("thin physical4k",
                                        tests="SCSI.CompareAndWrite"))

    assert {name.split(".")[0] for name in set(run_cu("")) - tried} == MISSING
    assert len(tried) >= 190


@needs_sg
def test_sg3_utils_understand_a_disk(tmp_path):
    def run(*command):
        done = subprocess.run(
            [*command, f"{DEVICE}0"], capture_output=True, text=True,
            check=False, timeout=60,
            env=environment("thin", tmp_path / "disk"))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    assert "BULKHEAD" in run("sg_inq")
    assert "Unit serial number: SG0001" in run("sg_vpd", "--page=sn")
    for page in ("sv", "di", "ei", "bl", "bdc", "lbpv"):
        run("sg_vpd", f"--page={page}")
    assert "Last LBA=131071" in run("sg_readcap", "--16")
    assert "Compare and write" in run("sg_opcodes")
    run("sg_opcodes", "--tmf")
    run("sg_luns")
    run("sg_turs")
    run("sg_requests")
    run("sg_senddiag", "--test")
    run("sg_modes", "--all")
    run("sg_wr_mode", "--page=8", "--contents=8,12,0", "--mask=ff,ff,4")
    run("sg_sync")
    run("sg_verify", "--lba=0", "--count=8")
    run("sg_write_same", "--16", "--lba=8", "--num=8", "--xferlen=512",
        "--ff")
    run("sg_unmap", "--lba=0", "--num=16")
    assert "deallocated" in run("sg_get_lba_status", "--lba=0")
    run("sg_reassign", "--grown")
    run("sg_persist", "--out", "--register", "--param-sark=abc")
    run("sg_persist", "--out", "--reserve", "--param-rk=abc",
        "--prout-type=5")
    assert "0xabc" in run("sg_persist", "--in", "--read-reservation")
    run("sg_persist", "--in", "--read-full-status")
    run("sg_persist", "--out", "--clear", "--param-rk=abc")
    assert "bad errors: 0" in run("scsi_mandat")
