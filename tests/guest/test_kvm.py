# SPDX-License-Identifier: MIT
"""What only the engine kvm has: saving, its small size, its own boot loader."""
import collections
import os
import pathlib
import re
import signal
import time

import pytest

import bulkhead

pytestmark = pytest.mark.engine("kvm")

MIB = 1 << 20
# The guest's memory as its monitor maps it.
GUEST_MEMORY = r"memfd:bulkhead-guest"


def rss_bytes(pid, of_guest):
    """What a process has in memory: the guest's part, or the rest."""
    total = 0
    counts = False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counts = bool(re.search(GUEST_MEMORY, line)) == of_guest
        elif counts and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


def last_number(console, word):
    return int(console.lines(word)[-1].rpartition("=")[2])


def stamp_is_clean(console):
    values = console.values("stamp requests")
    return not any(values[key] for key in
                   ("errors", "corrupt", "lost", "duplicated"))


def wait_progress(console):
    def requests():
        return console.values("stamp requests").get("requests", 0)
    seen = requests()
    bulkhead.wait_for(lambda: requests() > seen,
                      what="the guest's requests are answered")


def test_two_processors_and_the_small_devices_work(host):
    console = host.up("one", test="devices", cpus=2, memory="256M")
    console.wait("^ready")

    facts = console.wait("^facts cpus=([0-9]+) memory=([0-9]+) clock=(.*)")
    numbers = console.wait("^rng name=(.*) bytes=([0-9]+) kinds=([0-9]+)")

    assert facts.group(1) == "2"
    assert 180 << 10 < int(facts.group(2)) < 256 << 10
    assert facts.group(3) == "kvm-clock"
    assert numbers.group(1).startswith("virtio_rng")
    assert numbers.group(2) == "4096"
    assert int(numbers.group(3)) > 100
    console.wait("^hvc says hello")


def test_the_monitor_is_small(host):
    console = host.up("one", memory="128M", disks=[host.disk()])
    console.wait("^tick")

    monitor = host.partition("one")["monitor_pid"]

    assert rss_bytes(monitor, of_guest=True) > 16 * MIB
    assert rss_bytes(monitor, of_guest=False) <= 5 * MIB


@pytest.mark.parametrize("bus, name", [("blk", "vda"), ("scsi", "sda")])
def test_a_guest_under_load_is_saved_and_restored(host, bus, name):
    console = host.up("one", test="stamp", args=f"0,16,/dev/{name}", cpus=2,
                      disks=[host.disk(size="96M", bus=bus)])
    console.wait("^stamp filled")

    for _ in range(2):
        host.run("save", "one")
        assert host.state_of("one") == "saved"
        assert host.partition("one")["monitor_pid"] in (0, None)
        host.run("restore", "one")
        assert host.state_of("one") == "running"
        wait_progress(console)
    host.run("stop", "one", "--deadline", bulkhead.scaled(90))

    console.wait("^finished")
    assert stamp_is_clean(console)
    assert console.values("e2fsck") == {"status": 0}
    assert console.values("kernel") == {"errors": 0}
    assert console.text.count("BULKHEAD up") == 1


def test_a_new_supervisor_restores_what_the_old_one_saved(make_host):
    host = make_host().start()
    console = host.up("one", disks=[host.disk()])
    console.wait("^tick n=3$")
    host.run("pause", "one")
    host.run("save", "one")
    last = last_number(console, "tick")
    host.shut_down()

    host.start()
    host.run("restore", "one")
    paused = host.state_of("one")
    host.run("resume", "one")

    assert paused == "paused"
    console.wait(f"^tick n={last + 3}$")
    assert console.text.count("BULKHEAD up") == 1


def damage(path):
    """Change a page of memory in the middle of a saved image."""
    file = os.open(path, os.O_RDWR)
    at = os.lseek(file, os.fstat(file).st_size // 2, os.SEEK_DATA)
    os.pwrite(file, b"damage" * 100, at + 1000)
    os.close(file)


def test_damage_in_an_image_ends_its_partition_and_nothing_else(host):
    console = host.up("one", restart="never")
    other = host.up("two")
    console.wait("^tick n=3$")
    other.wait("^tick n=3$")
    host.run("save", "one")

    damage(host.state / "saved" / "one.image")
    host.run("restore", "one")
    bulkhead.wait_for(lambda: "saved image is damaged: memory" in
                      host.run("events"), what="an event names the damage")
    host.wait_state("one", "stopped")

    other.wait(f"^tick n={last_number(other, 'tick') + 2}$")
    assert host.state_of("two") == "running"


def test_saves_while_disk_services_die_lose_nothing(host):
    console = host.up("one", test="fio", args="0,24", cpus=2, disks=[
        host.disk(size="96M")])
    console.wait("^fio rounds=1", 60)

    for _ in range(5):
        os.kill(host.service_pid(), signal.SIGKILL)
        host.run("save", "one")
        host.run("restore", "one")
        os.kill(host.service_pid(), signal.SIGKILL)
        time.sleep(0.5)

    rounds = console.values("fio rounds")["rounds"]
    console.wait(f"^fio rounds={rounds + 1} ", 90)
    host.run("stop", "one", "--deadline", bulkhead.scaled(90))
    console.wait("^finished")
    assert console.values("finished")["failed"] == 0
    assert console.values("e2fsck") == {"status": 0}
    assert console.values("kernel") == {"errors": 0}


def test_a_guest_that_panics_is_noticed(host):
    console = host.up("one", test="panic", restart="never")
    console.wait("^panics")

    bulkhead.wait_for(lambda: "panic" in host.run("events"),
                      what="an event says so")
    host.wait_state("one", "stopped")


def test_a_vector_move_that_kvm_cannot_emulate_is_emulated(host):
    console = host.up("one", test="vector", disks=[host.disk(size="64M")])

    read = console.wait("^vector same=([01]) first=([0-9]+)")

    assert read.group(1) == "1"
    assert int(read.group(2)) == (64 * MIB) // 512
    rows = host.partition("one")["emulations"]
    assert {"mnemonic": "lddqu", "count": 2} in rows


def test_an_instruction_that_nobody_knows_ends_its_guest_by_name(host):
    console = host.up("one", test="vector", args="unknown",
                      disks=[host.disk()], restart="never")
    console.wait("^unknown")

    host.wait_state("one", "stopped")
    events = host.run("events")
    assert "addps" in events
    assert re.search(r"bytes 0f 58 [0-9a-f]{2}", events)
    assert "vector came back" not in console.text


def descriptors(pid):
    """What a process holds open, by what /proc calls it, and how often."""
    held = collections.Counter()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(entry).removesuffix(" (deleted)")
        held[re.sub(r"^(socket|pipe):.*", r"\1", target)] += 1
    return held


def test_a_monitor_holds_its_machine_and_nothing_else(host):
    console = host.up("one", disks=[host.disk()])
    console.wait("^tick")
    image = bulkhead.guest_image()

    held = descriptors(host.partition("one")["monitor_pid"])
    # Bells, which reach only who shares them: doorbells, interrupts, channels.
    assert held.pop("anon_inode:[eventfd]") < 64
    # The loop's clocks.
    assert held.pop("anon_inode:[timerfd]") <= 3

    assert held == {
        "/dev/kvm": 1,
        "anon_inode:kvm-vm": 1,
        "anon_inode:kvm-vcpu:0": 1,
        "/memfd:bulkhead-guest": 1,
        str(image / "vmlinuz"): 1,
        str(image / "initrd"): 1,
        # The disk's witness; the channel's memory is mapped, not held.
        str(host.directory / "root.img"): 1,
        "/memfd:bulkhead-console": 1,
        # The control link, and both ends of the guest's console.
        "socket": 3,
        "anon_inode:[eventpoll]": 1,
        # Standard input and output; what is told on standard error.
        "/dev/null": 2,
        "pipe": 1,
    }


def test_memtest86_boots(host):
    host.up("one", boot={
        "kernel": str(bulkhead.guest_image() / "memtest"),
        "cmdline": "console=ttyS0,115200 nosmp"})
    # it draws a screen and ends no line
    screen = bulkhead.Terminal(host, "one", "--read-only")

    screen.wait("Memtest86+", 60)
    screen.wait("Testing", 60)

    assert host.state_of("one") == "running"
    screen.close()


def test_a_kernel_of_32_bits_boots(host):
    image = bulkhead.i386_image()
    console = host.up("one", boot={
        "kernel": str(image / "vmlinuz"),
        "initrd": str(image / "initrd"),
        "cmdline": "console=ttyS0 quiet panic=-1"})

    assert console.wait("^up machine=(.*)", 90).group(1) == "i686"
