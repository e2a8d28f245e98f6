"""What another budget would keep of a trace, read off its order of removals: the numbers that the
page's slider needs, and why there is none.

The page takes as many removals as `select_within` of the trace room does, no fewer than `n_fixed`
and no more than `n_most`. `asap prune` counts the text once more and drops another step in the rare
case that it is over the budget after all; the slider does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asap.trace import Budget
from asap.view.stage import has_stage2


def describe_slider(
    record: Mapping[str, Any], identity: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, str | None]:
    """The slider of a trace, or why it has none.

    Args:
        record: a row of `traces/`.
        identity: what the run is, as its report says.
    """
    why = find_obstacle(record, identity)
    if why is not None:
        return None, why
    order: Sequence[int] = record["removal_order"]
    counts: Sequence[int] = record["tokens_after_removal"]
    fates = [step["fate"] for step in record["steps"]]
    # Only what `extract` drops can be taken back by a larger budget.
    is_fixed = record["stage1"]["mode"] in ("select", "rewrite")
    n_fixed = fates.count("stage1") if is_fixed else 0
    n_tokens = sum(step["n_tokens"] for step in record["steps"])
    n_most = _count_most_removals(counts, n_tokens)
    budget = Budget(identity.get("recipe.budget_tokens"), identity.get("recipe.ratio"))
    return {
        "removal_order": order,
        "tokens_after_removal": counts,
        "n_tokens": n_tokens,
        "n_fixed": n_fixed,
        "n_most": n_most,
        "limit_now": budget.limit(record["tokens_before"]),
        "min": counts[n_most - 1] if n_most else n_tokens,
        "max": counts[n_fixed - 1] if n_fixed else n_tokens,
    }, None


def find_obstacle(record: Mapping[str, Any], identity: Mapping[str, Any]) -> str | None:
    """Why no other budget can be read off this row; None where one can."""
    if record["outcome"] == "excluded":
        return "the row was excluded"
    if record["steps"] is None or record["removal_order"] is None:
        return "the method wrote new text, so there is no order in which steps go"
    rounds = identity.get("recipe.rounds") or 1
    if rounds > 1:
        return f"the steps were scored {rounds} times on the way down, so each budget has its order"
    if not has_stage2(identity):
        return "the method has no budget"
    return None


def _count_most_removals(counts: Sequence[int], n_tokens: int) -> int:
    """All but the last group: its members but the last carry the count from before them."""
    before = (n_tokens, *counts)
    n_most = max(0, len(counts) - 1)
    while n_most > 0 and before[n_most] == before[n_most - 1]:
        n_most -= 1
    return n_most
