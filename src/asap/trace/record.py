"""What flows through asap: a trace, its steps, what a method decided about them.

Values only. Nothing here reads, scores or prunes. A step is a span of the thinking, never a copy of
its text, so that whatever is kept is verbatim by construction and two methods can be compared step
by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Fate = Literal["kept", "stage1", "stage2"]

STEP_REASONS: dict[str, str] = {
    "draft": "a draft: its lines stand in the answer, or in the question",
    "withdrawn": "step {step} takes it back",
    "second_pass": "goes over the same ground as the steps from {step} on, which stand for both",
    "repeat": "repeats what other steps say, above all those from {step} on",
    "no_evidence": "mentions no name, call or value that the answer rests on",
    "least_evidence": "adds little, for its length, to what other steps say about the answer",
    "header": "a header goes with the last of the steps under it",
    "not_in_reply": "the LLM's reply leaves it out",
}
"""Why stage 1 drops a step: every reason that a method gives, with its meaning."""


@dataclass(frozen=True, slots=True)
class Step:
    """One reasoning step: the half-open span `[start, end)` of the thinking, in code points.

    The separator that follows it runs from `end` to the next step's `start` (or to the end of the
    thinking).
    """

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class StepTokens:
    """Token counts of one thinking, by step, from a single tokenization of the whole."""

    total: int
    """Tokens of the whole thinking, without special tokens."""
    inner: tuple[int, ...]
    """Tokens of each step together with the separator after it; they add up to `total`."""
    last: tuple[int, ...]
    """Tokens of each step without that separator: what it costs when it is the last one kept.

    Never too few; one too many where the tokenizer would merge its last sign once the line break
    behind is gone (`}.` is one token of Qwen's, `}.` and two line breaks are two).
    """


@dataclass(frozen=True)
class Trace:
    """One row after parsing.

    `row` is the position in the inputs and the key everywhere; `id` is the input's own and may
    repeat. `question` is empty where the input has none.
    """

    row: int
    id: str
    question: str
    thinking: str
    answer: str
    steps: tuple[Step, ...] = ()
    tokens: StepTokens | None = None

    def text(self, step_index: int) -> str:
        """The text of one step, verbatim, without the separator after it."""
        step = self.steps[step_index]
        return self.thinking[step.start : step.end]

    def separator(self, step_index: int) -> str:
        """What stands between this step and the next one (or the end)."""
        following = (
            self.steps[step_index + 1].start
            if step_index + 1 < len(self.steps)
            else len(self.thinking)
        )
        return self.thinking[self.steps[step_index].end : following]


@dataclass(frozen=True)
class Selection:
    """Which steps are kept, and in which order the others go.

    `removal_order` is complete: a permutation of all step indices, first to go first, stage 1's
    drops at its head. The first `n_removed` of it are gone. `tokens_after_removal[k]` is what the
    rendered rest costs after the first `k + 1` removals, counted by step; removals that belong
    together (a step and the header it leaves bare) carry the count from before them until the last
    of them, so that the first entry within a budget is always a whole state.
    """

    removal_order: tuple[int, ...]
    tokens_after_removal: tuple[int, ...]
    n_removed: int
    n_stage1: int

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """Indices of the steps kept, ascending."""
        return tuple(sorted(self.removal_order[self.n_removed :]))

    @cached_property
    def fates(self) -> tuple[Fate, ...]:
        """What became of each step, by step index."""
        fates: list[Fate] = ["kept"] * len(self.removal_order)
        for position, step_index in enumerate(self.removal_order[: self.n_removed]):
            fates[step_index] = "stage1" if position < self.n_stage1 else "stage2"
        return tuple(fates)


@dataclass(frozen=True)
class Stage1:
    """How stage 1 came to its result."""

    mode: str
    """`extract`, `select`, `rewrite` or `none`: the mode whose result was used; of a method that is
    an LLM's rewriting as a whole its name (`c3ot`, `dap`).
    """
    attempts: int = 0
    """LLM attempts that were made, the anchor's not counted."""
    prompt_version: str | None = None
    failure: str | None = None
    """Why the LLM mode was given up, where `mode` is the fallback `extract`."""


@dataclass(frozen=True, slots=True)
class StepReason:
    """Why a step goes."""

    name: str
    """One of `STEP_REASONS`."""
    step_index: int | None = None
    """The other step that it has to do with, where there is one."""

    def explain(self) -> str:
        """The reason in words; a name that this version does not know is given as it is."""
        return STEP_REASONS.get(self.name, self.name).replace("{step}", str(self.step_index))


@dataclass(frozen=True)
class Evidence:
    """Why a method decided as it did: one entry per step of the subject, None for no value."""

    stage1: Stage1 = Stage1("none")
    anchor: str | None = None
    reply: str | None = None
    matches: tuple[float | None, ...] = ()
    """Gestalt similarity of the reply step that was attributed to each step."""
    surprisal: tuple[float | None, ...] = ()
    """First-token surprisal in nats."""
    first_token: tuple[str | None, ...] = ()
    score_name: str | None = None
    """The name of the score that ordered the drops, where it is another than surprisal."""
    score: tuple[float | None, ...] = ()
    reasons: tuple[StepReason | None, ...] = ()
    """Why stage 1 drops a step; of a drop that a large budget undoes, why it would go."""


@dataclass(frozen=True)
class Kept:
    """A selection out of `subject`: the trace, or the reply as one where its wording is used."""

    subject: Trace
    selection: Selection
    thinking: str
    """The kept steps as text: what is trained on."""
    n_tokens: int
    """Tokens of that text, counted on the text itself."""
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True)
class Variant:
    """One training row that a rewriting method makes of a trace."""

    name: str
    thinking: str
    prompt_suffix: str = ""
    spans: tuple[tuple[int, int], ...] | None = None
    """Where the text is made of pieces of the thinking: those pieces, as half-open spans in code
    points, ascending and disjoint. None: it is new text.
    """


@dataclass(frozen=True)
class Rewritten:
    """New text instead of a selection; token-level and LLM methods return it."""

    variants: tuple[Variant, ...]
    """The first one is what the method is about: its text and its tokens stand in `traces/`."""
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True)
class Excluded:
    """A row that does not go on, with the reason's name and, where it helps, a detail."""

    reason: str
    detail: str = ""


Outcome = Kept | Rewritten | Excluded


def select_within(
    removal_order: Sequence[int], tokens_after_removal: Sequence[int], n_tokens: int, limit: int
) -> int:
    """How many removals of a complete order it takes until the rest costs at most `limit` tokens.

    Args:
        removal_order: a permutation of all step indices.
        tokens_after_removal: as in `Selection`.
        n_tokens: cost with nothing removed.
        limit: budget in tokens.

    Returns:
        The number of removals; equal to the number of steps where even the last one is over the
        limit.
    """
    if n_tokens <= limit:
        return 0
    for position, tokens in enumerate(tokens_after_removal):
        if tokens <= limit and position + 1 < len(removal_order):
            return position + 1
    return len(removal_order)
