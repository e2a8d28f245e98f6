"""`asap rank`: parse the flags, compare, print and write the tables."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from asap.bench import Engine
from asap.chat import ChatLimits
from asap.cli import flags
from asap.cli.progress import EvalBar
from asap.cli.rank_plots import plot_all
from asap.cli.rank_tables import choose_arms, lay_out_all, summarise_parts, to_json
from asap.cli.server import open_forcing
from asap.cli.terminal import Terminal
from asap.corpus import Columns, open_corpus
from asap.errors import InputError
from asap.judge import Judge
from asap.rank import RankFolder, Settings, build_arms, list_free_methods, rank_corpus
from asap.report import (
    Page,
    Table,
    render_csv,
    render_markdown,
    render_terminal,
    write_page,
)
from asap.run import count_cores, load_recipe, open_tools

_PANEL = "Forced answers"
_FIELDS = (
    "segment",
    "keep_headers",
    "render",
    "ties",
    "stage1",
    "stage1_ratio",
    "stage1_attempts",
    "rounds",
    "seed",
    "suffix_tokens",
    "unit",
    "require",
    "scorer",
    "scorer_url",
    "scorer_model",
    "scorer_window",
    "dtype",
    "context",
    "tokenizer",
    "classifier",
    "llm",
    "llm_url",
    "llm_max_tokens",
)


@flags.with_recipe_flags(*_FIELDS)
def rank(
    inputs: flags.Inputs,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write or to add to.")
    ],
    fields: dict[str, Any],
    methods: Annotated[
        str | None,
        typer.Option(
            help="Commas between: methods, shipped recipes, recipe files. "
            "Default: all that need nothing but a scorer."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="What differences are taken to. Default: the folder's first arm."),
    ] = None,
    ratios: Annotated[
        str, typer.Option(help="Shares of each trace's own tokens, commas between.")
    ] = "0.75,0.5,0.25",
    recipe: Annotated[
        str, typer.Option("--recipe", "-r", help="What methods named alone run under.")
    ] = "default",
    limit: flags.Limit = None,
    planted: Annotated[
        bool, typer.Option(help="Plant passages with known labels and look for them.")
    ] = True,
    support: Annotated[
        bool, typer.Option(help="Score each answer after each kept thinking (slow).")
    ] = True,
    question_column: flags.QuestionColumn = None,
    response_column: flags.ResponseColumn = None,
    reasoning_column: flags.ReasoningColumn = None,
    answer_column: flags.AnswerColumn = None,
    id_column: flags.IdColumn = None,
    question_template: flags.QuestionTemplate = None,
    device: flags.Device = "auto",
    forced_model: Annotated[
        str | None,
        typer.Option(
            help="Have this model answer behind every kept thinking: a folder or Hub id, or with "
            "--forced-url its name there.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    forced_url: Annotated[
        str | None,
        typer.Option(help="A running OpenAI-compatible server.", rich_help_panel=_PANEL),
    ] = None,
    forced_engine: Annotated[
        Engine | None, typer.Option(help="A server to start and to stop.", rich_help_panel=_PANEL)
    ] = None,
    forced_tokenizer: Annotated[
        str | None,
        typer.Option(help="Folder or Hub id. Default: the model's.", rich_help_panel=_PANEL),
    ] = None,
    forced_max_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens that an answer may have.", rich_help_panel=_PANEL)
    ] = 2048,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Compare pruning methods on your traces, without training a model.

    Every method at the same number of tokens, with paired intervals. What is finished stays: the
    same command goes on, and one with other methods adds them; tables show all arms of the folder.

    Examples:
      asap rank traces.jsonl --output ranked

      asap rank traces.jsonl -o ranked --methods asap,random,tail --ratios 0.5 --limit 50
    """
    has_entropies = load_recipe(recipe, fields).scorer_url is None
    arms = build_arms(_read_names(methods, has_entropies), recipe, fields)
    settings = Settings(_read_ratios(ratios), planted, support)
    columns = Columns(
        question_column,
        response_column,
        reasoning_column,
        answer_column,
        id_column,
        question_template,
    )
    corpus = open_corpus(inputs, columns, arms[0].recipe.require)
    needs = frozenset(need for arm in arms for need in arm.recipe.needs)
    needs |= {"scorer"} if support else set()
    # The messages of a backend that is missing speak of a method that needs it.
    needy = sorted(arms, key=lambda arm: -len(arm.recipe.needs - {"scorer"}))[0]
    opened = load_recipe(recipe, {**fields, "method": needy.recipe.method})
    is_quiet = not logging.getLogger().isEnabledFor(logging.WARNING)
    with ExitStack() as stack:
        bar = stack.enter_context(EvalBar(is_quiet))
        tools = stack.enter_context(open_tools(opened, needs=needs, device=device))
        bar.say(f"input: {corpus.layout.describe()}")
        forcing = None
        if forced_model is not None:
            forcing = stack.enter_context(
                open_forcing(
                    forced_model,
                    forced_url,
                    forced_engine,
                    forced_tokenizer,
                    "auto",
                    output,
                    ChatLimits(concurrency=64, timeout_s=3600.0, max_tokens=None),
                    Judge(workers=count_cores()),
                    max_tokens=forced_max_tokens,
                    say=bar.say,
                )
            )
        folder = rank_corpus(
            corpus,
            output,
            arms,
            tools,
            settings,
            forcing=forcing,
            limit=limit,
            on_progress=lambda arm, n_done, n_all: bar.advance("rank", arm, n_done, n_all),
        )
    _report(folder, baseline, bar, as_json)


def _report(folder: RankFolder, baseline: str | None, bar: EvalBar, as_json: bool) -> None:
    """Write the tables and print them."""
    shown, unfinished = choose_arms(folder, baseline)
    parts = summarise_parts(folder, shown)
    tables, numbers = lay_out_all(folder, parts), json.dumps(to_json(parts))
    _write_tables(folder.folder, tables, numbers)
    counts = folder.report()["counts"]
    notes = [
        *(f"excluded: {count:,} × {reason}" for reason, count in counts["excluded"].items()),
        *(f"not finished, so in no table: {name}" for name in unfinished),
    ]
    title = f"{len(shown)} methods on {counts['traces']:,} traces, without training"
    write_page(folder.folder, Page(title, tuple(notes), tuple(tables), plot_all(parts)))
    bar.say(*notes)
    if as_json:
        print(numbers)
        return
    terminal = Terminal()
    for table in tables:
        terminal.print(render_terminal(table, terminal))
        terminal.say("")
    path = folder.folder
    terminal.say(f"written: {path}/tables.md, {path}/tables/*.csv, {path}/tables.json")
    terminal.say(f"to look at: asap view {path}")


def _read_names(text: str | None, has_entropies: bool) -> list[str]:
    if text is None:
        return list_free_methods(has_entropies)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError("--methods names none")
    return names


def _read_ratios(text: str) -> tuple[float, ...]:
    try:
        ratios = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--ratios {text}: write numbers with commas between") from None
    if not ratios or not all(0.0 < ratio <= 1.0 for ratio in ratios):
        raise InputError(f"--ratios {text}: each must be above 0 and at most 1")
    return ratios


def _write_tables(folder: Path, tables: list[Table], numbers: str) -> None:
    path = folder / "tables"
    path.mkdir(exist_ok=True)
    for old in path.glob("*.csv"):
        old.unlink()
    for number, table in enumerate(tables, start=1):
        name = "".join(c if c.isalnum() else "-" for c in table.title.lower())
        text = render_csv(table)
        (path / f"{number:02d}-{name[:60].strip('-')}.csv").write_text(text, "utf-8")
    text = "\n".join(render_markdown(table) for table in tables)
    (folder / "tables.md").write_text(text, "utf-8")
    (folder / "tables.json").write_text(numbers + "\n", "utf-8")
