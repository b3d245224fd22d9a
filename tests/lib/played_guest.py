# SPDX-License-Identifier: MIT
"""A partition whose monitor, and so whose interface, a test plays."""
import socket
import struct
import subprocess

import played
from refusals import document, write

MONITOR = 1
GUEST_RUNNING = 1


def nic(**fields):
    return {"name": "lan0", "switch": "lan", "vlan": 10, **fields}


def define(host, name, *nics):
    return host.call("define", write(host, document(
        host, partition=name, disks=[], nics=list(nics))))


def wire_of(interface, seconds=5):
    """A socket on the host's end of an uplink."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                         socket.htons(0x88b5))
    made.bind((interface, 0))
    made.settimeout(seconds)
    return made


class Guest:
    """A played monitor whose interface is ours."""

    def __init__(self, host, stage, name, **fields):
        assert define(host, name, nic(**fields)).returncode == 0
        host.run("install", name)
        starting = subprocess.Popen(host.argv("start", name), env=host.env)
        self.child = stage.next()
        _, self.child.settings, fds = self.child.wait("CHILD_SETTINGS")
        self.child.meet = fds[0]
        self.plan = self.child.take("MONITOR_NIC")
        self.id = struct.unpack_from("=Q", self.plan)[0]
        self.mac = self.plan[20:26]
        self.child.send("CHILD_READY", struct.pack("=II", 0, 0))
        self.rings = None
        self.up()
        self.take_all(0.2)
        assert starting.wait(20) == 0

    def up(self):
        """Wait for new rings."""
        while not self.take():
            pass

    def take(self, seconds=10):
        """One message; True if it brought new rings."""
        name, request, body, fds = self.child.receive(seconds)
        if name == "CHILD_PING":
            self.child.send("CHILD_PONG", request=request)
        if name == "MONITOR_RESUME":
            self.child.send("MONITOR_DONE", struct.pack("=iI192s", 0, 0, b""),
                            request=request)
        if name == "MONITOR_COUNT":
            self.child.send("MONITOR_DONE", bytes(200), request=request)
        if name == "MONITOR_NIC_DOWN":
            self.generation = 0
        if name != "MONITOR_NIC_UP":
            played.close(fds)
            return False
        if self.rings:
            self.rings.close()
        self.generation = struct.unpack_from("=QQ", body)[1]
        self.rings = played.Rings(fds)
        return True

    def take_all(self, seconds=0.5):
        """Until there is silence, or the supervisor is gone."""
        try:
            while True:
                self.take(seconds)
        except (AssertionError, played.Gone):
            pass

    def channel(self):
        return struct.pack("=QQII", self.id, self.generation, 0, 0)

    def say(self, other, text):
        self.rings.send(other.mac + self.mac + b"\x88\xb5" +
                        text.encode().ljust(46, b"\0"))

    def hear(self, seconds=5):
        frame = self.rings.receive(seconds)
        return frame and frame[14:].rstrip(b"\0").decode()

    def come_back(self):
        """After the supervisor's death: say what is held."""
        self.child.come_back(MONITOR)
        self.child.wait("CHILD_WELCOME")
        self.child.send("MONITOR_GUEST",
                        struct.pack("=IIiI", GUEST_RUNNING, 0, 0, 0))
        self.child.send("MONITOR_NIC_HELD", self.channel())
        self.child.send("CHILD_REPORTED")
