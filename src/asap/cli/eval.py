"""`asap eval`: parse the flags, open server, data and judge, evaluate, print the figures."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from asap.bench import (
    BENCHMARKS,
    K_TOKENS,
    Api,
    EvalSettings,
    Extract,
    Generator,
    ModelTokenizer,
    Sampling,
    check_eval,
    evaluate,
    open_benchmark,
)
from asap.chat import ChatLimits
from asap.cli import flags
from asap.cli.progress import EvalBar
from asap.cli.server import check_server, digest_model, open_client
from asap.cli.terminal import Terminal
from asap.errors import InputError
from asap.judge import Judge
from asap.report import Cell, Column, Number, Table, render_terminal
from asap.run import count_cores
from asap.surprisal import find_window

_COLUMNS = (
    Column("budget"),
    *(Column(heading, "Pass@1 %") for heading in ("all", "of finished")),
    *(Column(h, "output") for h in ("tokens", "cut off %", "</think> %", "loops %")),
    *(Column(heading, "seconds") for heading in ("per sample", "median", "p95")),
)
_RATES = ("truncation_rate", "closed_thinking_rate", "loop_rate")
_TIMES = ("amortised_s", "median_s", "p95_s")
_JUDGE = "Judge"
_SAMPLING = "Sampling"


def eval(
    model: flags.ServerModel,
    benchmark: Annotated[
        str,
        typer.Option(
            "--benchmark",
            "-b",
            help=f"Commas between; with part: livecodebench:v4_v5. {', '.join(BENCHMARKS)}.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The run folder to write or to finish.")
    ],
    budgets: Annotated[
        str | None,
        typer.Option(help="Tokens a model may write: 2k,4k,6144. Default: the paper's 6k or 10k."),
    ] = None,
    data: flags.Data = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first problems.")] = None,
    label: Annotated[
        str | None, typer.Option(help="The arm's name in tables; seeds of one arm share it.")
    ] = None,
    prompt_suffix: Annotated[
        str,
        typer.Option(
            help="Put behind every question: what a model trained on tokenskip's or c3ot's rows "
            "was shown, as '<|eot_id|>0.5<|eot_id|>'."
        ),
    ] = "",
    rerun: Annotated[
        bool,
        typer.Option(help="Generate under every budget; else the largest is cut to the smaller."),
    ] = False,
    url: flags.ServerUrl = None,
    engine: flags.ServerEngine = None,
    api: Annotated[
        Api,
        typer.Option(
            help="chat: for servers without /completions; they write the prompt.",
            rich_help_panel=flags.SERVER_PANEL,
        ),
    ] = "completions",
    tokenizer: flags.ServerTokenizer = None,
    dtype: flags.ServerModelDType = "auto",
    concurrency: flags.ServerConcurrency = 64,
    timeout_s: flags.ServerTimeout = 3600.0,
    n_samples: Annotated[
        int, typer.Option(min=1, help="Per problem.", rich_help_panel=_SAMPLING)
    ] = 1,
    temperature: Annotated[
        float, typer.Option(min=0, help="0 is greedy.", rich_help_panel=_SAMPLING)
    ] = 0.0,
    top_p: Annotated[float, typer.Option(min=0, max=1, rich_help_panel=_SAMPLING)] = 1.0,
    seed: Annotated[int, typer.Option(rich_help_panel=_SAMPLING)] = 0,
    extract: Annotated[
        Extract,
        typer.Option(
            help="answer: code after the thinking. paper: a draft in a cut-off thinking counts.",
            rich_help_panel=_JUDGE,
        ),
    ] = "answer",
    timing: flags.JudgeTiming = "robust",
    lcb: flags.JudgeStdin = "real",
    workers: flags.JudgeWorkers = None,
    unsafe: flags.JudgeUnsafe = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure a model: generate under a token budget, judge every answer in a sandbox, report.

    The same command on an unfinished folder goes on where it stopped; with other rules for judging
    it judges again and generates nothing.

    Examples:
      asap eval -m FOLDER --engine vllm -b humaneval,livecodebench:v4_v5 --budgets 2k,4k,6k -o run

      asap eval -m NAME --url http://localhost:8000/v1 --tokenizer DIR -b humaneval -o run
    """
    check_server(url, engine)
    settings = EvalSettings(
        model=model,
        label=label or Path(model).name,
        weights=digest_model(model) if engine else None,
        api=api,
        sampling=Sampling(n_samples, temperature, top_p, seed),
        budgets=parse_budgets(budgets) if budgets else None,
        has_reruns=rerun,
        extract=extract,
        limit=limit,
        prompt_suffix=prompt_suffix,
    )
    paths = flags.parse_data(data)
    datasets = [
        open_benchmark(name, paths.get(name.partition(":")[0]))
        for name in dict.fromkeys(name.strip() for name in benchmark.split(","))
    ]
    is_resumed = check_eval(output, datasets, settings)
    own = ModelTokenizer(tokenizer or model) if api == "completions" else None
    limits = ChatLimits(concurrency=concurrency, timeout_s=timeout_s, max_tokens=None)

    @contextmanager
    def open_generator() -> Iterator[Generator]:
        if engine:
            bar.say(f"starting the server; what it says goes to {output / 'server.log'}")
        with open_client(model, url, engine, dtype, seed, output, limits) as client:
            yield Generator(
                client,
                own,
                settings.sampling,
                find_window(model) if engine else None,
            )

    is_quiet = not logging.getLogger().isEnabledFor(logging.WARNING)
    judge = Judge(workers=workers or count_cores(), timing=timing, stdin=lcb, unsafe=unsafe)
    with EvalBar(is_quiet) as bar:
        if is_resumed:
            bar.say("this evaluation was begun before: what is finished stays")
        report = evaluate(
            output,
            datasets,
            settings,
            tokenizer=own,
            open_generator=open_generator,
            judge=judge,
            on_progress=bar.advance,
        )
    if as_json:
        print(json.dumps({"output": str(output), **report}))
    else:
        print_report(output, report)


def parse_budgets(text: str) -> tuple[int, ...]:
    """Budgets in tokens; k is 1,024.

    Raises:
        InputError: one is no number of tokens.
    """
    budgets = []
    for word in text.lower().split(","):
        digits, is_k = word.strip(), word.strip().endswith("k")
        digits = digits.removesuffix("k")
        if not digits.isdecimal() or not int(digits):
            raise InputError(f"--budgets: '{word}' is no number of tokens; write 2k,4k or 6144")
        budgets.append(int(digits) * (K_TOKENS if is_k else 1))
    return tuple(budgets)


def print_report(folder: Path, report: dict[str, Any]) -> None:
    """The figures as tables on stdout."""
    terminal = Terminal()
    n_samples = report["sampling"]["n_samples"]
    for name, part in report["benchmarks"].items():
        rows = [_describe(int(budget), entry) for budget, entry in part["budgets"].items()]
        title = f"{report['label']} on {name}, {part['n_questions']} problems × {n_samples}"
        notes = (_describe_ceiling(part["ceiling"]), *_describe_errata(part["budgets"]))
        table = Table(title, _COLUMNS, tuple(rows), notes)
        terminal.print(render_terminal(table, terminal))
    sandbox, timings = report["sandbox"], report["timings"]
    terminal.say(
        f"judged in: {sandbox['kind']}, Landlock ABI {sandbox['landlock_abi']}, "
        f"timing {sandbox['timing']}, stdin {sandbox['stdin']}",
        f"time: {timings['generating_s']:.1f} s generating, {timings['judging_s']:.1f} s judging",
        f"compare it: asap compare {shlex.quote(str(folder))} OTHER_RUN",
    )


def _describe(budget: int, entry: dict[str, Any]) -> tuple[Cell, ...]:
    metrics, latency = entry["metrics"], entry["latency"] or {}
    passed = metrics["pass_at_1"]
    return (
        f"{budget:,}",
        Number(100 * passed["estimate"], 1, (100 * passed["low"], 100 * passed["high"])),
        _share(metrics["accuracy_of_finished"]),
        Number(metrics["tokens"]["estimate"]),
        *(_share(metrics[name]) for name in _RATES),
        *(Number(latency[name], 2) if latency else None for name in _TIMES),
    )


def _describe_ceiling(ceiling: dict[str, Any] | None) -> str:
    if ceiling is None:
        return "ceiling: unknown, the benchmark has no canonical solutions"
    failed = ", ".join(f"{id} {outcome}" for id, outcome in ceiling["failed"].items())
    return (
        f"ceiling: {ceiling['n_passed']} of {ceiling['n_problems']} canonical solutions pass here"
        + (f" (not: {failed})" if failed else "")
    )


def _describe_errata(budgets: dict[str, Any]) -> list[str]:
    """What Pass@1 is without the problems that the benchmark's authors call broken."""
    return [
        f"without the problems that are known to be broken, at {int(budget):,}: "
        f"{100 * entry['metrics_without_errata']['pass_at_1']['estimate']:.1f} % of "
        f"{entry['metrics_without_errata']['n_problems']}"
        for budget, entry in budgets.items()
        if "metrics_without_errata" in entry
    ]


def _share(value: float | None) -> Cell:
    return None if value is None else Number(100 * value, 1)
