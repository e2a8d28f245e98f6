"""Drafts: stretches of a thinking whose lines largely stand in the answer, which follows anyway.

A method that keeps only those says nothing about how the answer came to be, so conclusion kept and
answer support are measured with them masked, for every method alike. Found by whole lines, by other
means than `asap.prune` knows drafts by. Not in the paper.
"""

from __future__ import annotations

import re

from asap.rank.kept import KeptText, Span
from asap.rank.places import join_pieces, subtract_spans
from asap.trace import Trace, segment_thinking

DRAFT_SHARE = 0.8
"""From this share of its lines in the answer on, a step is a draft."""
_COMMENT = re.compile(r"#.*")
_FENCES = ("```", "~~~")


def find_draft_spans(thinking: str, answer: str) -> tuple[Span, ...]:
    """Where a text drafts an answer.

    Args:
        thinking: any text.
        answer: the answer.

    Returns:
        The steps of the block segmenter of whose lines at least `DRAFT_SHARE` are lines of the
        answer, each with the separator after it. Lines are compared without white space and
        comments; blank ones and fences do not count.
    """
    known = set(_read_lines(answer))
    steps = segment_thinking(thinking) if thinking.strip() else ()
    ends = [*(step.start for step in steps[1:]), len(thinking)]
    spans = []
    for step, end in zip(steps, ends, strict=False):
        lines = _read_lines(thinking[step.start : step.end])
        if lines and sum(line in known for line in lines) >= DRAFT_SHARE * len(lines):
            spans.append((step.start, end))
    return tuple(spans)


def keep_drafts(trace: Trace) -> KeptText:
    """A control: the drafts and nothing else."""
    return _keep(trace, find_draft_spans(trace.thinking, trace.answer))


def keep_all_but_drafts(trace: Trace) -> KeptText:
    """A control: everything but the drafts."""
    drafts = find_draft_spans(trace.thinking, trace.answer)
    return _keep(trace, subtract_spans([(0, len(trace.thinking))], drafts))


def mask_drafts(trace: Trace, drafts: tuple[Span, ...], kept: KeptText) -> str:
    """The kept text without drafts.

    Args:
        trace: the trace.
        drafts: its own, as `find_draft_spans` finds them.
        kept: what is left of it; in new text the drafts are looked for anew.
    """
    if kept.spans is not None:
        return join_pieces(trace.thinking, subtract_spans(kept.spans, drafts)).strip("\n")
    new = find_draft_spans(kept.text, trace.answer)
    return join_pieces(kept.text, subtract_spans([(0, len(kept.text))], new)).strip("\n")


def _keep(trace: Trace, spans: tuple[Span, ...]) -> KeptText:
    return KeptText(join_pieces(trace.thinking, spans).strip("\n"), spans)


def _read_lines(text: str) -> list[str]:
    """Lines as they compare, blank ones and fences left out."""
    lines = ("".join(_COMMENT.sub("", line).split()) for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith(_FENCES)]
