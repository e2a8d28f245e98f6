"""`asap verify`: parse the flags, open model and judge, verify, print what went and why."""

from __future__ import annotations

import json
import logging
import shlex
from typing import Annotated

import typer

from asap.chat import ChatLimits
from asap.cli import flags
from asap.cli.progress import RunBar
from asap.cli.server import open_forcing
from asap.cli.terminal import Terminal
from asap.judge import Judge
from asap.rank import VerifyResult, verify_run
from asap.run import Progress, count_cores, read_report


def verify(
    run: flags.Run,
    output: flags.RunOutput,
    model: flags.ServerModel,
    require_passing: Annotated[
        bool,
        typer.Option(
            "--require-passing", help="Exclude rows whose own answer fails its tests, too."
        ),
    ] = False,
    limit: flags.Limit = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens that an answer may have.")] = 2048,
    url: flags.ServerUrl = None,
    engine: flags.ServerEngine = None,
    tokenizer: flags.ServerTokenizer = None,
    dtype: flags.ServerModelDType = "auto",
    window: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Tokens that the model reads; longer rows cannot be checked. "
            "Default: with --engine the model's own, with --url any number.",
            rich_help_panel=flags.SERVER_PANEL,
        ),
    ] = None,
    concurrency: flags.ServerConcurrency = 64,
    timeout_s: flags.ServerTimeout = 3600.0,
    workers: flags.JudgeWorkers = None,
    unsafe: flags.JudgeUnsafe = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Leave out the rows of a run whose answer no longer follows from the kept thinking.

    A model reads each question with the kept thinking and writes the answer; values are compared
    with the row's own, programs run against the row's tests (asap prune --keep-columns examples).
    The same command on an unfinished folder goes on where it stopped and asks nothing twice.

    Examples:
      asap verify pruned -o verified -m NAME --url http://localhost:8000/v1 --tokenizer DIR

      asap verify pruned -o verified -m DIR --engine vllm --require-passing
    """
    n_rows = int(read_report(run, kind="prune").get("counts", {}).get("rows_in", 0))
    limits = ChatLimits(concurrency=concurrency, timeout_s=timeout_s, max_tokens=None)
    is_quiet = not logging.getLogger().isEnabledFor(logging.WARNING)
    judge = Judge(workers=workers or count_cores(), unsafe=unsafe)
    with (
        RunBar(min(limit or n_rows, n_rows), is_quiet, "verifying") as bar,
        open_forcing(
            model,
            url,
            engine,
            tokenizer,
            dtype,
            output,
            limits,
            judge,
            max_tokens=max_tokens,
            window=window,
            say=bar.say,
        ) as forcing,
    ):
        result = verify_run(
            run,
            output,
            forcing.forced,
            forcing.checker,
            require_passing=require_passing,
            limit=limit,
            on_open=lambda is_resumed: (
                bar.say("this was begun before: what is finished stays") if is_resumed else None
            ),
            on_progress=lambda n: bar.advance(Progress(n, 0, 0)),
        )
    if as_json:
        summary = result.summary.to_dict()
        print(json.dumps({"output": str(output), "seconds": round(result.seconds, 3), **summary}))
    else:
        print_summary(result)


def print_summary(result: VerifyResult) -> None:
    """What was left out, on stdout."""
    terminal = Terminal()
    summary = result.summary
    terminal.say(f"{result.folder}: {summary.rows_in:,} rows in, {summary.rows_out:,} out")
    for reason, count in summary.excluded_by_reason.items():
        terminal.say(f"excluded: {count:,} × {reason}")
    terminal.say(f"time: {result.seconds:.1f} s")
    if summary.rows_out:
        terminal.say(
            f"train on it: datasets.load_dataset({str(result.folder)!r})",
            f"look at one: asap show {shlex.quote(str(result.folder))} --row 0",
        )
