"""Makes text of a selection, and the completion to train on. The only place that does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from asap.trace.record import Step, Trace

Render = Literal["original", "stripped"]

OPENING = "<think>\n"
"""What stands before the thinking in a completion and in a scorer's context."""
CLOSING = "\n</think>\n"
"""What stands between the thinking and the answer in a completion."""
_LEADING_BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")


def render_steps(trace: Trace, kept: Sequence[int], render: Render = "original") -> str:
    """The thinking that is left.

    Args:
        trace: a trace with steps.
        kept: indices of the kept steps, ascending.
        render: `original`: each step with the separator that followed it, outer blank lines
            trimmed; `stripped` (the paper): steps stripped and joined by one blank line.

    Returns:
        The text; with every step kept it is the thinking itself, byte for byte.
    """
    if len(kept) == len(trace.steps):
        return trace.thinking
    if render == "stripped":
        return "\n\n".join(trace.text(i).strip() for i in kept)
    text = "".join(trace.text(i) + trace.separator(i) for i in kept)
    return _LEADING_BLANK_LINES.sub("", text.rstrip())


def keep_steps(trace: Trace, kept: Sequence[int]) -> tuple[str, tuple[Step, ...]]:
    """The kept steps with their separators as one text, and their spans in it (nothing is trimmed).

    This is what a scorer reads: positions stay one to one with the kept steps.
    """
    parts: list[str] = []
    steps: list[Step] = []
    position = 0
    for i in kept:
        text, separator = trace.text(i), trace.separator(i)
        steps.append(Step(position, position + len(text)))
        parts += (text, separator)
        position += len(text) + len(separator)
    return "".join(parts), tuple(steps)


def render_completion(thinking: str, answer: str) -> str:
    """The training target (the paper's Eq. 3): tags, thinking, answer."""
    return f"{OPENING}{thinking}{CLOSING}{answer}"
