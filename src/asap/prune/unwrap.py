"""Takes off what LLMs wrap round a reply: their own thoughts, tags, fences. It judges no content.

A fence comes off only where it encloses the whole reply and is none of the original's own: a trace
that begins with code keeps its fence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from asap.trace import TAGS

_OUTER_BLANK_LINES = re.compile(r"\A(?:[ \t]*\r?\n)+|\s+\Z")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})([^`]*)")


def unwrap_reply(text: str, original: str = "") -> str:
    """The reply proper of a model that may think aloud first, without a fence round it.

    Args:
        text: the reply.
        original: a text whose fences stay, if the reply begins with one of them.

    Returns:
        What follows the reply's own thoughts; empty where nothing does.
    """
    for opening, closing in TAGS:
        is_opened = text.lstrip().startswith(opening)
        # Chat templates put the first style's opening tag into the prompt.
        if closing in text and (is_opened or opening == TAGS[0][0]):
            text = text.rpartition(closing)[2]
        elif is_opened:
            return ""
    return strip_fence(text, original)


def unwrap_tagged(text: str, original: str, tag: str) -> str:
    """The reply proper, as `unwrap_reply` has it, out of the prompt's tag if it stands in that.

    Args:
        text: the reply.
        original: the original thinking.
        tag: the name of the prompt's tag round the original.
    """
    inside = _split_tagged(unwrap_reply(text, original), f"<{tag}>", f"</{tag}>")[0]
    return strip_fence(inside, original)


def find_readings(text: str, original: str, tag: str) -> list[str]:
    """What the pruned thinking in a reply may be, likeliest first.

    Args:
        text: the reply. Thinking tags in it may enclose the pruned thinking, or the model's own
            thoughts before it.
        original: the original thinking.
        tag: the name of the prompt's tag round the original.

    Returns:
        Texts without wrapping, none blank; none at all where the reply is nothing but wrapping.
    """
    readings = [text]
    for opening, closing in (*find_foreign_tags(original), (f"<{tag}>", f"</{tag}>")):
        readings = [
            part
            for reading in readings
            for part in _split_tagged(strip_fence(reading, original), opening, closing)
        ]
    return [unfenced for reading in readings if (unfenced := strip_fence(reading, original))]


def find_foreign_tags(original: str) -> list[tuple[str, str]]:
    """The thinking tags that a reply to this original can only have from the LLM."""
    return [pair for pair in TAGS if not any(tag in original for tag in pair)]


def _split_tagged(text: str, opening: str, closing: str) -> Sequence[str]:
    """What stands between the tags, and what follows them."""
    if closing not in text:
        return (text.lstrip().removeprefix(opening) if text.lstrip().startswith(opening) else text,)
    inside, _, after = text.partition(closing)
    return (inside.rpartition(opening)[2], after)


def strip_fence(text: str, original: str = "") -> str:
    """The text without outer blank lines and without a fence round the whole of it."""
    text = _OUTER_BLANK_LINES.sub("", text)
    lines = text.split("\n")
    opening = _FENCE.fullmatch(lines[0].rstrip())
    if opening is None or _stands_in(lines[:2], original):
        return text
    closing = _FENCE.fullmatch(lines[-1].rstrip()) if len(lines) > 1 else None
    is_closed = closing is not None and closing[1].startswith(opening[1]) and not closing[2].strip()
    body = lines[1:-1] if is_closed else lines[1:]
    # If the rest is in order by itself, the first line opened nothing but the whole.
    return _OUTER_BLANK_LINES.sub("", "\n".join(body)) if _is_balanced(body) else text


def _stands_in(lines: Sequence[str], original: str) -> bool:
    """Whether these lines follow one another in the original, margins apart."""
    wanted = [line.strip() for line in lines]
    found = [line.strip() for line in original.split("\n")]
    return any(found[i : i + len(wanted)] == wanted for i in range(len(found)))


def _is_balanced(lines: Sequence[str]) -> bool:
    """Whether every fence that these lines open is closed in them."""
    opened = ""
    for line in lines:
        fence = _FENCE.fullmatch(line.rstrip())
        if fence is None:
            continue
        if not opened:
            opened = fence[1]
        elif fence[2].strip():
            return False
        elif fence[1].startswith(opened):
            opened = ""
    return not opened
