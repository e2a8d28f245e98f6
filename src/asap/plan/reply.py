"""What an LLM would say, as far as its length goes: replies that every method can use at once, and
how long and how often real ones are likely to come.

Nobody is asked. The shares and attempts are assumptions, stated in docs/plan.md; a finished run of
the same LLM knows better (`read_history`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asap.chat import ChatRequest
from asap.errors import RunFolderError
from asap.plan.estimate import Range, exactly
from asap.prune import find_value
from asap.run import Ledger, read_report
from asap.trace import Trace, keep_steps

CHARACTERS_PER_TOKEN = Range(2.9, 3.3, 3.8)
"""Of LLMs' vocabularies in our prompts on R1 traces of code: 3.07 to 3.43 (Qwen2, Llama 3)."""
ANCHOR_CHARACTERS = Range(400.0, 1000.0, 2500.0)
"""Of a direct solution, which stands in the prompts of what leans on it."""
KEPT_BY_LLM = Range(0.5, 1.0, 1.5)
"""How much an LLM leaves, as a multiple of the half that its stand-in does."""
_KEEP, _DROP = 3, 3
"""Steps that a stand-in keeps, then drops, in turn: about half."""


@dataclass(frozen=True, slots=True)
class Guess:
    """How an LLM is likely to answer one kind of request."""

    attempts: Range
    """Requests until a reply can be used."""
    characters: Callable[[Trace], Range]
    """Of a reply."""


def _of_thinking(low: float, likely: float, high: float) -> Callable[[Trace], Range]:
    return lambda trace: Range(low, likely, high).times(float(len(trace.thinking)))


def _of_selection(trace: Trace) -> Range:
    """A JSON list of ranges: a handful of ranges, up to one for every other step."""
    n_steps = len(trace.steps)
    return Range(20.0 + 1.0 * n_steps, 20.0 + 2.0 * n_steps, 40.0 + 6.0 * n_steps)


GUESSES: dict[str, Guess] = {
    "anchor": Guess(Range(1.0, 1.02, 1.2), lambda _: ANCHOR_CHARACTERS),
    "select": Guess(Range(1.0, 1.1, 1.6), _of_selection),
    "rewrite": Guess(Range(1.0, 2.0, 5.0), _of_thinking(0.2, 0.5, 0.8)),
    "compress": Guess(Range(1.0, 1.1, 2.0), _of_thinking(0.1, 0.35, 0.7)),
    "dap": Guess(Range(1.0, 1.3, 3.0), _of_thinking(0.1, 0.3, 0.6)),
    "dap-check": Guess(Range(1.0, 1.05, 1.5), lambda _: Range(12.0, 14.0, 40.0)),
}
"""By what a request is for. A reasoning LLM writes its own thinking on top, and bills it."""


@dataclass(frozen=True, slots=True)
class History:
    """What a finished run with an LLM says about the next one."""

    replies_per_row: float
    """Of all rows, those asked again included."""
    completion_tokens: float | None
    """Per reply; None where nothing was billed (a recording)."""


def read_history(folder: Path) -> History:
    """The replies of a finished run.

    Raises:
        RunFolderError: no prune run, not finished, or one that asked no LLM.
    """
    report = read_report(folder, kind="prune")
    llm: dict[str, Any] | None = report.get("llm")
    if report.get("status") != "finished" or not llm:
        raise RunFolderError(f"{folder} is no finished run that asked an LLM")
    n_rows = sum(1 for row in Ledger(folder).traces(["question"]) if row["question"] is not None)
    n_asked = llm["requests"] - llm["retries"]
    n_replies = n_asked + llm["cached"]
    if not n_rows or not n_replies:
        raise RunFolderError(f"{folder} holds no replies of an LLM")
    billed = llm["completion_tokens"] / n_asked if n_asked else None
    return History(n_replies / n_rows, billed)


def guess_attempts(purpose: str, most: int) -> Range:
    """Requests of one kind for each row that is asked about."""
    attempts = GUESSES[purpose].attempts if purpose in GUESSES else exactly(1.0)
    return Range(*(min(float(most), n) for n in (attempts.low, attempts.likely, attempts.high)))


def write_reply(request: ChatRequest, trace: Trace, level_tokens: Sequence[int]) -> str:
    """A reply that the method can use, of likely length.

    Args:
        request: what is asked; its purpose says which method asks.
        trace: the row it is about.
        level_tokens: DAP's caps.
    """
    if request.purpose == "anchor":
        return (
            "The answer follows from the question in these steps.\n\n" * 18
        )  # some 1,000 characters
    kept = _choose_steps(len(trace.steps))
    if request.purpose == "select":
        return json.dumps({"keep": _join_ranges(kept)})
    if request.purpose == "dap-check":
        return '{"same": true}'
    if request.purpose == "dap":
        # Two characters a token is below every vocabulary: the hardest level's cap holds.
        n_characters = min(int(0.3 * len(trace.thinking)), 2 * level_tokens[-1])
        return json.dumps(
            {
                "difficulty": "hard",
                "rewritten": trace.thinking.strip()[: max(1, n_characters)],
                "answer": trace.answer if find_value(trace.answer) else "the method",
            }
        )
    if request.purpose == "compress":
        return trace.thinking.strip()[: max(1, int(0.35 * len(trace.thinking)))]
    return keep_steps(trace, kept)[0]


def _choose_steps(n_steps: int) -> tuple[int, ...]:
    if n_steps <= _KEEP:
        return tuple(range(max(1, n_steps - 1)))
    return tuple(i for i in range(n_steps) if i % (_KEEP + _DROP) < _KEEP)


def _join_ranges(kept: Sequence[int]) -> list[list[int]]:
    """Runs of consecutive steps as first and last."""
    ranges: list[list[int]] = []
    for i in kept:
        if ranges and ranges[-1][1] == i - 1:
            ranges[-1][1] = i
        else:
            ranges.append([i, i])
    return ranges
