# SPDX-License-Identifier: MIT
"""What an operator asks for is done as asked, told, and kept on record."""
import json
import os
import socket
import struct
import subprocess

import pytest

from refusals import REFUSED, check_refused, disk, document, write


def define(host, name="one", **options):
    host.run("define", write(host, document(host, partition=name, **options)))


def test_uninstall_keeps_the_images_and_names_them(host):
    image = host.directory / "kept.img"
    define(host, disks=[disk(host, file=str(image), size="1M")])
    host.run("install", "one")
    image.write_bytes(b"precious".ljust(1 << 20, b"\0"))

    said = host.run("uninstall", "one")

    assert f"kept: {image}, 1M" in said
    host.run("install", "one")
    assert image.read_bytes().startswith(b"precious")


def test_uninstall_removes_the_images_when_told_to(host):
    image = host.directory / "made.img"
    define(host, disks=[disk(host, file=str(image), size="1M")])
    host.run("install", "one")

    said = json.loads(host.run("--json", "uninstall", "one",
                               "--remove-images"))

    assert said == {"done": "uninstall", "name": "one", "kept": []}
    assert not image.exists()


# ---- clients ----------------------------------------------------------------

EVENT_LIST = 120
REPLY = 100
CLIENTS_OF_USER = 16


def connect(host):
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.connect(str(host.socket))
    link.settimeout(20)
    return link


def ask(link, number, body=b""):
    link.send(struct.pack("=II", number, 7) + body)


def answer(link):
    """The reply: to which request, its status and its text."""
    packet = link.recv(8192)
    number, request = struct.unpack_from("=II", packet)
    assert number == REPLY, number
    return (request, struct.unpack_from("=i", packet, 8)[0],
            packet[80:].split(b"\0")[0].decode())


def follow(host):
    link = connect(host)
    ask(link, EVENT_LIST, struct.pack("=QII", 2 ** 62, 1, 0))
    ask(link, 9999)
    answer(link)
    return link


def test_idle_clients_lock_nobody_out(host):
    links = [connect(host) for _ in range(80)]

    assert host.call("list").returncode == 0
    request, status, text = answer(links[0])
    assert request == 0 and status != 0 and "idle" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_one_user_cannot_take_the_places_of_another(make_host):
    host = make_host(config="socket_group = daemon\n")
    os.chmod(host.directory, 0o711)
    host.state.mkdir()
    os.chmod(host.state, 0o711)
    host.start()
    os.setegid(host.socket.stat().st_gid)
    os.seteuid(65534)
    try:
        links = [follow(host) for _ in range(CLIENTS_OF_USER)]
        one_more = connect(host)
        request, status, text = answer(one_more)
    finally:
        os.seteuid(0)
        os.setegid(0)

    assert request == 0 and status != 0 and "too many" in text
    assert host.call("list").returncode == 0
    assert len(links) == CLIENTS_OF_USER


@pytest.mark.parametrize("number,body", [(9999, b""), (1, b""),
                                         (EVENT_LIST, b"short")])
def test_an_unknown_request_is_refused_and_the_link_stays(host, number, body):
    link = connect(host)

    ask(link, number, body)
    request, status, text = answer(link)

    assert request == 7 and status < 0
    assert f"request {number} is not one" in text
    ask(link, 9999)
    assert answer(link)[0] == 7


# ---- sockets that a user named ----------------------------------------------

def serve(host, name, path):
    return host.call("disk", "serve", name, "--size", "8M",
                     "--file", host.directory / f"{name}.img",
                     "--vhost-user", path)


def test_a_socket_on_which_another_program_listens_is_not_taken(host):
    path = host.directory / "other.sock"
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(path))
    other.listen(1)
    inode = path.stat().st_ino

    check_refused(serve(host, "data", path), REFUSED, "vhost-user",
                  "listening")

    assert path.stat().st_ino == inode
    assert host.json("list") == []
    assert not (host.directory / "data.img").exists()


def test_one_path_is_served_once(host):
    path = host.directory / "data.sock"
    (host.directory / "link").symlink_to(host.directory)
    assert serve(host, "data", path).returncode == 0
    inode = path.stat().st_ino

    check_refused(serve(host, "data2", path), REFUSED, "vhost-user",
                  "is the socket of partition data")
    check_refused(serve(host, "data3", host.directory / "link/data.sock"),
                  REFUSED, "vhost-user")

    assert path.stat().st_ino == inode
    assert [row["name"] for row in host.json("list")] == ["data"]


def test_the_socket_goes_with_the_one_who_served_it(host):
    path = host.directory / "data.sock"
    assert serve(host, "data", path).returncode == 0

    host.run("stop", "data")

    assert not path.exists()
    host.run("start", "data")
    assert path.is_socket()


# ---- events -----------------------------------------------------------------

def events(host, *options):
    said = host.run("--json", "events", *options)
    return [json.loads(line) for line in said.splitlines()]


def disturb(host, count):
    """Events, two of each call."""
    for number in range(count):
        host.run("service", "set", "disk0", "--standby", str(number % 2))


def test_events_shows_the_newest_and_all_on_request(host):
    disturb(host, 260)
    host.kill_supervisor()
    host.run("service", "set", "console0", "--kind", "console",
             "--standby", "0")

    newest = events(host)
    every = events(host, "--all")

    numbers = [row["sequence"] for row in every]
    assert len(every) > 260 and numbers == sorted(set(numbers))
    assert 200 <= len(newest) < 260
    assert "service set console0: done" in [row["text"] for row in newest]
    assert every[-len(newest):] == newest
    assert events(host, "--after", str(numbers[9])) == every[10:]


def test_a_follower_of_events_misses_none(host):
    disturb(host, 250)
    follower = subprocess.Popen(
        host.argv("--json", "events", "--all", "--follow"), env=host.env,
        stdout=subprocess.PIPE, text=True)
    try:
        first = json.loads(follower.stdout.readline())
        disturb(host, 20)
        every = events(host, "--all")
        told = [first] + [json.loads(follower.stdout.readline())
                          for _ in every[1:]]
    finally:
        follower.kill()
        follower.communicate()

    assert told == every


def test_what_was_asked_for_is_on_record_with_its_outcome(host):
    define(host)
    host.call("start", "one")
    host.run("install", "one")
    host.run("switch", "define", "lan")
    host.run("nic", "add", "one", "eth0", "--switch", "lan")
    host.run("service", "restart", "disk0")

    mine = [row["text"] for row in events(host)
            if row["subject"] == f"user {os.geteuid()}"]

    assert mine[0] == "define one: done"
    assert mine[1].startswith("start one: refused: state: ")
    assert mine[2:] == ["install one: done", "switch define lan: done",
                        "redefine one: done", "service restart disk0: done"]


# ---- verbs ------------------------------------------------------------------

def test_each_of_several_names_is_done_or_refused_on_its_own(host):
    define(host, "one", disks=[disk(host, file=str(host.directory / "1.img"))])
    define(host, "two", disks=[disk(host, file=str(host.directory / "2.img"))])

    done = host.call("install", "one", "ghost", "two")

    check_refused(done, REFUSED, "ghost")
    assert host.state_of("one") == host.state_of("two") == "stopped"
    assert host.call("uninstall", "one", "two").returncode == 0
    assert host.call("undefine", "one", "two").returncode == 0
    assert host.json("list") == []


def service_names(host):
    return {row["name"] for row in host.json("service", "list")}


def test_a_mistyped_service_is_refused_and_not_made(host):
    done = host.call("service", "set", "dsik0", "--standby", "0")

    check_refused(done, REFUSED, "there is no service dsik0")
    assert "dsik0" not in service_names(host)


def test_a_service_is_removed_when_nothing_uses_it(host):
    host.run("service", "set", "disk7", "--kind", "disk", "--standby", "1")
    define(host, disks=[disk(host, service="disk7")])
    check_refused(host.call("service", "remove", "disk7"), REFUSED, "one")
    host.run("undefine", "one")

    host.run("service", "remove", "disk7")

    assert "disk7" not in service_names(host)
    host.kill_supervisor()
    assert "disk7" not in service_names(host)
    check_refused(host.call("service", "remove", "disk7"), REFUSED, "disk7")


def test_a_service_of_a_switch_and_a_default_are_not_removed(host):
    host.run("service", "set", "net7", "--kind", "net", "--standby", "0")
    host.run("switch", "define", "lan", "--service", "net7")

    check_refused(host.call("service", "remove", "net7"), REFUSED, "lan")
    check_refused(host.call("service", "remove", "disk0"), REFUSED, "default")

    host.run("switch", "undefine", "lan")
    host.run("service", "remove", "net7")


@pytest.mark.parametrize("words,kind", [
    ("list", list), ("disk list", list), ("switch list", list),
    ("service list", list), ("show one", dict), ("switch show lan", dict),
    ("switch fdb lan", list), ("switch counters lan", list),
    ("doctor", dict), ("version", dict)])
def test_every_listing_has_its_json(host, words, kind):
    define(host)
    host.run("install", "one")
    host.run("switch", "define", "lan")

    assert isinstance(host.json(*words.split()), kind)
