"""From the text of a response to question, thinking and answer, or to a named reason why it is unusable.

It knows the tags that reasoning models use and nothing of files or columns (that is `corpus`).
"""

from __future__ import annotations

import re
from typing import Literal

from asap.trace.record import Excluded, Trace

TAGS: tuple[tuple[str, str], ...] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("[THINK]", "[/THINK]"),
)
_SOLUTION = re.compile(r"<\|begin_of_solution\|>(.*?)(?:<\|end_of_solution\|>|\Z)", re.DOTALL)
_CODE_BLOCK = re.compile(r"^[ \t]*```[^\n`]*\n.*?^[ \t]*```", re.DOTALL | re.MULTILINE)

Require = Literal["answer", "code", "nothing"]

REASONS: dict[str, str] = {
    "no_tags": "neither an opening nor a closing thinking tag",
    "no_closing_tag": "the thinking is cut off before its closing tag",
    "tags_out_of_order": "thinking tags are nested, repeated or closed before they are opened",
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
        response: thinking and answer in one text, told apart by tags. A missing opening tag is allowed, since chat
            templates put it into the prompt.
        reasoning: the thinking, where it stands in a field of its own (with or without tags round it).
        answer: the answer, where it stands in a field of its own.
        require: what must follow the thinking: an answer, a fenced code block in it, or nothing.

    Returns:
        The trace, without steps, or `Excluded` with one of `REASONS`.
    """
    if reasoning is not None:
        split = _split_tagged(reasoning) if _has_tag(reasoning) else (reasoning, "")
        if isinstance(split, str):
            return Excluded(split)
        thinking, rest = split
        final = answer if answer is not None else (response or rest)
    else:
        split = _split_tagged(response or "")
        if isinstance(split, str):
            return Excluded(split)
        thinking, rest = split
        final = answer if answer is not None and not rest.strip() else rest
    if not thinking.strip():
        return Excluded("empty_thinking")
    final = final.strip()
    if require != "nothing" and not final:
        return Excluded("no_answer")
    if require == "code" and not _CODE_BLOCK.search(final):
        return Excluded("no_code_block")
    return Trace(row, id, question, thinking, final)


def _has_tag(text: str) -> bool:
    return any(text.lstrip().startswith(opening) or closing in text for opening, closing in TAGS)


def _split_tagged(text: str) -> tuple[str, str] | str:
    """Thinking and rest, or a reason. One line break next to a tag belongs to the tag."""
    for opening, closing in TAGS:
        body = text.lstrip()
        is_opened = body.startswith(opening)
        if not is_opened and closing not in text:
            continue
        body = body[len(opening) :] if is_opened else text
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
    return "no_tags"
