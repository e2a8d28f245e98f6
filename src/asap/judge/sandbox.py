"""Which sandbox this machine allows: found out by trying, refused in words, recorded."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

from asap.errors import SandboxError
from asap.judge.attack import find_working_attacks
from asap.judge.launcher import has_bubblewrap
from asap.judge.limits import CHECKER_MEMORY_MIB, MEMORY_MIB, Timing
from asap.judge.station import Station, Stdin

_REMEDY = (
    "use Linux 5.13 or later on x86_64 or aarch64 with Landlock and seccomp switched on, or, in a "
    "container or virtual machine of your own that holds nothing of value, allow an unsafe judge"
)


@dataclass(frozen=True, slots=True)
class SandboxRecord:
    """How code was contained, and on what machine it was timed: part of every result."""

    kind: str
    """The layers in force, such as `landlock+seccomp+bubblewrap`; `unsafe: ` in front where an
    attack works and it was allowed to.
    """
    landlock_abi: int
    working_attacks: tuple[str, ...]
    """Attacks of the self-test that were not withstood."""
    timing: Timing
    stdin: Stdin
    workers: int
    memory_mib: int
    checker_memory_mib: int
    cpu: str
    kernel: str
    python: str
    packages: tuple[str, ...]
    """Preloaded packages with their versions."""


def open_station(
    workers: int, timing: Timing, stdin: Stdin, unsafe: bool
) -> tuple[Station, SandboxRecord]:
    """A first station, tried out, and the record of its sandbox.

    Raises:
        SandboxError: no safe sandbox can be had here, and `unsafe` is not set.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxError("the judge runs on Linux only")
    wrapped = has_bubblewrap()
    station = Station(wrapped, timing, stdin)
    try:
        hello = station.solutions.hello
        layers = {
            "landlock": hello["landlock_abi"] > 0,
            "seccomp": hello["has_seccomp"],
            "bubblewrap": wrapped,
        }
        missing = [name for name in ("landlock", "seccomp") if not layers[name]]
        if missing and not unsafe:
            raise SandboxError(f"no safe sandbox here: no {' and no '.join(missing)}; {_REMEDY}")
        working = find_working_attacks(station)
        if working and not unsafe:
            raise SandboxError(
                f"no safe sandbox here: code in it can {', '.join(working)}; {_REMEDY}"
            )
    except BaseException:
        station.close()
        raise
    kind = "+".join(name for name, is_there in layers.items() if is_there) or "none"
    record = SandboxRecord(
        kind=f"unsafe: {kind}" if missing or working else kind,
        landlock_abi=hello["landlock_abi"],
        working_attacks=working,
        timing=timing,
        stdin=stdin,
        workers=workers,
        memory_mib=MEMORY_MIB,
        checker_memory_mib=CHECKER_MEMORY_MIB,
        cpu=_read_cpu_model(),
        kernel=platform.release(),
        python=hello["python"],
        packages=tuple(hello["preloaded"]),
    )
    return station, record


def _read_cpu_model() -> str:
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()
