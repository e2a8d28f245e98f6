"""A seccomp filter made of the table of system calls: assembled once, installed in every fork.

What is not allowed fails with EPERM, so that a solution that merely tries sees an exception.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from asap.judge.syscalls import OWN_PID, Architecture, Condition

LIBC = ctypes.CDLL(None, use_errno=True)

_LOAD, _AND, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_REFUSE = 0x00050000 | errno.EPERM
_MISSING = 0x00050000 | errno.ENOSYS
_PR_GET_SECCOMP, _PR_SET_SECCOMP, _MODE_FILTER = 21, 22, 2
_NR_OFFSET, _ARCH_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16

_Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def has_seccomp() -> bool:
    """Whether the kernel knows seccomp filters."""
    return int(LIBC.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0)) >= 0


class Filter:
    """A filter, ready to be installed in as many forks as one likes."""

    def __init__(self, architecture: Architecture) -> None:
        code: list[_Instruction] = [
            (_LOAD, 0, 0, _ARCH_OFFSET),
            (_JUMP_IF_EQUAL, 1, 0, architecture.audit),
            (_RETURN, 0, 0, _KILL_PROCESS),
            (_LOAD, 0, 0, _NR_OFFSET),
        ]
        for number in architecture.allowed:
            code += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
        for number in architecture.missing:
            code += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _MISSING)]
        self._pid_offsets: list[int] = []
        for number, condition in architecture.conditional.items():
            block = _assemble(condition)
            code.append((_JUMP_IF_EQUAL, 0, len(block), number))
            if OWN_PID in condition.values:
                self._pid_offsets.append((len(code) + 1) * 8 + 4)
            code += block
        code.append((_RETURN, 0, 0, _REFUSE))
        packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
        self._buffer = ctypes.create_string_buffer(packed, len(packed))
        self._program = _Program(len(code), ctypes.addressof(self._buffer))

    def install(self) -> None:
        """Put this process under the filter, for good. It must have set NO_NEW_PRIVS before."""
        for offset in self._pid_offsets:
            struct.pack_into("=I", self._buffer, offset, os.getpid())
        if LIBC.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(self._program), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "seccomp")


def _assemble(condition: Condition) -> list[_Instruction]:
    """Instructions that end in allowing or refusing; the second compares with the first value."""
    low = _ARGUMENTS_OFFSET + 8 * condition.argument
    if condition.is_pointer:
        words = [(_LOAD, 0, 0, low), (_JUMP_IF_EQUAL, 0, 3, 0)]
        words += [(_LOAD, 0, 0, low + 4), (_JUMP_IF_EQUAL, 0, 1, 0)]
        return [*words, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    if condition.values == (OWN_PID,):
        compare: list[_Instruction] = [(_JUMP_IF_EQUAL, 1, 0, 0)]  # filled in by `install`
        load: list[_Instruction] = [(_LOAD, 0, 0, low)]
    else:
        load = [(_LOAD, 0, 0, low), (_AND, 0, 0, condition.mask)]
        n_values = len(condition.values)
        compare = [
            (_JUMP_IF_EQUAL, n_values - position, 0, value)
            for position, value in enumerate(condition.values)
        ]
    return [*load, *compare, (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
