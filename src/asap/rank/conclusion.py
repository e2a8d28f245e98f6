"""Conclusion kept: how much of what the answer's program rests on the kept steps still mention.

Evidence is read off the program by Python's own parser, and found in the thinking word by word;
`asap.prune` has another idea of evidence, which is under test here and is not used. For answers
that hold no Python (a value, another language) nothing is said: state coverage is for those. Not in
the paper.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asap.rank.drafts import find_draft_spans, mask_drafts
from asap.rank.kept import KeptText, Span
from asap.rank.places import find_kept, subtract_spans
from asap.trace import Trace, find_fences, segment_thinking

_WORD = re.compile(r"(?<![\w.'’])(?:[A-Za-z_]\w*|\d+(?:\.\d+)?(?!\w))|(?<=\.)[A-Za-z_]\w*")
_PLUMBING = ("sys", "stdin", "stdout", "readline", "read", "write", "split", "strip", "main")
_NO_EVIDENCE = frozenset((*dir(builtins), *_PLUMBING, "_", "a", "A", "I", "self"))
_SMALL = (0, 1, 2)


@dataclass(frozen=True)
class AnswerEvidence:
    """What an answer rests on, and where the thinking mentions it outside drafts."""

    trace: Trace
    drafts: tuple[Span, ...]
    weights: Mapping[str, float]
    """By piece of evidence 1 / the number of steps that mention it; only what is mentioned."""
    starts: NDArray[np.int64]
    """Where each mention begins; as many as mentions, like the next two."""
    ends: NDArray[np.int64]
    values: NDArray[np.int64]
    """The piece that is mentioned, an index into the weights."""


def find_answer_evidence(trace: Trace) -> AnswerEvidence | None:
    """Read a trace once.

    Args:
        trace: any; its own steps are not used, those of the block segmenter are.

    Returns:
        The evidence; None where the answer holds no fenced program that Python parses, or the
        thinking mentions nothing of it outside drafts.
    """
    wanted = _read_program(trace.answer)
    if not wanted:
        return None
    drafts = find_draft_spans(trace.thinking, trace.answer)
    step_starts = [step.start for step in segment_thinking(trace.thinking)]
    found = list(_find_mentions(trace.thinking, wanted))
    places = np.array([(start, end) for start, end, _ in found], dtype=np.int64).reshape(-1, 2)
    outside = subtract_spans([(0, len(trace.thinking))], drafts)
    is_free = find_kept(places[:, 0], places[:, 1], outside)
    steps: dict[str, set[int]] = {}
    for (start, _, piece), free in zip(found, is_free, strict=True):
        if free:
            steps.setdefault(piece, set()).add(bisect_right(step_starts, start))
    if not steps:
        return None
    numbers = {piece: number for number, piece in enumerate(steps)}
    return AnswerEvidence(
        trace=trace,
        drafts=drafts,
        weights={piece: 1 / len(mentioning) for piece, mentioning in steps.items()},
        starts=places[is_free, 0],
        ends=places[is_free, 1],
        values=np.array(
            [numbers[piece] for (_, _, piece), free in zip(found, is_free, strict=True) if free],
            dtype=np.int64,
        ),
    )


def conclusion_kept(evidence: AnswerEvidence, kept: KeptText) -> float:
    """The share of the evidence, by weight, that the kept text mentions outside drafts.

    1 for the whole thinking, 0 for its drafts alone; keeping more never lowers it. New text is
    searched as text, its own drafts masked.
    """
    weights = np.array(list(evidence.weights.values()))
    if kept.spans is None:
        text = mask_drafts(evidence.trace, evidence.drafts, kept)
        mentioned = {piece for _, _, piece in _find_mentions(text, set(evidence.weights))}
        is_kept = np.array([piece in mentioned for piece in evidence.weights])
    else:
        is_there = find_kept(evidence.starts, evidence.ends, kept.spans)
        is_kept = np.isin(np.arange(len(weights)), evidence.values[is_there])
    return float(weights[is_kept].sum() / weights.sum())


def _read_program(answer: str) -> set[str]:
    """Names, calls (`heappush(`) and constants of the fenced Python of an answer."""
    blocks = [answer[start:end].split("\n")[1:-1] for start, end in find_fences(answer)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse("\n".join(line for block in blocks for line in block))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {piece for node in ast.walk(tree) for piece in _read_node(node)}


def _read_node(node: ast.AST) -> Iterator[str]:
    name = _find_name(node)
    if name is not None and name not in _NO_EVIDENCE:
        yield name
    if isinstance(node, ast.Call):
        called = _find_name(node.func)
        if called is not None and called not in _NO_EVIDENCE:
            yield f"{called}("
    if isinstance(node, ast.Constant) and not isinstance(node.value, bool):
        value = node.value
        if isinstance(value, (int, float)) and value not in _SMALL:
            yield str(value)
        elif isinstance(value, str) and re.fullmatch(r"[A-Za-z]\w+", value):
            yield value


def _find_name(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            return name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
    return None


def _find_mentions(text: str, wanted: set[str]) -> Iterator[tuple[int, int, str]]:
    """Every place where a piece stands as a whole word, in order."""
    for match in _WORD.finditer(text):
        word = match.group()
        if word in wanted:
            yield match.start(), match.end(), word
        if text.startswith("(", match.end()) and f"{word}(" in wanted:
            yield match.start(), match.end() + 1, f"{word}("
