"""What a recipe does with each sampled row, in amounts: the real method runs on it, with stand-ins
for models. So prompts are those that would be sent, windows and rounds those that would be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from asap.chat import ChatRequest, ScriptedChat
from asap.corpus import Row
from asap.plan.estimate import Range, exactly
from asap.plan.reply import ANCHOR_CHARACTERS, CHARACTERS_PER_TOKEN, GUESSES, write_reply
from asap.plan.shape import ModelShape, Reading
from asap.plan.stand_in import CountingClassifier, CountingScorer
from asap.prune import METHODS, Tools
from asap.run import Pipeline, Recipe
from asap.trace import TokenCounter, Trace, render_completion, segment_trace


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to an LLM, in tokens of a usual vocabulary."""

    purpose: str
    prompt_tokens: Range
    completion_tokens: Range


@dataclass(frozen=True, slots=True)
class RowWork:
    """What one row comes to."""

    reason: str | None
    """Why it is excluded; None: it is not."""
    thinking_tokens: int = 0
    tokens_after_stage1: int = 0
    tokens_after: int = 0
    context_tokens: int = 0
    readings: tuple[Reading, ...] = ()
    """What the scorer, or the classifier, reads."""
    asked: tuple[Asked, ...] = ()
    """First requests of each kind; repeats are a matter of attempts."""
    train_before: int = 0
    """Tokens of the prompt and completion of the unpruned row."""
    train_after: tuple[int, ...] = ()
    """The same of each row that comes of it."""

    @property
    def scored_tokens(self) -> int:
        """Tokens that go through the scorer, windows and rounds counted."""
        return sum(reading.n_new for reading in self.readings)


@dataclass(frozen=True, slots=True)
class Stage:
    """The stand-ins of one forecast, and the pipeline over them."""

    pipeline: Pipeline
    counter: TokenCounter
    readings: list[Reading]
    scorer: CountingScorer | None
    chat: ScriptedChat | None
    current: list[Trace]
    """The row in hand, for the LLM's stand-in; a list of one."""
    most_reply_tokens: float
    """What the recipe lets a reply have; infinity where it does not say."""


@contextmanager
def open_stage(
    recipe: Recipe, counter: TokenCounter, scorer_counter: TokenCounter, shape: ModelShape | None
) -> Iterator[Stage]:
    """Stand-ins for all that the recipe's method needs.

    Args:
        recipe: what the run is to do.
        counter: counts for the budget.
        scorer_counter: counts what the scorer reads.
        shape: of the scorer or the classifier, for its window; None where none is needed.
    """
    with ExitStack() as stack:
        current: list[Trace] = []
        scorer, classifier, chat = None, None, None
        readings: list[Reading] = []
        if "scorer" in recipe.needs and shape is not None:
            scorer = CountingScorer(scorer_counter, shape.window)
            readings = scorer.readings
        if "classifier" in recipe.needs and shape is not None:
            # Two positions of a chunk are the special tokens' own.
            classifier = CountingClassifier(scorer_counter, shape.window - 2)
            readings = classifier.readings
        if "chat" in recipe.needs:
            script = make_script(recipe, current)
            chat = stack.enter_context(ScriptedChat(script))
        pipeline = Pipeline(
            METHODS[recipe.method](recipe.options),
            recipe.budget,
            recipe.segment,
            Tools(counter, scorer, chat, classifier),
            1,
        )
        most = float(recipe.llm_max_tokens or "inf")
        yield Stage(pipeline, counter, readings, scorer, chat, current, most)


def make_script(recipe: Recipe, current: Sequence[Trace]) -> Callable[[ChatRequest], str]:
    """What the LLM's stand-in says about the row in hand."""
    levels = recipe.level_tokens
    return lambda request: write_reply(
        request, next(trace for trace in current if trace.id == request.id), levels
    )


def measure_row(stage: Stage, row: Row) -> RowWork:
    """Run the method on one row and note what it did."""
    if not isinstance(row.outcome, Trace):
        return RowWork(row.outcome.reason)
    trace = segment_trace(row.outcome, stage.pipeline.segmenter)
    stage.current[:] = [trace]
    n_readings = len(stage.readings)
    n_context = stage.scorer.context_tokens if stage.scorer else 0
    n_requests = len(stage.chat.requests) if stage.chat else 0
    data, traces = stage.pipeline.prune_rows([row])
    (evidence,), rows = traces.to_pylist(), data.to_pylist()
    asked = stage.chat.requests[n_requests:] if stage.chat else []
    work = RowWork(
        evidence["reason"],
        thinking_tokens=evidence["tokens_before"] or 0,
        context_tokens=(stage.scorer.context_tokens if stage.scorer else 0) - n_context,
        readings=tuple(stage.readings[n_readings:]),
        asked=tuple(
            _weigh(request, trace, stage.most_reply_tokens)
            for request in asked
            if request.attempt == 1
        ),
    )
    if work.reason is not None:
        return work
    texts = [trace.question + render_completion(trace.thinking, trace.answer)]
    texts += [line["prompt"] + line["completion"] for line in rows]
    before, *after = stage.counter.count(texts)
    return replace(
        work,
        tokens_after_stage1=evidence["tokens_after_stage1"],
        tokens_after=evidence["tokens_after"],
        train_before=before,
        train_after=tuple(after),
    )


def _weigh(request: ChatRequest, trace: Trace, most: float) -> Asked:
    """A request in tokens; the more characters a token has, the fewer tokens."""
    n_characters = float(sum(len(message.content) for message in request.messages))
    prompt = exactly(n_characters)
    if request.purpose in ("select", "rewrite"):
        # The stand-in's anchor has the likely length; a real one is shorter or longer.
        anchor = ANCHOR_CHARACTERS
        prompt = Range(
            n_characters - (anchor.likely - anchor.low),
            n_characters,
            n_characters + (anchor.high - anchor.likely),
        )
    reply = GUESSES[request.purpose].characters(trace)
    per_token = CHARACTERS_PER_TOKEN
    return Asked(
        request.purpose,
        Range(
            prompt.low / per_token.high,
            prompt.likely / per_token.likely,
            prompt.high / per_token.low,
        ),
        Range(
            min(most, reply.low / per_token.high),
            min(most, reply.likely / per_token.likely),
            min(most, reply.high / per_token.low),
        ),
    )
