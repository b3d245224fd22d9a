# SPDX-License-Identifier: MIT
"""./run bench supervisor: how long the supervisor's loop stands still while its
slow work goes on, and how long a new one takes to take everything over.

The loop is asked without a pause who its services are, which it answers from
memory. The longest of these answers are its stalls: what it would keep a
recovery waiting. Meanwhile images are made and removed, a client that left
1 GiB in the page cache stops, and so does one whose device takes 3 s a write.
"""
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

from figures import context, median, percentile
from measure import LOAD, MIB, NotMeasured, bulkhead, run_load

from played import NUMBERS
from slowdisk import slow_disk

SLOW_MS = 3000
SLOW_S = 10
DIRTY_MIB = 1024
SLOW_DIRTY_MIB = 60
ROUNDS = 10
PARTITIONS = 100
READOPTIONS = 5


class Prober(threading.Thread):
    """Asks the loop and times its answers."""

    def __init__(self, path):
        super().__init__()
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link.connect(str(path))
        self.link.settimeout(120)
        self.is_over = False
        self.took_ms = []

    def ask(self, number):
        self.link.send(struct.pack("=II", NUMBERS["SERVICE_LIST"], number))
        while struct.unpack_from("=I", self.link.recv(8192))[0] != \
                NUMBERS["REPLY"]:
            pass

    def run(self):
        number = 0
        while not self.is_over:
            number += 1
            began_ns = time.monotonic_ns()
            self.ask(number)
            self.took_ms.append((time.monotonic_ns() - began_ns) / 1e6)
            time.sleep(0.0005)

    def end(self):
        self.is_over = True
        self.join()
        self.link.close()
        return self.took_ms


def serve(host, name, disk):
    """A foreign machine's disk; the path of its socket."""
    path = host.directory / f"{name}.sock"
    document = host.directory / f"{name}.json"
    document.write_text(json.dumps({
        "partition": name, "engine": "foreign", "vhost-user": str(path),
        "disks": [{"name": "disk", **disk}]}))
    for words in (("define", document), ("install", name), ("start", name)):
        host.run(*words)
    return path


def dirty(path, mib, seconds):
    run_load(path, op="seqwrite", block=MIB, depth=4, span=mib * MIB,
             seconds=seconds)


def stop_with_dirty_cache(host, folder):
    path = serve(host, "large", {"file": str(folder / "large.img"),
                                 "size": DIRTY_MIB * MIB})
    dirty(path, DIRTY_MIB, 4)
    host.run("stop", "large", timeout=300)


def make_and_remove_images(host, folder):
    for number in range(ROUNDS):
        name = f"image{number}"
        serve(host, name, {"file": str(folder / f"{name}.img"),
                           "size": 4 * DIRTY_MIB * MIB})
        host.run("stop", name)
        host.run("uninstall", name, "--remove-images")


def stop_slow_disk(host, disk):
    """A neighbour whose device takes seconds for a write, and must be closed."""
    path = serve(host, "slow", {"file": disk.device})
    dirty(path, SLOW_DIRTY_MIB, 1)
    disk.set(write_ms=SLOW_MS)
    stop = subprocess.Popen(host.argv("stop", "slow"), env=host.env)
    time.sleep(SLOW_S)
    disk.set(write_ms=0)
    stop.wait(300)


def measure_stalls(figures, folder):
    with slow_disk(folder, 96) as disk:
        host = bulkhead.Host().start()
        try:
            prober = Prober(host.socket)
            prober.start()
            slow = threading.Thread(target=stop_slow_disk, args=(host, disk))
            slow.start()
            make_and_remove_images(host, folder)
            stop_with_dirty_cache(host, folder)
            slow.join()
            took_ms = prober.end()
        finally:
            for line in host.close():
                print(f"left behind: {line}")
    context(f"loop: {len(took_ms)} answers, p50 {median(took_ms):.2f} "
            f"p99 {percentile(took_ms, 0.99):.2f} "
            f"p99.9 {percentile(took_ms, 0.999):.2f} max {max(took_ms):.2f} ms")
    figures.add("supervisor.loop.stall.p99", percentile(took_ms, 0.99))
    figures.add("supervisor.loop.stall.max", max(took_ms))


def readopt_ms(host):
    """From the kill to the first answer of a supervisor that knows them all."""
    began_ns = time.monotonic_ns()
    host.kill_supervisor()
    host.wait_ready(60)
    took_ms = (time.monotonic_ns() - began_ns) / 1e6
    running = sum(row["state"] == "running" for row in host.json("list"))
    if running != PARTITIONS:
        raise NotMeasured(f"{running} of {PARTITIONS} partitions still run")
    return took_ms


def measure_readoption(figures, folder):
    host = bulkhead.Host().start()
    try:
        for number in range(PARTITIONS):
            serve(host, f"p{number}", {"file": str(folder / f"{number}.img"),
                                       "size": MIB})
        took_ms = [readopt_ms(host) for _ in range(READOPTIONS)]
    finally:
        for line in host.close():
            print(f"left behind: {line}")
    context(f"readopt: {PARTITIONS} partitions, {READOPTIONS} kills: "
            + ", ".join(f"{ms:.0f}" for ms in took_ms) + " ms")
    figures.add("supervisor.readopt", median(took_ms))


def run(figures):
    if os.geteuid() != 0 or not shutil.which("losetup"):
        raise NotMeasured("only root can make a slow device")
    if not LOAD.exists():
        raise NotMeasured("the load generator is not built")
    with tempfile.TemporaryDirectory(prefix="bulkhead-bench-") as name:
        folder = pathlib.Path(name)
        measure_stalls(figures, folder)
        measure_readoption(figures, folder)
