"""Answer support: how much dearer the answer becomes to a scorer when the kept thinking stands in
for the whole; drafts of the answer are masked in both.

Of a long thinking the scorer sees the last part before the answer, as far as its window reaches, so
that there the value says more of a method's end than of its beginning. Not in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence

from asap.rank.drafts import find_draft_spans, mask_drafts
from asap.rank.kept import KeptText
from asap.surprisal import ScoreRequest, Statistic, StepScorer, StepScores
from asap.trace import CLOSING, Step, Trace

STATISTICS: frozenset[Statistic] = frozenset({"mean_nll"})
"""What the scorer is asked for."""


def support_requests(trace: Trace, kept: Sequence[KeptText]) -> list[ScoreRequest]:
    """What a scorer is asked: the answer after the whole thinking, then after each kept one.

    Args:
        trace: a trace with an answer.
        kept: what methods left of it.

    Returns:
        One request more than kept texts; none where the answer is blank. Those of many traces can
        be put together into one batch.
    """
    if not trace.answer.strip():
        return []
    drafts = find_draft_spans(trace.thinking, trace.answer)
    whole = KeptText(trace.thinking, ((0, len(trace.thinking)),))
    return [_ask(trace, mask_drafts(trace, drafts, each)) for each in (whole, *kept)]


def read_support(scores: Sequence[StepScores]) -> list[float]:
    """The support that each kept text gives.

    Args:
        scores: of the requests of one trace, in order, `mean_nll` among them.

    Returns:
        Per kept text the answer's NLL per token after the whole thinking less that after the kept
        one, in nats; higher is better, 0 for the whole thinking, negative as a rule.
    """
    whole, *rest = (each.mean_nll[0] for each in scores)
    return [whole - nll for nll in rest]


def answer_support(
    scorer: StepScorer, items: Sequence[tuple[Trace, Sequence[KeptText]]]
) -> list[list[float | None]]:
    """Answer support of many traces, in one batch.

    Args:
        scorer: any.
        items: traces, with what methods left of each.

    Returns:
        Per trace one value per kept text; None where the answer is blank.
    """
    asked = [support_requests(trace, kept) for trace, kept in items]
    scores = iter(scorer.score([request for group in asked for request in group], STATISTICS))
    values: list[list[float | None]] = []
    for group, (_, kept) in zip(asked, items, strict=True):
        found = [next(scores) for _ in group]
        values.append([*read_support(found)] if found else [None] * len(kept))
    return values


def _ask(trace: Trace, thinking: str) -> ScoreRequest:
    text = f"{thinking}{CLOSING}"
    step = Step(len(text), len(text) + len(trace.answer))
    return ScoreRequest(trace.question, text + trace.answer, (step,))
