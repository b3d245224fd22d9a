#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes corpus/supervisor: what befalls it, as fuzz_supervisor.c reads it."""
import pathlib
import re
import struct

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "corpus" / "supervisor"
MESSAGES = {name: (int(number), sender) for number, name, sender in re.findall(
    r"^MESSAGE\((\d+),\s*(\w+),\s*(\w+), supervisor,",
    (HERE / "../../src/control/protocol.def").read_text(), re.MULTILINE)}
MONITOR, DISK, CONSOLE, NET, STRANGER, CLIENT = range(6)
MS = [1, 5, 20, 50, 100, 200, 500, 1000, 2000, 3000, 5000, 10000, 3600000]
VERBS = ["START", "STOP", "PAUSE", "RESUME", "RESET", "SAVE", "RESTORE",
         "SHOW", "BALLOON", "UNINSTALL", "LIST", "DISK_LIST", "SERVICE_LIST",
         "SUPERVISOR_SHOW", "SWITCH_SHOW", "UPGRADE_DISK", "UPGRADE_NET",
         "UPGRADE_CONSOLE"]
NAMES = ["a", "b", "c", "disk0", "net0", "console0", "", "disk1", "lan", "wan"]


def marred(changes, cut):
    """(offset, value) pairs, then a length that is not the type's."""
    count = len(changes) | (0x80 if cut is not None else 0)
    tail = b"" if cut is None else struct.pack(">H", cut)
    return bytes([count]) + b"".join(struct.pack(">HB", *change)
                                     for change in changes) + tail


def say(name, *changes, times=1, request=0, pick=None, fds=0, cut=None):
    # A monitor has its console first, then its disk and its interface.
    if pick is None:
        pick = 2 if "NIC" in name else 1 if name.startswith("MONITOR") else 0
    return bytes([0, times - 1, MESSAGES[name][0], pick, fds,
                  request]) + marred(changes, cut)


def ask(name, *changes, of="a", request=1, fds=0, cut=None, times=1):
    return bytes([0, times - 1, MESSAGES[name][0], fds, request,
                  NAMES.index(of)]) + marred(changes, cut)


def serve(count=8):
    return bytes([1, count - 1])


def behave(yes):
    return bytes([2, yes])


def passes(ms):
    return bytes([3, MS.index(ms)])


def hang_up():
    return bytes([4, 1])


def come_back():
    return bytes([4, 0])


def dies():
    return bytes([5])


def choose(which):
    return bytes([6, which])


def restarts():
    return bytes([7, 0])


def restarts_after(visitors):
    return bytes([7, 1]) + visitors[1:]


def strangers(count, whose=0, uid=0, wrong=False, silent=False, gone=False,
              many=True):
    how = many | wrong << 1 | silent << 2 | gone << 3 | uid << 4
    return bytes([8, whose, how, count - 1])


def accident(role):
    return bytes([9, role - DISK])


def disk_breaks(is_broken):
    return bytes([13, is_broken])


def verb(name, argument=0):
    extra = bytes([argument]) if name in ("STOP", "BALLOON") else b""
    return bytes([10, VERBS.index(name)]) + extra


def said_by(role):
    return [name for name, (_, sender) in MESSAGES.items()
            if sender in (role, "child")]


def every_message(role):
    """Each that a child may send, from one that does nothing else; then as a
    flood, cut short, and with a descriptor too many."""
    for name in said_by(role):
        yield name.lower(), behave(0) + say(name) + passes(100)
        yield (f"{name.lower()}-others", behave(0) + say(name) +
               say(name, pick=2) + say(name, pick=3) + passes(100))
        yield (f"{name.lower()}-odd", behave(0) + say(name, times=64) +
               say(name, cut=3) + passes(5000))


def monitor():
    guest = {name: say("MONITOR_GUEST", (0, state))
             for state, name in enumerate(["running", "paused", "reset", "off",
                                           "panicked", "died"], 1)}
    yield from every_message("monitor")
    for name, told in guest.items():
        yield f"guest-{name}", told + passes(1000) + passes(10000)
        yield f"guest-{name}-silent", behave(0) + told + passes(5000)
    for asked in VERBS:
        yield f"verb-{asked.lower()}", verb(asked) + passes(100)
        yield (f"verb-{asked.lower()}-unanswered",
               behave(0) + verb(asked) + passes(3600000))
        yield (f"verb-{asked.lower()}-fails", behave(0) + verb(asked) +
               say("MONITOR_DONE", (0, 0xfb), (1, 0xff), (2, 0xff), (3, 0xff),
                   request=1) + passes(5000))
        yield (f"verb-{asked.lower()}-over-a-restart",
               behave(0) + verb(asked) + restarts() + come_back() +
               serve() + behave(1) + passes(100))
    yield ("pause-request-flood",
           (say("MONITOR_PAUSE_REQUEST", times=64) +
            say("MONITOR_DONE", times=64, request=1)) * 6)
    yield ("pauses-and-resumes", behave(0) + b"".join(
        say("MONITOR_PAUSE_REQUEST") + say("MONITOR_DONE", request=i) +
        say("MONITOR_DONE", request=i + 1) for i in range(1, 41, 2)))
    yield ("pauses-in-an-outage", accident(DISK) * 8 +
           say("MONITOR_PAUSE_REQUEST") + passes(1) + passes(10000))
    yield ("done-guessed", b"".join(say("MONITOR_DONE", request=i, times=8)
                                    for i in range(1, 9)))
    yield ("counts-guessed", say("MONITOR_DONE", request=255, times=64))
    yield ("suspects-without-end",
           (say("MONITOR_SUSPECT", times=64) + passes(3000)) * 4)
    yield "poison", say("MONITOR_POISON") + passes(500) + passes(5000)
    yield ("broken-channels",
           (say("MONITOR_BROKEN") + passes(1000) + passes(1000)) * 5)
    yield ("broken-rings",
           (say("MONITOR_NIC_BROKEN") + passes(1000)) * 5)
    yield ("features", say("MONITOR_NIC_FEATURES", (8, 1)) +
           say("MONITOR_NIC_FEATURES", (8, 2), times=64) +
           passes(100) + say("MONITOR_NIC_FEATURES", (20, 65)))
    yield ("nothing-can-be-stored", disk_breaks(1) + verb("PAUSE") +
           passes(100) + verb("RESUME") + passes(100) + dies() +
           passes(10000) + disk_breaks(0) + passes(10000))
    for asked in VERBS:
        yield (f"verb-{asked.lower()}-on-a-broken-disk", disk_breaks(1) +
               verb(asked) + passes(5000) + disk_breaks(0) + passes(10000))
    yield "saved", verb("SAVE") + passes(100) + verb("RESTORE") + passes(100)
    yield ("dies-while-it-saves", behave(0) + verb("SAVE") + serve(1) + dies() +
           passes(100))
    yield ("restored-in-parts", verb("SAVE") + passes(100) + behave(0) +
           verb("RESTORE") + serve(2) + restarts() + come_back() + serve() +
           passes(100) + behave(1) + passes(5000))
    yield ("restored-and-dies", verb("SAVE") + passes(100) + behave(0) +
           verb("RESTORE") + serve() + dies() + passes(5000))
    yield ("saved-and-restarted", verb("SAVE") + restarts() +
           verb("RESTORE") + passes(100))
    yield "dies-again-and-again", (dies() + passes(500)) * 8
    yield "hangs-up", hang_up() + passes(2000)
    yield "hangs-up-and-returns", (hang_up() + come_back() + passes(5)) * 4
    yield ("returns-with-nothing", behave(0) + restarts() + come_back() +
           say("CHILD_REPORTED") + passes(5000))
    yield ("returns-with-another-disk", behave(0) + restarts() + come_back() +
           say("MONITOR_DISK_HELD", (0, 1)) + say("CHILD_REPORTED") +
           passes(5000))
    yield "stays-away", behave(0) + restarts() + passes(5000) + passes(10000)
    yield ("talks-while-dying", behave(0) + verb("STOP", 1) +
           say("MONITOR_PAUSE_REQUEST", times=64) + passes(10000))
    yield ("meets-accidents", accident(DISK) + passes(5) +
           accident(CONSOLE) + passes(200) + accident(NET) + passes(1000))
    yield ("uninstalled", verb("STOP") + passes(1000) + verb("UNINSTALL") +
           passes(1000))


def service(role):
    yield from every_message(role)
    yield "restarts", restarts() + passes(100) + passes(5000)
    yield "dies", dies() + passes(200) + dies() + passes(200)
    yield "exits-early", (dies() + passes(1)) * 12
    yield "silent", behave(0) + passes(3600000)
    yield ("silent-through-verbs", behave(0) + verb("STOP") + passes(5000) +
           verb("START") + passes(5000))
    yield "hangs-up", hang_up() + passes(2000)
    yield "returns-unasked", hang_up() + come_back() + passes(100)
    yield ("stays-away", behave(0) + restarts() + passes(5000))
    yield ("late", behave(0) + restarts() + passes(5000) + come_back() +
           behave(1) + passes(100))
    for upgraded in ("DISK", "NET", "CONSOLE"):
        yield (f"upgrade-of-{upgraded.lower()}", behave(0) +
               verb(f"UPGRADE_{upgraded}") + passes(500) + serve() +
               passes(5000) + behave(1) + passes(5000))
    yield "reports", behave(0) + verb("SWITCH_SHOW") + passes(10000)
    held = {"disk": "DISK_HELD", "console": "CONSOLE_HELD",
            "net": "NET_HELD"}[role]
    yield ("claims-it-all", behave(0) + restarts() + come_back() +
           b"".join(say(held, (0, i), times=64) for i in range(1, 9)) +
           say("CHILD_REPORTED") + passes(5000))
    yield ("two-claim-it", behave(0) + restarts() + come_back() + serve() +
           choose(1) + come_back() + say(held, (0, 1)) + say(held, (0, 3)) +
           say("CHILD_REPORTED") + behave(1) + passes(5000))


def client():
    for name in said_by("client"):
        yield name.lower(), ask(name) + passes(100)
        yield f"{name.lower()}-marred", ask(name, (0, 0), (31, 65), (40, 255))
        yield f"{name.lower()}-short", ask(name, cut=5)
        yield f"{name.lower()}-often", ask(name, times=64)
    life = [ask(f"PARTITION_{name}", of="c") for name in
            ("DEFINE", "INSTALL", "START", "PAUSE", "RESUME", "STOP",
             "UNINSTALL", "UNDEFINE")]
    yield "life", b"".join(step + passes(1000) for step in life)
    yield "life-in-haste", b"".join(life)
    yield ("upgrades", (ask("SERVICE_RESTART", of="disk0") + passes(500)) * 3 +
           ask("SERVICE_RESTART", of="net0") + passes(500))
    yield ("more-services", ask("SERVICE_SET", (32, 2), of="disk1") +
           passes(500) + ask("SERVICE_LIST"))
    yield ("switches", ask("SWITCH_DEFINE", of="wan") + ask("SWITCH_LIST") +
           ask("SWITCH_SHOW", of="lan") + ask("SWITCH_UNDEFINE", of="wan"))
    yield "mirrors", ask("SWITCH_MIRROR") + passes(100) + restarts()
    yield ("interfaces", ask("PARTITION_STOP") + passes(1000) +
           ask("PARTITION_REDEFINE"))
    yield ("does-not-listen", behave(0) +
           ask("SUPERVISOR_SHOW", of="", times=64) * 40 + behave(1))
    yield "follows", ask("EVENT_LIST", (8, 1)) + verb("PAUSE") + passes(100)
    yield ("life-on-a-broken-disk", disk_breaks(1) + b"".join(life))
    yield ("shuts-down", ask("HOST_SHUTDOWN") + passes(1000) + passes(1000))
    yield ("shuts-down-and-starts", ask("HOST_SHUTDOWN") +
           ask("PARTITION_START") + passes(10000))


def stranger():
    yield "silent", strangers(32, silent=True) + passes(3000)
    for uid, of in enumerate(["nobody", "a-child"]):
        yield (f"silent-at-restart-of-{of}",
               restarts_after(strangers(32, uid=uid, silent=True)) +
               passes(1000) + strangers(32, uid=uid, silent=True) +
               passes(3000))
        yield (f"hello-at-restart-of-{of}",
               restarts_after(strangers(32, uid=uid)) + passes(5000))
    yield "hello", strangers(4, wrong=True) + passes(3000)
    yield "goes", strangers(32, gone=True) + passes(3000)
    yield "one", strangers(32, many=False, uid=1) + passes(3000)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    casts = [("monitor", MONITOR, monitor()), ("disk", DISK, service("disk")),
             ("console", CONSOLE, service("console")),
             ("net", NET, service("net")), ("client", CLIENT, client()),
             ("stranger", STRANGER, stranger())]
    for cast, villain, seeds in casts:
        for name, steps in seeds:
            (FOLDER / f"{cast}-{name}").write_bytes(bytes([villain]) + steps)


if __name__ == "__main__":
    main()
