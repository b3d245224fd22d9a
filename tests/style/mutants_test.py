#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/mutants with tables and outcomes that are made up: an entry that does
not fit is refused with a sentence, and a fault that nothing caught fails."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import sys
import tempfile
import unittest

TOOL = str(pathlib.Path(__file__).parents[2] / "tools/mutants")

ENTRY = """\
mutant: a-fault
file: src/a.c
breaks: P1.1: something
test: tests/a_test.c::a_test
-\tcheck();
 \treturn 0;
"""
CAUGHT = ("caught", "")
NOT_RUN = ("not-run", "")


def load():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("mutants", TOOL)
    spec = importlib.util.spec_from_loader("mutants", loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module  # for its data class
    loader.exec_module(module)
    return module


class Table(unittest.TestCase):
    """One entry, and a tree of one file, one test and one promise."""

    def setUp(self):
        self.mutants = load()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.mutants.HERE = pathlib.Path(folder.name)
        for name, text in (("src/a.c", "\tcheck();\n\treturn 0;\n"),
                           ("tests/a_test.c", "TEST(a_test)\n"),
                           ("docs/specification.md", "- **P1.1** It is.\n")):
            (self.mutants.HERE / name).parent.mkdir(exist_ok=True)
            (self.mutants.HERE / name).write_text(text)

    def check(self, text):
        return self.mutants.check_table(self.mutants.read_table(text))

    def test_an_entry_that_fits_is_taken(self):
        self.assertEqual(self.check(ENTRY), [])
        mutant, = self.mutants.read_table(ENTRY)
        self.assertEqual(mutant.new, "\treturn 0;\n")

    def test_text_that_is_gone_or_there_twice_is_refused(self):
        for text in ("\treturn 0;\n", "\tcheck();\n\treturn 0;\n" * 2):
            (self.mutants.HERE / "src/a.c").write_text(text)
            self.assertIn("has to be there once", self.check(ENTRY)[0])

    def test_what_is_not_there_is_refused(self):
        for old, new, why in (
                ("src/a.c", "src/b.c", "0 times in src/b.c"),
                ("::a_test", "::b_test", "there is no test"),
                ("P1.1", "P1.2", "promise"),
                ("-\tcheck();\n", "", "changes nothing"),
                ("test: tests/a_test.c::a_test\n", "", "names no test")):
            self.assertIn(why, " ".join(self.check(ENTRY.replace(old, new))))

    def test_a_name_is_taken_once(self):
        self.assertIn("is there twice", self.check(ENTRY + "\n" + ENTRY)[0])

    def test_a_line_that_says_nothing_is_refused(self):
        for text in ("test a\n" + ENTRY, ENTRY + "tset: a\n"):
            with self.assertRaises(ValueError):
                self.check(text)


class Share(unittest.TestCase):
    def setUp(self):
        self.mutants = load()

    def is_well(self, *outcomes, healthy="passed"):
        """Of faults that are (outcome, why they survive)."""
        self.said = io.StringIO()
        results = [{"name": f"fault-{i}", "outcome": outcome, "survives": why}
                   for i, (outcome, why) in enumerate(outcomes)]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            result = self.mutants.sum_up(results, {"a_test": healthy}, True,
                                         self.said.write)
        self.printed = json.loads(printed.getvalue())
        return result

    def test_nine_of_ten_have_to_be_caught(self):
        caught = [CAUGHT] * 8
        survived = ("survived", "nobody can see it")
        self.assertTrue(self.is_well(*caught, CAUGHT, survived))
        self.assertFalse(self.is_well(*caught, survived, survived))
        self.assertEqual(self.printed["percent"], 80)

    def test_a_survivor_that_nobody_explains_fails(self):
        self.assertFalse(self.is_well(*[CAUGHT] * 99, ("survived", "")))
        self.assertIn("fault-99", self.said.getvalue())

    def test_a_fault_that_does_not_build_fails(self):
        self.assertFalse(self.is_well(*[CAUGHT] * 99, ("no-build", "")))

    def test_a_survivor_that_is_caught_fails(self):
        self.assertFalse(self.is_well(("caught", "it is not seen")))

    def test_what_was_not_run_counts_neither_way(self):
        self.assertTrue(self.is_well(CAUGHT, NOT_RUN))
        self.assertEqual((self.printed["of"], self.printed["not_run"]), (1, 1))
        self.assertFalse(self.is_well(NOT_RUN))

    def test_a_test_that_fails_by_itself_fails(self):
        self.assertFalse(self.is_well(CAUGHT, healthy="failed"))


if __name__ == "__main__":
    unittest.main()
