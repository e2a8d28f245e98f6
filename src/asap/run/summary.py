"""What a run did, in figures: read off `traces/` of the run folder, so that a resumed run says the
same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from asap.run.ledger import Ledger


@dataclass
class Summary:
    """Counts over all finished shards. Token and step counts are over the rows that were kept."""

    rows_in: int = 0
    rows_out: int = 0
    rows_excluded: int = 0
    rows_without_question: int = 0
    rows_stage1_fell_back: int = 0
    rows_over_budget: int = 0
    excluded_by_reason: dict[str, int] = field(default_factory=dict)
    tokens_before: int = 0
    tokens_after_stage1: int = 0
    tokens_after: int = 0
    steps_before: int = 0
    steps_after_stage1: int = 0
    steps_after: int = 0

    @property
    def ratio(self) -> float:
        """Achieved share of the tokens."""
        return self.tokens_after / self.tokens_before if self.tokens_before else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The counts as JSON."""
        return asdict(self)


_COLUMNS = [
    "outcome",
    "reason",
    "question",
    "stage1",
    "steps_before",
    "steps_after_stage1",
    "steps_after",
    "tokens_before",
    "tokens_after_stage1",
    "tokens_after",
]


def summarise(ledger: Ledger, budget_tokens: int | None = None) -> Summary:
    """Read the figures off a run folder.

    Args:
        ledger: the folder.
        budget_tokens: the budget in tokens, to count the rows that were kept although over it.
    """
    summary = Summary()
    reasons: Counter[str] = Counter()
    for row in ledger.traces(_COLUMNS):
        summary.rows_in += 1
        if row["outcome"] == "excluded":
            summary.rows_excluded += 1
            reasons[row["reason"]] += 1
            continue
        summary.rows_out += 1
        summary.rows_without_question += not row["question"]
        summary.rows_stage1_fell_back += bool(row["stage1"]["failure"])
        summary.rows_over_budget += (
            budget_tokens is not None and row["tokens_after"] > budget_tokens
        )
        summary.tokens_before += row["tokens_before"]
        summary.tokens_after += row["tokens_after"]
        summary.tokens_after_stage1 += row["tokens_after_stage1"]
        summary.steps_before += row["steps_before"] or 0
        summary.steps_after_stage1 += row["steps_after_stage1"] or 0
        summary.steps_after += row["steps_after"] or 0
    summary.excluded_by_reason = dict(sorted(reasons.items()))
    return summary
