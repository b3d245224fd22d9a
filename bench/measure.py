# SPDX-License-Identifier: MIT
"""What the groups share: the load generator, processes and their costs."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/lib"))

import bulkhead  # noqa: E402

LOAD = bulkhead.BUILD / "bench/bulkhead-load"
MIB = 1 << 20


class NotMeasured(Exception):
    """Something that a figure needs is not to be had here."""


# -- the load generator

def load_argv(socket, **options):
    """The generator's arguments: depth=4 is --depth 4, verify=True --verify."""
    argv = [str(LOAD), "--socket", str(socket)]
    for name, value in options.items():
        argv.append("--" + name.replace("_", "-"))
        if value is not True:
            argv.append(str(value))
    return argv


def start_load(socket, **options):
    return subprocess.Popen(load_argv(socket, **options),
                            stdout=subprocess.PIPE, text=True)


def finish_load(process, timeout=120):
    """What the generator found, as a dictionary."""
    out, _ = process.communicate(timeout=timeout)
    if process.returncode not in (0, 3):
        raise NotMeasured(f"bulkhead-load ended with {process.returncode}")
    return json.loads(out)


def run_load(socket, **options):
    return finish_load(start_load(socket, **options))


# -- processes

def cpu_seconds(pids):
    """CPU time of these processes so far, threads that ended included."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += time.clock_gettime((~pid << 3) | 2)
    return total


def pss_bytes(pid, leave_out=None):
    """Proportional set size, without mappings whose line matches."""
    return _set_bytes(pid, leave_out, "Pss:")


def rss_bytes(pid, leave_out=None):
    """Resident set size, without mappings whose line matches."""
    return _set_bytes(pid, leave_out, "Rss:")


def _set_bytes(pid, leave_out, field):
    total = 0
    counted = True
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counted = not (leave_out and re.search(leave_out, line))
        elif counted and line.startswith(field):
            total += int(line.split()[1]) * 1024
    return total


def context_switches(pids):
    """How often the threads of these processes were taken off a CPU."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
            with contextlib.suppress(OSError):
                total += sum(map(int, re.findall(
                    r"ctxt_switches:\s+(\d+)", task.read_text())))
    return total


BUSY_PROCESSES = 8


@contextlib.contextmanager
def busy_host(seconds=300):
    """Others compute: usual processes in nobody's control group, each in a
    session of its own, because sessions are what the kernel shares the
    processors out to where it groups by them. They end by themselves."""
    others = [subprocess.Popen(["timeout", str(seconds), "sh", "-c",
                                "while :; do :; done"],
                               start_new_session=True)
              for _ in range(BUSY_PROCESSES)]
    try:
        yield
    finally:
        for other in others:
            other.terminate()
        for other in others:
            other.wait()


# -- storage

@contextlib.contextmanager
def tmpfs_folder(need_bytes):
    """A folder on tmpfs with room: in /dev/shm, or mounted for us as root."""
    shm = pathlib.Path("/dev/shm")
    if _is_tmpfs(shm) and shutil.disk_usage(shm).free > need_bytes:
        with tempfile.TemporaryDirectory(prefix="bulkhead-bench-",
                                         dir=shm) as folder:
            yield pathlib.Path(folder)
        return
    if os.geteuid() != 0:
        raise NotMeasured("/dev/shm has no room and only root can mount")
    with tempfile.TemporaryDirectory(prefix="bulkhead-bench-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o",
                        f"size={need_bytes + 16 * MIB}", "tmpfs", folder],
                       check=True)
        try:
            yield pathlib.Path(folder)
        finally:
            subprocess.run(["umount", folder], check=False)


def _is_tmpfs(path):
    kinds = {}
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        kinds[where] = kind
    return kinds.get(str(path)) == "tmpfs"


def filled_file(path, size):
    """Every block written once, so that no read finds a hole."""
    block = os.urandom(MIB)
    with open(path, "wb") as file:
        for _ in range(size // MIB):
            file.write(block)
    return path


@contextlib.contextmanager
def block_device(backing):
    """A loop device over a file; zram holds no file and is taken last."""
    if os.geteuid() != 0:
        raise NotMeasured("only root can make a loop device")
    done = subprocess.run(["losetup", "--find", "--show", str(backing)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode != 0:
        raise NotMeasured(f"no loop device: {done.stderr.strip()}")
    device = done.stdout.strip()
    try:
        yield pathlib.Path(device)
    finally:
        subprocess.run(["losetup", "--detach", device], check=False)


# -- ours

class Ours:
    """Bulkhead serving one file to a foreign virtual machine: the generator."""

    def __init__(self, file, cache="buffered", hang="2s", standby=0,
                 queues=1):
        self.host = bulkhead.Host().start()
        self.socket = self.host.directory / "disk.sock"
        self.host.run("service", "set", "disk0", "--standby", standby)
        document = self.host.directory / "bench.json"
        document.write_text(json.dumps({
            "partition": "bench", "engine": "foreign",
            "vhost-user": str(self.socket),
            "disks": [{"name": "disk", "file": str(file), "cache": cache,
                       "hang": hang, "queues": queues}]}))
        for words in (("define", document), ("install", "bench"),
                      ("start", "bench")):
            self.host.run(*words)

    def pids(self):
        return [self.host.keeper.pid] + bulkhead.descendants(
            self.host.keeper.pid)

    def pids_of(self, program):
        """Processes of one of our programs, by the file they run."""
        found = []
        for pid in self.pids():
            with contextlib.suppress(OSError):
                if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == program:
                    found.append(pid)
        return found

    def close(self):
        left = self.host.close()
        for line in left:
            print(f"left behind: {line}")


@contextlib.contextmanager
def ours(file, **options):
    system = Ours(file, **options)
    try:
        yield system
    finally:
        system.close()
