# SPDX-License-Identifier: MIT
"""The process behind a played child: it hands its links to the test."""
import os
import socket

CONTROL_FD = 3


def connect(meet):
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        link.connect(f"/proc/self/fd/{meet}/supervisor")
    except OSError:
        link.close()
        return None
    return link


def run(stage, name):
    test = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    test.connect(stage)
    socket.send_fds(test, [f"{os.getpid()} {name}".encode()], [CONTROL_FD])
    os.close(CONTROL_FD)
    while True:
        data, fds, _, _ = socket.recv_fds(test, 16, 1)
        if not data:
            return
        link = connect(fds[0])
        os.close(fds[0])
        socket.send_fds(test, [b"link"], [link.fileno()] if link else [])
        if link:
            link.close()
