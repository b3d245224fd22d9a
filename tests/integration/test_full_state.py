# SPDX-License-Identifier: MIT
"""A state directory without room, or with a store that cannot be read, while
guests run: what ends needs neither, and what failed heals."""
import os
import signal
import subprocess

import pytest

import bulkhead
import foreign

FAILED = 1


@pytest.fixture
def small(tmp_path):
    """A directory whose state has a small file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=700",
                    "bulkhead-test", state], check=True)
    yield tmp_path
    subprocess.run(["umount", state], check=True)


def fill(state, name):
    """Not a byte is left."""
    with open(state / name, "wb", buffering=0) as filler:
        for size in (65536, 4096, 1):
            try:
                while True:
                    filler.write(b"\0" * size)
            except OSError:
                pass


def test_a_full_state_directory_is_in_nobodys_way_out(small, make_host):
    host = make_host(directory=small).start()
    foreign.serve(host, "one")
    foreign.serve(host, "two")
    # Its room is kept back by now.
    bulkhead.wait_for(lambda: (host.state / "reserve").stat().st_size,
                      what="room is kept back")

    fill(host.state, "first")
    host.kill_supervisor()
    # And now what was kept back is gone as well.
    fill(host.state, "second")
    refused = host.call("define", foreign.document(host, "three"))
    host.run("stop", "one")

    assert refused.returncode == FAILED and "full" in refused.stderr
    bulkhead.wait_for(
        lambda: "full" in host.json("doctor")["supervisor"]["store_trouble"],
        what="the doctor tells of it")
    assert host.state_of("one") == "stopped"
    assert host.state_of("two") == "running"
    assert "three" not in [row["name"] for row in host.json("list")]
    for name in ("first", "second"):
        (host.state / name).unlink()
    bulkhead.wait_for(
        lambda: host.call("define", foreign.document(host, "three"))
        .returncode == 0, what="there is room again")
    bulkhead.wait_for(
        lambda: not host.json("doctor")["supervisor"]["store_trouble"],
        what="nothing is left to tell")
    host.kill_supervisor()
    assert host.state_of("one") == "stopped"


def test_a_supervisor_that_cannot_start_is_tried_again_while_guests_run(
        make_host, tmp_path):
    host = make_host().start()
    foreign.serve(host, "one")
    store, aside = host.state / "store.db", tmp_path / "store.db"

    store.rename(aside)
    store.mkdir()
    os.kill(host.supervisor_pid(), signal.SIGKILL)
    bulkhead.wait_for(
        lambda: host.log().count("supervisor failed, starting it again") >= 2,
        what="it was tried again")
    store.rmdir()
    aside.rename(store)

    host.wait_ready(30)
    assert host.state_of("one") == "running"


def test_an_image_that_the_store_does_not_know_is_kept_and_told_of(make_host):
    host = make_host()
    saved = host.state / "saved"
    saved.mkdir(mode=0o700, parents=True)
    host.state.chmod(0o700)
    image = saved / "lost.image"
    image.write_bytes(b"a guest")

    host.start()

    assert image.read_bytes() == b"a guest"
    assert "kept 1 images of partitions that are not defined" in host.log()
