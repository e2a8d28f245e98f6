"""First-token surprisal (the paper's Eq. 2) by a model behind an OpenAI-compatible server.

Token ids go out, one log-probability per prompt token comes back; the model's own tokenizer is
here, so tokens and steps fit together as with a model on this machine, and so do windows. Every
reply is checked; what can be checked once is in `server_probe.py`. No entropies: a server tells
how likely the tokens of a prompt were, not what else was.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import TracebackType
from typing import Self

from asap.chat import Dialect, OpenAIReader, ReadReply, ReadRequest
from asap.errors import ChatError, ModelError, RunStopped
from asap.surprisal.alignment import find_step_tokens
from asap.surprisal.context import WriteContext
from asap.surprisal.leave_one_out import Reading, plan_readings
from asap.surprisal.piece import (
    Job,
    Piece,
    choose_tokens,
    collect_steps,
    collect_tokens,
    cut_pieces,
    split_head,
)
from asap.surprisal.scorer import (
    ALL_STATISTICS,
    ScoreRequest,
    Statistic,
    StepScores,
    TokenScores,
)
from asap.surprisal.tokenizer import TextTokenizer

SERVER_STATISTICS: frozenset[Statistic] = ALL_STATISTICS - {"first_entropy", "sum_entropy"}
"""What a server can tell of a step."""
_HIGHEST = 1e-3
"""Log-probabilities above 0 by more than rounding are none (raw logits, say)."""


@dataclass(frozen=True, slots=True)
class ServerWay:
    """How a server is asked."""

    dialect: Dialect
    takes_ids: bool
    """Else it takes texts, tokenizes them itself and puts the beginning-of-text token in front."""


class ServerScorer:
    """A `StepScorer` on a server. Close it, or use it as a context manager.

    Args:
        reader: the server.
        way: how it is asked.
        tokenizer: the tokenizer of its model.
        name: what stands in a run's record.
        prefix: ids that the model wants at the very beginning (a begin-of-text token), or none.
        write_context: from a question to the text before the thinking.
        window: tokens that one prompt may have.
    """

    def __init__(
        self,
        reader: OpenAIReader,
        way: ServerWay,
        tokenizer: TextTokenizer,
        *,
        name: str,
        prefix: Sequence[int],
        write_context: WriteContext,
        window: int,
    ) -> None:
        self._reader = reader
        self._way = way
        self._tokenizer = tokenizer
        self._name = name
        self._prefix = list(prefix)
        self._write_context = write_context
        self._window = window

    @property
    def name(self) -> str:
        """The model's name at the server, with a digest of all that the server tells about it."""
        return self._name

    @property
    def statistics(self) -> frozenset[Statistic]:
        """All but the entropies."""
        return SERVER_STATISTICS

    @property
    def window(self) -> int:
        """Tokens that one prompt may have; longer texts go by windows."""
        return self._window

    def score(
        self,
        requests: Sequence[ScoreRequest],
        statistics: frozenset[Statistic] = frozenset({"surprisal"}),
    ) -> list[StepScores]:
        """Scores of each request, in order. Safe to call from several threads.

        Raises:
            ModelError: entropies are asked for, or the server's numbers are not to be trusted.
            RunStopped: the server cannot be reached any more, or refused the key.
        """
        if missing := statistics - SERVER_STATISTICS:
            raise ModelError(
                f"a scorer behind a server tells no {', '.join(sorted(missing))}: leave out "
                "--scorer-url to score on this machine, or use another method"
            )
        jobs = self._make_jobs(requests, statistics)
        pieces = [piece for job in jobs for piece in cut_pieces(job, self._prefix, self._window)]
        self._reader.run(self._read_all(pieces))
        n_prefix, token_text = len(self._prefix), self._tokenizer.token_text
        return [collect_steps(job, n_prefix, statistics, token_text) for job in jobs]

    def score_tokens(self, texts: Sequence[str]) -> list[TokenScores]:
        """Every token of each text alone, in order.

        Where the server takes texts only, it does not tell the very first token's value: `nan`.

        Raises:
            ModelError, RunStopped: as `score` does.
        """
        has_first = bool(self._prefix) and self._way.takes_ids
        jobs = []
        for text, tokens in zip(texts, self._tokenizer.tokenize(texts), strict=True):
            wanted = list(range(0 if has_first else 1, len(tokens.ids)))
            jobs.append(Job(text, 0, tokens, [], wanted, [0.0] * len(wanted)))
        pieces = [piece for job in jobs for piece in cut_pieces(job, self._prefix, self._window)]
        self._reader.run(self._read_all(pieces))
        return [collect_tokens(job) for job in jobs]

    def score_left_out(
        self, requests: Sequence[ScoreRequest], suffix_tokens: int
    ) -> list[tuple[float, ...]]:
        """What follows a step without it less with it; see `StepScorer`.

        Every step is one more prompt of up to a window: a server has no cache to read on from.

        Raises:
            ModelError: the server takes no token ids; else as `score`.
            RunStopped: as `score` does.
        """
        if not self._way.takes_ids:
            raise ModelError(
                f"{self._reader.host} takes no token ids: a text with a step left out would be "
                "tokenized otherwise where the step was; leave out --scorer-url for this method"
            )
        readings: list[list[Reading]] = []
        for job in self._make_jobs(requests, frozenset({"surprisal"})):
            context, body = split_head(job, self._prefix, self._window)
            head = self._prefix + [job.text.ids[i] for i in context]
            firsts = [max(0, span.first - body.start) for span in job.spans]
            ids = job.text.ids[body.start :]
            readings.append(plan_readings(head, ids, firsts, self._window, suffix_tokens))
        found = self._reader.run(self._read_left_out(readings))
        return [
            tuple(rises.get(step_index, 0.0) for step_index in range(len(request.steps)))
            for request, rises in zip(requests, found, strict=True)
        ]

    def close(self) -> None:
        """Stop what is under way and let go of connections; closing twice is harmless."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _make_jobs(
        self, requests: Sequence[ScoreRequest], statistics: frozenset[Statistic]
    ) -> list[Job]:
        contexts = [self._write_context(request.question) for request in requests]
        sources = [
            context + request.thinking for context, request in zip(contexts, requests, strict=True)
        ]
        jobs = []
        for request, context, source, text in zip(
            requests, contexts, sources, self._tokenizer.tokenize(sources), strict=True
        ):
            spans = find_step_tokens(source, len(context), request.steps, text.starts, text.ends)
            tokens = choose_tokens(spans, statistics)
            jobs.append(Job(source, len(context), text, spans, tokens, [0.0] * len(tokens)))
        return jobs

    async def _read_all(self, pieces: Sequence[Piece]) -> None:
        """All pieces at once; the transport lets so many through as it may. One failure ends it."""
        try:
            async with asyncio.TaskGroup() as group:
                for piece in pieces:
                    group.create_task(self._read_piece(piece))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _read_piece(self, piece: Piece) -> None:
        nll = await (self._read_ids if self._way.takes_ids else self._read_text)(piece)
        piece.prompt.job.nll[piece.slots] = nll

    async def _read_ids(self, piece: Piece) -> list[float]:
        nll = await self._rate(piece.prompt.ids)
        return [nll[place] for place in piece.places]

    async def _read_text(self, piece: Piece) -> list[float]:
        reply = await ask(
            self._reader, ReadRequest(piece.prompt.source, "score", self._way.dialect)
        )
        n_prefix = len(self._prefix)
        ours = [self._tokenizer.token_text(i) for i in piece.prompt.ids[n_prefix:]]
        return match_places(reply, ours, [p - n_prefix for p in piece.places], n_prefix)

    async def _rate(self, ids: list[int]) -> list[float]:
        """NLL of every id; 0 for the first, which nothing stands before."""
        reply = await ask(self._reader, ReadRequest(tuple(ids), "score", self._way.dialect))
        return check_logprobs(reply.logprobs, len(ids))

    async def _read_left_out(self, readings: Sequence[Sequence[Reading]]) -> list[dict[int, float]]:
        found: list[dict[int, float]] = [{} for _ in readings]
        try:
            async with asyncio.TaskGroup() as group:
                for own, rises in zip(readings, found, strict=True):
                    for reading in own:
                        group.create_task(self._measure(reading, rises))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return found

    async def _measure(self, reading: Reading, rises: dict[int, float]) -> None:
        """The rises of one window, into `rises`: one prompt with all steps, one without each."""
        sums = list(accumulate(await self._rate(reading.ids), initial=0.0))
        for cut in reading.cuts:
            left = reading.ids[: cut.start] + reading.ids[cut.stop : cut.end]
            without = math.fsum((await self._rate(left))[cut.start :])
            rises[cut.step_index] = without - (sums[cut.end] - sums[cut.stop])


async def ask(reader: OpenAIReader, request: ReadRequest) -> ReadReply:
    """Have a prompt read, with the errors of a scorer.

    Raises:
        ModelError: the server refuses the prompt.
        RunStopped: it fails, or cannot be reached, after its last attempt; or refused the key.
    """
    try:
        return await reader.read(request)
    except ChatError as error:
        if error.reason == "bad_request":
            unit = "characters" if isinstance(request.prompt, str) else "tokens"
            raise ModelError(
                f"the scoring server refuses a prompt of {len(request.prompt)} {unit}: {error}; if "
                "it is too long for the server, say what it reads at once with --scorer-window"
            ) from None
        raise RunStopped(
            f"the scoring server fails: {error}; what is finished stays, the same command goes on "
            "once it answers"
        ) from None


def check_logprobs(logprobs: Sequence[float | None], n: int) -> list[float]:
    """What a server told about a prompt, as NLL in nats; 0 for the first token.

    Args:
        logprobs: one per token, the first one None.
        n: tokens of the prompt.

    Raises:
        ModelError: another number of them, one is missing, or one is no log-probability.
    """
    if len(logprobs) != n:
        raise ModelError(
            f"the scoring server gave {len(logprobs)} log-probabilities for a prompt of {n} "
            "tokens: its prefix caching must be off (see docs/server-scorer.md)"
        )
    if n and logprobs[0] is not None:
        raise ModelError(
            "the scoring server gave the first token of a prompt a log-probability, with nothing "
            "before it: which token its values belong to cannot be told"
        )
    nll = [0.0] * n
    for index, value in enumerate(logprobs[1:], start=1):
        if value is None:
            raise ModelError(
                f"the scoring server gave no log-probability for token {index} of {n}: its prefix "
                "caching must be off, and its model's vocabulary be that of --scorer"
            )
        if not math.isfinite(value) or value > _HIGHEST:
            raise ModelError(
                f"the scoring server gave token {index} of {n} the log-probability {value:g}: it "
                "must be a natural logarithm of the model's own softmax (vLLM: --logprobs-mode "
                "raw_logprobs)"
            )
        nll[index] = max(0.0, -value)
    return nll


def match_places(
    reply: ReadReply, ours: Sequence[str], places: Sequence[int], n_prefix: int
) -> list[float]:
    """Values of tokens of a text that the server tokenized itself, as NLL in nats.

    Both tokenizations agree from both ends of the text; between them, where two cuttings of a
    window meet, they may differ.

    Args:
        reply: its lists begin with the first token of the text; whatever is put in front of that is
            counted in `n_prompt`, but not listed.
        ours: the text of each of our tokens.
        places: indices among them.
        n_prefix: tokens that the server must put in front.

    Raises:
        ModelError: the server does not say how many tokens it read, or read others there.
    """
    if reply.n_prompt is None:
        raise ModelError("the scoring server takes no token ids and does not count tokens either")
    n = reply.n_prompt - n_prefix
    theirs = [_strip_parts(token or "") for token in reply.tokens[:n]]
    nll = check_logprobs(reply.logprobs[:n], n)
    own = [_strip_parts(token) for token in ours]
    n_head = _count_alike(own, theirs)
    n_tail = _count_alike(own[::-1], theirs[::-1])
    is_whole = len(theirs) == n and "".join(own) == "".join(theirs)
    found = []
    for place in places:
        index = place if place < n_head else place - len(own) + n
        if not is_whole or index < 1 or not (place < n_head or place >= len(own) - n_tail):
            raise ModelError(
                f"the scoring server takes no token ids and reads a text otherwise than --scorer "
                f"does, at token {place} of {len(own)} ({ours[place]!r}): its tokenizer, or what "
                "it puts in front of a text, is another one"
            )
        found.append(nll[index])
    return found


def _strip_parts(token: str) -> str:
    """A token's text without parts of characters, which some show as U+FFFD and others not."""
    return token.replace("\ufffd", "")


def _count_alike(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How many tokens are the same from the beginning on."""
    pairs = zip(ours, theirs, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
