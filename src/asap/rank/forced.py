"""Forced answers: a model reads the question and a kept thinking as its own and writes the answer.

The closing tag stands in the prompt, so the model cannot think on: what it answers rests on what
was kept. It asks a server through `bench.Generator`, greedily, and keeps every answer in the reply
cache the moment it arrives. It judges nothing but by `own_answer`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from asap.bench import Entry, Generator, ModelTokenizer, Wanted
from asap.chat import Reply, ReplyCache
from asap.rank.own_answer import AnswerChecker, OwnResult, Reference
from asap.trace import CLOSING

FORCED_VERSION = "forced-1"
"""Stands in the cache key; to be raised with every change of what is asked."""
_NAME = "forced answer"


@dataclass(frozen=True, slots=True)
class Begun:
    """A thinking behind which a model is to answer."""

    id: str
    """What it is called in messages."""
    question: str
    """The user's turn, with the method's suffix, if any."""
    thinking: str


@dataclass(frozen=True, slots=True)
class ForcedAnswer:
    """What a model answered."""

    text: str
    is_cut: bool
    """Whether it was stopped at the most tokens that an answer may have."""


class ForcedAnswers:
    """Has one model answer. A context manager; the way to the model is opened with the first
    request that the cache cannot answer.

    Args:
        name: the model and where it runs, or its weights: a part of the cache key.
        tokenizer: the model's.
        open_generator: opens the way to the model, for greedy decoding.
        cache: where answers are looked up and kept; its owner closes it.
        max_tokens: most tokens of an answer.
        window: tokens of prompt and answer that the model can read; None: as many as there are.
    """

    def __init__(
        self,
        name: str,
        tokenizer: ModelTokenizer,
        open_generator: Callable[[], AbstractContextManager[Generator]],
        cache: ReplyCache,
        *,
        max_tokens: int,
        window: int | None = None,
    ) -> None:
        self.name = name
        self.max_tokens = max_tokens
        self.window = window
        self._tokenizer = tokenizer
        self._open_generator = open_generator
        self._cache = cache
        self._generator: Generator | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def answer(
        self, wanted: Sequence[Begun], on_answer: Callable[[int], None] = lambda _: None
    ) -> list[ForcedAnswer | None]:
        """Have the model answer behind each thinking.

        Args:
            wanted: questions and thinkings.
            on_answer: told the position of each answer as it comes, from any thread.

        Returns:
            An answer each; None where prompt and answer would not fit the window.

        Raises:
            RunStopped: answers could not be had; what arrived is kept.
            ModelError: the server reads the prompt otherwise than the tokenizer writes it.
        """
        answers: list[ForcedAnswer | None] = [None] * len(wanted)
        keys = [self._find_key(begun) for begun in wanted]
        missing: dict[str, list[int]] = {}
        for i, key in enumerate(keys):
            stored = self._cache.find(key)
            if stored is not None:
                answers[i] = _read(stored)
            elif self._fits(wanted[i]):
                missing.setdefault(key, []).append(i)
                continue
            on_answer(i)

        def keep(entry: Entry) -> None:
            # `sample` carries the position: ids need not be unique.
            completion = entry.completion
            key = keys[completion.sample]
            n_prompt = len(completion.prompt_ids or ())
            reply = Reply(completion.text, completion.finish_reason, n_prompt, completion.n_tokens)
            stored = self._cache.store(key, reply)
            for i in missing[key]:
                answers[i] = _read(stored)
                on_answer(i)

        if missing:
            self._open().generate(
                [self._want(wanted[places[0]], places[0]) for places in missing.values()], keep
            )
        return answers

    def _open(self) -> Generator:
        if self._generator is None:
            self._generator = self._stack.enter_context(self._open_generator())
        return self._generator

    def _fits(self, begun: Begun) -> bool:
        if self.window is None:
            return True
        n_prompt = len(self._tokenizer.encode(begun.question, begun.thinking + CLOSING))
        return n_prompt + self.max_tokens <= self.window

    def _want(self, begun: Begun, position: int) -> Wanted:
        key = (_NAME, begun.id, position, self.max_tokens)
        return Wanted(key, begun.question, begun.thinking + CLOSING)

    def _find_key(self, begun: Begun) -> str:
        prompt = self._tokenizer.write(begun.question, begun.thinking + CLOSING)
        altering = [FORCED_VERSION, self.name, self.max_tokens, prompt]
        return hashlib.sha256(json.dumps(altering).encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Attempt:
    """A thinking to answer behind, and what the answer is held against."""

    begun: Begun
    reference: Reference
    own: OwnResult


def reach_answers(
    attempts: Sequence[Attempt], forced: ForcedAnswers, checker: AnswerChecker
) -> list[bool | None]:
    """Whether a model comes to the rows' own answers.

    Args:
        attempts: thinkings, of any number of rows and methods.
        forced: the model.
        checker: compares.

    Returns:
        One value per attempt; None where it cannot be said.

    Raises:
        RunStopped, ModelError, SandboxError: as `ForcedAnswers.answer` and `AnswerChecker` do.
    """
    usable = [i for i, attempt in enumerate(attempts) if not attempt.own.fault]
    answers = forced.answer([attempts[i].begun for i in usable])
    texts = {i: answer.text for i, answer in zip(usable, answers, strict=True) if answer}
    found = checker.find_reached(
        [(text, attempts[i].reference, attempts[i].own) for i, text in texts.items()]
    )
    reached = dict(zip(texts, (is_reached for is_reached, _ in found), strict=True))
    return [reached.get(i) for i in range(len(attempts))]


def _read(reply: Reply) -> ForcedAnswer:
    return ForcedAnswer(reply.text, reply.finish_reason == "length")
