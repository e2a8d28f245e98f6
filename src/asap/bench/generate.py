"""Has a model answer questions: prompts out, completions in, each handed on the moment it arrives.
It keeps nothing and judges nothing, and asks for what it is told to and no more.

A prompt goes out as token ids where the server takes them. One that does not gets text, and what it
counts is compared with what the prompt has, so that a second begin-of-text token cannot go unseen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from asap.bench.completion import Completion
from asap.bench.ledger import Entry, Key
from asap.bench.model_tokenizer import ModelTokenizer
from asap.chat import CompletionReply, CompletionRequest, Completions, Message
from asap.errors import ChatError, ModelError, NoReply, RunStopped

Api = Literal["completions", "chat"]
"""`completions`: our prompt, the thinking tag opened in it. `chat`: the question alone, for servers
that have nothing else; the server's template and its reasoning parser then decide.
"""
PromptForm = Literal["ids", "text", "messages"]

_SIGN_OF_LIFE = 8
"""Failures without a single reply after which a run ends."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Temperature 0 is greedy."""

    n_samples: int = 1
    """Per problem."""
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    """Of the first sample; each further one has the next."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A completion that is to be had."""

    key: Key
    question: str
    begun: str = ""
    """What the model is taken to have written already, behind the opened tag."""


class Generator:
    """Asks one server.

    Args:
        client: the way to it.
        tokenizer: the model's; None with the API `chat`.
        sampling: how tokens are drawn.
        window: tokens of prompt and completion that the model can read; None: the server refuses
            what is too long by itself.
    """

    def __init__(
        self,
        client: Completions,
        tokenizer: ModelTokenizer | None,
        sampling: Sampling,
        window: int | None = None,
    ) -> None:
        self._window = window
        self._client = client
        self._tokenizer = tokenizer
        self._sampling = sampling
        self._form: PromptForm | None = None

    def generate(self, wanted: Sequence[Wanted], keep: Callable[[Entry], None]) -> None:
        """Generate.

        Args:
            wanted: what is asked for, in this order.
            keep: takes each completion as it arrives, in the client's thread.

        Raises:
            RunStopped: something could not be had; what arrived was handed on.
            ModelError: the server reads a prompt otherwise than the tokenizer writes it, or a
                prompt and its budget are longer than the window.
        """
        for item in wanted:
            self._check_length(item)
        if wanted:
            self._client.run(self._generate(wanted, keep))

    def _check_length(self, item: Wanted) -> None:
        if self._window is None or self._tokenizer is None:
            return
        _, id, _, budget_tokens = item.key
        n_prompt = len(self._tokenizer.encode(item.question, item.begun))
        if n_prompt + budget_tokens > self._window:
            raise ModelError(
                f"the model reads {self._window:,} tokens, and the prompt of {id} has "
                f"{n_prompt:,}: give --budgets of at most {max(0, self._window - n_prompt):,}"
            )

    async def _generate(self, wanted: Sequence[Wanted], keep: Callable[[Entry], None]) -> None:
        if self._form is None:
            self._form = await self._find_form(wanted[0])
        failures: list[tuple[str, ChatError]] = []
        n_kept = 0

        async def one(item: Wanted) -> None:
            nonlocal n_kept
            try:
                keep(await self._complete(item))
                n_kept += 1
            except ChatError as error:
                if error.reason == "bad_request":  # asking again, or asking for others, is no use
                    raise RunStopped(f"{item.key[1]}: {error}") from None
                failures.append((item.key[1], error))
            if not n_kept and len(failures) >= _SIGN_OF_LIFE:
                raise NoReply(f"the server has not answered once: {failures[0][1]}")

        await _run_all([one(item) for item in wanted])
        if failures:
            id, error = failures[0]
            raise RunStopped(
                f"{len(wanted) - n_kept} of {len(wanted)} completions are missing, {id} for one: "
                f"{error}; what has arrived stays, the same command asks for the rest"
            )

    async def _complete(self, item: Wanted) -> Entry:
        benchmark, id, sample, budget_tokens = item.key
        reply = await self._client.complete(
            CompletionRequest(
                prompt=self._write(item),
                id=f"{benchmark} {id} sample {sample}",
                max_tokens=budget_tokens,
                temperature=self._sampling.temperature,
                top_p=self._sampling.top_p,
                seed=self._sampling.seed + sample if self._sampling.temperature else None,
            )
        )
        completion = Completion(
            benchmark=benchmark,
            id=id,
            sample=sample,
            budget_tokens=budget_tokens,
            prompt_ids=self._encode(item),
            completion_ids=reply.completion_ids,
            text=reply.text,
            n_tokens=reply.completion_tokens,
            finish_reason="length" if reply.finish_reason == "length" else "stop",
            first_token_s=reply.first_token_s,
            total_s=reply.total_s,
        )
        return Entry(completion, time.time())

    def _encode(self, item: Wanted) -> tuple[int, ...] | None:
        return self._tokenizer.encode(item.question, item.begun) if self._tokenizer else None

    def _write(self, item: Wanted) -> tuple[int, ...] | str | tuple[Message, ...]:
        if self._tokenizer is None:
            return (Message("user", item.question),)
        if self._form == "ids":
            return self._tokenizer.encode(item.question, item.begun)
        return self._tokenizer.write_for_server(item.question, item.begun)

    async def _find_form(self, item: Wanted) -> PromptForm:
        """What the server takes, found out with one token of one completion."""
        if self._tokenizer is None:
            return "messages"
        ids = self._tokenizer.encode(item.question, item.begun)
        form: PromptForm = "ids"
        try:
            reply = await self._try(ids)
        except ChatError as error:
            if error.reason != "bad_request":
                raise NoReply(f"the server does not answer: {error}") from None
            form = "text"
            try:
                reply = await self._try(self._tokenizer.write_for_server(item.question, item.begun))
            except ChatError as second:
                raise NoReply(f"the server completes no prompt: {second}") from None
        if reply.prompt_tokens is not None and reply.prompt_tokens != len(ids):
            raise ModelError(
                f"the server reads {reply.prompt_tokens} tokens where the prompt has {len(ids)}: "
                "its tokenizer is another one than the one named with --tokenizer"
            )
        return form

    async def _try(self, prompt: tuple[int, ...] | str) -> CompletionReply:
        return await self._client.complete(CompletionRequest(prompt, "a first try", max_tokens=1))


async def _run_all(tasks: Sequence[object]) -> None:
    """Run to the end of all; the first that raises ends the others, and what it raised comes out
    as it is, not in a group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(task)  # type: ignore[arg-type]
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
