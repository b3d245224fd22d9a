#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""refuse_namespaces.py HOW COMMAND...: run a command on a host whose policy
refuses user namespaces to ordinary users, by a filter that answers as such a
host does.

    container  making one is refused (EPERM)
    apparmor   it can be made and gives no rights: mounting is refused (EACCES)
"""
import ctypes
import errno
import os
import struct
import sys

UNSHARE, CLONE, CLONE3, MOUNT = 272, 56, 435, 165
NEWUSER = 0x10000000
ALLOW, REFUSE = 0x7fff0000, 0x00050000
LOAD, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x45, 0x06
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
NUMBER, FIRST_ARGUMENT = 0, 16


def step(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def refuse(number, error):
    return [step(JUMP_EQUAL, number, 0, 1), step(RETURN, REFUSE | error)]


def refuse_flag(number, flag, error):
    return [step(JUMP_EQUAL, number, 0, 4), step(LOAD, FIRST_ARGUMENT),
            step(JUMP_SET, flag, 0, 1), step(RETURN, REFUSE | error),
            step(RETURN, ALLOW)]


RULES = {
    "container": refuse(CLONE3, errno.ENOSYS)
    + refuse_flag(CLONE, NEWUSER, errno.EPERM)
    + refuse_flag(UNSHARE, NEWUSER, errno.EPERM),
    "apparmor": refuse(MOUNT, errno.EACCES),
}


def install(rules):
    steps = b"".join([step(LOAD, NUMBER), *rules, step(RETURN, ALLOW)])
    code = ctypes.create_string_buffer(steps)
    program = struct.pack("HxxxxxxP", len(steps) // 8,
                          ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) \
            or libc.prctl(PR_SET_SECCOMP, FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "no filter")


install(RULES[sys.argv[1]])
os.execvp(sys.argv[2], sys.argv[2:])
