# SPDX-License-Identifier: MIT
"""When a program was executed and when a guest wrote the magic port, as the
kernel saw it: no process measured has to tell. For root."""
import contextlib
import os
import pathlib
import re
import select
import subprocess
import time

from measure import NotMeasured

TRACEFS = pathlib.Path("/sys/kernel/tracing")
MAGIC_PORT = 0xf7
LINE = re.compile(r"\s(\d+\.\d+): (sched_process_exec|kvm_pio): (.*)$")


class Trace:
    def __init__(self, folder):
        self.folder = folder
        self._set("trace_clock", "mono")
        self._set("buffer_percent", 0)
        self._set("events/kvm/kvm_pio/filter", f"port == {MAGIC_PORT}")
        self._set("events/kvm/kvm_pio/enable", 1)
        self._set("events/sched/sched_process_exec/enable", 1)

    def _set(self, name, value):
        (self.folder / name).write_text(f"{value}\n")

    @contextlib.contextmanager
    def events(self, what, seconds):
        """(seconds, event, text) of what happens from now on."""
        self._set("tracing_on", 0)
        self._set("trace", "")
        pipe = os.open(self.folder / "trace_pipe",
                       os.O_RDONLY | os.O_NONBLOCK)
        self._set("tracing_on", 1)
        try:
            yield self._read(pipe, what, time.monotonic() + seconds)
        finally:
            self._set("tracing_on", 0)
            os.close(pipe)

    def _read(self, pipe, what, deadline):
        text = ""
        while True:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([pipe], [], [], left)[0]:
                raise NotMeasured(f"{what}: the guest is mute")
            with contextlib.suppress(BlockingIOError):
                text += os.read(pipe, 65536).decode(errors="replace")
            *lines, text = text.split("\n")
            for found in filter(None, map(LINE.search, lines)):
                yield float(found[1]), found[2], found[3]


@contextlib.contextmanager
def tracing():
    if os.geteuid() != 0:
        raise NotMeasured("only root can trace the kernel")
    if not (TRACEFS / "instances").exists():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS],
                       check=False)
    folder = TRACEFS / f"instances/bulkhead-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        raise NotMeasured(f"no tracing: {error}") from None
    try:
        yield Trace(folder)
    finally:
        folder.rmdir()


def start(argv):
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True)


def end(process):
    """What it had to say. bulkhead-alone is asked, so that its monitor has
    ended when it has."""
    process.terminate()
    try:
        return process.communicate(timeout=30)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1]


def exec_to_magic(trace, argv, program, seconds=60):
    """Start argv; the time from the exec of `program` to the guest's first
    write of the magic port, in ms; the process started, still running."""
    began = None
    with trace.events(argv[0], seconds) as events:
        process = start(argv)
        try:
            for at, event, text in events:
                if event == "sched_process_exec" and f"/{program} " in text:
                    began = at
                elif event == "kvm_pio" and began is not None:
                    return (at - began) * 1000, process
        except BaseException:
            print(end(process))
            raise


def between_magic(trace, argv, seconds=60):
    """The time between the guest's first two writes, in ms."""
    times = []
    with trace.events(argv[0], seconds) as events:
        process = start(argv)
        try:
            for at, event, _ in events:
                times += [at] if event == "kvm_pio" else []
                if len(times) == 2:
                    return (times[1] - times[0]) * 1000
        finally:
            said = end(process)
            if len(times) < 2:
                print(said)
