# SPDX-License-Identifier: MIT
"""A supervisor of one's own, driven through the CLI alone.

Used by every test that crosses a process, by the demo and by ./run shell.
Python's standard library only.
"""
import ctypes
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD", ROOT / "build")).resolve()
PR_SET_CHILD_SUBREAPER = 36

# What runs the guests, and how often a test under load kills: set by options.
engine = "qemu"
kills = 110
# How many times slower than usual guests are here: the rig says so.
slowness = float(os.environ.get("BULKHEAD_SLOWNESS", 1))


def scaled(seconds):
    """A bound that a slow machine keeps as well, in whole seconds."""
    return round(seconds * slowness)


class Failed(Exception):
    """A verb that did not end in 0: its exit status and its sentence."""

    def __init__(self, verb, status, text):
        super().__init__(f"bulkhead {verb}: exit {status}: {text}")
        self.status = status
        self.text = text


def program(name):
    """The path of one of our programs in the build tree."""
    return str(next(p for p in sorted((BUILD / "src").glob(f"*/{name}"))
                    if os.access(p, os.X_OK) and p.is_file()))


def guest_image():
    """The folder with the guest's vmlinuz and initrd, made on first use,
    unless BULKHEAD_GUEST names it."""
    return _built("BULKHEAD_GUEST", "guest/build-image")


def i386_image():
    """The same of a guest of 32 bits, unless BULKHEAD_I386 names it."""
    return _built("BULKHEAD_I386", "guest/build-i386")


def small_kernel():
    """The folder of the small kernel, unless BULKHEAD_SMALL names it; one
    that is not there if it was never made."""
    return _built("BULKHEAD_SMALL", "guest/build-kernel", "--cached")


def _built(variable, script, *arguments):
    if variable in os.environ:
        return pathlib.Path(os.environ[variable])
    done = subprocess.run([str(ROOT / script), *arguments],
                          stdout=subprocess.PIPE, text=True, check=True)
    return pathlib.Path(done.stdout.strip() or "/nonexistent")


def wait_for(question, seconds=30, every=0.05, what="condition"):
    """The first true answer of question(); fails when none comes in time."""
    seconds *= slowness
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(every)


def adopt_orphans():
    """Whatever is left of a supervisor becomes our child, so none hides."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def parent_of(pid):
    """None: it is dead, and holds nothing open any more."""
    process = pathlib.Path(f"/proc/{pid}")
    try:
        stat = (process / "stat").read_text()
        threads = os.listdir(process / "task")
    except OSError:
        return None
    state, parent = stat.rsplit(")", 1)[1].split()[:2]
    # The first thread may be a zombie while others are still ending.
    return None if state == "Z" and len(threads) == 1 else int(parent)


def descendants(pid):
    """All processes below pid, dead ones not counted."""
    parents = {int(p): parent_of(p) for p in os.listdir("/proc")
               if p.isdigit()}
    found = [pid]
    for ancestor in found:
        found += [p for p, parent in parents.items() if parent == ancestor]
    return found[1:]


def command_line(pid):
    try:
        raw = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def mounts():
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return {line.split()[4] for line in lines}


def cgroups(state):
    """Our cgroups of the supervisor with this state directory, in whatever
    hierarchy: they are named for it."""
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(state)
        name = f"bulkhead-{status.st_dev:x}-{status.st_ino:x}"
        found = {os.path.join(path, name)
                 for path, folders, _ in os.walk("/sys/fs/cgroup")
                 if name in folders}
        return {path for path in found if os.stat(path).st_uid == os.geteuid()}
    return set()


class Transcript:
    """What a guest has said so far, and waiting for more of it."""

    def __init__(self, name):
        self.name = name
        self.text = ""

    def add(self, chunk):
        self.text += chunk.decode(errors="replace").replace("\r", "")

    def lines(self, word=""):
        """What the guest said to the host, those lines that begin so."""
        said = [line.partition("BULKHEAD ")[2]
                for line in self.text.split("\n")[:-1]]
        return [line for line in said if line and line.startswith(word)]

    def wait(self, pattern, seconds=60, count=1):
        """The count-th line that matches; its match object."""
        def look():
            found = [m for m in (re.search(pattern, line)
                                 for line in self.lines()) if m]
            return found[count - 1] if len(found) >= count else None
        try:
            return wait_for(look, seconds, what=f"{self.name} says {pattern}")
        except AssertionError as error:
            tail = "\n".join(self.text.split("\n")[-15:])
            raise AssertionError(f"{error}; its console ends:\n{tail}") from None

    def values(self, word):
        """The numbers of the last line that begins so."""
        lines = self.lines(word)
        pairs = re.findall(r"(\w+)=(\d+)\b", lines[-1]) if lines else []
        return {key: int(value) for key, value in pairs}


class Console(Transcript):
    """Follows a partition's console; attaches again when it is cut off."""

    def __init__(self, host, name):
        super().__init__(name)
        self.host = host
        self.is_ending = False
        self.process = None
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        while not self.is_ending:
            self.process = subprocess.Popen(
                self.host.argv("console", self.name, "--read-only"),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, env=self.host.env)
            # not by lines: memtest86+ never ends one
            while chunk := self.process.stdout.read1(4096):
                self.add(chunk)
            self.process.wait()
            time.sleep(0.1)

    def close(self):
        self.is_ending = True
        with contextlib.suppress(ProcessLookupError, AttributeError):
            self.process.terminate()
        self.thread.join(10)


class Terminal:
    """An attached `bulkhead console` whose keyboard is a pipe."""

    def __init__(self, host, *words):
        self.process = subprocess.Popen(
            host.argv("console", *words), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=host.env)
        self.text = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while chunk := os.read(self.process.stdout.fileno(), 4096):
            self.text += chunk.decode(errors="replace")

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait(self, text, seconds=30):
        wait_for(lambda: text in self.text, seconds,
                          what=f"the terminal shows {text!r}")

    def close(self):
        self.process.kill()
        self.process.wait()


class Host:
    """One supervisor under its keeper, with a state directory of its own."""

    def __init__(self, directory=None, config="", keep=True, environment=None):
        adopt_orphans()
        self.owns_directory = directory is None
        self.directory = pathlib.Path(
            directory or tempfile.mkdtemp(prefix="bulkhead-"))
        self.state = self.directory / "state"
        self.socket = self.state / "run/bulkhead.sock"
        self.keep = keep
        self.keeper = None
        self.consoles = []
        self.env = dict(os.environ, BULKHEAD_SOCKET=str(self.socket),
                        **(environment or {}))
        self.config = self.directory / "bulkheadd.conf"
        self.config.write_text(config)
        self.log_path = self.directory / "log"
        self.mounts_before = mounts()

    # -- the supervisor

    def supervisor_argv(self):
        argv = [program("bulkheadd")]
        if self.keep:
            argv.append("--keep")
        argv += ["--state", str(self.state)]
        if self.config.read_text():
            argv += ["--config", str(self.config)]
        return argv

    def start(self):
        with open(self.log_path, "ab") as log:
            self.keeper = subprocess.Popen(
                self.supervisor_argv(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=self.env, start_new_session=True)
        self.wait_ready()
        return self

    def wait_ready(self, seconds=20):
        def answers():
            if self.keeper.poll() is not None:
                raise AssertionError(
                    f"bulkheadd ended with {self.keeper.returncode}: "
                    + self.log()[-2000:])
            return self.call("list").returncode == 0
        wait_for(answers, seconds, what="the supervisor answers")

    def supervisor_pid(self):
        """The process that answers, not its keeper."""
        if not self.keep:
            return self.keeper.pid
        pids = [p for p in descendants(self.keeper.pid)
                if parent_of(p) == self.keeper.pid
                and "bulkheadd" in command_line(p)]
        return pids[0] if pids else None

    def kill_supervisor(self, signal_number=signal.SIGKILL):
        """Kill it, and wait until the one started again answers."""
        old = wait_for(self.supervisor_pid, what="a supervisor runs")
        os.kill(old, signal_number)
        wait_for(lambda: self.supervisor_pid() not in (None, old),
                 what="the supervisor is started again")
        self.wait_ready()
        return old

    def log(self):
        return self.log_path.read_text(errors="replace")

    # -- verbs

    def argv(self, *words):
        return [program("bulkhead"), *map(str, words)]

    def call(self, *words, stdin=subprocess.DEVNULL, timeout=120):
        return subprocess.run(self.argv(*words), stdin=stdin, env=self.env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, errors="replace",
                              timeout=timeout * slowness)

    def run(self, *words, **options):
        """A verb that must succeed; its output."""
        done = self.call(*words, **options)
        if done.returncode != 0:
            raise Failed(" ".join(map(str, words)), done.returncode,
                         done.stderr.strip())
        return done.stdout

    def json(self, *words):
        return json.loads(self.run("--json", *words))

    def define(self, name, test="idle", args="", disks=(), memory="192M",
               cpus=1, **fields):
        """Define a partition that boots the test guest; its document."""
        image = guest_image()
        document = {
            "partition": name, "engine": engine,
            "boot": {"kernel": str(image / "vmlinuz"),
                     "initrd": str(image / "initrd"),
                     "cmdline": "console=ttyS0 quiet panic=-1 "
                                f"bulkhead.test={test} bulkhead.args={args}"},
            "cpu": {"virtual": cpus}, "memory": {"size": memory},
            "disks": [dict(disk) for disk in disks], **fields}
        path = self.directory / f"{name}.json"
        path.write_text(json.dumps(document))
        self.run("define", path)
        return document

    def disk(self, name="root", size="128M", **fields):
        """One disk on a file in our directory."""
        return {"name": name, "size": size,
                "file": str(self.directory / f"{name}.img"), **fields}

    def up(self, name, **fields):
        """Define, install and start; the guest's console."""
        self.define(name, **fields)
        self.run("install", name)
        self.run("start", name)
        return self.console(name)

    def console(self, name):
        self.consoles.append(Console(self, name))
        return self.consoles[-1]

    def partition(self, name):
        return self.json("show", name)

    def engine_pid(self, name):
        """The process that runs the guest's code."""
        row = self.partition(name)
        return row["engine_pid"] or row["monitor_pid"]

    def state_of(self, name):
        return next((row["state"] for row in self.json("list")
                     if row["name"] == name), None)

    def wait_state(self, name, state, seconds=60):
        wait_for(lambda: self.state_of(name) == state, seconds,
                 what=f"{name} is {state}")

    def instances(self, name, role="active"):
        return [row for row in self.json("service", "list")
                if row["name"] == name and row["role"] == role]

    def service_pid(self, name="disk0", seconds=20):
        rows = wait_for(lambda: [r for r in self.instances(name) if r["pid"]],
                        seconds, what=f"service {name} is active")
        return rows[0]["pid"]

    def replace_service(self, signal_number=signal.SIGKILL, name="disk0"):
        """Send the active instance a signal; wait for another in its place."""
        old = self.service_pid(name)
        os.kill(old, signal_number)
        wait_for(lambda: self.service_pid(name) != old, 30, 0.01,
                 what=f"service {name} is replaced")
        return old

    # -- the end

    def close(self):
        """End everything; what is left behind, one line each."""
        for console in self.consoles:
            console.close()
        if self.keeper is not None:
            self._stop_partitions()
            self._stop_supervisor()
        left = self._kill_what_is_left()
        left += [f"mount {name}" for name in mounts() - self.mounts_before
                 if "bulkhead" in name]
        left += [f"cgroup {name}" for name in cgroups(self.state)]
        if self.owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        return left

    def _stop_partitions(self):
        listed = self.call("--json", "list")
        if listed.returncode != 0:
            return
        for row in json.loads(listed.stdout):
            if row["state"] not in ("stopped", "uninstalled", "saved"):
                self.call("stop", row["name"], "--force")

    def shut_down(self):
        """The orderly end: partitions, services, supervisor, keeper."""
        self.run("shutdown")
        self.keeper.wait(scaled(60))

    def _stop_supervisor(self):
        if self.call("shutdown").returncode != 0:
            self.keeper.terminate()
        try:
            self.keeper.wait(scaled(30))
        except subprocess.TimeoutExpired:
            self.keeper.kill()
            self.keeper.wait()

    def _kill_what_is_left(self):
        """What the supervisor left running, which should be nothing."""
        def is_ours(words):
            return str(self.directory) in words or os.path.basename(
                words.split(" ")[0]).startswith(("bulkhead", "qemu-"))

        def remaining():
            return [p for p in descendants(os.getpid())
                    if is_ours(command_line(p))]
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not remaining(), 3)
        left = []
        for pid in remaining():
            left.append(f"process {pid} {command_line(pid)}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return left


class Told:
    """A guest that does what it is told on its console, and says how it went."""

    def __init__(self, host, name, **fields):
        self.host = host
        self.name = name
        self.asked = 0
        self.console = host.up(name, **fields)

    def ready(self):
        self.console.wait("^ready")
        self.terminal = Terminal(self.host, self.name)
        return self

    def ask(self, verb, *words):
        self.asked += 1
        self.terminal.type(" ".join([verb, *map(str, words)]) + "\n")

    def answer(self, seconds=30):
        """The exit status of the last verb asked for."""
        found = self.console.wait("^did .*status=([0-9]+)", seconds,
                                  count=self.asked)
        return int(found.group(1))

    def do(self, verb, *words):
        self.ask(verb, *words)
        return self.answer()


class Raw(Told):
    """A guest that does single requests on a disk as it is told."""

    def __init__(self, host, disk, name="one"):
        seen_as = "sda" if disk.get("bus") == "scsi" else "vda"
        super().__init__(host, name, test="raw", args=seen_as, disks=[disk])
        self.ready()
