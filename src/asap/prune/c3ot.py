"""C3oT (arXiv 2412.11664): an LLM compresses the thinking; one trains on both lengths.

Each trace gives two rows, told apart by a condition behind the question: `short`, the compressed
thinking, and `long`, the original. At inference the question gets `SHORT_CONDITION`. The prompt and
the conditions are our own words; ours also checks that the reply is whole and shorter in the
student's tokens, and asks again if not. That it adds nothing is asked for and not checked (see
`asap verify`). A method without a budget: the recipe's says nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence

from asap.chat import Chat, ChatRequest
from asap.prune.batch import ask_batch
from asap.prune.coarse import CoarseFailure, Unusable, Usable, ask_until_usable
from asap.prune.method import Need, Options, Tools
from asap.prune.prompts import prompt_compress
from asap.prune.unwrap import find_foreign_tags, unwrap_tagged
from asap.trace import (
    Budget,
    Evidence,
    Excluded,
    Outcome,
    Rewritten,
    Stage1,
    TokenCounter,
    Trace,
    Variant,
)

SHORT_CONDITION = "\n\nThink briefly before you answer."
"""Behind the question of a compressed thinking, and of every question at inference."""
LONG_CONDITION = "\n\nThink at length before you answer."
"""Behind the question of an original thinking."""


class C3ot:
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
        """Compress a batch of traces; see `Method.prune`. The budget is not used."""
        with tools.clock.time("compress"):

            async def ask(trace: Trace, chat: Chat) -> Usable[str] | CoarseFailure:
                return await compress(trace, chat, tools.counter, self.options.stage1_attempts)

            replies = ask_batch(batch, ask, tools.need_chat())
        return [_outcome(trace, reply) for trace, reply in zip(batch, replies, strict=True)]


async def compress(
    trace: Trace, chat: Chat, counter: TokenCounter, attempts: int
) -> Usable[str] | CoarseFailure:
    """Ask for the thinking in fewer words: at temperature 0, then, after an unusable reply, at 0.7.

    Args:
        trace: a trace with token counts.
        chat: the LLM.
        counter: the student's tokenizer.
        attempts: replies to ask for at most.

    Returns:
        The compressed thinking, or why there is none.
    """
    prompt = prompt_compress(trace)

    def request(attempt: int) -> ChatRequest:
        return ChatRequest(
            prompt.messages,
            purpose="compress",
            id=trace.id,
            prompt_version=prompt.version,
            attempt=attempt,
            temperature=0.0 if attempt == 1 else 0.7,
        )

    def read(text: str) -> str | Unusable:
        return read_compressed(text, trace, counter, prompt.tag)

    return await ask_until_usable(chat, request, read, attempts)


def read_compressed(text: str, trace: Trace, counter: TokenCounter, tag: str) -> str | Unusable:
    """The compressed thinking in a reply, or why it is of no use.

    Args:
        text: the reply. What stands between thinking tags at its head is the LLM's own and goes.
        trace: a trace with token counts.
        counter: the student's tokenizer.
        tag: the name of the prompt's tag round the thinking.
    """
    thinking = unwrap_tagged(text, trace.thinking, tag)
    if not thinking:
        return Unusable("empty_reply")
    if any(part in thinking for pair in find_foreign_tags(trace.thinking) for part in pair):
        # The completion would end in the middle of its thinking.
        return Unusable("stray_tag")
    assert trace.tokens is not None
    if counter.count([thinking])[0] >= trace.tokens.total:
        return Unusable("not_shorter")
    return thinking


def _outcome(trace: Trace, reply: Usable[str] | CoarseFailure) -> Outcome:
    if isinstance(reply, CoarseFailure):
        return exclude_failed(reply)
    variants = (
        Variant("short", reply.value, SHORT_CONDITION),
        Variant("long", trace.thinking, LONG_CONDITION, spans=((0, len(trace.thinking)),)),
    )
    version = prompt_compress(trace).version
    return Rewritten(
        variants, Evidence(stage1=Stage1("c3ot", reply.attempts, version), reply=reply.reply)
    )


def exclude_failed(failure: CoarseFailure) -> Excluded:
    """What becomes of a row for which the LLM gave nothing usable."""
    return Excluded("no_usable_reply", f"{failure.reason} after {failure.attempts} attempts")
