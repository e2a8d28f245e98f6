"""Writes the source that the judge's checker runs: some functions of `checkers`, and the data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

_HEAD = "from __future__ import annotations\n\nimport copy\nimport json\nimport math\n"


def write_tests(functions: Sequence[Callable[..., Any]], data: str, helpers: str = "") -> str:
    """Source that defines `check(candidate)`.

    Only what a check needs goes along: the checker compiles it for every solution.

    Args:
        functions: the check, whose first argument is the candidate, then those that it calls.
        data: Python source of the check's other arguments.
        helpers: Python source that `data` may refer to.
    """
    call = f"def check(candidate):\n    {functions[0].__name__}(candidate, {data})\n"
    return "\n\n".join([_HEAD, *(inspect.getsource(each) for each in functions), helpers, call])
