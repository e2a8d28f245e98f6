"""From the text of a response to a trace, or to a named reason why it is unusable.

It knows the tags that reasoning models use and nothing of files or columns (that is `corpus`).
"""

from __future__ import annotations

import re
from typing import Literal

from asap.trace.record import Excluded, Trace
from asap.trace.segment import find_fences

TAGS: tuple[tuple[str, str], ...] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("[THINK]", "[/THINK]"),
)
"""The tags that delimit a thinking, by style: opening and closing."""
_SOLUTION = re.compile(r"<\|begin_of_solution\|>(.*?)(?:<\|end_of_solution\|>|\Z)", re.DOTALL)

Require = Literal["answer", "code", "nothing"]

REASONS: dict[str, str] = {
    "no_tags": "neither an opening nor a closing thinking tag",
    "no_closing_tag": "the thinking is cut off before its closing tag",
    "tags_out_of_order": "thinking tags are nested, repeated or stand inside the text",
    "empty_thinking": "there is nothing between the tags",
    "no_answer": "nothing follows the thinking",
    "no_code_block": "the answer holds no fenced code block",
}
"""Every reason for which parsing refuses a trace, with its meaning."""


def parse_trace(
    row: int,
    id: str,
    question: str,
    *,
    response: str | None = None,
    reasoning: str | None = None,
    answer: str | None = None,
    require: Require = "answer",
) -> Trace | Excluded:
    """Parse one row.

    Args:
        row: position in the inputs.
        id: the input's own identifier.
        question: the question, or an empty string.
        response: thinking and answer in one text, told apart by tags. A missing opening tag is
            allowed, since chat templates put it into the prompt.
        reasoning: the thinking, where it stands in a field of its own (with or without tags round
            it).
        answer: the answer, where it stands in a field of its own.
        require: what must follow the thinking: an answer, a fenced code block in it, or nothing.

    Returns:
        The trace, without steps, or `Excluded` with one of `REASONS`.
    """
    if reasoning is None:
        split = _split_tagged(response or "")
    elif _find_style(reasoning) is None:
        split = (reasoning, "")
    else:
        split = _split_tagged(reasoning)
    if isinstance(split, str):
        return Excluded(split)
    thinking, rest = split
    if reasoning is None:
        final = answer if answer is not None and not rest.strip() else rest
    else:
        final = answer if answer is not None else _drop_thinking(response or rest)
    return _check(Trace(row, id, question, thinking, final.strip()), require)


def _drop_thinking(response: str) -> str:
    """The answer of a response; some servers give the thinking in it and in its own field."""
    split = _split_tagged(response)
    return response if isinstance(split, str) else split[1]


def _check(trace: Trace, require: Require) -> Trace | Excluded:
    """The trace, or why one cannot train on it."""
    if not trace.thinking.strip():
        return Excluded("empty_thinking")
    # The completion is tagged with `<think>` whatever the input's tags were (the paper's Eq. 3).
    if any(tag in text for tag in TAGS[0] for text in (trace.thinking, trace.answer)):
        return Excluded("tags_out_of_order")
    if require != "nothing" and not trace.answer:
        return Excluded("no_answer")
    if require == "code" and not find_fences(trace.answer):
        return Excluded("no_code_block")
    return trace


def _find_style(text: str) -> tuple[str, str] | None:
    """The tags that delimit the thinking: those it opens with, else those that close it.

    A trace may speak of other models' tags; only a style that opens the text beats such a mention.
    """
    body = text.lstrip()
    for opening, closing in TAGS:
        if body.startswith(opening):
            return opening, closing
    return next(((opening, closing) for opening, closing in TAGS if closing in text), None)


def _split_tagged(text: str) -> tuple[str, str] | str:
    """Thinking and rest, or a reason. One line break next to a tag belongs to the tag."""
    style = _find_style(text)
    if style is None:
        return "no_tags"
    opening, closing = style
    body = text.lstrip()
    body = body[len(opening) :] if body.startswith(opening) else text
    if closing not in body:
        return "no_closing_tag"
    thinking, rest = body.split(closing, 1)
    if opening in thinking or closing in rest or opening in rest:
        return "tags_out_of_order"
    if solution := _SOLUTION.search(rest):
        rest = solution.group(1)
    thinking = thinking.removeprefix("\r").removeprefix("\n")
    thinking = thinking.removesuffix("\n").removesuffix("\r")
    return thinking, rest
