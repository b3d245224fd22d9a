# SPDX-License-Identifier: MIT
"""The peer: qemu-storage-daemon with a vhost-user-blk export and an iothread."""
import contextlib
import pathlib
import shutil
import subprocess
import tempfile
import time

from measure import NotMeasured, cpu_seconds

# What it can be told about the same file; the best per workload is used.
OPTIONS = {
    "threads": "aio=threads",
    "native": "aio=native,cache.direct=on",
    "io_uring": "aio=io_uring",
}
DIRECT_OPTIONS = {
    "threads": "aio=threads,cache.direct=on",
    "native": "aio=native,cache.direct=on",
    "io_uring": "aio=io_uring,cache.direct=on",
}


def version():
    if not shutil.which("qemu-storage-daemon"):
        raise NotMeasured("qemu-storage-daemon is not installed")
    out = subprocess.run(["qemu-storage-daemon", "--version"],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return out.split("version", 1)[1].split()[0]


class Peer:
    """One qemu-storage-daemon; locks off, as Bulkhead holds the file's."""

    def __init__(self, name, file, options, driver, folder):
        self.name = name
        self.options = options
        self.socket = pathlib.Path(folder) / f"{name}.sock"
        self.process = subprocess.Popen([
            "qemu-storage-daemon",
            "--blockdev", f"driver={driver},node-name=disk,filename={file},"
                          f"{options},locking=off",
            "--object", "iothread,id=io",
            "--export", "vhost-user-blk,id=export,node-name=disk,"
                        "writable=on,iothread=io,addr.type=unix,"
                        f"addr.path={self.socket}"],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._wait_ready()

    def _wait_ready(self):
        deadline = time.monotonic() + 10
        while not self.socket.exists():
            if self.process.poll() is not None:
                raise NotMeasured("qemu-storage-daemon: "
                                  + self.process.stderr.read().strip())
            if time.monotonic() > deadline:
                raise NotMeasured("qemu-storage-daemon does not listen")
            time.sleep(0.01)

    def cpu_seconds(self):
        return cpu_seconds([self.process.pid])

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()


@contextlib.contextmanager
def peers(file, options, driver="file"):
    """One of each kind that starts here, all on the same file."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="bulkhead-peer-"))
        started = []
        for name, text in options.items():
            try:
                peer = Peer(name, file, text, driver, folder)
            except NotMeasured as error:
                print(f"peer {name}: {error}")
                continue
            stack.callback(peer.close)
            started.append(peer)
        if not started:
            raise NotMeasured("no qemu-storage-daemon starts")
        yield started
