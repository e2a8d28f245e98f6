"""`asap judge`: run solutions against a benchmark's tests in the sandbox, and say how they fared.

It generates nothing and extracts nothing: a solution is code. The canonical solutions of the same
problems are judged first, so that every score stands beside what this machine allows.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from asap.bench import (
    BENCHMARKS,
    Dataset,
    Solution,
    check_solutions,
    judge_canonical,
    judge_solutions,
    measure_pass_at_1,
    open_benchmark,
    read_solutions,
    scale_limits,
)
from asap.cli import flags
from asap.cli.progress import RunBar
from asap.cli.terminal import Terminal
from asap.errors import InputError
from asap.judge import (
    CALL_CPU_S,
    PAPER_CALL_WALL_S,
    PAPER_PROGRAM_WALL_S,
    PROGRAM_CPU_S,
    Judge,
    SandboxRecord,
    Verdict,
)
from asap.run import Progress, count_cores
from asap.statistics import Interval


def judge(
    solutions: Annotated[
        Path,
        typer.Argument(
            metavar="SOLUTIONS",
            help="JSONL (.gz, .zst) with id, sample (else 0), solution or null.",
        ),
    ],
    benchmark: Annotated[
        str, typer.Option(metavar="NAME[:PART]", help=f"One of {', '.join(BENCHMARKS)}.")
    ],
    data: flags.Data = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Verdicts, one a line, as JSONL.")
    ] = None,
    timing: flags.JudgeTiming = "robust",
    lcb: flags.JudgeStdin = "real",
    workers: flags.JudgeWorkers = None,
    unsafe: flags.JudgeUnsafe = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Judge solutions by a benchmark's tests, in a sandbox.

    Examples:
      asap judge solutions.jsonl --benchmark humaneval

      asap judge all.jsonl --benchmark livecodebench:v4_v5 --data livecodebench=FOLDER -o out.jsonl
    """
    path = flags.parse_data(data).get(benchmark.partition(":")[0])
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise InputError(f"--output {output} is a folder, or stands in one that does not exist")
    dataset = open_benchmark(benchmark, path)
    answers = check_solutions(dataset, read_solutions(solutions))
    start_s = time.monotonic()
    with Judge(
        workers=workers or count_cores(), timing=timing, stdin=lcb, unsafe=unsafe
    ) as referee:
        ceiling = _find_ceiling(dataset, answers, referee)
        limits = scale_limits(dataset, ceiling) if timing == "robust" else {}
        with _open_writer(output) as write, _show_progress(len(answers), "judging") as step:
            passed: dict[str, list[bool]] = defaultdict(list)
            outcomes: Counter[str] = Counter()
            for solution, verdict in judge_solutions(dataset, answers, referee, limits):
                write(solution, verdict)
                passed[solution.id].append(verdict.outcome == "passed")
                outcomes[verdict.outcome] += 1
                step(verdict)
        seconds = time.monotonic() - start_s
        report = _Report(
            dataset, referee.sandbox, ceiling, limits, list(passed.values()), outcomes, seconds
        )
    if as_json:
        print(json.dumps(report.to_dict()))
    else:
        Terminal().say(*report.describe())


@dataclass(frozen=True)
class _Report:
    """What was found out."""

    dataset: Dataset
    sandbox: SandboxRecord
    ceiling: Mapping[str, Verdict]
    """The canonical solutions' verdicts by id; empty where the benchmark has none."""
    limits: Mapping[str, float]
    """CPU seconds by id, where they were raised."""
    passed: Sequence[Sequence[bool]]
    """Whether the samples passed, for each problem answered."""
    outcomes: Mapping[str, int]
    seconds: float

    @property
    def n_unanswered(self) -> int:
        return len(self.dataset.questions) - len(self.passed)

    @property
    def of_answered(self) -> Interval:
        return measure_pass_at_1(self.passed)

    @property
    def of_all(self) -> Interval:
        return measure_pass_at_1([*self.passed, *[[False]] * self.n_unanswered])

    @property
    def below_ceiling(self) -> dict[str, Verdict]:
        return {id: v for id, v in self.ceiling.items() if v.outcome != "passed"}

    def to_dict(self) -> dict[str, Any]:
        files = [
            {"name": file.name, "sha256": file.sha256, "revision": file.revision}
            for file in self.dataset.files
        ]
        failed = {
            id: {"verdict": verdict.outcome, "message": verdict.message}
            for id, verdict in self.below_ceiling.items()
        }
        n_passed = len(self.ceiling) - len(failed)
        ceiling = {"problems": len(self.ceiling), "passed": n_passed, "failed": failed}
        return {
            "benchmark": self.dataset.name,
            "files": files,
            "sandbox": dataclasses.asdict(self.sandbox),
            "limits": _limits_of(self.sandbox) | {"raised_cpu_s": dict(self.limits)},
            "ceiling": ceiling if self.ceiling else None,
            "problems": len(self.dataset.questions),
            "problems_answered": len(self.passed),
            "samples": sum(map(len, self.passed)),
            "pass_at_1": dataclasses.asdict(self.of_all),
            "pass_at_1_of_answered": dataclasses.asdict(self.of_answered),
            "outcomes": dict(self.outcomes),
            "seconds": round(self.seconds, 3),
        }

    def describe(self) -> list[str]:
        sandbox = self.sandbox
        if sandbox.timing == "paper":
            limits = (
                f"{PAPER_CALL_WALL_S:g} s of wall time for a function, {PAPER_PROGRAM_WALL_S:g} s "
                "for each test of a program"
            )
        else:
            limits = (
                f"{CALL_CPU_S:g} s of CPU time for a function, {PROGRAM_CPU_S:g} s for each test "
                "of a program"
            )
            if self.limits:
                limits += f"; more for {len(self.limits)} problems with slow canonical solutions"
        n_answered, n_all = len(self.passed), len(self.dataset.questions)
        counts = " · ".join(f"{n:,} {name}" for name, n in sorted(self.outcomes.items()))
        return [
            f"{self.dataset.name}: "
            + ", ".join(f"{file.name} (sha256 {file.sha256[:12]})" for file in self.dataset.files),
            f"sandbox: {sandbox.kind}, Landlock ABI {sandbox.landlock_abi}",
            f"limits ({sandbox.timing}): {limits}; {sandbox.memory_mib:,} MiB",
            *self._describe_ceiling(),
            f"Pass@1 of the {n_answered:,} problems in the file: {_show(self.of_answered)}",
            f"Pass@1 of all {n_all:,} problems: {_show(self.of_all)}; {self.n_unanswered:,} not in "
            "the file counted as not passed",
            f"outcomes: {counts}",
            f"time: {self.seconds:.1f} s, {sandbox.workers} at a time",
        ]

    def _describe_ceiling(self) -> list[str]:
        if not self.ceiling:
            return [f"ceiling: unknown, {self.dataset.benchmark.name} has no canonical solutions"]
        failed = self.below_ceiling
        return [
            f"ceiling: {len(self.ceiling) - len(failed):,} of {len(self.ceiling):,} canonical "
            "solutions of these problems pass here",
            *(f"  {id}: {each.outcome}: {each.message}" for id, each in failed.items()),
        ]


def _limits_of(sandbox: SandboxRecord) -> dict[str, Any]:
    if sandbox.timing == "paper":
        return {"call_wall_s": PAPER_CALL_WALL_S, "program_wall_s": PAPER_PROGRAM_WALL_S}
    return {"call_cpu_s": CALL_CPU_S, "program_cpu_s": PROGRAM_CPU_S}


def _show(interval: Interval) -> str:
    return f"{interval.estimate:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def _find_ceiling(
    dataset: Dataset, answers: Sequence[Solution], referee: Judge
) -> dict[str, Verdict]:
    """The canonical solutions of the problems that are answered."""
    ids = {answer.id for answer in answers}
    n_canonical = sum(dataset.questions[id].canonical is not None for id in ids)
    with _show_progress(n_canonical, "canonical solutions") as step:
        return judge_canonical(dataset, referee, ids, step)


@contextmanager
def _show_progress(total: int, verb: str) -> Iterator[Callable[[Verdict], None]]:
    is_quiet = not logging.getLogger().isEnabledFor(logging.WARNING)
    with RunBar(total, is_quiet, verb, "solutions") as bar:
        yield lambda _: bar.advance(Progress(1, 0, 0))


@contextmanager
def _open_writer(output: Path | None) -> Iterator[Callable[[Solution, Verdict], None]]:
    """Lines appear under the output's name once all are there."""
    if output is None:
        yield lambda solution, verdict: None
        return
    temporary = output.with_name(output.name + ".tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:

            def write(solution: Solution, verdict: Verdict) -> None:
                line = {
                    "id": solution.id,
                    "sample": solution.sample,
                    "verdict": verdict.outcome,
                    "test_index": verdict.test_index,
                    "message": verdict.message,
                    "cpu_s": verdict.cpu_s,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

            yield write
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
