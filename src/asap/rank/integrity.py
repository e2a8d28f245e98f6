"""Integrity: what a method broke. Code cut in two or no longer parsing, orphan fences, headers
without what they announce; and the verbatim repeats it left.

By the shape of the text alone. Where only places can tell (all but fences and repeats) new text has
no value, and nothing is seen of what the rendering did to kept pieces. Not in the paper.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asap.prune import governed_by_header
from asap.rank.kept import KeptText, Span
from asap.rank.places import cut_out, find_touched, join_pieces
from asap.trace import Trace, classify_paragraph, find_fences, segment_trace

MIN_REPEAT_CHARACTERS = 40
"""Shorter paragraphs ("Wait.") may repeat."""
_FENCE_LINE = re.compile(
    r"^[ \t]*(?:(?:[-*+]|\d+[.)])[ \t]+)?(?:`{3,}|~{3,})[^\n`]*$", re.MULTILINE
)
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")


@dataclass(frozen=True)
class Structure:
    """What a thinking is made of, as far as it can be broken."""

    thinking: str
    code: tuple[Span, ...]
    """Fenced blocks and runs of unfenced code, as the block segmenter finds them."""
    parses: tuple[bool, ...]
    """Whether each of them is Python that parses."""
    headers: NDArray[np.int64]
    """A row per header: where it begins and ends, where the steps it governs begin and end."""
    n_repeats: int
    """Paragraphs that repeat an earlier one."""


@dataclass(frozen=True, slots=True)
class Integrity:
    """What was broken; None where there was nothing to break, or it cannot be said."""

    code_whole: float | None
    """Of the code blocks of which anything is kept, the share kept whole."""
    code_parses: float | None
    """Of those that parsed in the thinking, the share of which what is kept parses."""
    orphan_fences: int
    """Fence lines in the kept text that close or open nothing."""
    bare_headers: float | None
    """Of the headers of which anything is kept, the share of whose steps nothing is."""
    repeats_left: float | None
    """Paragraphs of the kept text that repeat an earlier one of it, over those of the thinking."""


def find_structure(trace: Trace) -> Structure:
    """Read a trace once.

    Args:
        trace: any; its own steps are not used, those of the block segmenter are.
    """
    blocks = segment_trace(trace)
    spans = [(step.start, step.end) for step in blocks.steps]
    code = tuple(span for span in spans if _is_code(trace.thinking[slice(*span)]))
    governed = governed_by_header(blocks)
    return Structure(
        thinking=trace.thinking,
        code=code,
        parses=tuple(_parses(trace.thinking[start:end]) for start, end in code),
        headers=np.array(
            [(*spans[i], spans[steps[0]][0], spans[steps[-1]][1]) for i, steps in governed.items()],
            dtype=np.int64,
        ).reshape(-1, 4),
        n_repeats=_count_repeats(trace.thinking),
    )


def check_integrity(structure: Structure, kept: KeptText) -> Integrity:
    """What is broken in a kept text."""
    n_repeats = structure.n_repeats
    whole = parses = bare = None
    if kept.spans is not None:
        whole, parses = _check_code(structure, kept.spans)
        bare = _check_headers(structure, kept.spans)
    return Integrity(
        code_whole=whole,
        code_parses=parses,
        orphan_fences=_count_orphans(kept.text),
        bare_headers=bare,
        repeats_left=_count_repeats(kept.text) / n_repeats if n_repeats else None,
    )


def _check_code(structure: Structure, spans: Sequence[Span]) -> tuple[float | None, float | None]:
    whole: list[bool] = []
    parses: list[bool] = []
    for (start, end), did_parse in zip(structure.code, structure.parses, strict=True):
        text = join_pieces(structure.thinking, cut_out(spans, start, end))
        if not text.strip():
            continue
        is_whole = text.strip() == structure.thinking[start:end].strip()
        whole.append(is_whole)
        if did_parse:
            parses.append(is_whole or _parses(text))
    return _share(whole), _share(parses)


def _check_headers(structure: Structure, spans: Sequence[Span]) -> float | None:
    places = structure.headers
    is_kept = find_touched(places[:, 0], places[:, 1], spans)
    has_body = find_touched(places[:, 2], places[:, 3], spans)
    return _share((~has_body[is_kept]).tolist())


def _is_code(text: str) -> bool:
    if text.lstrip().startswith(("```", "~~~")):
        return bool(find_fences(text))
    return "\n" in text.strip() and classify_paragraph(text) == "strong"


def _parses(text: str) -> bool:
    code = _FENCE_LINE.sub("", text).strip("\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(ast.parse(textwrap.dedent(code)).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _count_orphans(text: str) -> int:
    lines = [match.start() for match in _FENCE_LINE.finditer(text)]
    if not lines:
        return 0
    inside = 0
    spans = iter(find_fences(text))
    start, end = next(spans, (len(text), len(text)))
    for line in lines:
        while line >= end and end < len(text):
            start, end = next(spans, (len(text), len(text)))
        inside += start <= line < end
    return len(lines) - inside


def _count_repeats(text: str) -> int:
    paragraphs = (paragraph.strip() for paragraph in _BLANK_LINE.split(text))
    counts = Counter(each for each in paragraphs if len(each) >= MIN_REPEAT_CHARACTERS)
    return counts.total() - len(counts)


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None
