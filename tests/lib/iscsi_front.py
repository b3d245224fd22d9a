#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""iscsi_front LIBRARY [WORD...]: an iSCSI target over the SCSI library, for
tests: many of iscsi-test-cu's break connections, or have two.

One unit, of which WORDs say what it is (thin, removable, read-only,
physical4k). A session has one connection, is a nexus of its own, and ends with
its connection. No digests, no CHAP, ERL 0 (RFC 7143). Prints its port.
"""
import ctypes
import hashlib
import socket
import socketserver
import struct
import sys
import threading

NAME = "iqn.2026-01.org.bulkhead:front"
BLOCK = 512
MOST = 1 << 20
BURST = 262144
WINDOW = 32
ABORT_TASK, ABORT_TASK_SET = 1, 2
NO_SUCH_TASK, NO_SUCH_FUNCTION = 1, 5
UNIT_RESETS = (5, 6, 7)  # logical unit, target warm, target cold
COLD_RESET = 7

NO_SUCH_UNIT = (5, 0x25, 0)
BAD_TRANSFER = (0xb, 0x47, 5)

NOP, COMMAND, TASK, LOGIN, TEXT, DATA_OUT, LOGOUT = 0, 1, 2, 3, 4, 5, 6
ANSWERS = 0x20
DATA_IN, READY_TO_TRANSFER, REJECT = 0x25, 0x31, 0x3f
FINAL = 0x80


class Answer(ctypes.Structure):
    _fields_ = [("transferred", ctypes.c_uint32), ("wanted", ctypes.c_uint32),
                ("status", ctypes.c_uint8), ("sense_bytes", ctypes.c_uint8),
                ("sense", ctypes.c_uint8 * 64)]


def refusal(key, code, qualifier):
    answer = Answer(status=2, sense_bytes=18)
    answer.sense[:14] = [0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code,
                         qualifier]
    return answer


class Unit:
    def __init__(self, library, words):
        self.library = ctypes.CDLL(library)
        self.lock = threading.RLock()
        self.sessions = {}
        self.library.front_open(
            ctypes.c_bool("thin" in words), ctypes.c_bool("removable" in words),
            ctypes.c_bool("read-only" in words),
            ctypes.c_uint32(4096 if "physical4k" in words else BLOCK))

    def execute(self, nexus, cdb, direction, data, expected):
        """(answer, data); a read may be given less than whole blocks."""
        answer = Answer()
        room = min(MOST, -(-expected // BLOCK) * BLOCK) \
            if direction == 1 and cdb[0] in (0x08, 0x28, 0x88, 0xa8) \
            else min(MOST, expected)
        buffer = ctypes.create_string_buffer(bytes(data), MOST)
        with self.lock:
            self.library.front_execute(nexus, bytes(cdb).ljust(32, b"\0"),
                                       direction, buffer, room,
                                       ctypes.byref(answer))
        answer.transferred = min(answer.transferred, expected)
        return answer, buffer.raw[:answer.transferred]


class Gone(Exception):
    """The session is over."""


class Session(socketserver.BaseRequestHandler):
    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unit = self.server.unit
        self.nexus = None
        self.status_number = 0
        self.expected_number = None
        self.transfers = {}  # initiator task tag: [header, data, sequence]

    # ---- PDUs --------------------------------------------------------------

    def receive_bytes(self, count):
        data = b""
        while len(data) < count:
            part = self.request.recv(count - len(data))
            if not part:
                raise Gone
            data += part
        return data

    def receive(self):
        header = self.receive_bytes(48)
        length = int.from_bytes(header[5:8], "big")
        self.receive_bytes(4 * header[4])
        data = self.receive_bytes(-(-length // 4) * 4)
        return header, data[:length]

    def send(self, opcode, flags, header, *, data=b"", rest=b"", lun=bytes(8),
             field=None, counts=True, byte2=0, byte3=0):
        """`field` are bytes 20 to 23; `rest` what follows MaxCmdSN."""
        expected = self.expected_number or 0
        pdu = struct.pack(">BBBB", opcode, flags, byte2, byte3) \
            + struct.pack(">I", len(data)) + lun + header[16:20] \
            + (field or bytes(4)) \
            + struct.pack(">III", self.status_number, expected,
                          (expected + WINDOW - 1) & 0xffffffff)
        if counts:
            self.status_number = (self.status_number + 1) & 0xffffffff
        self.request.sendall(pdu + rest.ljust(12, b"\0")
                             + data.ljust(-(-len(data) // 4) * 4, b"\0"))

    # ---- login -------------------------------------------------------------

    OURS = {"HeaderDigest": "None", "DataDigest": "None",
            "MaxRecvDataSegmentLength": str(BURST),
            "MaxBurstLength": str(BURST), "FirstBurstLength": str(BURST),
            "MaxConnections": "1", "DefaultTime2Wait": "0",
            "DefaultTime2Retain": "0", "MaxOutstandingR2T": "1",
            "ErrorRecoveryLevel": "0", "DataPDUInOrder": "Yes",
            "DataSequenceInOrder": "Yes", "IFMarker": "No", "OFMarker": "No",
            "AuthMethod": "None"}

    def negotiate(self, data):
        keys = dict(part.split("=", 1)
                    for part in data.decode().split("\0") if "=" in part)
        answers = {}
        for key, value in keys.items():
            if key in self.OURS:
                answers[key] = self.OURS[key]
            elif key in ("InitialR2T", "ImmediateData"):
                answers[key] = value
        return keys, answers

    def enter(self, name, isid):
        """The same initiator port again ends the session that it had."""
        port = hashlib.sha256(name.encode() + isid).digest()[:16]
        with self.unit.lock:
            old = self.unit.sessions.pop(port, None)
            if old:
                old.leave()
            self.nexus = self.unit.library.front_attach(port)
            self.port = port
            self.unit.sessions[port] = self
        if self.nexus < 0:
            raise Gone

    def leave(self):
        with self.unit.lock:
            if self.nexus is not None and self.nexus >= 0:
                self.unit.library.front_detach(self.nexus)
                self.nexus = None
                if self.unit.sessions.get(self.port) is self:
                    del self.unit.sessions[self.port]
        try:
            self.request.shutdown(2)
        except OSError:
            pass

    def login(self):
        keys = {}
        while True:
            header, data = self.receive()
            if header[0] & 0x3f != LOGIN:
                raise Gone
            self.expected_number = int.from_bytes(header[24:28], "big")
            asked, answers = self.negotiate(data)
            if not keys:
                answers["TargetPortalGroupTag"] = "1"
            keys.update(asked)
            text = b"".join(f"{key}={value}\0".encode()
                            for key, value in answers.items())
            is_last = header[1] & 0x83 == 0x83
            if is_last:
                self.enter(keys.get("InitiatorName", ""), header[8:14])
            self.send(ANSWERS + LOGIN, header[1] & 0x8f, header, data=text,
                      lun=header[8:14] + (b"\0\1" if is_last else b"\0\0"))
            if is_last:
                return

    # ---- commands ----------------------------------------------------------

    def is_expected(self, header):
        """Outside of its window a PDU is ignored (RFC 7143, 4.2.2.1)."""
        number = int.from_bytes(header[24:28], "big")
        if header[0] & 0x40:
            return True
        if number != self.expected_number:
            return False
        self.expected_number = (number + 1) & 0xffffffff
        return True

    def command(self, header, data):
        expected = int.from_bytes(header[20:24], "big")
        if not header[1] & 0x20:
            self.execute(header, b"", expected)
            return
        transfer = {"header": header, "data": data, "sequence": 0,
                    "expected": expected, "until": None}
        self.transfers[header[16:20]] = transfer
        if header[1] & FINAL:
            self.ask_or_execute(transfer)

    def ask_or_execute(self, transfer):
        header, done = transfer["header"], len(transfer["data"])
        if done >= transfer["expected"]:
            del self.transfers[header[16:20]]
            self.execute(header, transfer["data"], transfer["expected"])
            return
        length = min(transfer["expected"] - done, BURST)
        transfer["sequence"] = 0
        self.send(READY_TO_TRANSFER, FINAL, header, lun=header[8:16],
                  field=b"\0\0\0\1", counts=False,
                  rest=struct.pack(">III", 0, done, length))

    def data_out(self, header, data):
        transfer = self.transfers.get(header[16:20])
        if not transfer:
            return
        sequence = int.from_bytes(header[36:40], "big")
        offset = int.from_bytes(header[40:44], "big")
        if sequence != transfer["sequence"] \
                or offset != len(transfer["data"]):
            del self.transfers[header[16:20]]
            self.answer(transfer["header"], refusal(*BAD_TRANSFER))
            return
        transfer["sequence"] += 1
        transfer["data"] += data
        if header[1] & FINAL:
            self.ask_or_execute(transfer)

    def execute(self, header, data, expected):
        direction = 1 if header[1] & 0x40 else 2 if header[1] & 0x20 else 0
        if any(header[8:16]):
            self.answer(header, refusal(*NO_SUCH_UNIT))
            return
        answer, out = self.unit.execute(self.nexus, header[32:48], direction,
                                        data, expected)
        if direction == 1:
            self.send_data(header, out)
        self.answer(header, answer)

    def answer(self, header, answer):
        expected = int.from_bytes(header[20:24], "big")
        flags, residual = FINAL, 0
        if answer.status == 0 and answer.wanted > expected:
            flags, residual = flags | 0x04, answer.wanted - expected
        elif answer.transferred < expected:
            flags, residual = flags | 0x02, expected - answer.transferred
        sense = bytes(answer.sense[:answer.sense_bytes])
        if sense:
            sense = struct.pack(">H", len(sense)) + sense
        self.send(ANSWERS + COMMAND, flags, header, byte3=answer.status,
                  data=sense, rest=struct.pack(">III", 0, 0, residual))

    def send_data(self, header, data):
        for number, start in enumerate(range(0, len(data), BURST)):
            part = data[start:start + BURST]
            self.send(DATA_IN, FINAL, header, data=part,
                      field=b"\xff\xff\xff\xff", counts=False,
                      rest=struct.pack(">II", number, start))

    # ---- the rest ----------------------------------------------------------

    def manage_tasks(self, function, tag):
        """Only what waits for its data is not done at once."""
        if function == ABORT_TASK:
            return 0 if self.transfers.pop(tag, None) else NO_SUCH_TASK
        if function != ABORT_TASK_SET and function not in UNIT_RESETS:
            return NO_SUCH_FUNCTION
        self.transfers.clear()
        return 0

    def manage(self, header):
        function = header[1] & 0x7f
        with self.unit.lock:
            if function in UNIT_RESETS:
                self.unit.library.front_reset()
            sessions = list(self.unit.sessions.values())
        self.send(ANSWERS + TASK, FINAL, header,
                  byte2=self.manage_tasks(function, header[20:24]))
        if function == COLD_RESET:
            for session in sessions:
                session.leave()

    def serve_one(self):
        header, data = self.receive()
        opcode = header[0] & 0x3f
        if opcode == DATA_OUT:
            self.data_out(header, data)
        elif not self.is_expected(header):
            return
        elif opcode == COMMAND:
            self.command(header, data)
        elif opcode == TASK:
            self.manage(header)
        elif opcode == NOP:
            if header[16:20] != b"\xff\xff\xff\xff":
                self.send(ANSWERS + NOP, FINAL, header, data=data,
                          field=b"\xff\xff\xff\xff")
        elif opcode == LOGOUT:
            self.send(ANSWERS + LOGOUT, FINAL, header)
            raise Gone
        elif opcode == TEXT:
            self.send(ANSWERS + TEXT, FINAL, header,
                      field=b"\xff\xff\xff\xff")

    def handle(self):
        try:
            self.login()
            while True:
                self.serve_one()
        except (Gone, OSError):
            pass
        finally:
            self.leave()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main():
    with Server(("127.0.0.1", 0), Session) as server:
        server.unit = Unit(sys.argv[1], sys.argv[2:])
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
