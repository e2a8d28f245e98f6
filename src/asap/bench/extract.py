"""Finds the answer in a completion. It never looks at the prompt, and never repairs code.

The completion follows an opening thinking tag that stands in the prompt. Rule `answer`: without a
closing tag the response was cut off while thinking and has no answer; else the answer is the last
closed fenced block after the tag. Rule `paper` is the released code's: the first fenced block after
the tag, and without a tag the first block of the thinking, so that a draft in a cut-off response
earns credit. Low budgets look better under it.
"""

from __future__ import annotations

import textwrap

from asap.bench.benchmark import Extract
from asap.trace import TAGS, find_fences

_CLOSING_TAG = TAGS[0][1]


def extract_code(completion: str, rule: Extract = "answer") -> str | None:
    """The code that a completion answers with.

    Args:
        completion: what the model wrote after the opening tag.
        rule: `answer` or `paper`, see above.

    Returns:
        The inside of the fenced block, without its common indentation; None if there is no answer.
    """
    answer = find_answer(completion)
    if rule == "paper":
        return find_block(completion if answer is None else answer, 0)
    return None if answer is None else find_block(answer, -1)


def find_answer(completion: str) -> str | None:
    """What stands after the thinking; None if the thinking never ended."""
    _, tag, answer = completion.partition(_CLOSING_TAG)
    return answer if tag else None


def find_block(text: str, which: int) -> str | None:
    """The inside of one of the closed fenced blocks; None if there is none."""
    fences = find_fences(text)
    if not fences:
        return None
    start, end = fences[which]
    # The first and the last line are the fences; the inside of an empty block is the empty text.
    return textwrap.dedent("\n".join(text[start:end].split("\n")[1:-1]))
