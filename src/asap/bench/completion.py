"""What a model wrote, and what it would have written under a smaller budget.

Greedy decoding under a smaller budget is a prefix of the same decoding, so one run at the largest
budget yields every smaller one. Of sampled completions that is true only one by one, and of times
never: those need a run of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Completion:
    """One completion, as a run folder keeps it."""

    benchmark: str
    id: str
    """The problem's."""
    sample: int
    budget_tokens: int
    """The most that the model could write."""
    prompt_ids: tuple[int, ...] | None
    completion_ids: tuple[int, ...] | None
    """None: the server gives no token ids."""
    text: str
    """What follows the opened thinking tag."""
    n_tokens: int
    """As the server counts, with the end-of-text token where there is one."""
    finish_reason: Literal["stop", "length"]
    first_token_s: float | None
    total_s: float | None


def cut_to_budget(
    completion: Completion, budget_tokens: int, decode: Callable[[Sequence[int]], str]
) -> Completion:
    """The completion under a smaller budget.

    Args:
        completion: with its token ids.
        budget_tokens: at most the budget it was written under.
        decode: token ids to text, as the server does it.

    Returns:
        The same completion where it fits; else its first tokens, ended by `length`, without times.

    Raises:
        ValueError: the budget is larger than the completion's, or there are no ids to cut.
    """
    if not 0 < budget_tokens <= completion.budget_tokens:
        raise ValueError(
            f"a completion under {completion.budget_tokens} tokens says nothing about a budget of "
            f"{budget_tokens}"
        )
    if completion.n_tokens <= budget_tokens:
        return replace(completion, budget_tokens=budget_tokens)
    if completion.completion_ids is None:
        raise ValueError(f"the completion of {completion.id} has no token ids to cut")
    ids = completion.completion_ids[:budget_tokens]
    return replace(
        completion,
        budget_tokens=budget_tokens,
        completion_ids=ids,
        text=decode(ids),
        n_tokens=budget_tokens,
        finish_reason="length",
        first_token_s=None,
        total_s=None,
    )
