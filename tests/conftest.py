# SPDX-License-Identifier: MIT
"""Fixtures of every test that crosses a process."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))

import bulkhead  # noqa: E402
import played  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--engine", choices=("qemu", "kvm"), default="qemu",
                     help="what runs the guests (qemu)")
    parser.addoption("--kills", type=int, default=bulkhead.kills, help=(
        "how often a test of its own kind kills services "
        f"({bulkhead.kills})"))


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "engine(name): about guests of this engine only")
    bulkhead.engine = config.getoption("--engine")
    bulkhead.kills = config.getoption("--kills")


def suits(item):
    """Whether a test is about the engine chosen."""
    return all(bulkhead.engine in mark.args
               for mark in item.iter_markers("engine"))


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if not suits(item)]
    items[:] = [item for item in items if suits(item)]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.has_failed = report.failed


def sanitizer_reports(host):
    """What a build with sanitizers has to say of any of our processes."""
    if not host.log_path.exists():
        return []
    return [line for line in host.log().splitlines()
            if "Sanitizer:" in line or "runtime error:" in line]


@pytest.fixture
def make_host(request):
    """Makes supervisors; checks that each leaves nothing behind."""
    hosts = []

    def make(**options):
        hosts.append(bulkhead.Host(**options))
        return hosts[-1]

    yield make
    left = []
    for host in hosts:
        if getattr(request.node, "has_failed", False) and host.log_path.exists():
            print(f"--- supervisor's log\n{host.log()[-8000:]}")
            for console in host.consoles:
                print(f"--- console of {console.name}\n{console.text[-4000:]}")
        left += sanitizer_reports(host) + host.close()
    assert left == [], "left behind"


@pytest.fixture
def host(make_host):
    """A running supervisor with an empty state of its own."""
    return make_host().start()


@pytest.fixture
def stage(tmp_path):
    """Where children of a supervisor are played (played.py)."""
    made = played.Stage(tmp_path / "libexec")
    yield made
    made.close()


@pytest.fixture
def make_believer(make_host, stage, tmp_path):
    """Makes supervisors that believe in KVM, whose monitors may be played.
    What is written to `trigger` is a failpoint from then on."""
    def make(config=""):
        trigger = tmp_path / "armed"
        made = make_host(
            config=f"libexec_dir = {stage.folder}\n{config}",
            environment={"BULKHEAD_FAILPOINT": "engine.kvm=fail",
                         "BULKHEAD_FAILPOINT_FILE": str(trigger)})
        made.trigger = trigger
        return made

    return make
