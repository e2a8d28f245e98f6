"""What runs in the process of a program that reads stdin and writes stdout.

`real`: the text is run as `__main__` with the process's own standard streams, and what Python does
at the end of a program (join threads, run `atexit`, flush) is done. A program that ends through
`sys.exit`, with whatever code, has ended well: LiveCodeBench counts it so.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import traceback
from typing import Any


def open_standard_streams() -> None:
    """Make `sys.stdin`, `sys.stdout` and `sys.stderr` anew from descriptors 0, 1 and 2.

    Before any preamble: LiveCodeBench's has `from sys import *`, which binds them.
    """
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def run_program(job: dict[str, Any], namespace: dict[str, Any]) -> None:
    """Run the program to its end; does not return."""
    try:
        exec(compile(job["solution"], "<solution>", "exec", dont_inherit=True), namespace)
        status = 0
    except SystemExit:
        status = 0
    except BaseException:
        report_error()
        status = 1
    end_process(status)


def report_error() -> None:
    """Write the exception at hand to stderr, its name and text in the last line."""
    error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
    if error is not None:
        line = "".join(traceback.format_exception_only(type(error), error))
        os.write(2, line[-4000:].encode("utf-8", "backslashreplace"))


def end_process(status: int) -> None:
    """End as an interpreter does, without taking the interpreter apart."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        report_error()
        status = status or 1
    os._exit(status)
