"""`asap prune`: parse the flags, run, print the summary."""

from __future__ import annotations

import json
import logging
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from asap.chat import ChatLimits
from asap.cli import flags
from asap.cli.progress import RunBar
from asap.cli.terminal import Terminal
from asap.corpus import Columns, Corpus, open_corpus
from asap.errors import RecipeError
from asap.place import is_remote
from asap.prune import Tools
from asap.run import (
    Executor,
    Recipe,
    RunResult,
    check_excluded,
    check_run,
    load_recipe,
    open_cluster,
    open_tools,
    prune_corpus,
    run_here,
    shipped_recipes,
)


@flags.with_recipe_flags()
def prune(
    inputs: flags.Inputs,
    output: flags.RunOutput,
    fields: dict[str, Any],
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", "-r", help=f"A shipped recipe ({', '.join(shipped_recipes())}) or a file."
        ),
    ] = "default",
    limit: flags.Limit = None,
    keep_columns: Annotated[
        str | None,
        typer.Option(
            help="Columns to carry along, commas between; nested values become JSON text.",
            rich_help_panel="Columns",
        ),
    ] = None,
    question_column: flags.QuestionColumn = None,
    response_column: flags.ResponseColumn = None,
    reasoning_column: flags.ReasoningColumn = None,
    answer_column: flags.AnswerColumn = None,
    id_column: flags.IdColumn = None,
    question_template: flags.QuestionTemplate = None,
    max_excluded: Annotated[
        float, typer.Option(min=0, max=1, help="Share of excluded rows that is still a success.")
    ] = 0.1,
    device: flags.Device = "auto",
    on: Annotated[
        str | None,
        typer.Option(
            metavar="RAY",
            help="Run on Ray: 'ray' starts one on this machine, 'ray:auto' is the cluster that it "
            "is part of, 'ray:HOST:PORT' the same by its head's address, 'ray://HOST:PORT' a "
            "cluster from outside. Default: without Ray.",
            rich_help_panel="Ray",
        ),
    ] = None,
    scorer_actors: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Scorers (or classifiers) on Ray. Default: one for each GPU, else for four cores.",
            rich_help_panel="Ray",
        ),
    ] = None,
    llm_concurrency: Annotated[int, typer.Option(min=1, help="LLM requests at a time.")] = 32,
    llm_timeout_s: Annotated[
        float, typer.Option(min=1, help="Seconds that one LLM request may take.")
    ] = 600.0,
    llm_token_limit: Annotated[
        int | None,
        typer.Option(min=1, help="Stop, resumable, once the run has used this many LLM tokens."),
    ] = None,
    llm_requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="LLM requests a minute at most, evenly spaced.")
    ] = None,
    llm_tokens_per_minute: Annotated[
        int | None,
        typer.Option(min=1, help="LLM tokens a minute at most, read and written, on the average."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Prune long reasoning traces into a data set to train on.

    The same command on an unfinished folder goes on where it stopped. Every field of a recipe is a
    flag; a flag goes over the recipe's file.

    Examples:
      asap prune traces.jsonl --output pruned

      asap prune 'data/*.parquet' -o pruned --budget-tokens 4096 --tokenizer DIR

      asap prune traces.jsonl -o pruned --stage1 select --llm NAME --llm-url URL

      asap prune 's3://bucket/in/*.parquet' -o s3://bucket/run
    """
    chosen = load_recipe(recipe, fields)
    columns = Columns(
        question_column,
        response_column,
        reasoning_column,
        answer_column,
        id_column,
        question_template,
    )
    corpus = open_corpus(inputs, columns, chosen.require)
    kept = [name.strip() for name in keep_columns.split(",")] if keep_columns else []
    check_run(corpus, output, chosen, limit=limit, keep_columns=kept)
    is_quiet = not logging.getLogger().isEnabledFor(logging.WARNING)
    limits = ChatLimits(
        concurrency=llm_concurrency,
        timeout_s=llm_timeout_s,
        max_tokens=chosen.llm_max_tokens,
        token_limit=llm_token_limit,
        requests_per_minute=llm_requests_per_minute,
        tokens_per_minute=llm_tokens_per_minute,
    )
    n_rows = min(limit or corpus.n_rows_hint or 0, corpus.n_rows_hint or limit or 0) or None
    with ExitStack() as stack:
        tools, executor = _open_executor(
            stack, chosen, limits=limits, device=device, on=on, scorer_actors=scorer_actors
        )
        bar = stack.enter_context(RunBar(n_rows, is_quiet))
        result = prune_corpus(
            corpus,
            output,
            chosen,
            tools,
            limit=limit,
            keep_columns=kept,
            max_excluded=1.0,
            executor=executor,
            on_open=lambda is_resumed: bar.say(*_describe(corpus, is_resumed)),
            on_progress=lambda step: bar.advance(step, tools.chat),
        )
    if as_json:
        summary = result.summary.to_dict()
        print(json.dumps({"output": str(output), "seconds": round(result.seconds, 3), **summary}))
    else:
        print_summary(result, has_stage2=chosen.stage2 != "none")
    check_excluded(result, max_excluded)


def _open_executor(
    stack: ExitStack,
    recipe: Recipe,
    *,
    limits: ChatLimits,
    device: str,
    on: str | None,
    scorer_actors: int | None,
) -> tuple[Tools, Executor]:
    """The tools, and who does the work with them: this process, or a cluster."""
    if on is None:
        if scorer_actors is not None:
            raise RecipeError("--scorer-actors is for runs on Ray: give --on too")
        return stack.enter_context(open_tools(recipe, limits=limits, device=device)), run_here
    cluster = stack.enter_context(
        open_cluster(on, recipe, limits=limits, device=device, n_models=scorer_actors)
    )
    return cluster.tools, cluster.run


def _describe(corpus: Corpus, is_resumed: bool) -> list[str]:
    """What was recognised, before the work begins."""
    lines = [f"input: {corpus.layout.describe()}"]
    return [*lines, "this run was begun before: what is finished stays"] if is_resumed else lines


def print_summary(result: RunResult, *, has_stage2: bool) -> None:
    """What was done, as tables on stdout."""
    terminal = Terminal()
    summary = result.summary
    table = Table(title=Text(str(result.folder)), title_justify="left")
    for heading in ("", "before", "after stage 1", "after", "kept"):
        table.add_column(heading, justify="right" if heading else "left")
    share = f"{summary.rows_out / summary.rows_in:.1%}" if summary.rows_in else ""
    table.add_row("rows", f"{summary.rows_in:,}", "", f"{summary.rows_out:,}", share)
    for name, before, middle, after in (
        ("steps", summary.steps_before, summary.steps_after_stage1, summary.steps_after),
        ("tokens", summary.tokens_before, summary.tokens_after_stage1, summary.tokens_after),
    ):
        if not before and summary.rows_out:
            continue  # new text has no steps
        share = f"{after / before:.1%}" if before else ""
        table.add_row(name, f"{before:,}", f"{middle:,}", f"{after:,}", share)
    terminal.print(table)
    if has_stage2 and summary.tokens_before > summary.tokens_after_stage1 == summary.tokens_after:
        terminal.say(
            "stage 2 dropped nothing: stage 1 came to the budget by itself; a smaller --ratio or a "
            "larger --stage1-ratio leaves it some"
        )
    for reason, count in summary.excluded_by_reason.items():
        terminal.say(f"excluded: {count:,} × {reason}")
    for count, what in (
        (summary.rows_without_question, "without a question"),
        (summary.rows_stage1_fell_back, "fell back to extract after stage 1 failed"),
        (summary.rows_over_budget, "kept although the last step is over the budget"),
    ):
        if count:
            terminal.say(f"rows {what}: {count:,}")
    if result.llm is not None:
        used = result.llm
        terminal.say(
            f"LLM: {used.requests:,} requests, {used.cached:,} replies at hand, "
            f"{used.prompt_tokens:,} tokens read, {used.completion_tokens:,} written"
        )
    stages = " · ".join(f"{name} {value:.1f} s" for name, value in result.seconds_by_stage.items())
    terminal.say(f"time: {result.seconds:.1f} s" + (f"; by stage: {stages}" if stages else ""))
    if summary.rows_out:
        terminal.say(*_say_what_next(result.folder))


def _say_what_next(run: Path) -> list[str]:
    """What one does with a run."""
    folder = shlex.quote(str(run))
    look = f"asap show {folder} --row 0"
    load = f'datasets.load_dataset("parquet", data_files={str(run / "data" / "*.parquet")!r})'
    if not is_remote(run):
        look = f"asap view {folder}, or one in the terminal: {look}"
        load = f"datasets.load_dataset({str(run)!r})"
    return [
        f"look at it: {look}",
        f"train on it: asap train {folder} --model MODEL --output DIR, or {load}",
    ]
