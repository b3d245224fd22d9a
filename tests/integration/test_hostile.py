# SPDX-License-Identifier: MIT
"""Children that break the rules harm themselves and nobody else.

A played monitor or service says what a test makes it say; beside it a real
partition on a real service is under verified load.
"""
import contextlib
import os
import select
import signal
import socket
import struct
import subprocess

import pytest

import bulkhead
import foreign
import played

FLOOD = 3000


@pytest.fixture
def host(make_host, stage):
    """A supervisor whose children may be played, and one real partition."""
    made = make_host(config=f"libexec_dir = {stage.folder}\n").start()
    foreign.serve(made, "steady")
    return made


@pytest.fixture
def calm(host):
    """Load on the real partition, which must not notice a thing."""
    before = host.partition("steady")["monitor_pid"], host.service_pid()
    with foreign.load(foreign.socket_of(host, "steady")):
        yield
        host.run("list", timeout=10)
    after = host.partition("steady")["monitor_pid"], host.service_pid()
    assert after == before


def start_monitor(host, stage, service="disk0"):
    """A played monitor that is READY and has its disk's first channel."""
    host.run("define", foreign.document(host, "played-one", service))
    host.run("install", "played-one")
    starting = subprocess.Popen(host.argv("start", "played-one"),
                                env=host.env)
    monitor = stage.next()
    monitor.ready()
    monitor.witness = monitor.wait("MONITOR_DISK")[2][0]
    assert starting.wait(20) == 0
    monitor.disk = monitor.take("MONITOR_DISK_UP")
    return monitor


def start_service(host, stage):
    """A played disk service that is READY, and a partition that uses it."""
    host.run("service", "set", "played-disk", "--kind", "disk",
             "--standby", 0)
    service = stage.next()
    service.ready()
    host.run("define", foreign.document(host, "victim", "played-disk"))
    host.run("install", "victim")
    host.run("start", "victim")
    service.disk = service.take("DISK_ATTACH")[:16]
    return service


def kill_supervisor(host):
    """Until it can take no call any more."""
    pid = host.supervisor_pid()
    os.kill(pid, signal.SIGKILL)
    bulkhead.wait_for(lambda: not bulkhead.parent_of(pid), 10, 0.005,
                      what="the supervisor is dead")


def number_of(body):
    """Attachment and generation of a message about a disk."""
    return struct.unpack_from("=QQ", body)


# ---- monitors ---------------------------------------------------------------

BROKEN = {
    "no header": b"\1",
    "an unknown number": struct.pack("=II", 999, 0),
    "a message of another role": struct.pack("=IIQQ", 62, 0, 1, 1),
    "a message of a client": struct.pack("=II32s", 103, 0, b"steady"),
    "a message of the supervisor": struct.pack("=II", 6, 0),
    "a body too short": struct.pack("=IIQ", 46, 0, 1),
    "a body too long": struct.pack("=II", 46, 0) + bytes(4000),
    "more than a message": bytes(8192),
    "a disk that is not there": (struct.pack("=II", 46, 0)
                                 + played.disk_channel(1, 1, 7)),
    "a disk of another partition": (struct.pack("=II", 46, 0)
                                    + played.disk_channel(1, 1, 0)),
    "an unterminated text": (struct.pack("=II", 9, 0)
                             + struct.pack("=I188s", 0, b"x" * 188)),
    "an unterminated mnemonic": (struct.pack("=II", 50, 0)
                                 + struct.pack("=16sQ", b"x" * 16, 1)),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_monitor_that_breaks_a_rule_is_ended(host, stage, calm, data):
    monitor = start_monitor(host, stage)

    monitor.send_raw(data)

    monitor.wait_killed()


def test_a_monitor_that_sends_unwanted_descriptors_leaves_none(host, stage,
                                                               calm):
    monitor = start_monitor(host, stage)
    supervisor = host.supervisor_pid()
    before = len(os.listdir(f"/proc/{supervisor}/fd"))

    monitor.send("CHILD_PONG", fds=[0, 1, 2])

    monitor.wait_killed()
    assert len(os.listdir(f"/proc/{supervisor}/fd")) <= before + 4


FLOODS = ["CHILD_PONG", "CHILD_EVENT", "MONITOR_SUSPECT", "MONITOR_POISON",
          "MONITOR_BROKEN", "MONITOR_DISK_REFUSED", "MONITOR_PAUSE_REQUEST",
          "MONITOR_COUNTERS",
          "MONITOR_DONE", "MONITOR_GUEST", "MONITOR_PROGRESS",
          "MONITOR_EMULATION"]


def flood_body(name, monitor):
    channel = monitor.disk[:24]
    return {"CHILD_EVENT": struct.pack("=I188s64s", 0, b"words", b""),
            "MONITOR_SUSPECT": channel + struct.pack("=Q", 1 << 63),
            "MONITOR_POISON": channel, "MONITOR_BROKEN": channel,
            "MONITOR_PAUSE_REQUEST": channel, "MONITOR_DISK_REFUSED": channel,
            "MONITOR_COUNTERS": b"\xff" * 128 + bytes(8),
            "MONITOR_DONE": struct.pack("=iI192s", 0, 0, b""),
            "MONITOR_PROGRESS": struct.pack("=QQ", 1 << 63, 1),
            "MONITOR_EMULATION": struct.pack("=16sQ", b"mov", 1),
            "MONITOR_GUEST": struct.pack("=IIiI", 3, 1, 0, 0),
            }.get(name, b"")


@pytest.mark.parametrize("name", FLOODS)
def test_a_monitor_that_floods_stops_nobody(host, stage, calm, name):
    monitor = start_monitor(host, stage)
    body = flood_body(name, monitor)

    flood(monitor, name, body)
    host.run("list", timeout=10)
    host.run("stop", "played-one", "--force", timeout=30)

    assert host.state_of("played-one") == "stopped"
    assert len(bulkhead.descendants(host.keeper.pid)) < 20


def flood(child, name, body):
    """As fast as the supervisor takes it, or until it has had enough."""
    try:
        for _ in range(FLOOD):
            child.send(name, body)
    except played.Gone:
        pass


def test_a_monitor_that_refuses_a_channel_gets_another(host, stage, calm):
    monitor = start_monitor(host, stage)
    number, generation = number_of(monitor.disk)

    monitor.send("MONITOR_DISK_REFUSED", monitor.disk[:24])
    again = number_of(monitor.take("MONITOR_DISK_UP"))

    assert again[0] == number
    assert again[1] > generation
    assert not [row for row in host.json("service", "list")
                if row["role"] == "alone"]


def test_a_monitor_that_cries_poison_gets_one_instance_that_ends(host, stage,
                                                                 calm):
    monitor = start_monitor(host, stage)

    for _ in range(5):
        monitor.send("MONITOR_POISON", monitor.disk[:24])
    monitor.take("MONITOR_DISK_UP")
    alone = [row for row in host.json("service", "list")
             if row["role"] == "alone"]
    host.run("stop", "played-one", "--force")

    assert len(alone) == 1
    bulkhead.wait_for(lambda: not bulkhead.parent_of(alone[0]["pid"]), 10,
                      what="the instance of its own ends")
    os.close(monitor.witness)
    host.run("uninstall", "played-one")
    host.run("undefine", "played-one")


def test_a_monitor_that_comes_back_with_a_foreign_file_is_ended(host, stage,
                                                                calm):
    monitor = start_monitor(host, stage)
    number, generation = number_of(monitor.disk)
    strange = os.open(host.directory / "steady.img", os.O_RDWR)
    kill_supervisor(host)

    monitor.come_back(1)
    monitor.wait("CHILD_WELCOME")
    monitor.send("MONITOR_DISK_HELD",
                 played.disk_channel(number, generation), [strange])

    monitor.wait_killed()
    os.close(strange)
    host.wait_ready()


def test_a_monitor_cannot_cut_its_image_through_the_witness(host, stage):
    monitor = start_monitor(host, stage)
    image = host.directory / "played-one.img"

    with pytest.raises(OSError):
        os.ftruncate(monitor.witness, 512)
    with pytest.raises(OSError):
        os.pwrite(monitor.witness, b"x", 0)

    assert image.stat().st_size == 32 << 20
    os.fdatasync(monitor.witness)
    host.run("stop", "played-one", "--force")
    os.close(monitor.witness)


def test_a_child_that_comes_back_without_its_token_is_ended(host, stage, calm):
    monitor = start_monitor(host, stage)
    monitor.settings = bytes(len(monitor.settings))
    kill_supervisor(host)

    monitor.come_back(1)

    monitor.wait_killed()
    host.wait_ready()


HELLO = struct.pack(f"=IIII{played.NAME_SIZE}s{played.TOKEN_BYTES}s",
                    played.NUMBERS["CHILD_HELLO"], 0, 1, 1, b"x", b"")


def connect_and_end(meet, gate, out):
    """A captured child, of which the supervisor has no record: it says hello
    to the next one, hands its link on, and ends."""
    os.setresgid(0x42480005, 0x42480005, 0x42480005)
    os.setresuid(0x42480005, 0x42480005, 0x42480005)
    os.read(gate, 1)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    bulkhead.wait_for(lambda: not link.connect_ex(
        f"/proc/thread-self/fd/{meet}/supervisor"), 10, 0.01,
        what="the supervisor listens")
    link.send(HELLO)
    socket.send_fds(out, [b"link"], [link.fileno()])
    os._exit(0)


def take_number(pid):
    """A process of root that has this number now."""
    for _ in range(2000):
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(pid - 1))
        child = subprocess.Popen(["/bin/sleep", "60"])
        if child.pid == pid:
            return child
        child.kill()
        child.wait()
    raise AssertionError(f"number {pid} was not given again")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses numbers")
def test_a_process_with_the_number_of_a_stranger_that_ended_lives(host):
    meet = os.open(host.state / "children/meet", os.O_PATH)
    gate, opener = os.pipe()
    here, there = socket.socketpair()
    pid = os.fork()
    if not pid:
        connect_and_end(meet, gate, there)
    kill_supervisor(host)
    os.write(opener, b"x")
    _, (link,), _, _ = socket.recv_fds(here, 16, 1)
    os.waitpid(pid, 0)

    innocent = take_number(pid)
    # The stranger's link is closed when it was given up, which may be before
    # its words were read, or when it was dealt with.
    with contextlib.suppress(ConnectionResetError):
        while select.select([link], [], [], 10)[0] and os.read(link, 64):
            pass

    assert innocent.poll() is None
    innocent.kill()
    innocent.wait()
    for fd in (meet, gate, opener, link):
        os.close(fd)
    host.wait_ready()


def test_a_child_is_no_client(host, stage, calm):
    monitor = start_monitor(host, stage)
    folder = host.directory / "elsewhere"
    folder.mkdir()
    (folder / "supervisor").symlink_to(host.state / "run/bulkhead.sock")
    place = os.open(folder, os.O_PATH)

    socket.send_fds(monitor.relay, [b"connect"], [place])
    _, (link,), _, _ = socket.recv_fds(monitor.relay, 16, 1)

    assert select.select([link], [], [], 10)[0]
    assert os.read(link, 64) == b""
    os.close(link)
    os.close(place)


# ---- services ---------------------------------------------------------------

@pytest.mark.parametrize("data", [
    struct.pack("=II", 999, 0), bytes(8192), b"\1",
    struct.pack("=IIQQII", 46, 0, 1, 1, 0, 0)])
def test_a_service_that_breaks_a_rule_is_replaced(host, stage, calm, data):
    service = start_service(host, stage)

    service.send_raw(data)

    service.wait_killed()
    successor = stage.next()
    successor.ready()
    successor.take("DISK_ATTACH")


def test_a_service_cannot_speak_for_disks_of_others(host, stage, calm):
    service = start_service(host, stage)
    steady = host.partition("steady")["disks"][0]
    for number in range(20):
        body = played.attachment(number, steady["generation"])
        if body != service.disk:
            service.send("DISK_DETACHED", body)
            service.send("DISK_PEER_BROKEN", body)

    host.run("list")

    assert host.partition("steady")["disks"][0]["state"] == "up"
    assert service.is_alive()


def test_a_service_that_accuses_its_client_ends_no_guest(host, stage, calm):
    service = start_service(host, stage)
    monitor = host.partition("victim")["monitor_pid"]

    for _ in range(3):
        service.send("DISK_PEER_BROKEN", service.disk)
        service.wait("DISK_DETACH")
        service.send("DISK_DETACHED", service.disk)
        if len(stage.children) == 1:
            service.disk = attach_again(service, stage)

    assert host.partition("victim")["monitor_pid"] == monitor
    assert host.state_of("victim") == "running"


def attach_again(service, stage):
    try:
        return service.take("DISK_ATTACH", 5)[:16]
    except AssertionError:
        alone = stage.next()
        alone.ready()
        return service.disk


def test_a_returning_service_cannot_claim_a_disk_of_another(host, stage):
    service = start_service(host, stage)
    steady = host.partition("steady")["disks"][0]
    before = host.service_pid()

    with foreign.load(foreign.socket_of(host, "steady")):
        kill_supervisor(host)
        service.come_back(2)
        service.wait("CHILD_WELCOME")
        for number in range(20):
            service.send("DISK_HELD",
                         played.attachment(number, steady["generation"]))
        service.send("CHILD_REPORTED")
        service.wait_killed()
        stage.next().ready()
        host.wait_ready()
        now = host.partition("steady")["disks"][0]
    assert (now["state"], now["generation"]) == ("up", steady["generation"])
    assert host.service_pid() == before


def test_a_service_that_floods_stops_nobody(host, stage, calm):
    service = start_service(host, stage)

    flood(service, "DISK_PEER_BROKEN", service.disk)
    flood(service, "CHILD_PONG", b"")

    host.run("list", timeout=10)
    host.run("stop", "victim", "--force", timeout=30)


def test_a_service_that_never_answers_a_ping_is_replaced(host, stage, calm):
    service = start_service(host, stage)

    with foreign.load(foreign.socket_of(host, "victim"), drain_ms=1000) as load:
        service.wait("CHILD_PING", 10)
        service.wait_killed(10)
        load.process.kill()
        load.check = lambda: None


# ---- the release before -----------------------------------------------------

def test_children_of_release_0_1_0_are_adopted(host, stage, calm):
    """The bytes are written out here and never follow the headers."""
    monitor = start_monitor(host, stage)
    number, generation = number_of(monitor.disk)
    kill_supervisor(host)

    monitor.come_back(1, version=1)
    assert monitor.receive()[0] == "CHILD_WELCOME"
    monitor.send_raw(struct.pack("=IIII", 2, 0, 7, 0))
    monitor.send_raw(struct.pack("=IIQQII", 45, 0, number, generation, 0, 0),
                     [monitor.witness])
    monitor.send_raw(struct.pack("=IIIIiI", 41, 0, 1, 0, 0, 0))
    monitor.send_raw(struct.pack("=II", 5, 0))
    host.wait_ready()

    assert host.state_of("played-one") == "running"
    assert host.partition("played-one")["disks"][0]["generation"] == generation
    assert monitor.is_alive()
