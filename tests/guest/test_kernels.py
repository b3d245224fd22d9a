# SPDX-License-Identifier: MIT
"""Kernels of other kinds than the guest's own, and what it says of the board."""
import pathlib
import re

import pytest

import bulkhead

pytestmark = pytest.mark.engine("kvm")

# What Linux says of a board that is not as its tables claim. What it says of
# the TSC is about the processor; of xstate, about the emulated one of the rig,
# which does not let KVM see XSETBV.
COMPLAINTS = re.compile(
    r"ACPI.*(?:Error|Exception|Warning|BIOS)|"
    r"Firmware (?:Warn|Bug\]: (?!TSC))|"
    r"BUG:|WARNING: CPU.* at (?!arch/x86/kernel/fpu/xstate)|"
    r"can't allocate|not claimed")


def linux(kernel, initrd):
    return {"kernel": str(kernel), "initrd": str(initrd),
            "cmdline": "console=ttyS0 panic=-1 bulkhead.test=idle "
                       "bulkhead.args="}


def complaints(console):
    return [line for line in console.text.split("\n")
            if COMPLAINTS.search(line)]


@pytest.mark.parametrize("cpus", [1, 2])
def test_the_stock_kernel_has_no_complaint_about_the_board(host, cpus):
    image = bulkhead.guest_image()

    console = host.up("one", cpus=cpus, disks=[host.disk()],
                      boot=linux(image / "vmlinuz", image / "initrd"))
    console.wait("^tick")

    assert not complaints(console), complaints(console)
    assert f"Brought up 1 node, {cpus} CPU" in console.text
    assert "OS now controls [PME AER PCIeCapability]" in console.text
    assert "PnP ACPI: found 3 devices" in console.text


# Made on demand only (./run kernel), so there may be nothing to test.
if bulkhead.small_kernel().exists():
    @pytest.mark.parametrize("name", ["bzImage", "vmlinux"])
    def test_the_small_kernel_boots_by_either_way_in(host, name):
        kernel = bulkhead.small_kernel() / name
        initrd = bulkhead.guest_image() / "initrd"

        console = host.up("one", boot=linux(kernel, initrd))
        console.wait("^tick")

        assert not complaints(console), complaints(console)


def test_a_kernel_that_cannot_be_booted_is_refused_by_name(host):
    image = bytearray(4096)
    image[0x1f1] = 1
    image[0x1f4] = 1
    image[0x200:0x208] = b"\xeb\x66HdrS\x05\x02"
    bad = pathlib.Path(host.directory, "bad")
    bad.write_bytes(image)
    host.define("one", boot={"kernel": str(bad), "cmdline": ""})
    host.run("install", "one")

    with pytest.raises(bulkhead.Failed) as refused:
        host.run("start", "one")

    assert "uses boot protocol 2.05" in refused.value.text, refused.value
    assert host.state_of("one") == "stopped"
