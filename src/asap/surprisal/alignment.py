"""Which token each step begins with (section 3.3 of the paper: the *first token* of a step).

Context and thinking are tokenized once, together, and spans in code points decide: no prefix is
encoded again, and nothing is assumed about a begin-of-text token. Knows no model and no tokenizer.
Linear in tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from asap.trace import Step

_NOT_SPACE = re.compile(r"\S")


@dataclass(frozen=True, slots=True)
class StepSpan:
    """The tokens of one step: from its first token to those that begin in it, `last` excluded."""

    first: int
    last: int


def find_step_tokens(
    text: str, offset: int, steps: Sequence[Step], starts: Sequence[int], ends: Sequence[int]
) -> list[StepSpan]:
    """The tokens of each step.

    A step's first token is the first whose span contains the step's first character that is not
    white space; it may begin before the step does. The step's tokens run from there to the first
    token that begins at or after its end: the separator's own tokens are nobody's.

    Args:
        text: context and thinking.
        offset: where the thinking begins in `text`.
        steps: spans in the thinking, ascending.
        starts: where each token of `text` begins, ascending.
        ends: where it ends, ascending.

    Returns:
        One span of token indices per step.
    """
    spans = []
    first = last = 0
    final = len(starts) - 1
    for step in steps:
        end = step.end + offset
        found = _NOT_SPACE.search(text, step.start + offset, end)
        character = found.start() if found else step.start + offset
        # Characters between two spans (merged by a normaliser) belong to the token before them.
        while first < final and max(ends[first], starts[first + 1]) <= character:
            first += 1
        last = max(last, first)
        while last <= final and starts[last] < end:
            last += 1
        spans.append(StepSpan(first, max(last, first + 1)))
    return spans
