# SPDX-License-Identifier: MIT
"""Failures of partitions and services that must end, and end well."""
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import bulkhead
import foreign
import played
import pytest


def serve(host, name="served", **options):
    """A disk for a virtual machine of someone else; its socket."""
    image = host.directory / f"{name}.img"
    socket = host.directory / f"{name}.sock"
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    host.run("disk", "serve", name, "--file", image, "--vhost-user", socket,
             **options)
    return socket


def programs(directory):
    """A folder with every program of ours, for a test to spoil."""
    directory.mkdir()
    for name in ("bulkhead-disk", "bulkhead-console", "bulkhead-monitor",
                 "bulkhead-net"):
        shutil.copy(bulkhead.program(name), directory / name)
    return directory


def test_a_start_that_fails_is_told_and_not_tried_for_ever(host):
    socket = host.directory / "taken.sock"
    socket.write_text("not a socket")

    with pytest.raises(bulkhead.Failed) as failed:
        serve(host, "taken", timeout=20)

    assert "not a socket" in failed.value.text
    assert host.state_of("taken") in ("stopped", None)


def test_an_upgrade_that_fails_leaves_the_old_instance_in_service(make_host,
                                                                  tmp_path):
    folder = programs(tmp_path / "programs")
    host = make_host(config=f"libexec_dir = {folder}\n").start()
    serve(host)
    old = host.service_pid()
    os.unlink(folder / "bulkhead-disk")
    shutil.copy("/bin/false", folder / "bulkhead-disk")

    with pytest.raises(bulkhead.Failed) as failed:
        host.run("service", "restart", "disk0", timeout=30)

    assert failed.value.status == 1
    assert "continues" in failed.value.text
    assert host.service_pid() == old
    assert host.partition("served")["disks"][0]["state"] == "up"


def test_a_shutdown_just_after_a_service_has_died_ends(host):
    serve(host)

    os.kill(host.service_pid(), signal.SIGKILL)
    host.shut_down()

    assert host.keeper.returncode == 0


def test_a_keeper_that_is_told_to_end_at_once_ends(make_host):
    host = make_host()
    with open(host.log_path, "ab") as log:
        host.keeper = subprocess.Popen(host.supervisor_argv(), stdout=log,
                                       stderr=log, env=host.env,
                                       start_new_session=True)
    bulkhead.wait_for(host.supervisor_pid, every=0.001)

    host.keeper.terminate()

    assert host.keeper.wait(10) == 0
    # What it had started by then lives on, to be taken over.
    host.start()


def test_a_supervisor_killed_while_it_probes_the_host_comes_back(make_host):
    host = make_host().start()

    for _ in range(4):
        old = bulkhead.wait_for(host.supervisor_pid)
        os.kill(old, signal.SIGKILL)
        bulkhead.wait_for(lambda: host.supervisor_pid() not in (None, old),
                          every=0.001)

    host.wait_ready()
    # Children that none of the dead ones recorded come back to be ended: who
    # is left is who the supervisor knows of.
    def all_are_known():
        known = {row["pid"] for row in host.json("service", "list")}
        running = set(bulkhead.descendants(host.keeper.pid))
        return len(known) == 3 and running - known == {host.supervisor_pid()}

    bulkhead.wait_for(all_are_known)


def test_what_someone_stopped_stays_so_when_the_supervisor_comes_back(host):
    path = foreign.document(host, "stopped")
    path.write_text(json.dumps({**json.loads(path.read_text()),
                                "autostart": True}))
    host.run("define", path)
    host.run("install", "stopped")
    host.run("start", "stopped")
    host.run("stop", "stopped")

    host.kill_supervisor()

    assert host.state_of("stopped") == "stopped"
    assert not host.partition("stopped")["monitor_pid"]


ASK = """
import socket, struct, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
    link.connect(sys.argv[1])
    link.send(struct.pack("=II", int(sys.argv[2]), 1))
    print(struct.unpack_from("=I", link.recv(8192))[0])
"""


def asked_by_nobody(host, *groups):
    """What somebody who is in these groups alone is told of the supervisor:
    the number of its first message, or the exception."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", ASK, str(host.socket),
         str(played.NUMBERS["SUPERVISOR_SHOW"])], user=65534, group=65534,
        extra_groups=groups, cwd="/", text=True, timeout=30,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return int(done.stdout) if done.stdout else done.stderr.splitlines()[-1]


@pytest.mark.skipif(os.geteuid() != 0, reason="changes a socket's group")
def test_members_of_the_socket_group_reach_the_supervisor(make_host):
    host = make_host(config="socket_group = daemon\n")
    os.chmod(host.directory, 0o711)
    host.state.mkdir()
    os.chmod(host.state, 0o711)

    host.start()

    run = host.socket.parent.stat()
    assert run.st_mode & 0o777 == 0o710
    assert run.st_gid == host.socket.stat().st_gid != 0
    assert asked_by_nobody(host, run.st_gid) == played.NUMBERS["SUPERVISOR_ROW"]
    assert "PermissionError" in asked_by_nobody(host)


def test_an_unknown_socket_group_is_refused_before_anything_is_done(make_host):
    host = make_host(config="socket_group = nobody-knows-it\n", keep=False)

    done = subprocess.run(host.supervisor_argv(), env=host.env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    assert done.returncode == 2
    assert "socket_group" in done.stderr


def load(socket, *options):
    return subprocess.Popen(
        [bulkhead.BUILD / "bench/bulkhead-load", "--socket", socket, "--op",
         "mixed", "--depth", "8", "--seconds", "3", *options],
        stdout=subprocess.PIPE, text=True)


def test_a_suspect_is_not_forgotten_with_the_supervisor_that_was_told(
        make_host, tmp_path):
    armed = tmp_path / "failpoint"
    host = make_host(environment={
        "BULKHEAD_POISON_OFFSET": str(12 << 20),
        "BULKHEAD_FAILPOINT_FILE": str(armed)}).start()
    socket = serve(host, "poisoned")
    supervisor = host.supervisor_pid()
    # The hand-over after the third death, when the disk has told of it.
    armed.write_text("recovery.handover.after=kill@3\n")
    poisoned = load(socket)

    bulkhead.wait_for(lambda: host.supervisor_pid() not in
                      (None, supervisor), what="a new supervisor runs")
    host.wait_ready()
    result = json.loads(poisoned.communicate(timeout=60)[0])

    assert result["errors"] > 0
    assert result["lost"] == 0


def test_requests_that_kill_their_service_harm_one_disk_only(make_host):
    host = make_host(
        environment={"BULKHEAD_POISON_OFFSET": str(12 << 20)}).start()
    poisoned = load(serve(host, "poisoned"))
    # Too small to reach the offset that kills.
    clean = load(serve(host, "clean"), "--verify", "--span", "8M")

    bulkhead.wait_for(lambda: host.instances("disk0", "alone"), every=0.01)
    result = json.loads(clean.communicate()[0])
    poisoned.communicate()

    assert clean.returncode == 0
    assert result["errors"] == result["lost"] == 0
    host.run("service", "restart", "disk0")
    assert host.partition("clean")["disks"][0]["state"] == "up"
    # On a busy host the innocent may have waited through three deaths as well
    # and have an instance of its own; none outlives its disk.
    host.run("stop", "poisoned")
    host.run("stop", "clean")
    bulkhead.wait_for(lambda: not host.instances("disk0", "alone"))


@pytest.mark.parametrize("name", ["disk0", "console0"])
def test_a_service_that_hangs_unnoticed_is_replaced(host, name):
    before = host.service_pid(name)

    os.kill(before, signal.SIGSTOP)

    bulkhead.wait_for(lambda: host.service_pid(name) != before, 40,
                      what=f"another {name}")


def group_of(pid, controller):
    """Its control group, in version 1 or 2."""
    for line in open(f"/proc/{pid}/cgroup"):
        _, names, path = line.strip().split(":", 2)
        if controller in names.split(","):
            return Path(f"/sys/fs/cgroup/{controller}{path}")
        if not names and Path(f"/sys/fs/cgroup{path}/memory.max").exists():
            return Path(f"/sys/fs/cgroup{path}")
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes groups here")
@pytest.mark.parametrize("controller,files,value", [
    ("memory", ("memory.max", "memory.limit_in_bytes"), 64 << 20),
    ("pids", ("pids.max",), 99),
    ("cpu", ("cpu.weight",), 50), ("cpu", ("cpu.shares",), 512)])
def test_a_service_is_bounded_in_its_group(make_host, controller, files, value):
    host = make_host(config="service_memory_mib = 64\nservice_tasks = 99\n"
                            "service_weight = 50\n").start()

    def bounds():
        group = group_of(host.service_pid(), controller)
        return group and {(group / file).read_text().strip()
                          for file in files if (group / file).exists()}

    bulkhead.wait_for(lambda: bounds() in ({str(value)}, set()), 10,
                      what=f"its {controller} is bounded")
