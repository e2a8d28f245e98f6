"""The anchor: a direct solution, written by an LLM from question and answer (section 3.2).

Stage 1's LLM ways lean on it; it never becomes part of the pruned thinking.
"""

from __future__ import annotations

from asap.chat import Chat, ChatRequest
from asap.prune.coarse import CoarseFailure, Unusable, ask_until_usable
from asap.prune.prompts import prompt_anchor
from asap.prune.unwrap import unwrap_reply
from asap.trace import Trace

ATTEMPTS = 3
"""Replies asked for at most."""


async def ask_anchor(trace: Trace, chat: Chat, attempts: int = ATTEMPTS) -> str | CoarseFailure:
    """Ask for the direct solution.

    The first attempt is at temperature 0, as in the paper; an unusable reply would come again at
    that temperature, so further ones are not.

    Args:
        trace: a row; without a question, the prompt says so.
        chat: the LLM.
        attempts: replies to ask for at most.

    Returns:
        The anchor, or why there is none.
    """
    if not trace.answer.strip():
        return CoarseFailure("no_answer", (), 0)
    prompt = prompt_anchor(trace)

    def request(attempt: int) -> ChatRequest:
        return ChatRequest(
            prompt.messages,
            purpose="anchor",
            id=trace.id,
            prompt_version=prompt.version,
            attempt=attempt,
            temperature=0.0 if attempt == 1 else 0.7,
        )

    def read(text: str) -> str | Unusable:
        return unwrap_reply(text).strip() or Unusable("empty_reply")

    answer = await ask_until_usable(chat, request, read, attempts)
    return answer if isinstance(answer, CoarseFailure) else answer.value
