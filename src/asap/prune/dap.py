"""DAP, difficulty-aware prompting (LiteCoT, arXiv 2505.19716): one prompt has the LLM judge how
difficult a question is and rewrite its thinking at that difficulty's length.

The paper's prompt is not published; ours names three caps in tokens (`level_tokens`, kept within
10 %, as LLMs cannot count). Answer equality without running code: an answer that is a value must
equal what the reply, which has not seen it, says that the rewriting comes to; of any other a second
request asks whether the rewriting leads to it. Both are an LLM's word: `asap verify` is the proof.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from asap.chat import Chat, ChatRequest
from asap.prune.batch import ask_batch
from asap.prune.c3ot import exclude_failed
from asap.prune.coarse import CoarseFailure, Unusable, Usable, ask_until_usable
from asap.prune.method import Need, Options, Tools
from asap.prune.prompts import Prompt, prompt_adapt, prompt_same_answer
from asap.prune.unwrap import find_foreign_tags, strip_fence, unwrap_reply
from asap.prune.value import find_value
from asap.trace import Budget, Evidence, Outcome, Rewritten, Stage1, TokenCounter, Trace, Variant

LEVELS = ("easy", "medium", "hard")
"""The difficulties, in the order of `level_tokens`."""
TOLERANCE = 0.1
"""The share by which a rewriting may exceed its level's cap."""
CHECK_ATTEMPTS = 3
"""Replies asked for at most when an LLM is to say whether a rewriting leads to an answer."""
_MAX_OBJECTS = 16
"""Places at which a JSON object is looked for in a reply."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """What a usable reply holds."""

    difficulty: str
    thinking: str
    answer: str
    """What the LLM says that the thinking comes to."""


class Dap:
    """The method. `options` are the recipe's."""

    def __init__(self, options: Options) -> None:
        self.options = options

    @property
    def needs(self) -> frozenset[Need]:
        """An LLM."""
        return frozenset({"chat"})

    @property
    def has_budget(self) -> bool:
        """None: the length is the LLM's."""
        return False

    def prune(self, batch: Sequence[Trace], budget: Budget, tools: Tools) -> list[Outcome]:
        """Rewrite a batch of traces; see `Method.prune`. The budget is not used."""
        with tools.clock.time("rewrite"):

            async def ask(trace: Trace, chat: Chat) -> Usable[Adapted] | CoarseFailure:
                return await adapt(trace, chat, tools.counter, self.options)

            replies = ask_batch(batch, ask, tools.need_chat())
        return [self._outcome(trace, reply) for trace, reply in zip(batch, replies, strict=True)]

    def _outcome(self, trace: Trace, reply: Usable[Adapted] | CoarseFailure) -> Outcome:
        if isinstance(reply, CoarseFailure):
            return exclude_failed(reply)
        version = prompt_adapt(trace, self.options.level_tokens).version
        evidence = Evidence(stage1=Stage1("dap", reply.attempts, version), reply=reply.reply)
        return Rewritten((Variant("", reply.value.thinking),), evidence)


async def adapt(
    trace: Trace, chat: Chat, counter: TokenCounter, options: Options
) -> Usable[Adapted] | CoarseFailure:
    """Ask for difficulty and rewriting until one passes every check.

    Args:
        trace: a trace with token counts.
        chat: the LLM.
        counter: the student's tokenizer.
        options: `level_tokens`, and `stage1_attempts`, the replies to ask for at most.

    Returns:
        The rewriting, or why there is none.
    """
    prompt = prompt_adapt(trace, options.level_tokens)
    asked = 0
    reasons: tuple[str, ...] = ()
    while asked < options.stage1_attempts:
        reply = await _ask_once_usable(trace, prompt, chat, counter, options, asked)
        asked += reply.attempts
        if isinstance(reply, CoarseFailure):
            return replace(reply, reasons=reasons + reply.reasons, attempts=asked)
        fault = await _find_difference(trace, reply.value, chat)
        if fault is None:
            return replace(reply, attempts=asked)
        reasons += (fault,)
    return CoarseFailure(reasons[-1], reasons, asked)


async def _ask_once_usable(
    trace: Trace, prompt: Prompt, chat: Chat, counter: TokenCounter, options: Options, asked: int
) -> Usable[Adapted] | CoarseFailure:
    def request(attempt: int) -> ChatRequest:
        return ChatRequest(
            prompt.messages,
            purpose="dap",
            id=trace.id,
            prompt_version=prompt.version,
            attempt=asked + attempt,
            temperature=0.0 if asked + attempt == 1 else 0.7,
            is_json=True,
        )

    def read(text: str) -> Adapted | Unusable:
        return read_adapted(text, trace, counter, options.level_tokens)

    return await ask_until_usable(chat, request, read, options.stage1_attempts - asked)


async def _find_difference(trace: Trace, adapted: Adapted, chat: Chat) -> str | None:
    """Why the rewriting does not count as coming to the row's answer; None where it does."""
    own = find_value(trace.answer)
    if own is not None:
        return None if find_value(adapted.answer) == own else "answer_differs"
    prompt = prompt_same_answer(trace, adapted.thinking)

    def request(attempt: int) -> ChatRequest:
        return ChatRequest(
            prompt.messages,
            purpose="dap-check",
            id=trace.id,
            prompt_version=prompt.version,
            attempt=attempt,
            temperature=0.0 if attempt == 1 else 0.7,
            is_json=True,
        )

    reply = await ask_until_usable(chat, request, _read_same, CHECK_ATTEMPTS)
    if isinstance(reply, CoarseFailure):
        return reply.reason
    return None if reply.value else "answer_differs"


def read_adapted(
    text: str, trace: Trace, counter: TokenCounter, level_tokens: Sequence[int]
) -> Adapted | Unusable:
    """What a reply holds, or why it is of no use.

    Args:
        text: the reply; prose and fences round its JSON object are tolerated.
        trace: a trace with token counts.
        counter: the student's tokenizer.
        level_tokens: most tokens for an easy, a medium and a hard question.
    """
    found = _find_object(text, ("difficulty", "rewritten", "answer"))
    if found is None or not isinstance(found["rewritten"], str):
        return Unusable("invalid_reply")
    difficulty, answer = str(found["difficulty"]).strip().lower(), found["answer"]
    if difficulty not in LEVELS:
        return Unusable("unknown_difficulty")
    thinking = strip_fence(found["rewritten"], trace.thinking)
    if not thinking:
        return Unusable("empty_reply")
    if any(part in thinking for pair in find_foreign_tags(trace.thinking) for part in pair):
        return Unusable("stray_tag")
    assert trace.tokens is not None
    (n_tokens,) = counter.count([thinking])
    if n_tokens > trace.tokens.total:
        return Unusable("longer")
    if n_tokens > (1 + TOLERANCE) * level_tokens[LEVELS.index(difficulty)]:
        return Unusable("over_level")
    # A value may come as JSON instead of as text.
    return Adapted(difficulty, thinking, answer if isinstance(answer, str) else repr(answer))


def _read_same(text: str) -> bool | Unusable:
    found = _find_object(text, ("same",))
    if found is None or not isinstance(found["same"], bool):
        return Unusable("invalid_reply")
    return found["same"]


def _find_object(text: str, fields: Sequence[str]) -> dict[str, Any] | None:
    """The first JSON object with these fields, behind the LLM's own thoughts if it had some; line
    breaks in its texts may be raw, as LLMs like to write them.
    """
    found = (_find_in(reply, fields) for reply in (unwrap_reply(text), text))
    return next((value for value in found if value is not None), None)


def _find_in(text: str, fields: Sequence[str]) -> dict[str, Any] | None:
    decoder = json.JSONDecoder(strict=False)
    position = -1
    for _ in range(_MAX_OBJECTS):
        position = text.find("{", position + 1)
        if position < 0:
            break
        try:
            value, _end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and all(field in value for field in fields):
            return value
    return None
