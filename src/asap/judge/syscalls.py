"""Which system calls a judged process may make, for two architectures. A table, no code that acts.

Left out on purpose, and so refused: exec, fork, sockets to anywhere, signals to others, every way
to write a file or change a namespace, `memfd_create` (memory that no limit counts), io_uring, bpf,
ptrace. Opening is allowed for reading only; which files, Landlock decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OWN_PID: Final = -1
"""Stands for the process's own number among a condition's values."""

_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020080
_WRITING = (
    0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000
)  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, __O_TMPFILE
_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Condition:
    """A call is allowed if the masked low word of one argument is among the values."""

    argument: int
    values: tuple[int, ...]
    mask: int = _WORD
    is_pointer: bool = False
    """Look at all 64 bits, against the single value 0: no address given."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What seccomp must know of a machine."""

    audit: int
    """The number by which the kernel names it in a filter's data."""
    allowed: tuple[int, ...]
    conditional: dict[int, Condition]
    missing: tuple[int, ...]
    """Answered with ENOSYS: their arguments lie in memory, and glibc falls back to older calls."""


_CONDITIONS = {
    "openat": Condition(2, (0,), _WRITING),
    "clone": Condition(0, (_CLONE_THREAD,), _CLONE_THREAD | _CLONE_NAMESPACES),
    "kill": Condition(0, (OWN_PID,)),
    "tgkill": Condition(0, (OWN_PID,)),
    # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; not F_SETOWN, which signals.
    "fcntl": Condition(1, (0, 1, 2, 3, 4, 1030)),
    # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX.
    "ioctl": Condition(1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),
    # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA.
    "prctl": Condition(0, (15, 16, 0x53564D41)),
    "prlimit64": Condition(0, (0,)),
    "socketpair": Condition(0, (1,)),  # AF_UNIX: asyncio wakes itself through one
    "sendto": Condition(4, (0,), is_pointer=True),
}

_X86_64 = """
read 0 write 1 close 3 stat 4 fstat 5 lstat 6 poll 7 lseek 8 mmap 9 mprotect 10 munmap 11 brk 12
rt_sigaction 13 rt_sigprocmask 14 rt_sigreturn 15 ioctl 16 pread64 17 pwrite64 18 readv 19
writev 20 access 21 pipe 22 select 23 sched_yield 24 mremap 25 madvise 28 dup 32 dup2 33 pause 34
nanosleep 35 getitimer 36 alarm 37 setitimer 38 getpid 39 sendto 44 recvfrom 45 shutdown 48
getsockname 51 socketpair 53 getsockopt 55 clone 56 exit 60 kill 62 uname 63 fcntl 72 getdents 78
getcwd 79 readlink 89 gettimeofday 96 getrlimit 97 getrusage 98 sysinfo 99 times 100 getuid 102
getgid 104 geteuid 107 getegid 108 getppid 110 getpgrp 111 getgroups 115 getresuid 118
getresgid 120 getpgid 121 getsid 124 rt_sigpending 127 rt_sigtimedwait 128 rt_sigsuspend 130
sigaltstack 131 getpriority 140 sched_getparam 143 sched_getscheduler 145 prctl 157 gettid 186
time 201 futex 202 sched_getaffinity 204 getdents64 217 set_tid_address 218 restart_syscall 219
clock_gettime 228 clock_getres 229 clock_nanosleep 230 exit_group 231 epoll_wait 232 epoll_ctl 233
tgkill 234 openat 257 newfstatat 262 readlinkat 267 faccessat 269 pselect6 270 ppoll 271
set_robust_list 273 get_robust_list 274 epoll_pwait 281 eventfd2 290 epoll_create1 291 dup3 292
pipe2 293 prlimit64 302 getcpu 309 getrandom 318 membarrier 324 statx 332 rseq 334 clone3 435
openat2 437 faccessat2 439
"""

_AARCH64 = """
getcwd 17 eventfd2 19 epoll_create1 20 epoll_ctl 21 epoll_pwait 22 dup 23 dup3 24 fcntl 25
ioctl 29 faccessat 48 openat 56 close 57 pipe2 59 getdents64 61 lseek 62 read 63 write 64 readv 65
writev 66 pread64 67 pwrite64 68 pselect6 72 ppoll 73 readlinkat 78 newfstatat 79 fstat 80 exit 93
exit_group 94 set_tid_address 96 futex 98 set_robust_list 99 get_robust_list 100 nanosleep 101
getitimer 102 setitimer 103 clock_gettime 113 clock_getres 114 clock_nanosleep 115
sched_getscheduler 120 sched_getparam 121 sched_getaffinity 123 sched_yield 124 restart_syscall 128
kill 129 tgkill 131 sigaltstack 132 rt_sigsuspend 133 rt_sigaction 134 rt_sigprocmask 135
rt_sigpending 136 rt_sigtimedwait 137 rt_sigreturn 139 getpriority 141 getresuid 148 getresgid 150
times 153 getpgid 155 getsid 156 getgroups 158 uname 160 getrlimit 163 getrusage 165 prctl 167
getcpu 168 gettimeofday 169 getpid 172 getppid 173 getuid 174 geteuid 175 getgid 176 getegid 177
gettid 178 sysinfo 179 socketpair 199 getsockname 204 sendto 206 recvfrom 207 getsockopt 209
shutdown 210 brk 214 munmap 215 mremap 216 clone 220 mmap 222 mprotect 226 madvise 233
prlimit64 261 getrandom 278 membarrier 283 statx 291 rseq 293 clone3 435 openat2 437
faccessat2 439
"""


def _architecture(audit: int, table: str) -> Architecture:
    words = table.split()
    numbers = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    missing = tuple(numbers.pop(name) for name in ("clone3", "openat2"))
    conditional = {numbers.pop(name): condition for name, condition in _CONDITIONS.items()}
    return Architecture(audit, tuple(numbers.values()), conditional, missing)


ARCHITECTURES = {
    "x86_64": _architecture(0xC000003E, _X86_64),
    "aarch64": _architecture(0xC00000B7, _AARCH64),
}
"""By the machine's name as `platform.machine()` gives it."""
