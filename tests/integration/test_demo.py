# SPDX-License-Identifier: MIT
"""The demonstration's own judgement: which of its lines is wrong, if any."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "demo"))

import bulkhead  # noqa: E402
import demo as demonstration  # noqa: E402
import outside  # noqa: E402

SAID = f"""\
BULKHEAD up uptime=1
BULKHEAD stamp requests=9 bytes=9 errors=0 corrupt=0 lost=0 duplicated=0 p99_us=1
BULKHEAD page number=1 status=0 sum={outside.PAGE_SUM}
BULKHEAD streamed sent=9 heard=9 wrong=0 broken=0 longest_ms=3
BULKHEAD stamp end status=0
BULKHEAD e2fsck status=0
BULKHEAD kernel errors=0
"""


@pytest.fixture
def demo():
    """A demonstration after its end, all well."""
    made = demonstration.Demo(None)
    made.stalls = {demonstration.COLD: [1.0, 2.0]}
    made.quiet_ms = 1.0
    for name in demonstration.GUESTS:
        made.consoles[name] = bulkhead.Transcript(name)
        made.consoles[name].text = SAID
    yield made
    made.outside.close()


def marked(capsys):
    return [line.split("  ")[1] for line in capsys.readouterr().out.split("\n")
            if line.endswith("FAILED")]


def test_a_demonstration_in_which_all_is_well_marks_no_line(demo, capsys):
    assert demo.table()

    assert marked(capsys) == []


@pytest.mark.parametrize("was,now,line", [
    ("lost=0", "lost=1", "lost"),
    ("wrong=0", "wrong=1", "of them wrong"),
    ("broken=0", "broken=1", "times it was broken"),
    ("heard=9", "heard=0", "bytes over one connection between the guests"),
    ("e2fsck status=0", "e2fsck status=4", "check of the file systems"),
    ("BULKHEAD stamp end status=0\n", "", "verification at the end"),
    ("BULKHEAD up uptime=1\n", 2 * "BULKHEAD up uptime=1\n",
     "guests that began anew"),
    ("number=1 status=0", "number=1 status=1",
     "pages fetched from outside through passt"),
])
def test_the_line_that_failed_is_marked(demo, capsys, was, now, line):
    red = demo.consoles["red"]
    red.text = red.text.replace(was, now)

    assert not demo.table()

    assert line in marked(capsys)


def test_a_page_lost_while_nobody_killed_passt_is_marked(demo, capsys):
    demo.consoles["red"].text += "BULKHEAD page number=2 status=1 sum=\n"

    assert not demo.table()

    assert marked(capsys) == ["pages lost with a passt that was killed (<= 0)"]
