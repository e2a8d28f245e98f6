"""The run folder of an evaluation: what stands in it, and how it is read back.

`report.json` says what was done; `completions.parquet` and `verdicts.parquet` have one row per
(benchmark, problem, sample, budget), and are joined by that key. What was cut to a smaller budget
has rows of its own, without times, so that a folder can be read without a tokenizer.
`questions.parquet` has what was asked, once per problem; older folders lack it.
Nothing here generates, judges or measures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from asap.bench.benchmark import Question
from asap.bench.completion import Completion
from asap.bench.metrics import Graded, Latency
from asap.errors import RunFolderError
from asap.judge import Verdict
from asap.place import refuse_remote

FORMAT_VERSION = 1
"""What `report.json` says of the folder's layout; another number is refused by name."""

_KEY = [
    ("benchmark", pa.string()),
    ("id", pa.string()),
    ("sample", pa.int32()),
    ("budget_tokens", pa.int32()),
]
COMPLETIONS = pa.schema(
    [
        *_KEY,
        ("prompt_ids", pa.list_(pa.int32())),
        ("completion_ids", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("n_tokens", pa.int32()),
        ("finish_reason", pa.string()),
        ("first_token_s", pa.float64()),
        ("total_s", pa.float64()),
    ]
)
"""Columns of `completions.parquet`; `benchmark` is the dataset's name with its part."""
VERDICTS = pa.schema(
    [
        *_KEY,
        ("verdict", pa.string()),
        ("test_index", pa.int32()),
        ("message", pa.string()),
        ("cpu_s", pa.float64()),
    ]
)
"""Columns of `verdicts.parquet`."""
QUESTIONS = pa.schema([("benchmark", pa.string()), ("id", pa.string()), ("prompt", pa.string())])
"""Columns of `questions.parquet`; `prompt` is without the run's `prompt_suffix`."""

_ROWS_PER_GROUP = 256
"""Some 30 MB of ids and text at 10k tokens each."""


class Ceiling(BaseModel):
    """How many of the canonical solutions the judge passed."""

    n_problems: int
    n_passed: int


class _Latency(BaseModel):
    amortised_s: float
    median_s: float
    p95_s: float


class _Budget(BaseModel):
    latency: _Latency | None


class _BenchmarkEntry(BaseModel):
    ceiling: Ceiling | None
    budgets: dict[int, _Budget]


class _Report(BaseModel):
    label: str | None = None
    model: str
    seed: int
    benchmarks: dict[str, _BenchmarkEntry]


def write_graded(folder: Path, graded: Iterable[Graded]) -> None:
    """Write `completions.parquet` and `verdicts.parquet`, each whole or not at all.

    Args:
        folder: the run folder, which exists.
        graded: all of the run; taken piece by piece, so that memory does not hold all of it.
            Reading is fast where benchmarks and budgets stand together.
    """
    paths = [folder / "completions.parquet", folder / "verdicts.parquet"]
    temporary = [path.with_suffix(".tmp") for path in paths]
    try:
        with ExitStack() as stack:
            writers = [
                stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
                for path, schema in zip(temporary, (COMPLETIONS, VERDICTS), strict=True)
            ]
            for batch in _cut(graded):
                completions = [_row_of_completion(each.completion) for each in batch]
                verdicts = [_row_of_verdict(each) for each in batch]
                for writer, rows in zip(writers, (completions, verdicts), strict=True):
                    writer.write_table(pa.Table.from_pylist(rows, writer.schema))
        for one, path in zip(temporary, paths, strict=True):
            os.replace(one, path)
    finally:
        for one in temporary:
            one.unlink(missing_ok=True)


def write_questions(folder: Path, questions: Mapping[str, Sequence[Question]]) -> None:
    """Write `questions.parquet`, whole or not at all.

    Args:
        folder: the run folder, which exists.
        questions: what was asked, by benchmark with its part.
    """
    rows = [
        {"benchmark": name, "id": question.id, "prompt": question.prompt}
        for name, asked in questions.items()
        for question in asked
    ]
    path = folder / "questions.parquet"
    temporary = path.with_suffix(".tmp")
    pq.write_table(pa.Table.from_pylist(rows, QUESTIONS), temporary, compression="zstd")
    os.replace(temporary, path)


@dataclass(frozen=True)
class EvalRun:
    """A finished evaluation, as its folder holds it."""

    folder: Path
    report: Mapping[str, Any]
    """`report.json`, checked."""

    @property
    def label(self) -> str:
        """What tables call it; runs of one label are one arm with several training seeds."""
        return self.report.get("label") or str(self.report["model"])

    def budgets(self) -> dict[str, tuple[int, ...]]:
        """Budgets in tokens by benchmark, ascending."""
        benchmarks = self.report["benchmarks"]
        return {name: tuple(sorted(map(int, benchmarks[name]["budgets"]))) for name in benchmarks}

    def ceiling(self, benchmark: str) -> Ceiling | None:
        """What the canonical solutions reached; None where the benchmark has none."""
        ceiling = self.report["benchmarks"][benchmark]["ceiling"]
        return None if ceiling is None else Ceiling.model_validate(ceiling)

    def latency(self, benchmark: str, budget_tokens: int) -> Latency | None:
        """Seconds; None where completions were cut to the budget."""
        latency = self.report["benchmarks"][benchmark]["budgets"][str(budget_tokens)]["latency"]
        if latency is None:
            return None
        return Latency(**_Latency.model_validate(latency).model_dump())

    def graded(self, benchmark: str, budget_tokens: int) -> list[Graded]:
        """Completions of a benchmark under a budget, with their verdicts.

        Raises:
            RunFolderError: the files are missing or damaged, hold nothing of it, or a completion
                stands without its verdict, or a verdict without its completion.
        """
        where = f"{benchmark} under {budget_tokens} tokens"
        completions = self._read("completions.parquet", benchmark, budget_tokens)
        verdicts = self._read("verdicts.parquet", benchmark, budget_tokens)
        if not completions:
            raise RunFolderError(f"{self.folder} holds nothing of {where}")
        if odd := sorted(completions.keys() ^ verdicts.keys()):
            id, sample = odd[0]
            missing = "verdict" if odd[0] in completions else "completion"
            raise RunFolderError(
                f"{self.folder}, {where}: sample {sample} of {id} has no {missing}; "
                "run the same `asap eval` command again"
            )
        return [
            Graded(Completion(**row), _verdict_of_row(verdicts[key]))
            for key, row in completions.items()
        ]

    def _read(
        self, name: str, benchmark: str, budget_tokens: int
    ) -> dict[tuple[str, int], dict[str, Any]]:
        """Rows by problem and sample."""
        path = self.folder / name
        wanted = [("benchmark", "=", benchmark), ("budget_tokens", "=", budget_tokens)]
        try:
            rows = _read_rows(path, wanted)
            by_key = {(row["id"], row["sample"]): row for row in rows}
        except (OSError, KeyError, pa.ArrowException) as error:
            reason = str(error).partition("\n")[0]
            raise RunFolderError(f"cannot read {path}: {reason}") from None
        if len(by_key) < len(rows):
            raise RunFolderError(f"{path} holds a sample of {benchmark} more than once")
        return by_key


def read_eval_report(folder: Path) -> dict[str, Any]:
    """The report of an evaluation, finished or not.

    Raises:
        RunFolderError: there is none, or it is of another kind or format.
    """
    refuse_remote(folder)
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunFolderError(f"{folder} is no run folder: it has no report.json") from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {error}") from None
    if not isinstance(report, dict) or "kind" not in report:
        raise RunFolderError(f"{path} is not a report of asap")
    if report["kind"] != "eval":
        raise RunFolderError(f"{folder} is a run of kind '{report['kind']}', not 'eval'")
    if report.get("format_version") != FORMAT_VERSION:
        raise RunFolderError(
            f"{folder} has format version {report.get('format_version')}; "
            f"this asap reads {FORMAT_VERSION}"
        )
    return report


def open_eval_run(folder: Path) -> EvalRun:
    """Open the folder of a finished evaluation.

    Raises:
        RunFolderError: there is no such folder or no run in it, it is of another kind or format,
            or it is not finished.
    """
    refuse_remote(folder)
    if not folder.exists():
        raise RunFolderError(f"there is no folder {folder}")
    report = read_eval_report(folder)
    if report.get("status") != "finished":
        raise RunFolderError(
            f"{folder} is not finished; run the same `asap eval` command to finish it"
        )
    try:
        _Report.model_validate(report)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RunFolderError(
            f"{folder / 'report.json'} is damaged: {place}: {first['msg']}"
        ) from None
    return EvalRun(folder, report)


def _read_rows(path: Path, wanted: list[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    """Rows as they stand there, token ids as tuples.

    An evaluation has millions of ids, which take ten times as long one list at a time.
    """
    table = pq.read_table(path, filters=wanted)
    ids = [name for name in ("prompt_ids", "completion_ids") if name in table.column_names]
    tuples = {name: _read_ids(table[name].combine_chunks()) for name in ids}
    rows: list[dict[str, Any]] = table.drop_columns(ids).to_pylist()
    return [
        {**row, **{name: column[n] for name, column in tuples.items()}}
        for n, row in enumerate(rows)
    ]


def _read_ids(column: pa.ListArray) -> list[tuple[int, ...] | None]:
    values = column.values.to_numpy(zero_copy_only=False)
    bounds = column.offsets.to_pylist()
    return [
        tuple(values[start:end].tolist()) if is_there else None
        for is_there, start, end in zip(
            column.is_valid().to_pylist(), bounds, bounds[1:], strict=False
        )
    ]


def _cut(graded: Iterable[Graded]) -> Iterator[list[Graded]]:
    """Pieces of at most `_ROWS_PER_GROUP`."""
    rest = iter(graded)
    while batch := list(islice(rest, _ROWS_PER_GROUP)):
        yield batch


def _row_of_completion(completion: Completion) -> dict[str, Any]:
    return {name: getattr(completion, name) for name in COMPLETIONS.names}


def _row_of_verdict(graded: Graded) -> dict[str, Any]:
    completion, verdict = graded.completion, graded.verdict
    key = {name: getattr(completion, name) for name, _ in _KEY}
    return key | {
        "verdict": verdict.outcome,
        "test_index": verdict.test_index,
        "message": verdict.message,
        "cpu_s": verdict.cpu_s,
    }


def _verdict_of_row(row: dict[str, Any]) -> Verdict:
    return Verdict(row["verdict"], row["test_index"], row["message"], row["cpu_s"])
