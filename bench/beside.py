# SPDX-License-Identifier: MIT
"""A guest of QEMU's own beside one of engine qemu: the same command line but for
the devices that are ours."""
import pathlib
import subprocess
import threading

from measure import NotMeasured, bulkhead


class Beside(bulkhead.Told):
    """It is told on its standard input, which is its serial line."""

    def __init__(self, name, argv, descriptors=()):
        self.name = name
        self.asked = 0
        self.console = bulkhead.Transcript(name)
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE,
                                        pass_fds=descriptors)
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        while chunk := self.process.stdout.read1(4096):
            self.console.add(chunk)

    def ready(self):
        try:
            self.console.wait("^ready", 120)
        except AssertionError:
            if self.process.poll() is None:
                raise
            raise NotMeasured(
                f"{self.name}: {self.process.stderr.read().decode().strip()}"
            ) from None
        self.terminal = self
        return self

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()


def beside(argv, changed):
    """An engine's command line, its serial line being here and the values
    changed of these options and devices."""
    image = bulkhead.guest_image()
    changed = {"-kernel": str(image / "vmlinuz"),
               "-initrd": str(image / "initrd"), "-serial": "stdio", **changed}
    made = argv[:1]
    for option, value in zip(argv[1:], argv[2:] + [""]):
        if not option.startswith("-"):
            continue
        if option in ("-S", "-chardev", "-mon"):
            continue
        device = value.split(",")[0]
        value = changed.get(option, changed.get(device, value))
        made += [option] + ([] if value.startswith("-") else [value])
    return made


def command_line(pid):
    words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return [word.decode() for word in words[:-1]]
