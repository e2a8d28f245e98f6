"""TokenSkip (arXiv 2502.12067): each trace loses words at a ratio of its own, named in its prompt.

The ratio is drawn uniformly from `drawn_ratios`, by row and seed alone; LLMLingua-2 compresses the
thinking to it; the prompt gets delimiter, ratio, delimiter behind the question, and at inference
the same suffix asks for a ratio (`ratio_suffix`, `asap eval --prompt-suffix`). At 1.0 trace and
prompt stay as they are. There is no budget. Ours: the delimiter may be any, as Llama's `<|eot_id|>`
is plain text to others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from asap.prune.llmlingua2 import LLMLingua2
from asap.prune.method import Need, Options, Tools
from asap.trace import Budget, Excluded, Kept, Outcome, Rewritten, Trace, Variant


class TokenSkip:
    """LLMLingua-2 at a ratio drawn for each trace. `options` are the recipe's.

    Raises:
        RecipeError: a force token is empty or has white space at its ends.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._compressor = LLMLingua2(options)

    @property
    def needs(self) -> frozenset[Need]:
        """A token classifier."""
        return self._compressor.needs

    @property
    def has_budget(self) -> bool:
        """None: the ratio is drawn."""
        return False

    def prune(self, batch: Sequence[Trace], budget: Budget, tools: Tools) -> list[Outcome]:
        """Compress a batch of traces; the budget is not looked at. See `Method.prune`."""
        options = self.options
        ratios = [draw_ratio(options.drawn_ratios, options.seed, trace.row) for trace in batch]
        outcomes: list[Outcome] = [_untouched(trace) for trace in batch]
        chosen = [i for i, ratio in enumerate(ratios) if ratio < 1.0]
        compressed = self._compressor.prune_each(
            [batch[i] for i in chosen], [Budget(ratio=ratios[i]) for i in chosen], tools
        )
        for i, outcome in zip(chosen, compressed, strict=True):
            outcomes[i] = _with_suffix(outcome, ratio_suffix(ratios[i], options.delimiter))
        return outcomes


def ratio_suffix(ratio: float, delimiter: str = "<|eot_id|>") -> str:
    """What stands behind the question where an answer at a ratio is asked for.

    Args:
        ratio: share of the tokens, in (0, 1].
        delimiter: stands on both sides of it.

    Returns:
        `<|eot_id|>0.5<|eot_id|>`; nothing for 1.0.
    """
    return "" if ratio == 1.0 else f"{delimiter}{ratio:g}{delimiter}"


def draw_ratio(ratios: Sequence[float], seed: int, row: int) -> float:
    """One of the ratios, each as likely as another, by seed and row alone."""
    digest = hashlib.sha256(f"tokenskip:{seed}:{row}".encode()).digest()
    return ratios[int.from_bytes(digest[:8], "big") % len(ratios)]


def _untouched(trace: Trace) -> Rewritten:
    return Rewritten((Variant("", trace.thinking, spans=((0, len(trace.thinking)),)),))


def _with_suffix(outcome: Outcome, suffix: str) -> Outcome:
    if isinstance(outcome, Excluded | Kept):
        return outcome
    variants = tuple(replace(variant, prompt_suffix=suffix) for variant in outcome.variants)
    return replace(outcome, variants=variants)
