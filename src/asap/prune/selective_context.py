"""Selective Context (arXiv 2310.06201): tokens, phrases or sentences of little self-information go.

Each sentence is read alone after the begin of text, I(t) = -ln p(t | the sentence so far); a unit's
score is the mean over its tokens. Ours: phrases are cut by a rule (`cut_phrases`), as spaCy's noun
chunks would bring a language model of their own; by default (`cut=budget`) the lowest go until the
student's budget holds and white space stays; a blank is left wherever sentences meet. With
`cut=percentile` and `preserve_whitespace` off it is the published method.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from asap.prune.method import Need, Options, Tools, Unit
from asap.prune.units import Span, Units, fit_units, join_units, limit_of, share_of
from asap.surprisal import TokenScores
from asap.trace import Budget, Outcome, Rewritten, Trace

# White space behind a full stop or a question mark, where that ends neither "i.e." nor "Mr.".
_SENTENCE_END = re.compile(r"(?<=[.?])(?<!\w\.\w.)(?<![A-Z][a-z]\.)\s+")
_WORD = re.compile(r"\w+(?:['’]\w+)*|\S")
_DETERMINERS = """
a all an any both each either every its my neither no our some that the their these this those your
"""
_FUNCTION_WORDS = """
about after again also although am and another are as at be because been before being between but by
can cannot could did do does during for from had has have he her here how i if in into is it just
let like maybe me might must not now of off on or out over she should since so than them then there
they through to too under until up us very was we were what when where whether which while who why
will with would yet you
"""
_STANDS_ALONE = frozenset(_FUNCTION_WORDS.split())
_BEGINS_ANEW = _STANDS_ALONE.union(_DETERMINERS.split())


class SelectiveContext:
    """Drops units by their self-information. `options` are the recipe's."""

    def __init__(self, options: Options) -> None:
        self.options = options

    @property
    def needs(self) -> frozenset[Need]:
        """A scorer."""
        return frozenset({"scorer"})

    @property
    def has_budget(self) -> bool:
        """A percentile only comes near one."""
        return self.options.cut == "budget"

    def prune(self, batch: Sequence[Trace], budget: Budget, tools: Tools) -> list[Outcome]:
        """Prune a batch of traces; see `Method.prune`."""
        options = self.options
        readings = [_read(trace, options.preserve_whitespace) for trace in batch]
        sentences = [reading.text[start:end] for reading in readings for start, end in reading.cuts]
        with tools.clock.time("score"):
            scores = iter(tools.need_scorer().score_tokens(sentences))
        cuts = [
            _score_units(reading, list(islice(scores, len(reading.cuts))), options.unit)
            for reading in readings
        ]
        if options.cut == "percentile":
            return [_keep_above(units, budget, options) for units in cuts]
        with tools.clock.time("fit to budget"):
            return list(
                fit_units(
                    cuts,
                    [limit_of(budget, trace) for trace in batch],
                    tools.counter,
                    preserve_whitespace=options.preserve_whitespace,
                    on_step_over_budget=options.on_step_over_budget,
                )
            )


@dataclass(frozen=True, slots=True)
class _Reading:
    """A thinking as the scorer sees it."""

    trace: Trace
    text: str
    cuts: list[Span]
    """Its sentences."""
    origin: Sequence[int]
    """For each place in the text the place in the thinking."""


def _read(trace: Trace, preserve_whitespace: bool) -> _Reading:
    thinking = trace.thinking
    if preserve_whitespace:
        return _Reading(trace, thinking, _cut_sentences(thinking), range(len(thinking) + 1))
    words = [match.span() for match in re.finditer(r"\S+", thinking)]
    origin = [place for start, end in words for place in range(start, end + 1)]
    text = " ".join(thinking[start:end] for start, end in words)
    return _Reading(trace, text, _cut_sentences(text), origin)


def _cut_sentences(text: str) -> list[Span]:
    """Sentences without the white space round them."""
    begins = [0, *(match.end() for match in _SENTENCE_END.finditer(text))]
    ends = [*begins[1:], len(text)]
    return _trim(text, zip(begins, ends, strict=True))


def _trim(text: str, spans: Sequence[Span] | zip[Span]) -> list[Span]:
    """Spans without the white space at their ends; those of nothing else go."""
    trimmed = []
    for start, end in spans:
        body = text[start:end]
        core = body.strip()
        if core:
            start += len(body) - len(body.lstrip())
            trimmed.append((start, start + len(core)))
    return trimmed


def _score_units(reading: _Reading, scores: Sequence[TokenScores], unit: Unit) -> Units:
    """The trace's units of one kind with their mean self-information."""
    spans: list[Span] = []
    means: list[float] = []
    for (begin, end), sentence in zip(reading.cuts, scores, strict=True):
        text = reading.text[begin:end]
        cut = _cut_sentence(text, sentence, unit)
        means += average_by_unit(text, cut, sentence)
        spans += [
            (reading.origin[begin + start], reading.origin[begin + stop - 1] + 1)
            for start, stop in cut
        ]
    return Units(reading.trace, tuple(spans), tuple(means))


def _cut_sentence(text: str, scores: TokenScores, unit: Unit) -> list[Span]:
    if unit == "sentence":
        return [(0, len(text))]
    if unit == "phrase":
        return cut_phrases(text)
    # Tokens that are parts of one sign share its span.
    distinct = dict.fromkeys(zip(scores.starts, scores.ends, strict=True))
    return _trim(text, list(distinct))


def average_by_unit(text: str, units: Sequence[Span], scores: TokenScores) -> list[float]:
    """Mean self-information of each unit.

    A token that reaches over the ends of k units gives each of those a k-th, and nothing to the
    unit in which it ends itself, as the published code has it; a token of white space alone gives
    nothing.

    Args:
        text: a sentence.
        units: its units, ascending, disjoint, without white space at their ends.
        scores: its tokens.

    Returns:
        In nats, one per unit; `nan` where nothing is known of any of its tokens.
    """
    ends = [end for _, end in units]
    sums = [0.0] * len(units)
    counts = [0] * len(units)
    for start, end, nll in zip(scores.starts, scores.ends, scores.nll, strict=True):
        if math.isnan(nll) or not text[start:end].strip():
            continue
        first, last = bisect_right(ends, start), bisect_right(ends, end)
        last = min(max(last, first + 1), len(units))
        for i in range(first, last):
            sums[i] += nll / (last - first)
            counts[i] += 1
    return [total / count if count else math.nan for total, count in zip(sums, counts, strict=True)]


def cut_phrases(text: str) -> list[Span]:
    """Cut a sentence into phrases, without a tagger.

    A phrase is a run of words with nothing but white space between them. A function word is one of
    its own (it carries no content that a neighbour could share); a determiner begins one and takes
    the content words behind it: `the first example`. Every sign that is no word is one of its own.

    Returns:
        Spans without white space at their ends; together they hold every other sign of the text.
    """
    phrases: list[Span] = []
    is_open = False
    for match in _WORD.finditer(text):
        word = match.group().lower()
        is_content = word[0].isalnum() or word[0] == "_"
        if is_content and is_open and word not in _BEGINS_ANEW:
            phrases[-1] = (phrases[-1][0], match.end())
        else:
            phrases.append(match.span())
        is_open = is_content and word not in _STANDS_ALONE
    return phrases


def _keep_above(units: Units, budget: Budget, options: Options) -> Outcome:
    """The published cut: units below the percentile of all the trace's units go."""
    scores = np.array(units.scores)
    kept = np.ones(len(scores), dtype=bool)
    if not np.isnan(scores).all():
        ratio = share_of(budget, units.trace)
        kept = ~(scores < np.nanpercentile(scores, 100 * (1 - ratio)))
    variant = join_units(units, kept.tolist(), preserve_whitespace=options.preserve_whitespace)
    return Rewritten((variant,))
