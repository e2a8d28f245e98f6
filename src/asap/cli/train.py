"""`asap train`: parse the flags, show what is trained on, train, print the figures."""

from __future__ import annotations

import json
import logging
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from asap.bench import BENCHMARKS, open_benchmark
from asap.cli import flags
from asap.cli.progress import TrainBar
from asap.cli.terminal import Terminal
from asap.errors import InputError
from asap.train import (
    Mix,
    ProblemIndex,
    Shown,
    Tracker,
    TrainRecipe,
    TrainRequest,
    TrainResult,
    index_problems,
    load_train_recipe,
    preview,
    shipped_train_recipes,
    train_model,
)

_EXAMPLE_CHARACTERS = 400
"""Shown of the example's masked part and of its trained part: the begin and the end of each."""
_OVERLAPS_SHOWN = 5


@flags.with_recipe_flags(recipe=TrainRecipe)
def train(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run folder, or a data set with 'prompt' and 'completion'."
        ),
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="builtin, a folder or a Hub id.")],
    fields: dict[str, Any],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the model, or to go on in.")
    ],
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            "-r",
            help=f"A shipped recipe ({', '.join(shipped_train_recipes())}) or a file.",
        ),
    ] = "paper-qwen-7b",
    same_rows: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN",
            help="The run folder of another arm of a comparison: only rows that all arms hold are "
            "trained on. May come several times.",
        ),
    ] = None,
    mix: Annotated[
        str | None, typer.Option(help="Rows to add: a run folder or a data set.")
    ] = None,
    mix_share: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of all rows that those of --mix make up."),
    ] = None,
    allow_empty_prompts: Annotated[
        bool, typer.Option("--allow-empty-prompts", help="Train on rows without a prompt too.")
    ] = False,
    decontaminate: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="List rows that share long n-grams with problems of these benchmarks, commas "
            f"between: {', '.join(BENCHMARKS)}.",
        ),
    ] = None,
    data: flags.Data = None,
    device: Annotated[
        Literal["auto", "cpu"], typer.Option(help="cpu leaves a GPU alone.")
    ] = "auto",
    track: Annotated[
        Tracker | None, typer.Option(help="Log there as well; nothing leaves the machine else.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be trained on, and stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Fine-tune a model on pruned traces, with the loss on the completion alone.

    The same command on an unfinished folder goes on from the last checkpoint. On several GPUs:
    accelerate launch -m asap.cli.main train ...

    Examples:
      asap train pruned -m Qwen/Qwen2.5-7B-Instruct -r lora-24gb -o tuned

      asap train asap-run -m DIR -r paper-qwen-7b --same-rows original-run -o tuned

      asap train pruned -m builtin -r builtin-cpu --dry-run -o tuned
    """
    request = TrainRequest(
        source=source,
        model=model,
        recipe=load_train_recipe(recipe, fields),
        same_rows=tuple(same_rows or ()),
        mix=_read_mix(mix, mix_share),
        allow_empty_prompts=allow_empty_prompts,
        problems=_read_problems(decontaminate, data),
    )
    terminal = Terminal(stderr=True)
    if dry_run:
        print_shown(terminal, preview(request), is_dry_run=True)
        return
    is_quiet = not logging.getLogger().isEnabledFor(logging.WARNING)
    is_begun = False
    with TrainBar(is_quiet) as bar:

        def show(shown: Shown, is_resumed: bool) -> None:
            nonlocal is_begun
            is_begun = True
            if is_resumed:
                bar.say("this training was begun before: it goes on from its last checkpoint")
            if not is_quiet:
                print_shown(terminal, shown)

        result = train_model(
            request,
            output,
            device=device,
            track=track,
            on_rows=bar.read,
            on_data=show,
            on_log=bar.log,
        )
    if as_json:
        print(json.dumps({"output": str(output), **result.report}))
    elif "training" in result.report:
        if not is_begun:
            terminal.say(f"this training was finished on {result.report['finished']}:")
        print_result(result)


def _read_mix(source: str | None, share: float | None) -> Mix | None:
    if source is None and share is None:
        return None
    if source is None or share is None:
        raise InputError("--mix FILE and --mix-share go together")
    if share in (0.0, 1.0):
        raise InputError(f"--mix-share {share:g}: must be above 0 and below 1")
    return Mix(source, share)


def _read_problems(names: str | None, data: list[str] | None) -> ProblemIndex | None:
    """The problems of the benchmarks that `--decontaminate` names."""
    if not names:
        if data:
            raise InputError("--data names a benchmark's file; --decontaminate names the benchmark")
        return None
    paths = flags.parse_data(data)
    opened = [
        open_benchmark(name, paths.get(name.partition(":")[0]))
        for name in dict.fromkeys(name.strip() for name in names.split(","))
    ]
    index = index_problems({each.name: each.questions.values() for each in opened})
    if index.unchecked:
        Terminal(stderr=True).say(
            f"decontaminate: {len(index.unchecked):,} problems are too short to be looked for"
        )
    return index


def print_shown(terminal: Terminal, shown: Shown, *, is_dry_run: bool = False) -> None:
    """What is trained on, what is left out, and the first row with its mask."""
    data = shown.data
    listed = "a training lists them" if is_dry_run else "listed"
    how_many = ", all there are" if data.n_mixed == data.n_mixable else ""
    terminal.say(
        f"rows: {data.n_rows:,} to train on"
        + (f" ({data.n_mixed:,} mixed in{how_many})" if data.n_mixed else "")
        + (f", {data.n_eval:,} held out" if data.n_eval else "")
    )
    for reason, count in data.left_out.items():
        limit = f", {shown.max_length:,} tokens" if reason == "over_max_length" else ""
        terminal.say(f"left out: {count:,} × {reason}{limit} ({listed} in excluded.jsonl)")
    if shown.overlaps is not None:
        n_rows = len({(each.row, each.variant) for each in shown.overlaps})
        terminal.say(
            f"rows that share long n-grams with benchmarks' problems: {n_rows:,}"
            + f" ({listed} in contaminated.jsonl; they are trained on all the same)" * bool(n_rows)
        )
        for each in sorted(shown.overlaps, key=lambda each: -each.coverage)[:_OVERLAPS_SHOWN]:
            terminal.say(
                f"  row {each.row} ({each.id}): {each.coverage:.0%} of {each.benchmark} "
                f"{each.problem_id}, in its {each.where}"
            )
    n_tokens = data.masked_tokens + data.trained_tokens
    terminal.say(
        f"tokens: {n_tokens:,}, {data.tokens_per_sample:,.0f} a row; masked (prompt) "
        f"{data.masked_tokens:,}, trained on (completion) {data.trained_tokens:,}",
        f"template: {shown.template}; the first row, masked part in brackets:",
    )
    terminal.say(f"[[{_shorten(shown.masked_text)}]]{_shorten(shown.trained_text)}", "")


def print_result(result: TrainResult) -> None:
    """What came of it, on stdout."""
    training, data = result.report["training"], result.report["data"]
    losses = [line["loss"] for line in result.report["log"] if "loss" in line]
    evals = [line["eval_loss"] for line in result.report["log"] if "eval_loss" in line]
    terminal = Terminal()
    step = training["seconds_per_step"]
    terminal.say(
        f"loss: {losses[0]:.3f} at the start, {losses[-1]:.3f} at the end"
        + (f"; held out: {evals[-1]:.3f}" if evals else ""),
        f"steps: {training['n_steps']:,}"
        + (f", {step:.2f} s each" if step is not None else "")
        + f"; tokens a row: {data['tokens_per_sample']:,.0f}; "
        f"peak memory: {training['peak_memory_mib']:,.0f} MiB; time: {training['seconds']:,.0f} s",
        f"the model is in {result.folder}",
        f"measure it: asap eval --model {shlex.quote(str(result.folder))} --engine transformers "
        "--benchmark humaneval --output eval",
    )


def _shorten(text: str) -> str:
    if len(text) <= 2 * _EXAMPLE_CHARACTERS:
        return text
    n_left_out = len(text) - 2 * _EXAMPLE_CHARACTERS
    return (
        f"{text[:_EXAMPLE_CHARACTERS]} [... {n_left_out:,} characters ...] "
        f"{text[-_EXAMPLE_CHARACTERS:]}"
    )
