"""LLMLingua-2 (arXiv 2403.12968): a token classifier tells which words stay.

Pieces make words (a new one at white space, punctuation or a force token); a word's probability is
the mean of its pieces', or the first's. Ours: tokens are the student's, not GPT-3.5's; by default
(`cut=budget`) one threshold over the whole trace lets the budget hold, as published
(`cut=percentile`) each chunk has its own; force tokens and, under `force_digits`, words with a
digit count 1.0 as a whole; what `drop_consecutive` drops is not made good by other words.
"""

from __future__ import annotations

import re
import string
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from asap.errors import RecipeError
from asap.prune.method import Need, Options, Tools
from asap.prune.units import Span, Units, fit_units, join_units, limit_of, share_of
from asap.surprisal import TokenLabels
from asap.trace import Budget, Outcome, Rewritten, TokenCounter, Trace

_DIGIT = re.compile(r"\d")


class LLMLingua2:
    """Drops words that a classifier would drop. `options` are the recipe's.

    Raises:
        RecipeError: a force token is empty or has white space at its ends.
    """

    def __init__(self, options: Options) -> None:
        for token in options.force_tokens:
            if not token or token != token.strip():
                raise RecipeError(
                    f"force token {token!r}: it must be a word or a sign without white space round "
                    "it (line breaks are kept by preserve_whitespace)"
                )
        self.options = options

    @property
    def needs(self) -> frozenset[Need]:
        """A token classifier."""
        return frozenset({"classifier"})

    @property
    def has_budget(self) -> bool:
        """A percentile only comes near one."""
        return self.options.cut == "budget"

    def prune(self, batch: Sequence[Trace], budget: Budget, tools: Tools) -> list[Outcome]:
        """Prune a batch of traces; see `Method.prune`."""
        return self.prune_each(batch, [budget] * len(batch), tools)

    def prune_each(
        self, batch: Sequence[Trace], budgets: Sequence[Budget], tools: Tools
    ) -> list[Outcome]:
        """The same with a budget for each trace."""
        options = self.options
        with tools.clock.time("classify"):
            labels = tools.need_classifier().classify([trace.thinking for trace in batch])
        cuts = [
            make_words(trace, trace_labels, options)
            for trace, trace_labels in zip(batch, labels, strict=True)
        ]
        with tools.clock.time("fit to budget"):
            if options.cut == "percentile":
                return [
                    _keep_above(words, share_of(budget, trace), tools.counter, options)
                    for words, budget, trace in zip(cuts, budgets, batch, strict=True)
                ]
            return list(
                fit_units(
                    [words.units for words in cuts],
                    [limit_of(*pair) for pair in zip(budgets, batch, strict=True)],
                    tools.counter,
                    preserve_whitespace=options.preserve_whitespace,
                    on_step_over_budget=options.on_step_over_budget,
                )
            )


@dataclass(frozen=True, slots=True)
class Words:
    """A trace cut into words, scored by their probability to stay."""

    units: Units
    chunks: tuple[int, ...]
    """The chunk in which each word begins."""


@dataclass(slots=True)
class _Word:
    """A word in the making."""

    start: int
    end: int
    chunk: int
    forced: Span | None
    """The occurrence of a force token that it holds a part of."""
    keep: list[float] = field(default_factory=list)


def make_words(trace: Trace, labels: TokenLabels, options: Options) -> Words:
    """Put a classifier's pieces together to words.

    Args:
        trace: the trace.
        labels: of its thinking. A piece of white space alone counts with the word behind it, but
            not with a punctuation mark.
        options: `word_probability`, `force_tokens`, `force_digits`, `drop_consecutive`.

    Returns:
        Words in order with their probabilities; a force token is marked as `not_twice` where
        consecutive ones are to go.
    """
    thinking = trace.thinking
    forced = _find_forced(thinking, options.force_tokens)
    words: list[_Word] = []
    blank: list[float] = []
    for start, end, keep, chunk in zip(
        labels.starts, labels.ends, labels.keep, labels.chunk, strict=True
    ):
        piece = thinking[start:end]
        core = piece.strip()
        if not core:
            blank = [keep]
            continue
        begin = start + len(piece) - len(piece.lstrip())
        stop = begin + len(core)
        span = _overlapping(forced, begin, stop)
        last = words[-1] if words else None
        if (
            last is None
            or begin > last.end
            or chunk != last.chunk
            or span != last.forced
            or (span is None and core in string.punctuation)
        ):
            # (Parts of one sign share its span: a chunk may end between them.)
            begin = max(begin, last.end) if last else begin
            words.append(last := _Word(begin, stop, chunk, span))
            if core not in string.punctuation:
                last.keep += blank
        last.end = max(last.end, stop)
        last.keep.append(keep)
        blank = []
    return _finish([word for word in words if word.end > word.start], trace, options)


def _finish(words: Sequence[_Word], trace: Trace, options: Options) -> Words:
    texts = [trace.thinking[word.start : word.end] for word in words]
    scores = [
        1.0
        if word.forced or (options.force_digits and _DIGIT.search(text))
        else word.keep[0]
        if options.word_probability == "first"
        else sum(word.keep) / len(word.keep)
        for word, text in zip(words, texts, strict=True)
    ]
    marks: tuple[str, ...] = ()
    if options.drop_consecutive:
        marks = tuple(text if word.forced else "" for word, text in zip(words, texts, strict=True))
    spans = tuple((word.start, word.end) for word in words)
    units = Units(trace, spans, tuple(scores), marks)
    return Words(units, tuple(word.chunk for word in words))


def _find_forced(thinking: str, force_tokens: Sequence[str]) -> list[Span]:
    """Where force tokens stand, not as a part of a longer word."""
    if not force_tokens:
        return []
    longest_first = sorted(force_tokens, key=len, reverse=True)
    pattern = "|".join(
        (r"(?<!\w)" if token[0].isalnum() else "")
        + re.escape(token)
        + (r"(?!\w)" if token[-1].isalnum() else "")
        for token in longest_first
    )
    return [match.span() for match in re.finditer(pattern, thinking)]


def _overlapping(forced: Sequence[Span], start: int, end: int) -> Span | None:
    """The first of the ascending spans that shares a sign with `[start, end)`."""
    found = bisect_right(forced, start, key=lambda span: span[1])
    return forced[found] if found < len(forced) and forced[found][0] < end else None


def _keep_above(words: Words, ratio: float, counter: TokenCounter, options: Options) -> Outcome:
    """The published cut: in each chunk the words above the percentile of its tokens stay."""
    units = words.units
    probabilities, chunks = np.array(units.scores), np.array(words.chunks)
    kept = np.ones(len(probabilities), dtype=bool)
    if ratio < 1.0:
        texts = [units.trace.thinking[start:end] for start, end in units.spans]
        distinct = list(dict.fromkeys(texts))
        counts = dict(zip(distinct, counter.count(distinct), strict=True))
        n_tokens = np.array([counts[text] for text in texts])
        # Rounding as published: 1 - 0.9 is a little less than a tenth, so 0.9 is the 10th.
        percent = min(100, int(100 * (1 - ratio) + 1))
        borders = [0, *(np.flatnonzero(np.diff(chunks)) + 1), len(chunks)]
        for here in map(slice, borders[:-1], borders[1:]):
            threshold = np.percentile(np.repeat(probabilities[here], n_tokens[here]), percent)
            kept[here] = (probabilities[here] > threshold) | (
                (threshold == 1.0) & (probabilities[here] == 1.0)
            )
        if not kept.any():
            kept[probabilities.argmax()] = True
    variant = join_units(units, kept.tolist(), preserve_whitespace=options.preserve_whitespace)
    return Rewritten((variant,))
