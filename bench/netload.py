# SPDX-License-Identifier: MIT
"""The network's load generator, and the switches that it drives."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from measure import NotMeasured, bulkhead, cpu_seconds

NETLOAD = bulkhead.BUILD / "bench/bulkhead-netload"
OVS_DPDK = pathlib.Path("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk")
OVS_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PROGRAMS = ("bulkheadd", "bulkhead-monitor", "bulkhead-net")


def start(specs, inside=(), **options):
    """The generator; the first port receives. inside: a prefix of words."""
    argv = [*inside, str(NETLOAD)]
    for spec in specs:
        argv += ["--port", spec]
    for name, value in options.items():
        argv.append("--" + name.replace("_", "-"))
        if value is not True:
            argv.append(str(value))
    return subprocess.Popen(argv, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(process, timeout=120):
    """What it found, as a dictionary."""
    out, complaint = process.communicate(timeout=timeout)
    if process.returncode:
        raise NotMeasured(complaint.strip())
    return json.loads(out)


class Ours:
    """A switch of Bulkhead's whose ports are foreign machines."""

    inside = ()

    def __init__(self, ports, standby=0, **fields):
        self.host = bulkhead.Host().start()
        self.host.run("switch", "define", "lan")
        self.host.run("service", "set", "net0", "--kind", "net", "--standby",
                      standby)
        self.specs = [self._add(number, fields) for number in range(ports)]

    def _add(self, number, fields):
        name = f"port{number}"
        socket = self.host.directory / f"{name}.sock"
        document = self.host.directory / f"{name}.json"
        document.write_text(json.dumps({
            "partition": name, "engine": "foreign", "vhost-user": str(socket),
            "nics": [{"name": "lan0", "switch": "lan",
                      "mac": f"02:00:00:00:00:{number + 1:02x}", **fields}]}))
        for words in (("define", document), ("install", name),
                      ("start", name)):
            self.host.run(*words)
        return f"vhost:{socket}"

    def set_rate(self, number, bytes_per_s):
        self.host.run("nic", "set", f"port{number}", "lan0", "--rate",
                      f"{bytes_per_s // 100}/10ms")

    def pids_of(self, program):
        """Processes of one of our programs, by the file they run."""
        found = []
        for pid in bulkhead.descendants(self.host.keeper.pid):
            with contextlib.suppress(OSError):
                if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == program:
                    found.append(pid)
        return found

    def cpu_seconds(self):
        return cpu_seconds([pid for program in PROGRAMS
                            for pid in self.pids_of(program)])

    def close(self):
        for line in self.host.close():
            print(f"left behind: {line}")


class Namespace:
    """A network namespace, so that nothing of the host's is changed."""

    def __init__(self):
        if os.geteuid() != 0:
            raise NotMeasured("only root can make a network namespace")
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "inf"])
        self.inside = ("nsenter", "--net", "-t", str(self.process.pid))
        host = os.readlink("/proc/self/ns/net")
        bulkhead.wait_for(lambda: os.readlink(
            f"/proc/{self.process.pid}/ns/net") != host, what="a namespace")

    def run(self, *words):
        done = subprocess.run([*self.inside, *words], stderr=subprocess.PIPE,
                              text=True, check=False)
        if done.returncode:
            raise NotMeasured(f"{' '.join(words)}: {done.stderr.strip()}")

    def close(self):
        self.process.kill()
        self.process.wait()


class Vde:
    """vde_switch, with sockets' queues as long as systemd makes them."""

    def __init__(self, ports):
        if not shutil.which("vde_switch"):
            raise NotMeasured("vde_switch is not installed")
        self.folder = tempfile.mkdtemp(prefix="bulkhead-vde-")
        self.namespace = Namespace()
        self.inside = self.namespace.inside
        self.namespace.run("sh", "-c",
                           "echo 512 > /proc/sys/net/unix/max_dgram_qlen")
        self.process = subprocess.Popen(
            [*self.inside, "vde_switch", "-s", f"{self.folder}/s"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        bulkhead.wait_for(pathlib.Path(f"{self.folder}/s/ctl").exists,
                          what="vde_switch listens")
        self.specs = [f"vde:{self.folder}/s"] * ports

    def cpu_seconds(self):
        return cpu_seconds([self.process.pid])

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdin.close()
        self.namespace.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Bridge:
    """veth pairs whose other ends are ports of a bridge."""

    def __init__(self, ports):
        self.namespace = Namespace()
        self.inside = self.namespace.inside
        self.specs = [f"packet:guest{number}" for number in range(ports)]
        try:
            self._make(ports)
        except NotMeasured:
            self.namespace.close()
            raise

    def _make(self, ports):
        def ip(*words):
            self.namespace.run("ip", "link", *words)
        ip("add", "bridge", "type", "bridge")
        ip("set", "bridge", "up")
        for number in range(ports):
            ip("add", f"guest{number}", "type", "veth", "peer", "name",
               f"port{number}")
            ip("set", f"port{number}", "master", "bridge")
            ip("set", f"port{number}", "up")
            ip("set", f"guest{number}", "address",
               f"02:00:00:00:00:{number + 1:02x}", "up")

    def close(self):
        self.namespace.close()


class OvsDpdk:
    """Open vSwitch with DPDK: vhost-user ports that one thread polls all the
    time, on memory that is no huge pages."""

    inside = ()

    def __init__(self, ports):
        if not OVS_DPDK.exists():
            raise NotMeasured("openvswitch-switch-dpdk is not installed")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-ovs-"))
        self.log = self.folder / "vswitchd.log"
        self.processes = []
        self.environment = dict(os.environ, **{
            f"OVS_{kind}DIR": str(self.folder)
            for kind in ("RUN", "LOG", "DB", "SYSCONF")})
        try:
            self._start()
            self.specs = [self._add(f"port{i}") for i in range(ports)]
        except BaseException:
            self.close()
            raise

    def _start(self):
        cpus = sorted(os.sched_getaffinity(0))
        database = f"{self.folder}/conf.db"
        self._run("ovsdb-tool", "create", database, OVS_SCHEMA)
        self._spawn("ovsdb-server", database,
                    f"--remote=punix:{self.folder}/db.sock",
                    f"--unixctl={self.folder}/db.ctl")
        bulkhead.wait_for((self.folder / "db.sock").exists,
                          what="ovsdb-server listens")
        self._vsctl("--no-wait", "init")
        self._vsctl("--no-wait", "set", "Open_vSwitch", ".", *[
            f"other_config:{option}" for option in (
                "dpdk-init=true", "per-port-memory=true",
                "dpdk-extra=\"--no-huge --legacy-mem -m 512 --no-pci\"",
                f"dpdk-lcore-mask={1 << cpus[0]:#x}",
                f"pmd-cpu-mask={1 << cpus[-1]:#x}")])
        self._spawn(str(OVS_DPDK), f"unix:{self.folder}/db.sock",
                    f"--unixctl={self.folder}/vswitchd.ctl")
        self._vsctl("add-br", "bridge", "--", "set", "bridge", "bridge",
                    "datapath_type=netdev")

    def _add(self, name):
        self._vsctl("add-port", "bridge", name, "--", "set", "Interface",
                    name, "type=dpdkvhostuser")
        path = self.folder / name
        bulkhead.wait_for(path.exists, what=f"{name} listens")
        return f"vhost:{path}"

    def _spawn(self, *argv):
        with open(self.log, "a", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen(
                [*argv, "--no-chdir"], env=self.environment, stdout=log,
                stderr=log))

    def _vsctl(self, *words):
        self._run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock",
                  "--timeout=30", *words)

    def _run(self, *argv):
        done = subprocess.run(argv, env=self.environment, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise NotMeasured(f"{argv[0]}: {self._reason(done.stdout)}")

    def _reason(self, said):
        """What the switch complained of last; else what was said."""
        complaints = [line for line in self.log.read_text(
            encoding="utf-8", errors="replace").splitlines()
            if "|ERR|" in line or "|EMER|" in line] \
            if self.log.exists() else []
        return (complaints or [said.strip()])[-1]

    def cpu_seconds(self):
        return cpu_seconds([process.pid for process in self.processes])

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def made(kind, *arguments, **options):
    system = kind(*arguments, **options)
    try:
        yield system
    finally:
        system.close()


def run(system, ports=None, **options):
    return finish(start(system.specs[:ports], system.inside, **options))
