"""Values of reports as a person would write them: no brackets, quotes or braces of Python's.

Names stay as they are, since they are those of recipes and flags.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from asap.view.visible import show_controls

_FIRST_WITH_COMMAS = 10_000
# Labs write the dials of a task as Python shows them: `Difficulty(lines=(2, 5), depth=2)`.
_DIALS = re.compile(r"[A-Z]\w*\(\w+=.*\)")


def say_value(value: Any, name: str = "") -> str:
    """A value as text, fit for a page.

    Args:
        value: as it stands in a report.
        name: what it is called; a seed is no amount and has no commas.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if value >= _FIRST_WITH_COMMAS and "seed" not in name else str(value)
    if isinstance(value, float):
        return _say_float(value)
    if isinstance(value, Mapping):
        return _say_pairs(value.items())
    if isinstance(value, list | tuple):
        is_deep = any(isinstance(each, Mapping | list | tuple) for each in value)
        return ("; " if is_deep else ", ").join(say_value(each, name) for each in value) or "none"
    return say_text(str(value))


def say_text(text: str) -> str:
    """A text, fit for a page; one that is a value of Python's in words."""
    dials = _read_dials(text) if _DIALS.fullmatch(text) else None
    return show_controls(text) if dials is None else _say_pairs(dials)


def _say_float(value: float) -> str:
    """Without an exponent where it is no longer than a person would write out."""
    plain = f"{Decimal(repr(value)):f}" if 1e-9 < abs(value) < 1e15 else f"{value:g}"
    return plain.removesuffix(".0")


def _say_pairs(pairs: Iterable[tuple[str, Any]]) -> str:
    return "; ".join(
        f"{show_controls(str(name)).replace('_', ' ')} {say_value(value, str(name))}"
        for name, value in pairs
    )


def _read_dials(text: str) -> list[tuple[str, Any]] | None:
    """Names and values of a call with nothing but literals; None where it is something else."""
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            return None
        return [(each.arg or "", ast.literal_eval(each.value)) for each in call.keywords]
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
