# SPDX-License-Identifier: MIT
"""Documents to be refused, and what a refusal looks like."""
import json

import bulkhead

REFUSED = 2
FAILED = 1


def document(host, **changes):
    """A document that would be accepted, but for the changes."""
    kernel = host.directory / "vmlinuz"
    if not kernel.exists():
        kernel.symlink_to(bulkhead.guest_image() / "vmlinuz")
    base = {"partition": "one", "engine": "qemu",
            "boot": {"kernel": str(kernel), "cmdline": "quiet"},
            "cpu": {"virtual": 1}, "memory": {"size": "64M"},
            "disks": [disk(host)]}
    return {**base, **changes}


def disk(host, **changes):
    return {"name": "root", "file": str(host.directory / "root.img"),
            "size": "8M", **changes}


def write(host, text):
    path = host.directory / "one.yaml"
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def check_refused(done, status, *words):
    """One sentence on stderr that has all these words in it."""
    sentence = done.stderr.strip()
    assert done.returncode == status, sentence
    assert len(sentence.splitlines()) == 1, sentence
    for word in words:
        assert word in sentence, sentence
