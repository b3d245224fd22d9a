# SPDX-License-Identifier: MIT
"""Bad documents: one sentence that names the field, and nothing changed."""
import pytest

import bulkhead
from refusals import REFUSED, check_refused, disk, document, write

BAD_DOCUMENTS = {
    "not yaml": ("partition: [", REFUSED, ()),
    "empty": ("", REFUSED, ()),
    "a list": ("[1, 2]", REFUSED, ()),
    "unknown field": ({"colour": "red"}, REFUSED, ("colour",)),
    "unknown field inside": ({"cpu": {"virtual": 1, "speed": 3}}, REFUSED,
                             ("cpu.speed",)),
    "no name": ({"partition": None}, REFUSED, ("partition",)),
    "name with a slash": ({"partition": "a/b"}, REFUSED, ("partition",)),
    "name too long": ({"partition": "a" * 200}, REFUSED, ("partition",)),
    "text for a number": ({"cpu": {"virtual": "many"}}, REFUSED,
                          ("cpu.virtual",)),
    "no processor": ({"cpu": {"virtual": 0}}, REFUSED, ("cpu.virtual",)),
    "too many processors": ({"cpu": {"virtual": 65}}, REFUSED,
                            ("cpu.virtual",)),
    "negative": ({"cpu": {"virtual": -1}}, REFUSED, ("cpu.virtual",)),
    "huge": ({"memory": {"size": "99999999999999999999G"}}, REFUSED,
             ("memory.size",)),
    "too little memory": ({"memory": {"size": "1M"}}, REFUSED,
                          ("memory.size",)),
    "unknown unit": ({"memory": {"size": "64X"}}, REFUSED, ("memory.size",)),
    "unknown engine": ({"engine": "vax"}, REFUSED, ("engine",)),
    "unknown class": ({"class": "royal"}, REFUSED, ("class",)),
    "a switch that is not there": (
        {"nics": [{"name": "lan0", "switch": "lan"}]}, REFUSED,
        ("nics[0].switch", "no switch lan")),
    "entitlement": ({"cpu": {"virtual": 1, "entitlement": 0.5}}, REFUSED,
                    ("cpu.entitlement",)),
    "firmware": ({"boot": {"firmware": "uefi"}}, REFUSED, ("boot.firmware",)),
    "growing memory": ({"memory": {"size": "64M", "max": "1G"}}, REFUSED,
                       ("memory.max",)),
    "no kernel": ({"boot": {"cmdline": "quiet"}}, REFUSED, ("boot.kernel",)),
    "disks not a list": ({"disks": "root"}, REFUSED, ("disks",)),
    "unknown restart": ({"restart": "sometimes"}, REFUSED, ("restart",)),
}

BAD_DISKS = {
    "no file": ({"file": None}, ("disks[0].file",)),
    "relative file": ({"file": "root.img"}, ("disks[0].file",)),
    "size no multiple of 512": ({"size": 1000}, ("disks[0].size",)),
    "unknown access": ({"access": "append"}, ("disks[0].access",)),
    "unknown outage": ({"on-outage": "panic"}, ("disks[0].on-outage",)),
    "fail without a time": ({"on-outage": "fail: soon"},
                            ("disks[0].on-outage",)),
    "hang bound too short": ({"hang": "1ms"}, ("disks[0].hang",)),
    "no queue": ({"queues": 0}, ("disks[0].queues",)),
}


@pytest.fixture(scope="module")
def unchanged():
    """One supervisor for all documents: none of them gets as far as it."""
    host = bulkhead.Host().start()
    yield host
    assert host.close() == []


def without_nothing(fields):
    return {key: value for key, value in fields.items() if value is not None}


@pytest.mark.parametrize("name", BAD_DOCUMENTS)
def test_a_bad_document_is_refused_by_field(unchanged, name):
    change, status, words = BAD_DOCUMENTS[name]
    text = change if isinstance(change, str) else \
        without_nothing(document(unchanged, **change))

    done = unchanged.call("define", write(unchanged, text))

    check_refused(done, status, *words)
    assert unchanged.json("list") == []


@pytest.mark.parametrize("name", BAD_DISKS)
def test_a_bad_disk_is_refused_by_field(unchanged, name):
    change, words = BAD_DISKS[name]
    fields = without_nothing(disk(unchanged, **change))

    done = unchanged.call("define", write(
        unchanged, document(unchanged, disks=[fields])))

    check_refused(done, REFUSED, *words)
    assert unchanged.json("list") == []
