"""From an input and a recipe to a forecast: draw a sample, run the method on it with stand-ins,
scale it up. What each range rests on is in docs/plan.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from asap.corpus import Corpus
from asap.errors import ModelError, RecipeError
from asap.plan.bill import forecast_llm
from asap.plan.duration import find_longest, forecast_time, gpu_seconds
from asap.plan.estimate import Range, estimate_count, estimate_total, exactly
from asap.plan.prices import Price
from asap.plan.record import Forecast, LlmForecast, ScoringForecast, TokenForecast
from asap.plan.reply import KEPT_BY_LLM, History
from asap.plan.roofline import Gpu, measure_memory
from asap.plan.sample import Sample, draw_sample
from asap.plan.shape import ModelShape, read_shape
from asap.plan.training import forecast_training, read_train_fields
from asap.plan.workload import RowWork, measure_row, open_stage
from asap.prune import METHODS
from asap.run import Recipe
from asap.surprisal import load_counter
from asap.trace import TokenCounter


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a forecast is asked for, beside input and recipe."""

    limit: int | None = None
    gpu_name: str = "cpu"
    gpu: Gpu | None = None
    """What scores; None: this machine's CPU, which is measured."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    history: History | None = None
    train_recipe: str = "paper-qwen-7b"
    train_shape: ModelShape | None = None
    train_gpu: Gpu | None = None


def make_forecast(
    corpus: Corpus,
    recipe: Recipe,
    wishes: Wishes,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Forecast:
    """Say before a run what it will do and cost. No LLM is asked and no file is written.

    Args:
        corpus: the input.
        recipe: what the run is to do.
        wishes: accelerator, prices, what is trained.
        on_progress: called with what is done, rows done and rows in all.

    Raises:
        UserError: the input cannot be read, or a model's config or tokenizer cannot be had.
    """
    read_train_fields(wishes.train_recipe)
    shape = _find_shape(recipe)
    counter = load_counter(recipe.tokenizer or recipe.scorer)
    notes: list[str] = []
    scorer_counter = _find_scorer_counter(recipe, counter, notes)
    sample = draw_sample(corpus, wishes.limit)
    works: list[RowWork] = []
    with open_stage(recipe, counter, scorer_counter, shape) as stage:
        for row in sample.rows:
            works.append(measure_row(stage, row))
            on_progress("running the sample without models", len(works), len(sample.rows))
    n_timed = 0

    def advance(n_rows: int) -> None:
        nonlocal n_timed
        n_timed += n_rows
        on_progress("measuring this machine", n_timed, len(sample.rows))

    # Where an LLM decides how much stays, the stand-in's half is a guess.
    stage1_slack = KEPT_BY_LLM if "chat" in recipe.needs else exactly(1.0)
    tokens = _forecast_tokens(works, sample, recipe, stage1_slack)
    time = forecast_time(sample, works, recipe, counter, shape, wishes.gpu, stage1_slack, advance)
    slack = _compare_ranges(tokens.after) if "chat" in recipe.needs else exactly(1.0)
    return Forecast(
        recipe.model_dump(exclude_none=True),
        corpus.fingerprint,
        wishes.limit,
        sample.n_rows,
        len(sample.rows),
        sample.spread,
        wishes.gpu_name,
        tokens,
        _forecast_llm(works, sample, recipe, wishes, notes),
        _forecast_scoring(works, sample, shape, wishes.gpu, stage1_slack) if shape else None,
        time,
        forecast_training(
            works, sample.n_rows, wishes.train_recipe, wishes.train_shape, wishes.train_gpu, slack
        ),
        tuple(notes),
    )


def _find_shape(recipe: Recipe) -> ModelShape | None:
    """Of the model that reads, if one does."""
    if "labels" in recipe.needs:
        raise RecipeError(
            f"method '{recipe.method}' asks for labels that exist only in the lab (asap lab)"
        )
    if "scorer" in recipe.needs:
        return read_shape(recipe.scorer)
    if "classifier" not in recipe.needs:
        return None
    if recipe.classifier is None:
        raise RecipeError(
            f"method '{recipe.method}' asks a token classifier: name it with --classifier FOLDER "
            "or a Hub id"
        )
    return read_shape(recipe.classifier)


def _find_scorer_counter(recipe: Recipe, counter: TokenCounter, notes: list[str]) -> TokenCounter:
    """The scorer's tokenizer; the budget's, where the scorer's cannot be had."""
    if "scorer" not in recipe.needs or recipe.tokenizer is None:
        return counter
    try:
        return load_counter(recipe.scorer)
    except ModelError:
        notes.append(
            f"the tokenizer of {recipe.scorer} is not at hand: what it reads is counted with "
            f"{counter.name}"
        )
        return counter


def _compare_ranges(after: Range) -> Range:
    """Low and high as multiples of what is likely."""
    return after.times(1 / after.likely) if after.likely else exactly(1.0)


def _forecast_tokens(
    works: Sequence[RowWork], sample: Sample, recipe: Recipe, slack: Range
) -> TokenForecast:
    n_rows, n_sample = sample.n_rows, len(works)
    reasons = Counter(work.reason for work in works if work.reason is not None)

    def total(pick: Callable[[RowWork], int]) -> Range:
        return estimate_total([float(pick(work)) for work in works], n_rows)

    def kept(pick: Callable[[RowWork], int]) -> Range:
        return total(lambda work: pick(work) if work.reason is None else 0)

    before = kept(lambda work: work.thinking_tokens)
    most = before
    if METHODS[recipe.method](recipe.options).has_budget:
        most = kept(
            lambda work: min(work.thinking_tokens, recipe.budget.limit(work.thinking_tokens))
        )
    after = kept(lambda work: work.tokens_after).times(slack)
    return TokenForecast(
        exactly(float(n_rows)),
        estimate_count(reasons.total(), n_sample, n_rows),
        {
            reason: estimate_count(count, n_sample, n_rows)
            for reason, count in sorted(reasons.items())
        },
        total(lambda work: work.thinking_tokens),
        before,
        kept(lambda work: work.tokens_after_stage1).times(slack).capped(before),
        after.capped(most) if "chat" in recipe.needs else after,
        total(lambda work: work.context_tokens),
        total(lambda work: work.scored_tokens).times(slack),
    )


def _forecast_scoring(
    works: Sequence[RowWork], sample: Sample, shape: ModelShape, gpu: Gpu | None, slack: Range
) -> ScoringForecast:
    longest = find_longest(works)
    memory, hours = None, None
    if gpu is not None:
        memory = measure_memory(shape, longest, gpu)
        hours = gpu_seconds(works, sample.n_rows, shape, gpu, memory).times(slack).times(1 / 3600)
    operations = [sum(shape.operations(reading) for reading in work.readings) for work in works]
    return ScoringForecast(
        shape.name,
        estimate_total(operations, sample.n_rows).times(slack),
        shape.weight_bytes() / 1e9,
        shape.kv_bytes_per_token,
        longest,
        gpu.label if gpu else None,
        hours,
        memory,
    )


def _forecast_llm(
    works: Sequence[RowWork],
    sample: Sample,
    recipe: Recipe,
    wishes: Wishes,
    notes: list[str],
) -> LlmForecast | None:
    if "chat" not in recipe.needs:
        return None
    price = wishes.prices.get(recipe.llm or "")
    if price is None:
        name = recipe.llm or "NAME"
        notes.append(
            f"no price for the LLM '{recipe.llm}': " if recipe.llm else "no LLM is named (--llm): "
        )
        notes[-1] += (
            f"add a line '{name}: {{input: …, cached: …, output: …, as_of: …}}' to a file of your "
            "own and name it with --prices"
        )
    notes.append("the time that LLM requests take is not in the forecast: it is the server's")
    return forecast_llm(
        works, sample.n_rows, recipe.llm, recipe.stage1_attempts, price, wishes.history
    )
