# SPDX-License-Identifier: MIT
"""The console: attaching, taking over, and its service's death."""
import signal

import bulkhead
from bulkhead import Terminal


def test_what_is_typed_reaches_the_guest_and_its_answer_comes_back(host):
    host.up("one", test="console").wait("^ready")
    terminal = Terminal(host, "one")

    terminal.type("hello\n")

    terminal.wait("BULKHEAD echo=hello")
    terminal.close()


def test_a_late_reader_gets_what_was_said_before(host):
    host.up("one", test="console").wait("^ready")

    reader = Terminal(host, "one", "--read-only")

    reader.wait("BULKHEAD ready")
    reader.close()


def test_a_reader_cannot_type(host):
    console = host.up("one", test="console")
    console.wait("^ready")
    reader = Terminal(host, "one", "--read-only")
    writer = Terminal(host, "one")

    try:
        reader.type("from the reader\n")
    except BrokenPipeError:
        pass
    writer.type("from the writer\n")

    console.wait("^echo=from the writer")
    assert "from the reader" not in console.text
    reader.close()
    writer.close()


def test_a_second_writer_is_refused_unless_it_takes_over(host):
    console = host.up("one", test="console")
    console.wait("^ready")
    first = Terminal(host, "one")
    first.type("first\n")
    console.wait("^echo=first")

    refused = host.call("console", "one")
    second = Terminal(host, "one", "--take-over")
    second.type("second\n")

    console.wait("^echo=second")
    assert refused.returncode == 2
    assert refused.stderr.strip()
    first.close()
    second.close()


def test_a_killed_console_service_loses_neither_guest_nor_output(host):
    console = host.up("one")
    console.wait("^tick n=3$")
    name = next(row["name"] for row in host.json("service", "list")
                if row["kind"] == "console")

    for _ in range(3):
        host.replace_service(signal.SIGKILL, name)
        seen = len(console.lines("tick"))
        bulkhead.wait_for(lambda: len(console.lines("tick")) > seen + 3,
                          what="the console goes on")

    last = int(console.lines("tick")[-1].rsplit("=", 1)[1])
    fresh = host.console("one")
    fresh.wait(f"^tick n={last}$")
    numbers = [int(line.rsplit("=", 1)[1]) for line in fresh.lines("tick")]
    assert numbers == list(range(1, numbers[-1] + 1))
    assert host.state_of("one") == "running"


def test_the_log_keeps_the_last_of_what_was_said(host):
    console = host.up("one", console={"log": "64K"})
    console.wait("^tick n=5$")

    log = host.run("logs", "one")

    assert "BULKHEAD up" in log
    assert "BULKHEAD tick n=4" in log
