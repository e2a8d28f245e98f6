"""Takes system calls from this process, as a kernel or container without them would, then judges.

`restricted.py NAMES UNSAFE SRC`: the calls named answer "not implemented". Prints a JSON object.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import struct
import sys
import types

LANDLOCK_CREATE_RULESET = 444
PRCTL = {"x86_64": 157, "aarch64": 167}
PR_GET_SECCOMP = 21


def take_away(number: int, argument: int | None) -> None:
    """A filter that answers ENOSYS to one system call, or to one of its first arguments."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 3 if argument is not None else 1, number)]
    if argument is not None:
        code += [(0x20, 0, 0, 16), (0x15, 0, 1, argument)]
    code += [(0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7FFF0000)]
    buffer = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
    program = struct.pack("=H6xQ", len(code), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, program, 0, 0) == 0


def main(names: str, unsafe: str, source: str) -> None:
    import platform

    package = types.ModuleType("asap")
    package.__path__ = [source]
    sys.modules["asap"] = package
    from asap.errors import SandboxError
    from asap.judge import CallProblem, Judge

    if "landlock" in names:
        take_away(LANDLOCK_CREATE_RULESET, None)
    if "seccomp" in names:
        take_away(PRCTL[platform.machine()], PR_GET_SECCOMP)
    tests = "def check(candidate):\n    assert candidate(2) == 4\n"
    try:
        with Judge(unsafe=unsafe == "unsafe") as judge:
            problem = CallProblem("double", "", "f", tests)
            [verdict] = judge.judge([(problem, "def f(x): return 2 * x")])
            result = dataclasses.asdict(judge.sandbox) | {"outcome": verdict.outcome}
    except SandboxError as error:
        result = {"refusal": str(error)}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
