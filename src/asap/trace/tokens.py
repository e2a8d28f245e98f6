"""Token counts by step, and budgets. It knows tokenizers only through a protocol: no dependency.

One tokenization of the whole thinking gives all counts; a removal costs a subtraction. The final
text is counted once more by whoever removes (`TokenCounter.count`), since a tokenizer may merge
across the seam of a removal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from asap.errors import RecipeError
from asap.trace.record import StepTokens, Trace


class TokenCounter(Protocol):
    """A tokenizer, as far as budgets need one."""

    @property
    def name(self) -> str:
        """What stands in the run's record: a model id or a path's last part, with a digest."""
        ...

    def token_starts(self, texts: Sequence[str]) -> list[list[int]]:
        """For each text where its tokens begin, in code points, ascending, no special tokens."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """What a pruned thinking may cost: tokens, or a share in (0, 1] of the whole's tokens.

    Raises:
        RecipeError: unless exactly one of the two is given and in range.
    """

    tokens: int | None = None
    ratio: float | None = None

    def __post_init__(self) -> None:
        if (self.tokens is None) == (self.ratio is None):
            raise RecipeError("give either budget_tokens or ratio, not both and not neither")
        if self.tokens is not None and self.tokens < 1:
            raise RecipeError(f"budget_tokens is {self.tokens}; it must be at least 1")
        if self.ratio is not None and not 0.0 < self.ratio <= 1.0:
            raise RecipeError(f"ratio is {self.ratio}; it must be above 0 and at most 1")

    def limit(self, n_tokens: int) -> int:
        """The budget in tokens for `n_tokens` in all (a ratio is rounded down, to at least 1)."""
        if self.tokens is not None:
            return self.tokens
        return max(1, int((self.ratio or 1.0) * n_tokens + 1e-9))


def count_tokens(traces: Sequence[Trace], counter: TokenCounter) -> list[Trace]:
    """The traces with token counts by step; each thinking is tokenized once, all in one call."""
    starts = counter.token_starts([trace.thinking for trace in traces])
    return [
        replace(trace, tokens=count_step_tokens(trace, token_starts))
        for trace, token_starts in zip(traces, starts, strict=True)
    ]


def count_step_tokens(trace: Trace, token_starts: Sequence[int]) -> StepTokens:
    """Counts by step from the tokens' first code points.

    A token belongs where it begins, but for one that begins in the white space before a step and
    reaches into it: that one is the step's.
    """
    inner = [0] * len(trace.steps)
    last = [0] * len(trace.steps)
    step_index = 0
    n_following = len(trace.steps) - 1
    stops = [*token_starts[1:], len(trace.thinking)]
    for start, stop in zip(token_starts, stops, strict=False):
        while step_index < n_following:
            following = trace.steps[step_index + 1].start
            is_before = stop <= following or not trace.thinking[start:following].isspace()
            if start < following and is_before:
                break
            step_index += 1
        inner[step_index] += 1
        last[step_index] += start < trace.steps[step_index].end
    return StepTokens(len(token_starts), tuple(inner), tuple(last))
