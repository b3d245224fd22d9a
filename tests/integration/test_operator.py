# SPDX-License-Identifier: MIT
"""What an operator asks for is done as asked, told, and kept on record."""
import json

from refusals import REFUSED, check_refused, disk, document, write


def define(host, name="one", **options):
    host.run("define", write(host, document(host, partition=name, **options)))


def test_uninstall_keeps_the_images_and_names_them(host):
    image = host.directory / "kept.img"
    define(host, disks=[disk(host, file=str(image), size="1M")])
    host.run("install", "one")
    image.write_bytes(b"precious".ljust(1 << 20, b"\0"))

    said = host.run("uninstall", "one")

    assert f"kept: {image}, 1M" in said
    host.run("install", "one")
    assert image.read_bytes().startswith(b"precious")


def test_uninstall_removes_the_images_when_told_to(host):
    image = host.directory / "made.img"
    define(host, disks=[disk(host, file=str(image), size="1M")])
    host.run("install", "one")

    said = json.loads(host.run("--json", "uninstall", "one",
                               "--remove-images"))

    assert said == {"done": "uninstall", "name": "one", "kept": []}
    assert not image.exists()
