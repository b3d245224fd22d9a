# SPDX-License-Identifier: MIT
"""A real guest's disk beside QEMU's own: virtio-blk with io_uring, in the one
process that runs the guest."""
import contextlib

from beside import Beside, beside, command_line
from figures import compare, context
from measure import MIB, bulkhead, filled_file, tmpfs_folder

FIGURE = "disk.guest.fio.ratio.qemu"
FILE_BYTES = 256 * MIB
OPERATIONS = "randread", "randwrite"
SECONDS = 2
PAIRS = 7


class OurGuest(bulkhead.Told):
    """A guest whose disk is served by bulkhead-disk."""

    def __init__(self, host, file):
        super().__init__(host, "one", test="raw", disks=[
            {"name": "root", "file": str(file)}])


def peer_argv(argv, file):
    """The engine's command line with a disk of QEMU's own."""
    return beside(argv, {"vhost-user-blk-pci":
                         "virtio-blk-pci,drive=file,iothread=io"}) + [
        "-object", "iothread,id=io", "-blockdev",
        f"driver=file,node-name=file,filename={file},aio=io_uring"]


def iops(guest, operation):
    """4 KiB each, at random places, 32 under way."""
    guest.ask("rate", operation, SECONDS)
    assert guest.answer(SECONDS + 60) == 0
    return guest.console.values("rated")["iops"]


def ratio_of(operation, ours, theirs):
    context(f"{FIGURE}: {operation}, each once, to warm up")
    iops(ours, operation)
    iops(theirs, operation)
    mine, peer, ratio = compare(lambda: iops(ours, operation),
                                lambda: iops(theirs, operation), PAIRS)
    context(f"{FIGURE}: {operation} ours {mine / 1e3:.2f} kIOPS, peer "
            f"{peer / 1e3:.2f} kIOPS, ratio {ratio:.3f}, medians of {PAIRS} "
            f"times {SECONDS} s")
    return ratio


def run(figures):
    """The worse of reading and writing."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tmpfs_folder(2 * FILE_BYTES + 64 * MIB))
        files = [filled_file(folder / f"{name}.img", FILE_BYTES)
                 for name in ("ours", "theirs")]
        host = bulkhead.Host().start()
        stack.callback(host.close)
        ours = OurGuest(host, files[0]).ready()
        stack.callback(ours.terminal.close)
        argv = peer_argv(command_line(host.engine_pid("one")), files[1])
        context(f"{FIGURE}: peer {' '.join(argv)}")
        theirs = Beside("beside-one", argv)
        stack.callback(theirs.close)
        theirs.ready()
        figures.add(FIGURE, min(ratio_of(operation, ours, theirs)
                                for operation in OPERATIONS))
