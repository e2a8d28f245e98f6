"""Landlock: this process may read beneath a few folders, and touch nothing else of the file system.

Where the kernel's version of it knows more (TCP, abstract sockets, signals), that is closed too.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from asap.judge.seccomp import LIBC

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_N_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_N_FILE_RIGHTS_SINCE_5 = 16
_TCP = 0b11
_SIGNALS_AND_ABSTRACT_SOCKETS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def find_abi() -> int:
    """The version of Landlock that the kernel has; 0 where there is none or it is switched off."""
    return max(0, int(LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)))


def make_ruleset(abi: int, readable: Iterable[str]) -> int:
    """A descriptor of rules that allow reading beneath the given folders; forks may share it."""
    rights = (1 << _N_FILE_RIGHTS.get(abi, _N_FILE_RIGHTS_SINCE_5)) - 1
    rules = _Ruleset(
        rights, _TCP if abi >= 4 else 0, _SIGNALS_AND_ABSTRACT_SOCKETS if abi >= 6 else 0
    )
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    for path in readable:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        beneath = _PathBeneath(_READ_FILE | _READ_DIR, folder)
        _call(_ADD_RULE, ruleset, 1, ctypes.byref(beneath), 0)
        os.close(folder)
    return ruleset


def restrict_self(ruleset: int) -> None:
    """Put this process under the rules, for good. It must have set NO_NEW_PRIVS before."""
    _call(_RESTRICT_SELF, ruleset, 0)


def _call(number: int, *arguments: object) -> int:
    result = int(LIBC.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result
