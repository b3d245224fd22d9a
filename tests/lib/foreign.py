# SPDX-License-Identifier: MIT
"""Disks served to a foreign machine: the load generator plays that machine."""
import contextlib
import json
import signal
import subprocess
import time

import bulkhead

LOAD = bulkhead.BUILD / "bench/bulkhead-load"


class Load:
    """Verified load on one served disk, from its making to finish()."""

    def __init__(self, socket, **options):
        words = {"op": "mixed", "depth": 8, "think_us": 500, "seconds": 3600,
                 "warmup_ms": 0, "span": "16M", **options}
        argv = [str(LOAD), "--socket", str(socket), "--verify"]
        for name, value in words.items():
            argv += ["--" + name.replace("_", "-"), str(value)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE,
                                        text=True)

    def finish(self):
        """What it found, once every answer is in."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=90)
        return json.loads(out)

    def check(self):
        """Nothing went wrong, and there was something that could."""
        found = self.finish()
        wrong = {key: found[key] for key in
                 ("errors", "lost", "duplicated", "corrupt")}
        assert wrong == dict.fromkeys(wrong, 0), found
        assert found["all_requests"] > 50, found
        return found

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@contextlib.contextmanager
def load(socket, **options):
    """Load while the block runs; the block ends with nothing lost."""
    running = Load(socket, **options)
    try:
        yield running
        time.sleep(0.3)
        running.check()
    finally:
        running.kill()


def document(host, name, service="disk0", **fields):
    """Write a partition of a foreign machine with one disk; its file."""
    path = host.directory / f"{name}.json"
    path.write_text(json.dumps({
        "partition": name, "engine": "foreign",
        "vhost-user": str(socket_of(host, name)),
        "disks": [{"name": "disk", "file": str(host.directory / f"{name}.img"),
                   "size": "32M", "service": service, **fields}]}))
    return path


def socket_of(host, name):
    return host.directory / f"{name}.sock"


def serve(host, name, **fields):
    """Serve a disk; the socket to reach it."""
    host.run("define", document(host, name, **fields))
    host.run("install", name)
    host.run("start", name)
    return socket_of(host, name)
