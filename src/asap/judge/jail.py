"""What a fork does to itself before it runs anything that is not ours, in this order.

Privileges, parent's death, dumps, descriptors, limits, Landlock, seccomp. It does not hide that a
path exists (`stat` answers), nor the time, nor the kernel behind the allowed system calls.
"""

from __future__ import annotations

import ctypes
import fcntl
import math
import os
import platform
import resource
import signal
import site
import sysconfig

from asap.judge.landlock import find_abi, make_ruleset, restrict_self
from asap.judge.seccomp import LIBC, Filter, has_seccomp
from asap.judge.syscalls import ARCHITECTURES

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION = 0x20080522
_N_DESCRIPTORS = 64
_STACK_BYTES = 64 << 20
_FAR_DESCRIPTOR = 100
"""Above every number that a job's descriptors are moved to."""


def find_readable() -> list[str]:
    """The folders that a judged process may read: the standard library and installed packages."""
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.update(site.getsitepackages())
    return sorted(folder for folder in folders if os.path.isdir(folder))


class Jail:
    """The layers that this machine has, prepared once and entered by every fork."""

    def __init__(self) -> None:
        self.landlock_abi = find_abi()
        """0: the kernel has none, and forks may read whatever the user may read."""
        architecture = ARCHITECTURES.get(platform.machine())
        self.has_seccomp = architecture is not None and has_seccomp()
        """False: forks may make any system call."""
        if self.landlock_abi:
            ruleset = make_ruleset(self.landlock_abi, find_readable())
            self._ruleset = fcntl.fcntl(ruleset, fcntl.F_DUPFD_CLOEXEC, _FAR_DESCRIPTOR)
        if architecture is not None and self.has_seccomp:
            self._filter = Filter(architecture)

    def enter(self, n_descriptors: int, memory_mib: int, cpu_s: float, parent: int) -> None:
        """Lock this process up.

        Args:
            n_descriptors: the first so many descriptors stay open.
            memory_mib: the most address space that it may have.
            cpu_s: CPU seconds; the kernel kills it a second or two later, if nobody did before.
            parent: the process whose end is its end.
        """
        if os.geteuid() == 0:
            _drop_capabilities()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it could be watched
            os._exit(1)
        _prctl(_PR_SET_DUMPABLE, 0)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if self.landlock_abi:
            restrict_self(self._ruleset)
        os.closerange(n_descriptors, os.sysconf("SC_OPEN_MAX"))
        _limit(memory_mib, cpu_s)
        if self.has_seccomp:
            self._filter.install()


def place_descriptors(targets: dict[int, int]) -> None:
    """Move descriptors to the numbers wanted; 0, 1 and 2 are the null device where not wanted."""
    null = os.open(os.devnull, os.O_RDWR)
    wanted = {0: null, 1: null, 2: null} | targets
    far = {
        target: fcntl.fcntl(source, fcntl.F_DUPFD, _FAR_DESCRIPTOR)
        for target, source in wanted.items()
    }
    for target, source in far.items():
        os.dup2(source, target)


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    if LIBC.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _prctl(option: int, value: int) -> None:
    if LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _limit(memory_mib: int, cpu_s: float) -> None:
    _cap(resource.RLIMIT_AS, memory_mib << 20)
    _cap(resource.RLIMIT_NOFILE, _N_DESCRIPTORS)
    for name in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK):
        _cap(name, 0)
    if math.isfinite(cpu_s):
        _cap(resource.RLIMIT_CPU, math.ceil(cpu_s) + 1)
    # The stack is part of the address space, so a program may raise its own as many like to do.
    most = resource.getrlimit(resource.RLIMIT_STACK)[1]
    is_free = most == resource.RLIM_INFINITY
    resource.setrlimit(
        resource.RLIMIT_STACK, (_STACK_BYTES if is_free else min(_STACK_BYTES, most), most)
    )


def _cap(name: int, value: int) -> None:
    most = resource.getrlimit(name)[1]
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(name, (value, value))
