# SPDX-License-Identifier: MIT
"""Hosts that lack a layer of isolation: what is refused there, and how that is
told."""
import os

import pytest

import bulkhead

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
