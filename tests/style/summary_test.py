#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/check-summary with results that are made up: whatever did not run has
not passed. Each test but the first takes something away from results that are
complete, and wants a failure with a sentence."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK = pathlib.Path(__file__).parents[2] / "tools/check-summary"

COUNTS = """\
always unit 3
always style 1
always unit-asan 3
always replay-asan 1
always fuzz 1
always integration 2
no-kvm rig-kvm 2
kvm kvm 2
always rig-net 1
long rig-kvm-all 1
"""
SKIPS = """\
always unit: base/list a_test_that_this_host_skips
always integration: test_that_this_host_skips
"""
CASES = """\
ok     a_test
ok     another_test
skipped a_test_that_this_host_skips: there is no such thing
"""
RIG = """\
rig: begins {0}
ok a_test_in_{0} (3 s)
ok another_test_in_{0} (4 s)
rig: ended with 0
"""


class Results:
    """A folder of results in which all is well."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.write("expected-counts", COUNTS)
        self.write("expected-skips", SKIPS)
        programs = [("style", "format"), ("unit", "base/list"),
                    ("replay", "replay/ring")]
        self.build("build", programs[:2])
        self.build("build-asan", programs)
        self.build("build-fuzz", [("fuzz", "fuzz/ring")])
        self.pytest("integration",
                    ["test_one", "test_that_this_host_skips"])
        self.write("rig.txt", RIG.format("kvm") + "rig: 2 passed, 0 failed\n")
        self.write("rig-net.txt", RIG.format("net"))

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def change(self, name, old, new):
        text = (self.folder / name).read_text()
        assert old in text, (name, old)
        self.write(name, text.replace(old, new))

    def build(self, build, programs):
        self.write(f"{build}.tests", json.dumps(
            [{"name": name, "suite": [f"bulkhead:{suite}"]}
             for suite, name in programs]))
        self.write(f"{build}.json", "".join(
            json.dumps({"name": f"bulkhead:{suite} / {name}", "result": "OK",
                        "stdout": CASES if suite == "unit" else ""}) + "\n"
            for suite, name in programs))

    def pytest(self, suite, names):
        self.write(f"{suite}.list", "".join(
            f"tests/{suite}/test_it.py::{name}\n" for name in names)
            + "\n2 tests collected\n")
        self.write(f"{suite}.xml", "<testsuites><testsuite>" + "".join(
            f'<testcase classname="tests.{suite}.test_it" name="{name}">'
            f'{"<skipped/>" if "skips" in name else ""}</testcase>'
            for name in names) + "</testsuite></testsuites>")

    def judge(self):
        done = subprocess.run([CHECK, self.folder, self.folder],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


class Summary(unittest.TestCase):
    def setUp(self):
        self.results = Results()
        self.addCleanup(subprocess.run, ["rm", "-r", self.results.folder],
                        check=True)

    def expect_failure(self, *sentences):
        status, said = self.results.judge()

        self.assertEqual(status, 1, said)
        for sentence in sentences:
            self.assertIn(sentence, said)
        self.assertRegex(said.splitlines()[-1],
                         r"^\d+ passed, [1-9]\d* failed, \d+ skipped$")

    def test_that_all_ran_is_success(self):
        status, said = self.results.judge()

        self.assertEqual(status, 0, said)
        self.assertEqual(said.splitlines()[-1],
                         "12 passed, 0 failed, 3 skipped")

    def test_an_empty_log_of_meson_is_a_failure(self):
        self.results.write("build.json", "")
        self.expect_failure("unit: base/list did not run",
                            "style: format did not run")

    def test_a_missing_log_of_meson_is_a_failure(self):
        (self.results.folder / "build-asan.json").unlink()
        self.expect_failure("unit-asan: base/list did not run")

    def test_a_missing_list_of_a_builds_tests_is_a_failure(self):
        (self.results.folder / "build-fuzz.tests").unlink()
        self.expect_failure("fuzz: 0 tests were found")

    def test_a_run_of_meson_that_was_killed_is_a_failure(self):
        log = self.results.folder / "build-asan.json"
        log.write_text(log.read_text().split("\n", 1)[0] + "\n")
        self.expect_failure("replay-asan: replay/ring did not run")

    def test_a_program_that_ran_no_test_is_a_failure(self):
        self.results.change("build.json", json.dumps(CASES), '""')
        self.expect_failure("unit: base/list ran no test")

    def test_a_test_that_failed_is_a_failure(self):
        self.results.change("build.json", "ok     a_test", "FAILED a_test")
        self.expect_failure("unit: base/list a_test")

    def test_a_program_that_ended_badly_is_a_failure(self):
        self.results.change("build.json", '"OK"', '"TIMEOUT"')
        self.expect_failure("unit: base/list ended badly", "style: format")

    def test_a_test_that_is_gone_is_a_failure(self):
        self.results.change("build.json", "ok     a_test\\n", "")
        self.expect_failure("unit: 2 tests were found, "
                            "and there are 3 at least")

    def test_that_pytest_found_nothing_is_a_failure(self):
        self.results.pytest("integration", [])
        self.expect_failure("integration: 0 tests were found")

    def test_a_run_of_pytest_that_never_began_is_a_failure(self):
        (self.results.folder / "integration.list").unlink()
        (self.results.folder / "integration.xml").unlink()
        self.expect_failure("integration: 0 tests were found")

    def test_a_run_of_pytest_that_was_killed_is_a_failure(self):
        (self.results.folder / "integration.xml").unlink()
        self.expect_failure("test_it.py::test_one did not run")

    def test_a_run_of_pytest_that_ended_early_is_a_failure(self):
        self.results.change("integration.list", "test_one\n",
                            "test_one\ntests/integration/test_it.py::test_2\n")
        self.expect_failure("test_it.py::test_2 did not run")

    def test_a_log_of_pytest_that_was_cut_is_a_failure(self):
        self.results.change("integration.xml", "</testsuites>", "")
        self.expect_failure("test_it.py::test_one did not run")

    def test_a_list_of_the_rig_that_never_began_is_a_failure(self):
        (self.results.folder / "rig-net.txt").unlink()
        self.expect_failure("rig-net: 0 tests were found")

    def test_a_list_of_the_rig_that_ends_early_is_a_failure(self):
        self.results.change("rig.txt", "ok another_test_in_kvm (4 s)\n", "")
        self.expect_failure("rig-kvm: 1 tests were found")

    def test_a_machine_that_did_not_end_is_a_failure(self):
        self.results.change("rig-net.txt", "rig: ended with 0\n", "")
        self.expect_failure("rig-net: the list did not end well")

    def test_a_list_that_ended_badly_is_a_failure(self):
        self.results.change("rig-net.txt", "with 0", "with 1")
        self.expect_failure("rig-net: the list did not end well")

    def test_a_long_list_that_ran_no_test_is_a_failure(self):
        self.results.write("rig-long.txt", "")
        self.expect_failure("rig-kvm-all: 0 tests were found")

    def test_a_skip_that_nobody_expects_is_a_failure(self):
        self.results.write("expected-skips", SKIPS.splitlines()[0])
        self.expect_failure("skipped, and should have run: "
                            "integration: test_that_this_host_skips")

    def test_a_skip_that_did_not_happen_is_a_failure(self):
        self.results.change("integration.xml", "<skipped/>", "")
        self.expect_failure("should have been skipped here: "
                            "integration: test_that_this_host_skips")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
