# SPDX-License-Identifier: MIT
"""Bad input: one sentence that names the field, and nothing changed."""
import os
import subprocess

import pytest

import bulkhead
from refusals import FAILED, REFUSED, check_refused, disk, document, write


def test_two_disks_of_one_name_are_refused(host):
    disks = [disk(host), disk(host, file=str(host.directory / "b.img"))]

    done = host.call("define", write(host, document(host, disks=disks)))

    check_refused(done, REFUSED, "disks[1].name")


def test_a_second_definition_of_a_name_is_refused(host):
    host.run("define", write(host, document(host)))

    done = host.call("define", write(host, document(host)))

    check_refused(done, REFUSED, "partition")
    assert len(host.json("list")) == 1


@pytest.mark.parametrize("verb", ["install", "start", "stop", "pause",
                                  "resume", "reset", "show", "uninstall",
                                  "undefine", "logs"])
def test_a_verb_on_an_unknown_partition_is_refused(host, verb):
    check_refused(host.call(verb, "ghost"), REFUSED, "ghost")


@pytest.mark.parametrize("verb", ["start", "stop", "pause", "resume", "reset"])
def test_a_verb_that_the_state_does_not_allow_is_refused(host, verb):
    host.run("define", write(host, document(host)))

    done = host.call(verb, "one")

    check_refused(done, REFUSED)
    assert host.state_of("one") == "uninstalled"


def test_an_unknown_verb_or_option_is_refused(host):
    assert host.call("explode").returncode == REFUSED
    assert host.call("start").returncode == REFUSED
    assert host.call("start", "one", "--gently").returncode == REFUSED


# ---- images -----------------------------------------------------------------

MAGICS = {
    "qcow2": b"QFI\xfb\x00\x00\x00\x03",
    "vmdk": b"KDMV\x01\x00\x00\x00",
    "vhdx": b"vhdxfile",
    "qed": b"QED\x00",
}


def install_refused(host, status, *words, **fields):
    """An install that must not happen, and must change nothing."""
    host.run("define", write(host, document(host, disks=[
        disk(host, **fields)])))
    files = sorted(os.listdir(host.directory))

    done = host.call("install", "one")

    check_refused(done, status, *words)
    assert host.state_of("one") == "uninstalled"
    assert sorted(os.listdir(host.directory)) == files


@pytest.mark.parametrize("format_name", MAGICS)
def test_an_image_that_is_not_raw_is_refused_by_its_magic(host, format_name):
    image = host.directory / "root.img"
    image.write_bytes(MAGICS[format_name].ljust(8 << 20, b"\0"))

    install_refused(host, REFUSED, "disks[0].file")

    assert image.read_bytes()[:4] == MAGICS[format_name][:4]


def test_a_missing_image_without_a_size_is_refused(host):
    fields = disk(host)
    del fields["size"]
    host.run("define", write(host, document(host, disks=[fields])))

    check_refused(host.call("install", "one"), REFUSED, "disks[0]")
    assert not (host.directory / "root.img").exists()


def test_an_image_in_a_missing_folder_is_refused(host):
    install_refused(host, REFUSED, "disks[0].file",
                    file=str(host.directory / "nowhere/root.img"))


def test_a_cd_of_half_a_block_is_refused(host):
    (host.directory / "cd.iso").write_bytes(bytes(2048 * 4 + 512))
    fields = disk(host, type="cd", file=str(host.directory / "cd.iso"))
    del fields["size"]
    host.run("define", write(host, document(host, disks=[fields])))

    check_refused(host.call("install", "one"), REFUSED, "disks[0].file",
                  "multiple of 2048")


def test_a_folder_is_no_image(host):
    (host.directory / "folder").mkdir()
    install_refused(host, REFUSED, "disks[0].file",
                    file=str(host.directory / "folder"))


def test_a_character_device_is_no_image(host):
    install_refused(host, REFUSED, "disks[0].file", file="/dev/zero")


def test_an_image_of_another_partition_is_refused(host):
    host.run("define", write(host, document(host)))
    host.run("install", "one")
    host.run("define", write(host, document(host, partition="two")))

    done = host.call("install", "two")

    check_refused(done, REFUSED, "disks[0].file", "one")
    assert host.state_of("two") == "uninstalled"


def test_an_image_that_a_qemu_holds_is_refused_at_start(host):
    host.run("define", write(host, document(host)))
    host.run("install", "one")
    holder = subprocess.Popen(
        ["qemu-io", "-f", "raw", str(host.directory / "root.img")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdin.write(b"length\n")
        holder.stdin.flush()
        holder.stdout.readline()

        done = host.call("start", "one")

        check_refused(done, REFUSED, "disks[0].file")
        assert host.state_of("one") == "stopped"
    finally:
        holder.communicate(b"quit\n")


def test_an_image_that_we_hold_is_refused_to_a_qemu(host):
    host.up("one", disks=[host.disk(size="8M")])

    done = subprocess.run(
        ["qemu-io", "-f", "raw", "-c", "length",
         str(host.directory / "root.img")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    assert "lock" in done.stdout


def test_a_kernel_that_is_not_one_is_refused(host):
    fake = host.directory / "fake"
    fake.write_bytes(b"#!/bin/sh\n" * 1000)
    host.run("define", write(host, document(host, boot={
        "kernel": str(fake)})))
    host.run("install", "one")

    check_refused(host.call("start", "one"), REFUSED, "boot.kernel")
    assert host.state_of("one") == "stopped"


def test_a_kernel_that_is_missing_is_refused(host):
    host.run("define", write(host, document(host, boot={
        "kernel": str(host.directory / "nowhere")})))
    host.run("install", "one")

    check_refused(host.call("start", "one"), REFUSED, "boot.kernel")
    assert host.state_of("one") == "stopped"


def test_more_memory_than_the_host_has_is_refused_before_anything(host):
    host.run("define", write(host, document(host, memory={"size": "4T"})))
    host.run("install", "one")

    check_refused(host.call("start", "one"), REFUSED, "memory.size")
    assert host.state_of("one") == "stopped"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
def test_a_full_disk_fails_the_install_and_leaves_nothing(host, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=3",
                    "tmpfs", small], check=True)
    try:
        for name in ("a", "b"):
            (small / name).touch()
        host.run("define", write(host, document(host, disks=[
            disk(host, file=str(small / "root.img"))])))

        done = host.call("install", "one")

        check_refused(done, FAILED)
        assert host.state_of("one") == "uninstalled"
        assert sorted(os.listdir(small)) == ["a", "b"]
    finally:
        subprocess.run(["umount", small], check=True)


# ---- the supervisor's own ---------------------------------------------------

def bulkheadd(*words, **options):
    return subprocess.run([bulkhead.program("bulkheadd"), *map(str, words)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=20,
                          **options)


def test_a_second_supervisor_on_the_same_state_is_refused(host):
    done = bulkheadd("--state", host.state)

    assert done.returncode in (FAILED, REFUSED)
    assert str(host.state) in done.stderr
    assert host.call("list").returncode == 0


def test_a_socket_path_too_long_is_refused(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    done = bulkheadd("--state", deep)

    assert done.returncode in (FAILED, REFUSED)
    assert len(done.stderr.strip().splitlines()) == 1
    assert os.listdir(deep) == []


def test_a_bad_configuration_is_refused_by_line(tmp_path):
    config = tmp_path / "bulkheadd.conf"
    config.write_text("colour = red\n")

    done = bulkheadd("--state", tmp_path / "state", "--config", config)

    assert done.returncode in (FAILED, REFUSED)
    assert "colour" in done.stderr


def test_without_a_supervisor_the_verbs_fail_in_one_sentence(tmp_path):
    done = subprocess.run(
        [bulkhead.program("bulkhead"), "list"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
        env=dict(os.environ, BULKHEAD_SOCKET=str(tmp_path / "socket")))

    assert done.returncode == FAILED
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [
    "--help", "version", "--json version", "doctor", "--json doctor", "list",
    "--json list", "service list", "--json service list", "events",
    "--json events"])
def test_output_that_cannot_be_written_is_a_failure(host, words):
    host.run("disk", "serve", "data", "--file", host.directory / "data.img",
             "--size", "8M", "--vhost-user", host.directory / "sock")

    with open("/dev/full", "wb") as full:
        done = subprocess.run(host.argv(*words.split()), stdout=full,
                              stderr=subprocess.PIPE, text=True, env=host.env)

    assert done.returncode == FAILED
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_vhost_user_path_too_long_is_refused(host):
    image = host.directory / "data.img"

    done = host.call("disk", "serve", "data", "--file", image, "--size", "8M",
                     "--vhost-user", host.directory / ("s" * 120))

    check_refused(done, REFUSED, "vhost-user")
    assert host.json("list") == []
    assert not image.exists()


def test_the_socket_is_for_its_owner_alone(host):
    socket = os.stat(host.socket)

    assert socket.st_mode & 0o777 == 0o600
    assert socket.st_uid == os.geteuid()
