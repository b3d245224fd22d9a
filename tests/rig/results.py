# SPDX-License-Identifier: MIT
"""pytest's results as tests/rig prints them: a line a test, as it ends.

The emulated processor lets a guest fall now and then (docs/architecture.md,
the rig): a test that failed beside a triple fault is run once more, and said
to be. More than MAX_FALLS a list, or two of one test, are failures.
"""
import time

from _pytest import runner

MAX_FALLS = 2

began = {}
falls = []


def pytest_runtest_protocol(item, nextitem):
    """Run the test; again if it failed because its guest fell."""
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runner.runtestprotocol(item, nextitem=nextitem, log=False)
    if (any(report.failed for report in reports)
            and getattr(item, "has_fallen", False) and len(falls) < MAX_FALLS):
        falls.append(item.name)
        print(f"again  {item.name}: its guest ended in a triple fault",
              flush=True)
        item.has_fallen = False
        reports = runner.runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_runtest_logstart(nodeid):
    began[nodeid] = time.monotonic()


def name_of(report):
    return report.nodeid.rsplit("::", 1)[-1]


def pytest_runtest_logreport(report):
    if report.failed:
        # of a test and of what it left behind, one line is enough
        if began.get(report.nodeid):
            print(f"FAILED {name_of(report)}", flush=True)
        began[report.nodeid] = None
        print(report.longreprtext, flush=True)
        for title, text in report.sections:
            print(f"--- {title}\n{text[-6000:]}", flush=True)
    elif report.skipped:
        began[report.nodeid] = None
        print(f"skipped {name_of(report)}", flush=True)
    elif report.when == "teardown" and began.get(report.nodeid):
        seconds = time.monotonic() - began[report.nodeid]
        print(f"ok     {name_of(report)} ({seconds:.0f} s)", flush=True)


def pytest_collectreport(report):
    if report.failed:
        print(f"FAILED {report.nodeid}\n{report.longreprtext}", flush=True)
