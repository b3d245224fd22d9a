# SPDX-License-Identifier: MIT
"""Guests that do with their interfaces what they are told."""
import contextlib

import bulkhead

SERVICE = "net0"


class Talker(bulkhead.Told):
    """A guest that does with its interfaces what it is told."""

    def __init__(self, host, name, interface, memory="128M"):
        super().__init__(host, name, test="net", nics=[interface],
                         memory=memory)

    def values(self, word, verb, *words, seconds=0):
        """The numbers that a verb which must succeed said in a line."""
        self.ask(verb, *words)
        assert self.answer(seconds + 60) == 0, (verb, *words)
        return self.console.values(word)

    def measure(self, seconds, address, *options):
        """TCP to a guest that serves: bits a second, and segments that were
        sent again, as iperf3 counts them."""
        found = self.values("measured", "measure", address, "-t", seconds,
                            *options, seconds=seconds)
        return found["kbits"] * 1000, found["again"]

    def link(self):
        assert self.do("link", "eth0") == 0
        line = self.console.lines("link name=eth0 ")[-1]
        return dict(word.split("=", 1) for word in line.split()[1:])

    def heard(self):
        """The words of the frames that reached a guest told to hear."""
        return [line.split("=", 1)[1]
                for line in self.console.lines("heard word=")]

    def stream_bytes(self):
        return self.console.values("stream heard").get("heard", 0)

    def wait_stream(self, more=1 << 20, seconds=60):
        """Until the stream has come so much further."""
        goal = self.stream_bytes() + more
        bulkhead.wait_for(lambda: self.stream_bytes() >= goal, seconds,
                          what=f"{self.name}'s stream goes on")


def nic(**fields):
    return {"name": "lan0", "switch": "lan", **fields}


def drops(host, name, reason):
    """How many frames of this partition were dropped for this reason."""
    return sum(row["drops"][reason]
               for row in host.json("switch", "counters", "lan")
               if row["partition"] == name)


def mac(host, name):
    return host.partition(name)["nics"][0]["mac"]


@contextlib.contextmanager
def talkers(host, memory="128M", **guests):
    """Guests by name, each with one interface, all booted at once."""
    host.run("switch", "define", "lan")
    made = [Talker(host, name, interface, memory)
            for name, interface in guests.items()]
    yield [talker.ready() for talker in made]
    for talker in made:
        talker.terminal.close()


def meet(one, two):
    """Addresses, and an answered ping."""
    assert one.do("address", "eth0", "10.0.0.1/24") == 0
    assert two.do("address", "eth0", "10.0.0.2/24") == 0
    assert one.do("ping", "10.0.0.2", 3) == 0


def connect(one, two):
    """Addresses, an answered ping, and a stream from one to two."""
    meet(one, two)
    two.do("echo")
    two.console.wait("^echo ready")
    one.do("stream", "10.0.0.2")
    one.wait_stream()


def stream_result(talker):
    talker.ask("end")
    talker.console.wait("^streamed ")
    return talker.console.values("streamed")
