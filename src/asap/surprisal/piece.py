"""Which tokens of a text are looked at, and the prompts that hold them: windows where the text is
longer than a model reads. What came back becomes scores here again. No model and no tokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from asap.errors import ModelError
from asap.surprisal.alignment import StepSpan
from asap.surprisal.scorer import Statistic, StepScores, TokenScores
from asap.surprisal.tokenizer import TokenizedText
from asap.surprisal.window import clip_head, cut_windows

_OVER_ALL_TOKENS: frozenset[Statistic] = frozenset({"mean_nll", "sum_nll", "sum_entropy"})


@dataclass(frozen=True, slots=True)
class Job:
    """One text, tokenized, with room for one value per token looked at."""

    source: str = field(repr=False)
    """Context and thinking."""
    context_end: int
    text: TokenizedText = field(repr=False)
    spans: list[StepSpan]
    tokens: list[int]
    """The tokens looked at, ascending."""
    nll: list[float] = field(repr=False)
    entropy: list[float] = field(default_factory=list, repr=False)
    """Of the whole distribution there; empty where nobody asks for it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is to read: ids that it wants at the beginning, then runs of a text's tokens."""

    job: Job = field(repr=False)
    prefix: list[int]
    runs: tuple[range, ...]

    @property
    def ids(self) -> list[int]:
        """Token ids, the prefix among them."""
        return self.prefix + [self.job.text.ids[i] for run in self.runs for i in run]

    @property
    def source(self) -> str:
        """The text of the runs, without the prefix."""
        starts, ends = self.job.text.starts, self.job.text.ends
        joined: list[range] = []
        for run in self.runs:
            # Where runs meet, two tokens can share a character.
            if joined and run and joined[-1].stop == run.start:
                joined[-1] = range(joined[-1].start, run.stop)
            elif run:
                joined.append(run)
        return "".join(self.job.source[starts[run[0]] : ends[run[-1]]] for run in joined)


@dataclass(frozen=True, slots=True)
class Piece:
    """One window of a text, and the places in it of the tokens that are looked at."""

    prompt: Prompt
    places: list[int]
    """Indices among the prompt's ids."""
    slots: slice
    """Where their values go in the job."""


def choose_tokens(spans: Sequence[StepSpan], statistics: frozenset[Statistic]) -> list[int]:
    """The tokens that must be looked at: first ones, or all of each step where sums are asked."""
    if statistics & _OVER_ALL_TOKENS:
        return sorted({i for span in spans for i in range(span.first, span.last)})
    return sorted({span.first for span in spans})


def split_head(job: Job, prefix: list[int], window: int) -> tuple[range, range]:
    """The tokens of the context that stand at the head of every window, and those of the thinking.

    Args:
        job: the text.
        prefix: ids that the model wants at the very beginning.
        window: tokens that the model reads at once.
    """
    ids, starts = job.text.ids, job.text.starts
    n = len(ids)
    n_context = next((i for i, start in enumerate(starts) if start >= job.context_end), n)
    head = clip_head(prefix, ids[:n_context], n - n_context, window)
    return range(n_context - (len(head) - len(prefix)), n_context), range(n_context, n)


def cut_pieces(job: Job, prefix: list[int], window: int) -> list[Piece]:
    """The windows of a text that hold a token looked at, each up to the last such token.

    Args:
        job: the text.
        prefix: ids that the model wants at the very beginning.
        window: tokens that the model reads at once.

    Raises:
        ModelError: nothing stands before the first token looked at.
    """
    head, body = split_head(job, prefix, window)
    n_head = len(prefix) + len(head)
    pieces = []
    begin = 0
    for part in cut_windows(n_head, len(body), window):
        stop = begin
        while stop < len(job.tokens) and job.tokens[stop] < body.start + part.stop:
            stop += 1
        if stop == begin:
            continue
        # A token that straddles the end of the context lies in the head.
        places = [n_head + i - body.start - part.start for i in job.tokens[begin:stop]]
        if places[0] < 1:
            raise ModelError("the tokenizer has no token before the first step: give a question")
        read = body[part.start : max(0, places[-1] + 1 - n_head) + part.start]
        pieces.append(Piece(Prompt(job, prefix, (head, read)), places, slice(begin, stop)))
        begin = stop
    return pieces


def collect_steps(
    job: Job, n_prefix: int, statistics: frozenset[Statistic], token_text: Callable[[int], str]
) -> StepScores:
    """The values of a text's steps.

    Args:
        job: with all its values.
        n_prefix: ids before the text.
        statistics: those that are asked for.
        token_text: from an id to its text.
    """
    slot_of = {token: slot for slot, token in enumerate(job.tokens)}
    firsts = [slot_of[span.first] for span in job.spans]
    lengths = [span.last - span.first for span in job.spans]
    # A step's tokens are consecutive, and all are there wherever a sum is asked for.
    sums = [
        math.fsum(job.nll[first : first + length])
        for first, length in zip(firsts, lengths, strict=True)
    ]
    ids = [job.text.ids[span.first] for span in job.spans]
    means = tuple(total / length for total, length in zip(sums, lengths, strict=True))
    return StepScores(
        first_token_index=tuple(n_prefix + span.first for span in job.spans),
        first_token_id=tuple(ids),
        first_token=tuple(token_text(token_id) for token_id in ids),
        surprisal=tuple(job.nll[first] for first in firsts),
        n_tokens=tuple(lengths),
        mean_nll=means if "mean_nll" in statistics else (),
        sum_nll=tuple(sums) if "sum_nll" in statistics else (),
        first_entropy=tuple(job.entropy[first] for first in firsts)
        if "first_entropy" in statistics
        else (),
        sum_entropy=tuple(
            math.fsum(job.entropy[first : first + length])
            for first, length in zip(firsts, lengths, strict=True)
        )
        if "sum_entropy" in statistics
        else (),
    )


def collect_tokens(job: Job) -> TokenScores:
    """The values of all tokens of a text; `nan` for those that were not looked at."""
    nll = [math.nan] * len(job.text.ids)
    for token, value in zip(job.tokens, job.nll, strict=True):
        nll[token] = value
    return TokenScores(tuple(job.text.starts), tuple(job.text.ends), tuple(nll))
