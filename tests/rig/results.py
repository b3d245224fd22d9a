# SPDX-License-Identifier: MIT
"""pytest's results as tests/rig prints them: a line a test, as it ends."""
import time

began = {}


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
