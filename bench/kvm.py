# SPDX-License-Identifier: MIT
"""./run bench kvm: the engine kvm beside QEMU's microvm, and what is left of a
guest's data when its services are killed."""
import contextlib
import os
import pathlib
import signal
import tempfile
import time

import tracing
from figures import compare, context
from measure import MIB, NotMeasured, bulkhead, rss_bytes

GUESTS = bulkhead.BUILD / "bench"
ALONE = GUESTS / "bulkhead-alone"
MONITOR = "bulkhead-monitor"
QEMU = "qemu-system-x86_64"
PAIRS = 10
KILLS = 50
ROUND_TRIPS = 2000  # bench/guest/doorbell.c
CMDLINE = "console=ttyS0 quiet panic=-1"
MEMORY = 256 * MIB

MICROVM = ["-M", "microvm,x-option-roms=off,pit=off,pic=off,rtc=off",
           "-accel", "kvm", "-cpu", "host", "-smp", "1", "-nodefaults",
           "-no-user-config", "-nic", "none", "-display", "none",
           "-serial", "null"]
# Its firmware places the disk's registers, and there is a PCI bus.
Q35 = ["-M", "q35", "-accel", "kvm", "-cpu", "host", "-smp", "1",
       "-nodefaults", "-no-user-config", "-nic", "none", "-display", "none",
       "-object", "iothread,id=io", "-blockdev",
       "null-co,node-name=disk,size=16777216,read-zeroes=on", "-device",
       "virtio-blk-pci,drive=disk,iothread=io,disable-legacy=on"]


def ours(folder, kernel, *words, memory=MEMORY):
    """A monitor without a supervisor; see bench/alone.c."""
    return [str(ALONE), "--monitor", bulkhead.program(MONITOR), "--folder",
            str(folder), "--memory", str(memory), "--kernel", str(kernel),
            *map(str, words)]


def peer(kernel, *words, machine=MICROVM, memory=MEMORY):
    return [QEMU, *machine, "-m", str(memory // MIB), "-kernel", str(kernel),
            *map(str, words)]


@contextlib.contextmanager
def empty_folder():
    """What the monitor has for its root, whoever it becomes."""
    with tempfile.TemporaryDirectory(prefix="bulkhead-bench-") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


def exec_to_magic(trace, argv, program):
    took, process = tracing.exec_to_magic(trace, argv, program)
    tracing.end(process)
    return took


def add_compared(figures, name, argvs, trace):
    mine, theirs, ratio = compare(
        lambda: exec_to_magic(trace, argvs[0], MONITOR),
        lambda: exec_to_magic(trace, argvs[1], QEMU), PAIRS)
    context(f"{name}: peer {' '.join(argvs[1])}")
    context(f"{name}: ours {mine:.1f} ms, peer {theirs:.1f} ms, medians of "
            f"{PAIRS}")
    figures.add(name, ratio)


# -- booting

def cpio(files):
    """An initial file system; newc, see the kernel's buffer-format.rst. Each
    file has a name, a mode, bytes, and the numbers of a device or none."""
    made = b""
    for number, (name, mode, data, *device) in enumerate(
            [*files, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0,
                  *(device or (0, 0)), len(name) + 1, 0)
        made += b"070701" + b"".join(b"%08x" % field for field in fields)
        made += name.encode() + b"\0"
        made += bytes(-len(made) % 4) + data
        made += bytes(-len(made) % 4)
    return made


def kernel_to_boot():
    """A kernel and what it is: the small one where ./run kernel has made it,
    so that less of the time is the kernel's own, which is the same for both
    sides."""
    small = bulkhead.small_kernel() / "bzImage"
    if small.exists():
        return small, "the small kernel (guest/build-kernel)"
    return (bulkhead.guest_image() / "vmlinuz",
            "Debian's cloud kernel (./run kernel makes a small one)")


def measure_boot(figures, trace, folder):
    kernel, what = kernel_to_boot()
    with tempfile.NamedTemporaryFile() as initrd:
        initrd.write(cpio([
            ("init", 0o100755, (GUESTS / "init.elf").read_bytes()),
            ("port", 0o020600, b"", 1, 4)]))
        initrd.flush()
        context(f"boot.kvm.ratio.qemu: {what}, an init that writes to a port, "
                f"\"{CMDLINE}\"")
        add_compared(figures, "boot.kvm.ratio.qemu", (
            ours(folder, kernel, "--initrd", initrd.name, "--cmdline",
                 CMDLINE),
            peer(kernel, "-initrd", initrd.name, "-append", CMDLINE)), trace)


def measure_start(figures, trace, folder):
    first = GUESTS / "first.elf"
    add_compared(figures, "boot.kvm.vmm.ratio.qemu",
                 (ours(folder, first), peer(first)), trace)
    figures.skip("boot.kvm.vmm.ratio.kvmtool",
                 "Debian 12 has no package of kvmtool")


# -- the way of a request through a device without a medium

def measure_doorbell(figures, trace, folder):
    kernel = GUESTS / "doorbell.elf"
    argv = peer(kernel, machine=Q35)

    def us_each(argv):
        return tracing.between_magic(trace, argv) * 1000 / ROUND_TRIPS
    mine, theirs, ratio = compare(
        lambda: us_each(ours(folder, kernel, "--disk")),
        lambda: us_each(argv), PAIRS)
    context("exit.doorbell.roundtrip.ratio: a request that no medium is asked "
            f"for (GET_ID), {ROUND_TRIPS} times; peer {' '.join(argv)}")
    context(f"exit.doorbell.roundtrip.ratio: ours {mine:.1f} us, peer "
            f"{theirs:.1f} us")
    figures.add("exit.doorbell.roundtrip.ratio", ratio)


# -- restoring

def save_filled(trace, folder, memory, image):
    """An image of a guest that has written to all of its memory."""
    _, process = tracing.exec_to_magic(trace, ours(
        folder, GUESTS / "fill.elf", "--save", image, memory=memory),
        MONITOR, seconds=300)
    process.send_signal(signal.SIGUSR1)
    if process.wait(300) != 0:
        raise NotMeasured("the guest was not saved")
    taken = os.stat(image).st_blocks * 512
    context(f"restore.first_instruction.ratio: image of {memory // MIB} MiB "
            f"takes {taken // MIB} MiB")


def measure_restore(figures, trace, folder):
    with tempfile.TemporaryDirectory() as images:
        large, small = 1024 * MIB, 128 * MIB
        for memory in large, small:
            save_filled(trace, folder, memory, f"{images}/{memory}")

        def restore(memory):
            return exec_to_magic(trace, ours(
                folder, GUESTS / "fill.elf", "--restore",
                f"{images}/{memory}", memory=memory), MONITOR)
        mine, theirs, ratio = compare(lambda: restore(large),
                                      lambda: restore(small), PAIRS)
    context(f"restore.first_instruction.ratio: 1 GiB {mine:.1f} ms, 128 MiB "
            f"{theirs:.1f} ms")
    figures.add("restore.first_instruction.ratio", ratio)


# -- recovery and memory, with a supervisor

def measure_recovery(figures):
    host = bulkhead.Host().start()
    try:
        console = host.up("one", test="stamp", args="0,16", disks=[
            host.disk(size="96M")])
        console.wait("^stamp filled", 90)
        for _ in range(KILLS):
            host.replace_service()
            time.sleep(0.2)
        host.run("stop", "one", "--deadline", bulkhead.scaled(90))
        console.wait("^finished")
        values = console.values("stamp requests")
    finally:
        host.close()
    context(f"kvm.recovery: {KILLS} kills under {values['requests']} stamped "
            "requests of a guest")
    for what in ("lost", "duplicated", "corrupt"):
        figures.add(f"kvm.recovery.{what}", values[what])


def measure_memory(figures):
    host = bulkhead.Host().start()
    try:
        console = host.up("one", memory="128M", disks=[host.disk()])
        console.wait("^tick n=5$", 90)
        pid = host.partition("one")["monitor_pid"]
        figures.add("memory.monitor.kvm",
                    rss_bytes(pid, "/memfd:bulkhead-guest") / MIB)
    finally:
        host.close()


def run(figures):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise NotMeasured("no /dev/kvm")
    bulkhead.engine = "kvm"
    with tracing.tracing() as trace, empty_folder() as folder:
        for measure in (measure_start, measure_boot, measure_doorbell,
                        measure_restore):
            measure(figures, trace, folder)
    measure_memory(figures)
    measure_recovery(figures)
