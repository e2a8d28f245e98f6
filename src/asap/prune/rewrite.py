"""Coarse pruning by rewriting, the paper's way (section 3.2): the LLM returns the pruned thinking.

What comes back counts only if the Gestalt check (Algorithm 1) finds each of its steps in the
original, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from asap.chat import Chat, ChatRequest
from asap.prune.coarse import Coarse, CoarseFailure, Unusable, ask_until_usable
from asap.prune.gestalt import GestaltMatch, match_steps
from asap.prune.method import Wording
from asap.prune.prompts import prompt_rewrite
from asap.prune.unwrap import find_foreign_tags, find_readings
from asap.trace import Segmenter, Trace, segment_thinking

_TEMPERATURE = 2.0
"""The paper's, for the first attempt too: re-prompting lives on replies that differ."""
_TOP_P = 1.0


@dataclass(frozen=True)
class _Reading:
    """A reply that passed the check."""

    subject: Trace
    """The reply as a trace."""
    match: GestaltMatch


async def rewrite_steps(
    trace: Trace,
    anchor: str,
    chat: Chat,
    attempts: int,
    similarity: float,
    segmenter: Segmenter,
    wording: Wording,
) -> Coarse | CoarseFailure:
    """Ask for the pruned thinking.

    Args:
        trace: a trace with steps.
        anchor: the direct solution.
        chat: the LLM.
        attempts: replies to ask for at most (the paper: 8).
        similarity: threshold of the Gestalt check (the paper: 0.6).
        segmenter: what cut the trace; it cuts the replies too.
        wording: `original`: the original steps that the reply's are attributed to are kept; `reply`
            (the paper): the reply's text is the subject from here on.

    Returns:
        The kept steps, or why there are none.
    """
    if len(trace.steps) < 2 and wording == "original":
        return CoarseFailure("single_step", (), 0, anchor)
    prompt = prompt_rewrite(trace, anchor)

    def request(attempt: int) -> ChatRequest:
        return ChatRequest(
            prompt.messages,
            purpose="rewrite",
            id=trace.id,
            prompt_version=prompt.version,
            attempt=attempt,
            temperature=_TEMPERATURE,
            top_p=_TOP_P,
        )

    def read(text: str) -> _Reading | Unusable:
        return _read(text, trace, similarity, segmenter, wording, prompt.tag)

    answer = await ask_until_usable(chat, request, read, attempts, anchor)
    if isinstance(answer, CoarseFailure):
        return answer
    subject, kept, matches = _settle(trace, answer.value, wording)
    return Coarse(subject, kept, anchor, answer.reply, matches, answer.attempts, prompt.version)


def _read(
    text: str, trace: Trace, similarity: float, segmenter: Segmenter, wording: Wording, tag: str
) -> _Reading | Unusable:
    """The first reading of a reply that passes; else what is wrong with the likeliest."""
    faults: list[Unusable] = []
    for thinking in find_readings(text, trace.thinking, tag):
        reading = _check(thinking, trace, similarity, segmenter, wording)
        if isinstance(reading, _Reading):
            return reading
        faults.append(reading)
    return faults[0] if faults else Unusable("empty_reply")


def _check(
    thinking: str, trace: Trace, similarity: float, segmenter: Segmenter, wording: Wording
) -> _Reading | Unusable:
    if any(tag in thinking for pair in find_foreign_tags(trace.thinking) for tag in pair):
        # The completion would end in the middle of its thinking.
        return Unusable("stray_tag")
    subject = replace(
        trace, thinking=thinking, steps=segment_thinking(thinking, segmenter), tokens=None
    )
    original, reply = _texts(trace), _texts(subject)
    if _n_characters(reply) >= _n_characters(original):
        return Unusable("not_shorter")
    match = match_steps(original, reply, similarity)
    if not match.is_valid:
        return Unusable("unmatched_step")
    if wording == "original" and len(reply) == len(original):
        return Unusable("not_shorter")
    return _Reading(subject, match)


def _settle(
    trace: Trace, reading: _Reading, wording: Wording
) -> tuple[Trace, tuple[int, ...], tuple[float | None, ...]]:
    """Subject, kept steps and similarities, in the wording asked for."""
    match = reading.match
    if wording == "reply":
        return reading.subject, tuple(range(len(match.ratios))), match.ratios
    ratios = {i: r for i, r in zip(match.attribution, match.ratios, strict=True) if i is not None}
    return trace, tuple(ratios), tuple(ratios.get(i) for i in range(len(trace.steps)))


def _texts(trace: Trace) -> list[str]:
    return [trace.text(i) for i in range(len(trace.steps))]


def _n_characters(texts: Sequence[str]) -> int:
    """What the steps hold; the white space round them is no content that could be saved."""
    return sum(len(text.strip()) for text in texts)
