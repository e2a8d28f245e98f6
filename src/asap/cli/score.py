"""`asap score`: first-token surprisal of every step, without stage 1 and without pruning."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from asap.cli import flags
from asap.cli.progress import RunBar
from asap.cli.terminal import Terminal
from asap.corpus import Columns, open_corpus
from asap.run import Progress, check_scores_file, load_recipe, open_scorer, score_corpus


@flags.with_recipe_flags(
    "segment", "scorer", "scorer_url", "scorer_model", "scorer_window", "context", "dtype"
)
def score(
    inputs: flags.Inputs,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A .jsonl or .parquet file to write.")
    ],
    fields: dict[str, Any],
    limit: flags.Limit = None,
    question_column: flags.QuestionColumn = None,
    response_column: flags.ResponseColumn = None,
    reasoning_column: flags.ReasoningColumn = None,
    id_column: flags.IdColumn = None,
    question_template: flags.QuestionTemplate = None,
    device: flags.Device = "auto",
) -> None:
    """Score every step of every trace by the surprisal of its first token. Needs no answer.

    Examples:
      asap score traces.jsonl --output scores.parquet --scorer builtin

      asap score traces.jsonl --output scores.parquet --scorer DIR --scorer-url http://127.0.0.1:8000/v1
    """
    recipe = load_recipe("default", fields)
    check_scores_file(output)
    columns = Columns(
        question_column, response_column, reasoning_column, None, id_column, question_template
    )
    corpus = open_corpus(inputs, columns, "nothing")
    is_quiet = not logging.getLogger().isEnabledFor(logging.WARNING)
    n_rows = limit or corpus.n_rows_hint
    with open_scorer(recipe, device) as scorer, RunBar(n_rows, is_quiet, "scoring") as bar:
        bar.say(f"input: {corpus.layout.describe()}")
        counts = score_corpus(
            corpus,
            output,
            scorer,
            recipe.segment,
            limit=limit,
            on_progress=lambda n_rows: bar.advance(Progress(n_rows, 0, 0)),
        )
    terminal = Terminal()
    terminal.say(f"{output}: {counts.total():,} rows, {counts['scored']:,} scored")
    for reason, count in sorted(counts.items()):
        if reason != "scored":
            terminal.say(f"without scores: {count:,} × {reason}")
