"""The filters of both architectures, run by an interpreter of BPF: the other machine's as well."""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

import pytest

if os.name != "posix":
    pytest.skip("seccomp is Linux's", allow_module_level=True)

from asap.judge.seccomp import Filter
from asap.judge.syscalls import ARCHITECTURES

ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
CLONE_VM, CLONE_THREAD, CLONE_NEWUSER = 0x100, 0x10000, 0x10000000

# From the kernel's tables: x86_64, aarch64.
NUMBERS = {
    "read": (0, 63),
    "write": (1, 64),
    "futex": (202, 98),
    "mmap": (9, 222),
    "exit_group": (231, 94),
    "openat": (257, 56),
    "clone": (56, 220),
    "clone3": (435, 435),
    "openat2": (437, 437),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "tkill": (200, 130),
    "execve": (59, 221),
    "execveat": (322, 281),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "memfd_create": (319, 279),
    "unlinkat": (263, 35),
    "mkdirat": (258, 34),
    "renameat2": (316, 276),
    "truncate": (76, 45),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138),
    "setsid": (112, 157),
    "prctl": (157, 167),
    "seccomp": (317, 277),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "prlimit64": (302, 261),
    "setuid": (105, 146),
    "capset": (126, 91),
}
ALLOWED = ("read", "write", "futex", "mmap", "exit_group")
CONDITIONAL: list[tuple[str, tuple[int, ...], bool]] = [
    ("openat", (0, 0, os.O_RDONLY), True),
    ("openat", (0, 0, os.O_WRONLY), False),
    ("openat", (0, 0, os.O_RDWR), False),
    ("openat", (0, 0, os.O_CREAT), False),
    ("openat", (0, 0, os.O_TRUNC), False),
    ("clone", (CLONE_VM | CLONE_THREAD,), True),
    ("clone", (17,), False),
    ("clone", (CLONE_THREAD | CLONE_NEWUSER,), False),
    ("kill", (os.getpid(),), True),
    ("kill", (1,), False),
    ("kill", (0,), False),
    ("kill", (0xFFFFFFFF,), False),
    ("tgkill", (os.getpid(),), True),
    ("tgkill", (1,), False),
    ("socketpair", (1,), True),
    ("socketpair", (2,), False),
    ("sendto", (0, 0, 0, 0, 0), True),
    ("sendto", (0, 0, 0, 0, 1), False),
    ("sendto", (0, 0, 0, 0, 1 << 32), False),
    ("fcntl", (0, 1), True),
    ("fcntl", (0, 8), False),
    ("fcntl", (0, 15), False),
    ("ioctl", (0, 0x5421), True),
    ("ioctl", (0, 0x5412), False),
    ("prctl", (15,), True),
    ("prctl", (4,), False),
    ("prctl", (22,), False),
    ("prlimit64", (0,), True),
    ("prlimit64", (1,), False),
]


def run_filter(machine: str, name: str, arguments: tuple[int, ...] = (), audit: int = 0) -> int:
    architecture = ARCHITECTURES[machine]
    number = NUMBERS[name][list(ARCHITECTURES).index(machine)]
    filter_: Any = Filter(architecture)
    code = bytearray(filter_._buffer.raw)
    for offset in filter_._pid_offsets:
        struct.pack_into("=I", code, offset, os.getpid())
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, audit or architecture.audit, 0, *padded)
    position, accumulator = 0, 0
    while True:
        operation, if_true, if_false, operand = struct.unpack_from("=HBBI", code, 8 * position)
        position += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, operand)[0]
        elif operation == 0x54:
            accumulator &= operand
        elif operation == 0x15:
            position += if_true if accumulator == operand else if_false
        else:
            assert operation == 0x06
            return int(operand)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_calls_without_a_condition(machine: str) -> None:
    conditional = {name for name, _, _ in CONDITIONAL}
    missing = ("clone3", "openat2")
    for name in NUMBERS.keys() - conditional:
        expected = ERROR | (errno.ENOSYS if name in missing else errno.EPERM)
        assert run_filter(machine, name) == (ALLOW if name in ALLOWED else expected), name


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(("name", "arguments", "is_allowed"), CONDITIONAL)
def test_calls_with_a_condition(
    machine: str, name: str, arguments: tuple[int, ...], is_allowed: bool
) -> None:
    assert run_filter(machine, name, arguments) == (ALLOW if is_allowed else ERROR | errno.EPERM)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_another_architecture_s_calls_end_the_process(machine: str) -> None:
    assert run_filter(machine, "read", audit=0x40000003) == KILL
