"""Cuts the thinking of a trace into steps. Lossless: steps and separators, joined, are the thinking again.

`paragraph` is the paper's cut (section 3.2: steps are blank-line paragraphs). `block` is ours: code stays whole. In
R1's Codeforces traces code is mostly unfenced and written with a blank line between its lines, so the paper's cut
prunes single lines out of programs. Nothing here looks at meaning or counts tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from asap.trace.code_lines import classify_paragraph
from asap.trace.record import Step, Trace

Segmenter = Literal["block", "paragraph"]

_BLANK_LINES = re.compile(r"[ \t]*\r?\n(?:[ \t]*\r?\n)+")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)
_TRAILING_SPACE = re.compile(r"\s*\Z")


def segment_thinking(thinking: str, segmenter: Segmenter = "block") -> tuple[Step, ...]:
    """Cut a thinking into steps.

    Args:
        thinking: the parsed thinking; at least one character of it is not white space.
        segmenter: `block` or `paragraph`.

    Returns:
        Steps in order; every one holds a character that is not white space; the first begins at 0.
    """
    end = len(thinking) - len(_TRAILING_SPACE.search(thinking).group())  # type: ignore[union-attr]
    if segmenter == "paragraph":
        return tuple(_paragraphs(thinking, 0, end))
    return tuple(_merge_code(thinking, _blocks(thinking, end)))


def segment_trace(trace: Trace, segmenter: Segmenter = "block") -> Trace:
    """The same trace with its steps."""
    return replace(trace, steps=segment_thinking(trace.thinking, segmenter))


def find_fences(text: str) -> list[tuple[int, int]]:
    """Spans of the closed fenced code blocks, fence lines included, in code points.

    A fence that is never closed is no block: otherwise one stray line of backticks would swallow the rest.
    """
    spans: list[tuple[int, int]] = []
    opening: re.Match[str] | None = None
    unclosed: list[re.Match[str]] = []
    for match in _FENCE.finditer(text):
        if opening is None:
            opening = match
        elif match[1][0] == opening[1][0] and len(match[1]) >= len(opening[1]) and not match[2].strip():
            spans.append((opening.start(), match.end()))
            opening = None
        elif match[2].strip():
            unclosed.append(opening)
            opening = match
    return spans


def _paragraphs(text: str, start: int, end: int) -> Iterator[Step]:
    """Paragraphs of `text[start:end]`; white space before the first belongs to it."""
    position = start
    lead = re.compile(r"\s*").match(text, start, end)
    search_from = lead.end() if lead else start
    for blank in _BLANK_LINES.finditer(text, search_from, end):
        yield Step(position, blank.start())
        position = blank.end()
    if text[position:end].strip():
        yield Step(position, end)


def _blocks(text: str, end: int) -> Iterator[tuple[Step, bool]]:
    """Paragraphs and fenced blocks, in order, with whether it is a fenced block."""
    position = 0
    for fence_start, fence_end in find_fences(text):
        if fence_start >= end:
            break
        before_end = position + len(text[position:fence_start].rstrip())
        if before_end > position:
            yield from ((step, False) for step in _paragraphs(text, position, before_end))
            step_start = fence_start
        else:
            step_start = position if position == 0 else fence_start
        yield Step(step_start, fence_end), True
        position = fence_end
        gap = re.compile(r"[ \t]*(?:\r?\n[ \t]*(?=\r?\n))*(?:\r?\n)?").match(text, position, end)
        position = gap.end() if gap else position
    if text[position:end].strip():
        yield from ((step, False) for step in _paragraphs(text, position, end))


def _merge_code(text: str, blocks: Iterator[tuple[Step, bool]]) -> Iterator[Step]:
    """Join runs of unfenced code paragraphs that only blank lines separate.

    A run needs one line that is code beyond doubt: `n = 5` alone is as often a worked example as a program.
    """
    run: list[Step] = []
    is_strong = False

    def flush() -> Iterator[Step]:
        if run and is_strong:
            yield Step(run[0].start, run[-1].end)
        else:
            yield from run

    for step, is_fenced in blocks:
        kind = "prose" if is_fenced else classify_paragraph(text[step.start : step.end])
        if kind == "prose":
            yield from flush()
            run, is_strong = [], False
            yield step
        else:
            run.append(step)
            is_strong = is_strong or kind == "strong"
    yield from flush()
