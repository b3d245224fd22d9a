# SPDX-License-Identifier: MIT
"""What a guest behind passt finds outside: servers on the host's loopback,
which the gateway's address leads to."""
import contextlib
import hashlib
import http.server
import os
import re
import signal
import socketserver
import threading
import time

import bulkhead

PIECE = b"outside " * 1024
# Long enough that whatever is killed meets an open connection.
PIECES = 10
PIECE_SECONDS = 0.1
PAGE_SUM = hashlib.md5(PIECE * PIECES).hexdigest()


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.begun.append(int(self.path.strip("/")))
        self.send_response(200)
        self.send_header("Content-Length", str(len(PIECE) * PIECES))
        self.end_headers()
        for _ in range(PIECES):
            self.wfile.write(PIECE)
            time.sleep(PIECE_SECONDS)

    def log_message(self, *_):
        pass


class _Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while received := self.request.recv(65536):
            self.request.sendall(received)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_):
        """A guest that goes away in the middle is none."""


class Outside:
    """A server of pages, /NUMBER each, and one that echoes."""

    def __init__(self):
        self.pages = _Server(("127.0.0.1", 0), _Page)
        self.pages.begun = []
        self.echo = _Server(("127.0.0.1", 0), _Echo)
        for server in (self.pages, self.echo):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.page_port = self.pages.server_address[1]
        self.echo_port = self.echo.server_address[1]

    def last_begun(self):
        return max(self.pages.begun, default=0)

    def close(self):
        for server in (self.pages, self.echo):
            server.shutdown()
            server.server_close()


def pages_of(console):
    """Of each page that a guest fetched: did it get it whole and right? Where
    two of them spoke at once, there is no telling."""
    said = [re.fullmatch(r"page number=(\d+) status=(\d+) sum=([0-9a-f]*)", line)
            for line in console.lines("page number=")]
    return {int(page[1]): page[2] == "0" and page[3] == PAGE_SUM
            for page in said if page}


def passt_of(host):
    """The process; None: none runs."""
    return next((pid for pid in bulkhead.descendants(host.keeper.pid)
                 if os.path.basename(bulkhead.command_line(pid).split(" ")[0])
                 .startswith("passt")), None)


def replace_passt(host):
    """Kill it, and wait for the next."""
    old = bulkhead.wait_for(lambda: passt_of(host), what="passt runs")
    with contextlib.suppress(ProcessLookupError):
        os.kill(old, signal.SIGKILL)
    bulkhead.wait_for(lambda: passt_of(host) not in (None, old), every=0.01,
                      what="passt is started again")
