"""One evaluation from beginning to end: generate what is missing, judge what is not judged yet,
measure, write the run folder. The parts are elsewhere; here is their order.

All is generated before anything is judged, so that server and judge do not slow each other down.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from asap.bench.benchmark_run import BenchmarkRun, EvalSettings, OnProgress
from asap.bench.dataset import Dataset
from asap.bench.eval_folder import FORMAT_VERSION, read_eval_report, write_graded, write_questions
from asap.bench.generate import Generator
from asap.bench.ledger import LEDGER, EvalLedger
from asap.bench.model_tokenizer import ModelTokenizer
from asap.errors import RunFolderError
from asap.judge import Judge


def evaluate(
    folder: Path,
    datasets: Sequence[Dataset],
    settings: EvalSettings,
    *,
    tokenizer: ModelTokenizer | None,
    open_generator: Callable[[], AbstractContextManager[Generator]],
    judge: Judge,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Evaluate a model, or finish what was begun in the folder.

    Args:
        folder: the run folder; what stands there is not generated or judged again.
        datasets: the benchmarks.
        settings: what is to be done.
        tokenizer: the model's; None where prompts are conversations.
        open_generator: opens the way to the model; called only if something must be generated.
        judge: entered by this function, after the generator is closed.
        on_progress: told of every completion and verdict.

    Returns:
        The report, as it stands in `report.json`.

    Raises:
        RunFolderError: the folder holds something else.
        RunStopped: completions could not be had; the same call goes on.
        UserError: model, data or machine are not fit; the message says how.
    """
    started = time.monotonic()
    identity = _identify(datasets, settings)
    if check_eval(folder, datasets, settings):
        # Benchmarks of earlier commands have completions here too: their data must not change.
        identity["data"] = read_eval_report(folder)["identity"]["data"] | identity["data"]
    folder.mkdir(parents=True, exist_ok=True)
    head = {
        "kind": "eval",
        "format_version": FORMAT_VERSION,
        "status": "unfinished",
        "identity": identity,
        "label": settings.label,
        "model": settings.model,
        "seed": settings.sampling.seed,
    }
    _write_report(folder, head)
    tell = on_progress or (lambda *_: None)
    with EvalLedger(folder / LEDGER) as ledger:
        runs = [BenchmarkRun(dataset, settings, ledger, tokenizer) for dataset in datasets]
        _generate_missing(runs, open_generator, tell)
        generated_s = time.monotonic() - started
        with judge:
            for run in runs:
                run.judge(judge, tell)
            sandbox = asdict(judge.sandbox)
        write_questions(folder, {run.dataset.name: run.questions for run in runs})
        write_graded(folder, (graded for run in runs for graded in run.graded()))
        report = {
            **head,
            "status": "finished",
            "extract": settings.extract,
            "sampling": asdict(settings.sampling),
            "benchmarks": {run.dataset.name: run.report() for run in runs},
            "timing": sandbox["timing"],
            "sandbox": sandbox,
            "versions": _find_versions(),
            "timings": {
                "generating_s": generated_s,
                "judging_s": time.monotonic() - started - generated_s,
            },
        }
    return _write_report(folder, report)


def check_eval(folder: Path, datasets: Sequence[Dataset], settings: EvalSettings) -> bool:
    """Whether there is something to go on with. A folder in which nothing was generated yet, say
    because no server was named, is taken over, whatever it was to hold. Changes nothing.

    Raises:
        RunFolderError: the folder holds something else; the difference is named.
    """
    if not (folder / "report.json").exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunFolderError(f"{folder} exists and is no run folder; name another --output")
        return False
    there = read_eval_report(folder)
    if not EvalLedger.has_completions(folder / LEDGER):
        return False
    here = _identify(datasets, settings)
    data_there, data_here = there["identity"]["data"], here["data"]
    pairs = {name: (there["identity"].get(name), value) for name, value in here.items()}
    pairs["data"] = ("", "")
    for name in data_here.keys() & data_there.keys():
        pairs[f"the data of {name}"] = (data_there[name], data_here[name])
    for name, (one, other) in pairs.items():
        if one != other:
            raise RunFolderError(
                f"{folder} holds another evaluation: {name} is {json.dumps(one)} there and "
                f"{json.dumps(other)} here; name another --output"
            )
    return True


def _generate_missing(
    runs: Sequence[BenchmarkRun],
    open_generator: Callable[[], AbstractContextManager[Generator]],
    tell: OnProgress,
) -> None:
    """Generate until nothing is missing; where nothing is, no server is started."""
    generator: Generator | None = None
    with ExitStack() as stack:
        for run in runs:
            while wanted := run.find_missing():
                generator = generator or stack.enter_context(open_generator())
                run.generate(generator, wanted, tell)


def _identify(datasets: Sequence[Dataset], settings: EvalSettings) -> dict[str, Any]:
    data = {dataset.name: [file.sha256 for file in dataset.files] for dataset in datasets}
    return {**settings.identity(), "data": data}


def _find_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("asap-cot", "openai", "transformers"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _write_report(folder: Path, report: Mapping[str, Any]) -> dict[str, Any]:
    """Write it whole or not at all; returned as it will be read."""
    temporary = folder / "report.json.tmp"
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, folder / "report.json")
    read: dict[str, Any] = json.loads(text)
    return read
