"""Cuts the thinking of a trace into steps, without loss: joined, they are the thinking again.

`paragraph` is the paper's cut (section 3.2: steps are blank-line paragraphs). `block` is ours: code
stays whole. In R1's Codeforces traces code is mostly unfenced and written with a blank line between
its lines, so the paper's cut prunes single lines out of programs. Nothing here looks at meaning or
counts tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from asap.trace.code_runs import find_runs
from asap.trace.record import Step, Trace

Segmenter = Literal["block", "paragraph"]

_BLANK_LINES = re.compile(r"(?<![^\S\n])[^\S\n]*\n(?:[^\S\n]*\n)+")
_EMPTY_LINES = re.compile(r"(?:[^\S\n]*\n)*")
_LEADING_SPACE = re.compile(r"\s*")
_FENCE = re.compile(r"^[ \t]*((?:[-*+]|\d+[.)])[ \t]+)?(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)


def segment_thinking(thinking: str, segmenter: Segmenter = "block") -> tuple[Step, ...]:
    """Cut a thinking into steps.

    Args:
        thinking: the parsed thinking; at least one character of it is not white space.
        segmenter: `block` or `paragraph`.

    Returns:
        Steps in order; every one holds a character that is not white space; the first begins at 0.
    """
    if segmenter == "paragraph":
        return tuple(_cut_paragraphs(thinking, 0, len(thinking)))
    return tuple(_cut_blocks(thinking))


def segment_trace(trace: Trace, segmenter: Segmenter = "block") -> Trace:
    """The same trace with its steps."""
    return replace(trace, steps=segment_thinking(trace.thinking, segmenter))


def find_fences(text: str) -> list[tuple[int, int]]:
    """Spans of the closed fenced code blocks, fence lines included.

    A fence that is never closed is no block: otherwise one stray line of backticks would swallow
    the rest. A longer fence may hold shorter ones; a fence with an info string (```` ```python
    ````) always opens.
    """
    fences = list(_FENCE.finditer(text))
    longest_closing_after = _measure_closings(fences)
    spans: list[tuple[int, int]] = []
    opening: re.Match[str] | None = None
    for fence, longest in zip(fences, longest_closing_after, strict=True):
        if opening is not None and _is_closing(fence):
            if fence[2][0] == opening[2][0] and len(fence[2]) >= len(opening[2]):
                spans.append((opening.start(), fence.end()))
                opening = None
        elif longest[fence[2][0]] >= len(fence[2]) and (
            opening is None or fence[2].startswith(opening[2])
        ):
            # One that opens inside an open one of its own kind: the earlier was never closed.
            opening = fence
    return spans


def _is_closing(fence: re.Match[str]) -> bool:
    return not fence[3].strip() and not fence[1]


def _measure_closings(fences: list[re.Match[str]]) -> list[dict[str, int]]:
    """For each fence the length of the longest one after it that can close, by character."""
    longest = {"`": 0, "~": 0}
    after: list[dict[str, int]] = []
    for fence in reversed(fences):
        after.append(dict(longest))
        if _is_closing(fence):
            longest[fence[2][0]] = max(longest[fence[2][0]], len(fence[2]))
    return after[::-1]


def _cut_paragraphs(text: str, start: int, end: int) -> Iterator[Step]:
    """Paragraphs of `text[start:end]`; white space before the first belongs to it."""
    end = start + len(text[start:end].rstrip())
    position = start
    lead = _LEADING_SPACE.match(text, start, end)
    for blank in _BLANK_LINES.finditer(text, lead.end() if lead else start, end):
        yield Step(position, blank.start())
        position = blank.end()
    if position < end:
        yield Step(position, end)


def _cut_blocks(text: str) -> Iterator[Step]:
    """Fenced blocks, and between them paragraphs, those of one program joined."""
    position = 0
    for fence_start, fence_end in find_fences(text):
        if text[position:fence_start].strip():
            yield from _cut_programs(text, position, fence_start)
            position = fence_start
        elif position > 0:
            position = fence_start
        yield Step(position, fence_end)
        gap = _EMPTY_LINES.match(text, fence_end)
        position = gap.end() if gap else fence_end
    if text[position:].strip():
        yield from _cut_programs(text, position, len(text))


def _cut_programs(text: str, start: int, end: int) -> Iterator[Step]:
    steps = list(_cut_paragraphs(text, start, end))
    for first, stop in find_runs([text[step.start : step.end] for step in steps]):
        yield Step(steps[first].start, steps[stop - 1].end)
