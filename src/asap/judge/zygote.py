"""A process that has everything loaded and forks one jailed child per job; it runs no job itself.

It never reads a job: each child reads its own from a descriptor after the fork, so no solution and
no test is ever in the memory that later children inherit. Started by `launcher.py` as a program.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import platform
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from asap.judge import checker, official, program, solution
from asap.judge.jail import Jail, find_readable, place_descriptors

_PRELOADED = (
    "array bisect collections copy dataclasses datetime decimal enum fractions functools hashlib "
    "heapq inspect io itertools json math operator random re statistics string typing"
)
"""What solutions import most, so that a fork finds it loaded."""
_OPTIONAL = ("numpy", "sortedcontainers")
"""Preloaded where they are installed; the benchmarks' solutions need them."""

_Run = Callable[[dict[str, Any], dict[str, Any]], None]
_KINDS: dict[str, tuple[str, _Run]] = {
    "call": ("solution", solution.serve_calls),
    "program": ("__main__", program.run_program),
    "official": ("__main__", official.run_wrapped),
    "check": ("tests", checker.check),
}
"""By the kind of job: the module's name, and what to do once its preamble has run."""

_READY = "+"
"""What a child reports once it is locked up and its preamble has run, before anything hostile."""
_SHORTEST_WAIT_S = 0.005
KILL = b'"kill"'
"""The message that ends the job under way; where none is, it means nothing."""


def main(control_descriptor: int) -> None:
    """Say what this machine offers, then serve jobs until the other end is closed.

    Args:
        control_descriptor: a SOCK_SEQPACKET socket to the judge.
    """
    _restrict_imports()
    preloaded = _preload()
    jail = Jail()
    gc.collect()
    gc.freeze()
    control = socket.socket(fileno=control_descriptor)
    hello = {
        "landlock_abi": jail.landlock_abi,
        "has_seccomp": jail.has_seccomp,
        "python": platform.python_version(),
        "preloaded": preloaded,
    }
    control.send(json.dumps(hello).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 8)
        if not message:
            return
        if message == KILL:  # the job had ended by itself
            continue
        request = json.loads(message)
        ended = _run(request, descriptors, jail, control)
        control.send(json.dumps(ended).encode())


def _restrict_imports() -> None:
    """Children may read nothing but these, so a path elsewhere would only make imports fail."""
    readable = find_readable()
    sys.path[:] = [path for path in sys.path if path.startswith(tuple(readable))]


def _preload() -> list[str]:
    for name in _PRELOADED.split():
        importlib.import_module(name)
    found = []
    for name in _OPTIONAL:
        with contextlib.suppress(ImportError):
            version = getattr(importlib.import_module(name), "__version__", "")
            found.append(f"{name} {version}")
    return found


def _run(
    request: dict[str, Any], descriptors: list[int], jail: Jail, control: socket.socket
) -> dict[str, Any]:
    """Fork a child for one job and see it to its end."""
    notes = descriptors.pop() if request["has_notes"] else None
    read_end, write_end = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_child(request, descriptors, jail, write_end, parent)
    for descriptor in (*descriptors, write_end):
        os.close(descriptor)
    ended = _wait(pid, control, request, notes)
    if notes is not None:
        os.close(notes)
    _, status, usage = os.wait4(pid, 0)
    report = os.read(read_end, 4096).decode()
    os.close(read_end)
    if not report and ended != "asked":
        report = "its preamble did not end"
    return {
        "ended": ended,
        "status": os.waitstatus_to_exitcode(status),
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "fault": report if report not in ("", _READY) else None,
    }


def _wait(pid: int, control: socket.socket, limits: dict[str, Any], notes: int | None) -> str:
    """Wait until the child has ended by `itself`, or end it: by `cpu`, `call`, `wall` or as
    `asked`.
    """
    child = os.pidfd_open(pid)
    # The kernel's number for the CPU clock of another process (see clock_getcpuclockid).
    clock = (~pid << 3) | 2
    poll = select.poll()
    poll.register(child, select.POLLIN)
    poll.register(control, select.POLLIN)
    if notes is not None:
        poll.register(notes, select.POLLIN)
    end_s = time.monotonic() + limits["wall_s"]
    noted_s = 0.0  # of CPU time, when the last answer came
    is_noting = False
    ended = ""
    while not ended:
        used_s = time.clock_gettime(clock)
        left_s = {
            "cpu": limits["cpu_s"] - used_s,
            "call": noted_s + limits["call_cpu_s"] - used_s,
            "wall": end_s - time.monotonic(),
        }
        ended = next((name for name, seconds in left_s.items() if seconds <= 0), "")
        if ended:
            break
        if is_noting and notes is not None:
            noted_s, is_noting = used_s, False
            if not _acknowledge(notes):
                poll.unregister(notes)
        wait_s = min(max(min(left_s.values()), _SHORTEST_WAIT_S), 1e6)
        events = [descriptor for descriptor, _ in poll.poll(wait_s * 1000)]
        if child in events:
            ended = "itself"
        elif control.fileno() in events:  # told to; or the judge is gone, as the main loop will see
            control.recv(len(KILL))
            ended = "asked"
        else:
            is_noting = notes in events
    if ended != "itself":
        signal.pidfd_send_signal(child, signal.SIGKILL)
    os.close(child)
    return ended


def _acknowledge(notes: int) -> bool:
    """Let the checker go on, which waits so that a call's time is not counted as that of the next;
    False if it is gone.
    """
    os.set_blocking(notes, False)
    try:
        return bool(os.read(notes, 1) and os.write(notes, b"+"))
    except OSError:
        return False


def _be_child(
    request: dict[str, Any], descriptors: list[int], jail: Jail, report: int, parent: int
) -> NoReturn:
    """Read the job, lock up, run it; does not return."""
    status = 1
    try:
        with open(descriptors[0], "rb") as file:
            job = json.load(file)
        targets = request["targets"]
        last = max((2, *targets)) + 1
        place_descriptors(dict(zip((*targets, last), (*descriptors[1:], report), strict=True)))
        report = last
        jail.enter(last + 1, request["memory_mib"], request["cpu_s"], parent)
        program.open_standard_streams()
        name, run = _KINDS[job["kind"]]
        namespace = solution.prepare_module(name, job.get("preamble", ""))
        os.write(report, _READY.encode())
        os.close(report)
        report = -1
        run(job, namespace)
        status = 0
    except BaseException as error:
        if report >= 0:
            os.write(report, f"{type(error).__name__}: {error}"[:1000].encode())
    finally:
        os._exit(status)
