# SPDX-License-Identifier: MIT
"""A shell beside a supervisor with a state of its own; ./run shell."""
import os
import subprocess

import bulkhead


def main():
    host = bulkhead.Host().start()
    path = os.path.dirname(bulkhead.program("bulkhead"))
    image = bulkhead.guest_image()
    print(f"A supervisor runs with its state in {host.state}; bulkhead talks "
          f"to it. A guest to boot:\n  {image}/vmlinuz\n  {image}/initrd\n"
          "It ends with this shell.")
    subprocess.run([os.environ.get("SHELL", "/bin/sh")], env=dict(
        host.env, PATH=f"{path}:{host.env.get('PATH', '')}"))
    for line in host.close():
        print(f"left behind: {line}")


if __name__ == "__main__":
    main()
