"""LiveCodeBench's own way to run a program, rebuilt: for numbers that stand beside published ones.

The program becomes the body of a function; stdin, stdout and `open` are stand-ins with upstream's
gaps: stdin cannot be iterated over, its binary `readline` always gives the first line, stdout has
no binary side, `global` does not reach what was the top level.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import io
import json
import os
import sys
from typing import Any

from asap.judge.program import report_error

_NAME = "wrapped_function"
_MAIN_GUARD = "__name__ == '__main__'"


class _BinaryStdin:
    """What upstream offers as `sys.stdin.buffer`."""

    def __init__(self, text: str) -> None:
        self._data = text.encode()

    def read(self, *_: object) -> bytes:
        return self._data

    def readline(self, *_: object) -> bytes:
        return self._data.split(b"\n")[0] + b"\n"


class _Stdin:
    """What upstream offers as `sys.stdin`; `input()` reads through its `readline`."""

    def __init__(self, text: str) -> None:
        lines = iter(text.split("\n"))
        self._rest = io.StringIO(text)
        self.buffer = _BinaryStdin(text)
        self.read = lambda *_: text
        self.readline = lambda *_: next(lines)
        self.readlines = lambda *_: text.split("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rest, name)


def run_wrapped(job: dict[str, Any], namespace: dict[str, Any]) -> None:
    """Run the program as a function and write what it printed, as JSON; does not return."""
    output = io.StringIO()
    try:
        exec(compile(_wrap(job), "<solution>", "exec", dont_inherit=True), namespace)
        sys.stdin, sys.stdout = _Stdin(job["input"]), output
        builtins.open = lambda *_, **__: io.StringIO(job["input"])  # type: ignore[assignment]
        with contextlib.suppress(SystemExit):
            namespace[_NAME]()
    except BaseException:
        report_error()
        os._exit(1)
    data = memoryview(json.dumps(output.getvalue()).encode())
    while data:
        data = data[os.write(1, data) :]
    os._exit(0)


def _wrap(job: dict[str, Any]) -> str:
    """The preamble, the program's imports, and all else of it as one function."""
    body = ast.parse(job["solution"]).body
    last = body[-1] if body else None
    if isinstance(last, ast.If) and ast.unparse(last.test) == _MAIN_GUARD:
        body = body[:-1] + last.body
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    function = ast.parse(f"def {_NAME}(): ...")
    function.body[0].body = [node for node in body if node not in imports]  # type: ignore[attr-defined]
    hoisted = ast.unparse(ast.Module(body=list(imports), type_ignores=[]))
    return "\n".join((job["preamble"], hoisted, ast.unparse(function)))
