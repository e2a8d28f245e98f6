"""The judge tries to break out of its own sandbox before it judges anything.

The attacks are ordinary solutions and take the road that every solution takes. They are probes: one
that works does no harm, but the judge refuses to go on.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator

from asap.errors import InputError, SandboxError
from asap.judge.limits import MEMORY_MIB
from asap.judge.problem import CallProblem
from asap.judge.station import Station

ATTACKS = {
    "read a file": "return open(place['canary']).read() != ''",
    "read a file by a raw system call": "return libc.open(place['canary'].encode(), 0) >= 0",
    "write a file": "return open(place['canary'] + '.new', 'w').write('x') == 1",
    "read its own environment": "return open('/proc/self/environ').read() != ''",
    "connect by TCP": "return socket.create_connection(place['tcp'], 1) is not None",
    "connect to a local socket": "return socket.socket(1).connect(place['unix']) is None",
    "start a process": "return os.fork() != 0 or os._exit(0)",
    "run a program": "return os.posix_spawn('/bin/true', ['true'], {}) > 0",
    "signal another process": "return os.kill(os.getppid(), 0) is None",
    "exceed its memory": f"return len(bytearray({2 * MEMORY_MIB} << 20)) > 0",
    "make a file in memory": "return os.memfd_create('x') >= 0",
}
"""What is tried: the body of a function that returns True, or anything true, if it worked."""

_HARMLESS = "return False"
_SOLUTION = """
import ctypes, os, socket
libc = ctypes.CDLL(None)
def attack(place):
    try:
        {body}
    except (OSError, MemoryError):
        return False
"""
_TESTS = """
def check(candidate):
    assert candidate({place!r}) is False
"""


def find_working_attacks(station: Station) -> tuple[str, ...]:
    """The names of the attacks that the station's sandbox does not withstand.

    Raises:
        SandboxError: not even a harmless function can be judged.
    """
    with _make_targets() as place:
        message = _try(station, place, _HARMLESS)
        if message is not None:
            raise SandboxError(f"the judge cannot run anything here: {message}")
        return tuple(name for name, body in ATTACKS.items() if _try(station, place, body))


def _try(station: Station, place: dict[str, object], body: str) -> str | None:
    """None if the function said that it had failed, as it must."""
    problem = CallProblem("self-test", "", "attack", _TESTS.format(place=place))
    try:
        verdict = station.judge(problem, _SOLUTION.format(body=body))
    except InputError as error:
        return str(error)
    return None if verdict.outcome == "passed" else f"{verdict.outcome}: {verdict.message}"


@contextlib.contextmanager
def _make_targets() -> Iterator[dict[str, object]]:
    """A readable file and two listening sockets, which an attack could reach without a sandbox."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as local,
    ):
        canary = os.path.join(folder, "canary")
        with open(canary, "w", encoding="ascii") as file:
            file.write(secrets.token_hex())
        name = f"\0asap-{secrets.token_hex()}"
        local.bind(name)
        local.listen()
        yield {"canary": canary, "tcp": tcp.getsockname(), "unix": name}
