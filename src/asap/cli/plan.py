"""`asap plan`: parse the flags, forecast or compare, print."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from asap.cli import flags
from asap.cli.plan_tables import print_comparison, print_forecast
from asap.cli.progress import EvalBar
from asap.corpus import Columns, open_corpus
from asap.errors import InputError, RecipeError
from asap.plan import (
    Forecast,
    RunFacts,
    Wishes,
    compare_forecast,
    find_gpu,
    load_gpus,
    load_prices,
    make_forecast,
    read_facts,
    read_forecast,
    read_history,
    read_shape,
)
from asap.run import Recipe, load_recipe, shipped_recipes

_TRAIN = "Training"
_CHECK = "After the run"


@flags.with_recipe_flags()
def plan(
    fields: dict[str, Any],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT...", help="Files, folders, globs or Hub ids."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", "-r", help=f"A shipped recipe ({', '.join(shipped_recipes())}) or a file."
        ),
    ] = None,
    limit: flags.Limit = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            help="What scores: h100, h200, a100, l4, or cpu: this machine's, measured. "
            "Default: what is here."
        ),
    ] = None,
    gpu_table: Annotated[
        Path | None, typer.Option(help="A YAML file with further accelerators.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="A YAML file with your prices of LLM tokens.")
    ] = None,
    llm_history: Annotated[
        Path | None,
        typer.Option(help="A finished run: its attempts and reply lengths in place of ours."),
    ] = None,
    train_model: Annotated[
        str | None,
        typer.Option(
            help="The model to train: a folder, a Hub id, or 1.5b, 7b, 8b, 14b, 32b.",
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    train_recipe: Annotated[
        str,
        typer.Option(help="Its epochs and longest row: as in asap train.", rich_help_panel=_TRAIN),
    ] = "paper-qwen-7b",
    train_gpu: Annotated[
        str, typer.Option(help="What it is trained on.", rich_help_panel=_TRAIN)
    ] = "h100",
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="A finished run: set its facts against a forecast of the same input and recipe.",
            rich_help_panel=_CHECK,
        ),
    ] = None,
    forecast: Annotated[
        Path | None,
        typer.Option(
            help="With --check: the forecast that --save wrote; else it is made anew from INPUT.",
            rich_help_panel=_CHECK,
        ),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the forecast to this file, for --forecast.")
    ] = None,
    question_column: flags.QuestionColumn = None,
    response_column: flags.ResponseColumn = None,
    reasoning_column: flags.ReasoningColumn = None,
    answer_column: flags.AnswerColumn = None,
    id_column: flags.IdColumn = None,
    question_template: flags.QuestionTemplate = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the forecast as JSON.")] = False,
) -> None:
    """Say before a run what it will cost: tokens, LLM requests and their price, time, memory.

    A sample of the input goes through the real method with stand-ins for models; no LLM is asked,
    and nothing is written. Every figure is a range.

    Examples:
      asap plan traces.jsonl

      asap plan 'data/*.parquet' --recipe paper --llm deepseek-chat --gpu h100 --train-model 7b

      asap plan traces.jsonl --check pruned
    """
    facts = read_facts(check) if check is not None else None
    if forecast is not None and (facts is None or inputs):
        raise InputError("--forecast FILE goes with --check RUN, and in place of INPUT")
    if facts is not None:
        _refuse_own_recipe(recipe, fields, limit)
    saved = read_forecast(forecast) if forecast is not None else None
    if saved is None:
        gpu_name, chosen_gpu = find_gpu(gpu, gpus := load_gpus(gpu_table))
        wishes = Wishes(
            facts.limit if facts else limit,
            gpu_name,
            chosen_gpu,
            load_prices(prices),
            read_history(llm_history) if llm_history else None,
            train_recipe,
            read_shape(train_model) if train_model else None,
            find_gpu(train_gpu, gpus)[1] if train_model else None,
        )
        columns = Columns(
            question_column,
            response_column,
            reasoning_column,
            answer_column,
            id_column,
            question_template,
        )
        chosen = facts.recipe if facts else load_recipe(recipe or "default", fields)
        saved = _forecast(inputs, columns, chosen, wishes, facts)
        if save is not None:
            _write(save, saved)
    _print(saved, facts, as_json)


def _forecast(
    inputs: list[str] | None,
    columns: Columns,
    recipe: Recipe,
    wishes: Wishes,
    facts: RunFacts | None,
) -> Forecast:
    if not inputs and facts is not None:
        raise InputError(
            "the run does not say where its input is: name it as INPUT "
            f"(it was {', '.join(facts.files)}), or give --forecast FILE"
        )
    corpus = open_corpus(inputs or [], columns, recipe.require)
    if facts is not None and corpus.fingerprint != facts.input:
        raise InputError("INPUT is not what the run read: its content or its columns differ")
    is_quiet = not logging.getLogger().isEnabledFor(logging.WARNING)
    with EvalBar(is_quiet) as bar:
        bar.say(f"input: {corpus.layout.describe()}")
        return make_forecast(
            corpus, recipe, wishes, lambda what, done, of: bar.advance(what, "", done, of)
        )


def _refuse_own_recipe(recipe: str | None, fields: dict[str, Any], limit: int | None) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in fields.items() if value is not None]
    given += ["--recipe"] if recipe is not None else []
    given += ["--limit"] if limit is not None else []
    if given:
        raise RecipeError(f"--check takes the run's own recipe and limit: leave out {given[0]}")


def _write(path: Path, forecast: Forecast) -> None:
    try:
        path.write_text(json.dumps(forecast.to_dict(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}") from None


def _print(forecast: Forecast, facts: RunFacts | None, as_json: bool) -> None:
    comparisons = compare_forecast(forecast, facts) if facts is not None else None
    if not as_json:
        if comparisons is None:
            print_forecast(forecast)
        else:
            print_comparison(comparisons)
        return
    data = forecast.to_dict()
    if comparisons is not None:
        data["check"] = [
            {**asdict(each), "ratio": each.ratio, "is_inside": each.is_inside}
            for each in comparisons
        ]
    print(json.dumps(data))
