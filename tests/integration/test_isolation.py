# SPDX-License-Identifier: MIT
"""Hosts that lack a layer of isolation: what is refused there, and how that is
told."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

import bulkhead
from refusals import REFUSED, check_refused, document, write

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="wants root's rights")


def started_by(host, *wrapper):
    """The supervisor, started through the program `wrapper`."""
    argv = host.supervisor_argv()
    host.supervisor_argv = lambda: [*wrapper, *argv]
    return host.start()


# Root without the right to change its uid, as in many containers.
WITHOUT_UID = ("setpriv", "--bounding-set=-setuid")


@needs_root
def test_a_child_of_root_without_a_uid_of_its_own_is_refused(make_host):
    host = started_by(make_host(), *WITHOUT_UID)

    host.call("switch", "define", "lan")

    bulkhead.wait_for(
        lambda: "net0: its sandbox lacks uid (EPERM)" in host.log(),
        what="an event names the layer that is missing")
    assert not host.instances("net0")


@needs_root
def test_a_child_of_root_lacks_what_the_configuration_names(make_host):
    host = started_by(make_host(config="allow_missing = uid\n"), *WITHOUT_UID)

    host.run("switch", "define", "lan")

    bulkhead.wait_for(lambda: host.instances("net0"), what="the service runs")


USER = 12345
FILTER = str(pathlib.Path(bulkhead.__file__).with_name("refuse_namespaces.py"))
AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
SYSCTL = """
echo 0 >/proc/sys/user/max_user_namespaces &&
exec setpriv --inh-caps=-all --ambient-caps=-all -- "$@"
"""
CHROOT = """
mount -t tmpfs none /mnt && mkdir /mnt/in && mount --rbind / /mnt/in &&
cd / && exec chroot --userspec=%u:%u /mnt/in "$@"
""" % (USER, USER)

# Hosts that refuse user namespaces to an ordinary user, and what to say there.
HOSTS = {
    "sysctl": (("unshare", "--user", f"--map-user={USER}",
                f"--map-group={USER}", "--keep-caps", "sh", "-c", SYSCTL,
                "sh"), "ENOSPC", "user.max_user_namespaces"),
    "chroot": (("unshare", "--mount", "sh", "-c", CHROOT, "sh"),
               "EPERM", "chroot"),
    "container": ((*AS_USER, sys.executable, FILTER, "container"),
                  "EPERM", "container"),
    "apparmor": ((*AS_USER, sys.executable, FILTER, "apparmor"),
                 "EACCES", "security module"),
}


@needs_root
def test_a_child_has_nothing_of_the_supervisors_terminal(host):
    for name in ("disk0", "console0"):
        pid = host.service_pid(name)
        for number in (0, 1):
            assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"
        assert os.readlink(f"/proc/{pid}/fd/2").startswith("pipe:")


@pytest.fixture(params=sorted(HOSTS))
def narrow(request, make_host):
    """A supervisor of an ordinary user there; wrapper, error and cause."""
    wrapper, error, cause = HOSTS[request.param]
    host = make_host(config="# not the one of whoever runs this\n")
    if "--user" not in wrapper:
        os.chown(host.directory, USER, USER)
        os.chown(host.config, USER, USER)
    return host, wrapper, error, cause


@needs_root
def test_a_host_without_user_namespaces_is_told_before_anything_starts(narrow):
    host, wrapper, error, cause = narrow

    done = subprocess.run([*wrapper, *host.argv("--json", "doctor")],
                          env=host.env, capture_output=True, check=True)

    row, = [row for row in json.loads(done.stdout)["probes"]
            if row["id"] == "namespace.user"]
    assert row["verdict"] == "no"
    assert f"({error})" in row["detail"] and cause in row["detail"]


@needs_root
def test_what_needs_user_namespaces_is_refused_with_the_cause(narrow):
    host, wrapper, error, cause = narrow
    started_by(host, *wrapper)
    host.run("define", write(host, document(host)))
    host.run("install", "one")

    check_refused(host.call("start", "one"), REFUSED, "engine", error, cause)
    check_refused(host.call("switch", "define", "out", "--uplink", "passt"),
                  REFUSED, "uplink", error, cause)
    host.run("switch", "define", "lan")

    bulkhead.wait_for(lambda: host.instances("net0"),
                      what="a service runs without them")
    assert host.json("list")[0]["state"] == "stopped"


@needs_root
def test_the_demo_says_what_the_host_lacks_and_starts_nothing(narrow):
    host, wrapper, error, cause = narrow
    demo = pathlib.Path(bulkhead.__file__).parents[1] / "demo/demo.py"

    done = subprocess.run([*wrapper, sys.executable, demo], env=host.env,
                          capture_output=True, text=True)

    assert done.returncode == 1
    assert f"({error})" in done.stderr and cause in done.stderr
    assert not done.stdout
