# SPDX-License-Identifier: MIT
"""./run bench memory: what our processes weigh and how often they wake."""
import contextlib
import time

from figures import context
from measure import MIB, Ours, bulkhead, context_switches, filled_file, pss_bytes
from measure import run_load, start_load, tmpfs_folder

FILE_BYTES = 64 * MIB
IDLE_S = 10
SETTLE_S = 3
# The generator's memory, or a QEMU guest's, as the monitor maps it.
GUEST_MEMORY = r"/memfd:(fakeguest|memory-backend)"


def print_processes(pids):
    for pid in pids:
        with contextlib.suppress(OSError):
            context(f"process {pid} {bulkhead.command_line(pid)}: PSS "
                    f"{pss_bytes(pid, GUEST_MEMORY) / MIB:.2f} MiB")


def idle_pss(system, program):
    """The heaviest process of a program, guest memory left out, in MiB."""
    return max(pss_bytes(pid, GUEST_MEMORY)
               for pid in system.pids_of(program)) / MIB


def our_pids(system):
    """All of ours: QEMU is left out."""
    return [pid for name in ("bulkheadd", "bulkhead-monitor", "bulkhead-disk",
                             "bulkhead-console")
            for pid in system.pids_of(name)]


def wakeups_per_second(system):
    time.sleep(SETTLE_S)
    pids = our_pids(system)
    before = context_switches(pids)
    time.sleep(IDLE_S)
    return (context_switches(pids) - before) / IDLE_S


@contextlib.contextmanager
def idle_client(system):
    """A guest that is connected and silent."""
    load = start_load(system.socket, depth=0, seconds=3600, warmup_ms=0)
    try:
        bulkhead.wait_for(lambda: is_connected(system), 10,
                          what="the generator is connected")
        yield
    finally:
        load.terminate()
        load.communicate()


def is_connected(system):
    for pid in system.pids_of("bulkhead-monitor"):
        with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
            return "/memfd:fakeguest" in maps.read()
    return False


def add_guest(system):
    """A running partition beside it, where the guest image is at hand."""
    try:
        image = bulkhead.guest_image()
    except Exception as error:  # no image is no failure here
        context(f"no guest image ({error}): idle is measured with the "
                "generator alone")
        return
    context(f"a guest of {image} runs beside the generator")
    console = system.host.up("idle", test="none",
                             disks=[system.host.disk("root")])
    bulkhead.wait_for(lambda: "BULKHEAD up" in console.text, 120,
                      what="the guest is up")
    console.close()


def run(figures):
    with tmpfs_folder(2 * FILE_BYTES) as folder:
        file = filled_file(folder / "disk.img", FILE_BYTES)
        system = Ours(file)
        try:
            add_guest(system)
            run_load(system.socket, op="mixed", block=4096, depth=32)
            with idle_client(system):
                time.sleep(SETTLE_S)
                print_processes(our_pids(system))
                figures.add("memory.disk.idle",
                            idle_pss(system, "bulkhead-disk"))
                figures.add("memory.monitor.overhead",
                            idle_pss(system, "bulkhead-monitor"))
                figures.add("memory.supervisor",
                            sum(pss_bytes(pid) for pid in
                                system.pids_of("bulkheadd")) / MIB)
                figures.add("cpu.idle.wakeups", wakeups_per_second(system))
            run_load(system.socket, op="mixed", block=MIB, depth=4)
            context("after 1 MiB requests: disk "
                    f"{idle_pss(system, 'bulkhead-disk'):.2f} MiB, monitor "
                    f"{idle_pss(system, 'bulkhead-monitor'):.2f} MiB")
        finally:
            system.close()
