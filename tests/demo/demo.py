# SPDX-License-Identifier: MIT
"""The demonstration: two guests keep their data, a connection between them and
the way out while their disk and network services are killed, hung and upgraded
and passt and their supervisor are killed. ./run demo."""
import argparse
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import bulkhead  # noqa: E402
import outside  # noqa: E402

# Their addresses; the first one talks to the second, and to the outside.
GUESTS = {"red": "10.83.76.1", "blue": "10.83.76.2"}
QUIET_SECONDS = 3
BETWEEN_SECONDS = 2
PAGE_SECONDS = 15
# Pages that a guest may begin before passt is there again.
PAGES_BETWEEN = 2


def kill_service(host):
    host.replace_service(signal.SIGKILL)


def kill_network(host):
    host.replace_service(signal.SIGKILL, "net0")


def kill_passt(host):
    outside.replace_passt(host)


def hang_service(host):
    host.replace_service(signal.SIGSTOP)


def kill_supervisor(host):
    host.kill_supervisor()


def upgrade_service(host):
    host.run("service", "restart", "disk0")


def add_standby(host):
    host.run("service", "set", "disk0", "--standby", 1)
    bulkhead.wait_for(lambda: host.instances("disk0", "standby"),
                      what="a standby is ready")


COLD = "disk service killed"
WARM = "disk service killed, standby hot"
HANG = "disk service stopped (hung)"
UPGRADE = "disk service upgraded"
SUPERVISOR = "supervisor killed"
NETWORK = "network service killed"
PASST = "passt killed"

SCRIPT = ([(COLD, kill_service)] * 3 + [(HANG, hang_service)]
          + [(COLD, kill_service)] * 2 + [(NETWORK, kill_network)] * 3
          + [(PASST, kill_passt), (SUPERVISOR, kill_supervisor)]
          + [(PASST, kill_passt), (NETWORK, kill_network)]
          + [(None, add_standby)] + [(WARM, kill_service)] * 3
          + [(UPGRADE, upgrade_service)] + [(HANG, hang_service)]
          + [(WARM, kill_service)] * 2)


class Demo:
    def __init__(self, host):
        self.host = host
        self.consoles = {}
        self.outside = outside.Outside()
        self.may_lose = 0  # pages, to the death of passt
        self.doing = "starting the guests"
        self.stalls = {}  # what happened: longest stalls felt, in ms
        self.began = time.monotonic()

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def start_guests(self):
        self.host.run("service", "set", "disk0", "--standby", 0)
        self.host.run("switch", "define", "lan")
        self.host.run("switch", "define", "wan", "--uplink", "passt:host")
        lan = {"name": "lan0", "switch": "lan", "vlan": 10, "rate": "1M/1s"}
        wan = {"name": "wan0", "switch": "wan"}
        port = self.outside.page_port
        for name, args, nics in (
                ("red", f"{GUESTS['blue']},32,{port},"
                        f"{bulkhead.scaled(PAGE_SECONDS)}", [lan, wan]),
                ("blue", "none,32", [lan])):
            self.host.define(
                name, test="pair", args=f"{GUESTS[name]}/24,{args}",
                disks=[self.host.disk(f"{name}-root", "96M")], nics=nics)
            self.host.run("install", name)
            self.host.run("start", name)
            self.consoles[name] = self.host.console(name)
            self.say(f"partition {name} runs")
        for console in self.consoles.values():
            console.wait(r"^stamp filled", 90)
        self.say("both guests write and verify stamped blocks on ext4, and "
                 "talk over VLAN 10")
        self.wait_page()
        self.say("one fetches pages from outside through passt")

    def total(self, key):
        return sum(console.values("stamp requests").get(key, 0)
                   for console in self.consoles.values())

    def progress_line(self):
        return (f"{self.total('requests'):9,} requests "
                f"{self.total('bytes') >> 20:6,} MiB  errors "
                f"{self.total('errors')} corrupt {self.total('corrupt')} lost "
                f"{self.total('lost')} duplicated {self.total('duplicated')}")

    def progress(self):
        if sys.stdout.isatty():
            print(f"\r{time.monotonic() - self.began:6.1f} s  "
                  f"{self.progress_line()}  ", end="", flush=True)

    def watch(self, seconds, action=None):
        """The longest request that each guest met meanwhile, in ms."""
        positions = {name: len(console.lines("stamp requests"))
                     for name, console in self.consoles.items()}
        if action is not None:
            action(self.host)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.progress()
            time.sleep(0.25)
        if sys.stdout.isatty():
            print("\r", end="")
        return [self.longest_since(name, positions[name]) for name in GUESTS]

    def longest_since(self, name, position):
        lines = self.consoles[name].lines("stamp requests")[position:]
        return max((int(line.rsplit("period_us=", 1)[1]) / 1000
                    for line in lines), default=0.0)

    def pages(self):
        return outside.pages_of(self.consoles["red"])

    def wait_page(self):
        """Until a page is there that was asked for only now."""
        last = self.outside.last_begun()
        bulkhead.wait_for(
            lambda: any(ok and number > last
                        for number, ok in self.pages().items()),
            what="a page comes from outside")

    def do(self, what, action):
        self.doing = what or "adding a standby"
        if what == PASST:
            self.may_lose += self.pages_under_way() + PAGES_BETWEEN
        stalls = self.watch(BETWEEN_SECONDS, action)
        self.wait_page()
        if what is None:
            return
        self.stalls.setdefault(what, []).extend(stalls)
        self.say(f"{what:33}{max(stalls):6.0f} ms  {self.progress_line()}")

    def stop_guests(self):
        self.doing = "stopping the guests"
        self.say("guests verify everything, unmount, check, and switch off")
        for name in GUESTS:
            self.host.run("stop", name, "--deadline", bulkhead.scaled(60))
        for console in self.consoles.values():
            console.wait(r"^finished", 30)

    def streamed(self):
        """What became of the connection between the guests."""
        return self.consoles["red"].values("streamed")

    def pages_under_way(self):
        return len(set(self.outside.pages.begun) - set(self.pages()))

    def lost_pages(self):
        return [number for number, ok in self.pages().items() if not ok]

    def resets(self):
        """How often a guest that nobody reset booted again."""
        return sum(len(console.lines("up ")) - 1
                   for console in self.consoles.values())

    def said(self, word):
        """The worst that a guest said of itself at its end; None: one of them
        did not say."""
        said = [console.values(word) for console in self.consoles.values()]
        if not all(said):
            return None
        return max(value for values in said for value in values.values())

    def times(self, what):
        return len(self.stalls.get(what, [])) // len(GUESTS)

    def what_was_done(self):
        felt = sorted(s for stalls in self.stalls.values() for s in stalls)
        rows = [("requests", f"{self.total('requests'):,}"),
                ("bytes", f"{self.total('bytes'):,}"),
                ("disk service killed with SIGKILL",
                 self.times(COLD) + self.times(WARM)),
                ("disk service hung with SIGSTOP", self.times(HANG)),
                ("disk service upgraded", self.times(UPGRADE)),
                ("network service killed with SIGKILL", self.times(NETWORK)),
                ("passt killed with SIGKILL", self.times(PASST)),
                ("supervisor killed with SIGKILL", self.times(SUPERVISOR))]
        rows += [(f"longest stall, {what}", f"{max(stalls):.0f} ms")
                 for what, stalls in self.stalls.items()]
        return rows + [
            ("longest stall", f"{felt[-1]:.0f} ms"),
            ("p99 stall", f"{felt[int(0.99 * (len(felt) - 1))]:.0f} ms"),
            ("p99 of all requests", "{:.1f} ms".format(max(
                c.values("stamp requests")["p99_us"]
                for c in self.consoles.values()) / 1000)),
            ("longest request with nothing amiss", f"{self.quiet_ms:.0f} ms"),
            ("longest silence between the guests",
             f"{self.streamed().get('longest_ms', 0)} ms")]

    def what_is_judged(self):
        """Each with whether it is as it must be."""
        streamed, fetched = self.streamed(), sum(self.pages().values())
        heard, lost = streamed.get("heard", 0), len(self.lost_pages())
        zero = [("of them wrong", streamed.get("wrong")),
                ("times it was broken", streamed.get("broken")),
                ("lost", self.total("lost")),
                ("duplicated", self.total("duplicated")),
                ("corrupt", self.total("corrupt")),
                ("guest I/O errors", self.total("errors")),
                ("guests that began anew", self.resets()),
                ("verification at the end", self.said("stamp end")),
                ("check of the file systems", self.said("e2fsck")),
                ("guest kernel complaints", self.said("kernel"))]
        return [("bytes over one connection between the guests", f"{heard:,}",
                 heard > 0),
                *((name, "not said" if value is None else value, value == 0)
                  for name, value in zero),
                ("pages fetched from outside through passt", fetched,
                 fetched > 0),
                (f"pages lost with a passt that was killed "
                 f"(<= {self.may_lose})", lost, lost <= self.may_lose)]

    def table(self):
        """Print it; whether everything is as it must be."""
        judged = self.what_is_judged()
        print()
        for name, value in self.what_was_done():
            print(f"  {name:48} {value:>14}")
        for name, value, is_right in judged:
            print(f"  {name:48} {value:>14}{'' if is_right else '  FAILED'}")
        print(flush=True)
        return all(is_right for _, _, is_right in judged)

    def run(self):
        self.start_guests()
        self.quiet_ms = max(self.watch(QUIET_SECONDS))
        for what, action in SCRIPT:
            self.do(what, action)
        self.stop_guests()
        return self.table()


def read_options():
    parser = argparse.ArgumentParser(prog="./run demo")
    parser.add_argument("--engine", choices=("qemu", "kvm"), default="qemu",
                        help="what runs the guests (qemu)")
    bulkhead.engine = parser.parse_args().engine


def print_log(host):
    print(f"--- the supervisor's log ends\n{host.log()[-3000:]}",
          file=sys.stderr)


def find_trouble(host):
    """What this host lacks for the demonstration, or None."""
    for row in host.json("doctor")["probes"]:
        if row["id"] == "namespace.user" and row["verdict"] == "no":
            return row["detail"]
    return None


def main():
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    read_options()
    host = bulkhead.Host()
    trouble = find_trouble(host)
    if trouble:
        print(f"demo: passt cannot run, {trouble}", file=sys.stderr)
        host.close()
        return 1
    print("building the guest's image, unless it is there")
    bulkhead.guest_image()
    demo = Demo(host)
    try:
        host.start()
        is_clean = demo.run()
        if not is_clean:
            print_log(host)
    except (AssertionError, bulkhead.Failed) as error:
        print(f"demo: {demo.doing}: {error}", file=sys.stderr)
        print_log(host)
        is_clean = False
    finally:
        left = host.close()
        demo.outside.close()
    for line in left:
        print(f"demo: left behind: {line}", file=sys.stderr)
    print("demo: nothing lost, nothing left behind" if is_clean and not left
          else "demo: FAILED")
    return 0 if is_clean and not left else 1


if __name__ == "__main__":
    sys.exit(main())
