"""A prune run without the rows whose answer no longer follows from what was kept of the thinking.

Each row of `data/` has its answer forced (`forced`) and held against its own (`own_answer`). What
comes out is a prune run again, by the same shards; `forced/` holds the answers. Nothing is pruned
here, and rows that prune excluded stay excluded for prune's reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from asap.errors import RunFolderError
from asap.rank.forced import Begun, ForcedAnswer, ForcedAnswers
from asap.rank.own_answer import AnswerChecker, OwnResult, Reference, read_reference
from asap.run import Ledger, Recipe, Summary, load_recipe, read_report, summarise
from asap.trace import CLOSING, OPENING

VERIFY_REASONS: dict[str, str] = {
    "answer_not_reached": "the answer forced from the kept thinking differs from the row's own",
    "answer_not_checkable": "no answer can be held against the row's own",
    "tests_failed": "the row's own answer fails its tests",
}
"""Every reason for which verifying excludes a row, with its meaning."""

_FORCED = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.string()),
        ("variant", pa.string()),
        ("answer", pa.string()),
        ("is_cut", pa.bool_()),
        ("is_reached", pa.bool_()),
        ("detail", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What `verify_run` gives back."""

    folder: Path
    summary: Summary
    """As of a prune run; the rows that were excluded here are among the excluded ones."""
    is_resumed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class _Judged:
    """One row of `data/`, judged."""

    reason: str
    """Of `VERIFY_REASONS`; empty where the answer is reached."""
    detail: str
    answer: ForcedAnswer | None = None
    is_reached: bool | None = None


def verify_run(
    run: Path,
    output: Path,
    forced: ForcedAnswers,
    checker: AnswerChecker,
    *,
    require_passing: bool = False,
    limit: int | None = None,
    on_open: Callable[[bool], None] = lambda _: None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> VerifyResult:
    """Write a prune run without the rows whose answer is no longer reached, or finish doing so.

    Args:
        run: a finished prune run. Programs are judged by the column `examples` of its `data/`, if
            it was kept (`--keep-columns examples`).
        output: the new run folder; one of the same command is finished, any other is refused.
        forced: the model that answers.
        checker: compares answers.
        require_passing: exclude rows whose own answer fails its tests, too.
        limit: only the first rows of the run.
        on_open: called once the folder is known to be this run's, with whether it is a resume.
        on_progress: told how many rows of the run have been dealt with since the last call.

    Raises:
        RunFolderError: `run` is no finished prune run, or `output` holds something else.
        RunStopped: answers could not be had; the same call goes on.
        ModelError: the server reads prompts otherwise than the tokenizer writes them.
        SandboxError: there are programs, and no safe sandbox can be had here.
    """
    started = time.perf_counter()
    report = read_report(run, kind="prune")
    if report.get("status") != "finished":
        raise RunFolderError(f"{run} is not finished: give its asap prune command again first")
    source, ledger = Ledger(run), Ledger(output)
    settings = {
        "model": forced.name,
        "max_tokens": forced.max_tokens,
        "window": forced.window,
        "require_passing": require_passing,
        "limit": limit,
    }
    identity = {
        **report["identity"],
        **{f"verify.{name}": value for name, value in settings.items()},
        # The same asap prune command must not take this folder for its own.
        "input": f"verified {report['identity'].get('input')}",
    }
    is_resumed = ledger.open(identity)
    on_open(is_resumed)
    ledger.write_text("recipe.yaml", (run / "recipe.yaml").read_text("utf-8"))
    n_left, finished = limit, set(ledger.finished_shards())
    for shard in source.finished_shards():
        if n_left is not None and n_left <= 0:
            break
        n_rows = min(source.count_rows(shard), n_left if n_left is not None else 1 << 62)
        if shard in finished:
            on_progress(n_rows)
        else:
            work = _Shard(source, shard, n_rows, forced, checker, require_passing)
            work.write(ledger, on_progress)
        n_left = None if n_left is None else n_left - n_rows
    ledger.write_excluded()
    recipe = load_recipe(str(run / "recipe.yaml"))
    summary = summarise(ledger, recipe.budget_tokens)
    result = VerifyResult(output, summary, is_resumed, time.perf_counter() - started)
    _write_card(ledger, run, recipe, summary, settings)
    ledger.write_report(_report(report, identity, result, settings))
    return result


class _Shard:
    """One shard of a run on its way into another.

    Args:
        source: the run.
        shard: its number.
        n_rows: how many of its rows are verified.
        forced: the model that answers.
        checker: compares.
        require_passing: see `verify_run`.
    """

    def __init__(
        self,
        source: Ledger,
        shard: int,
        n_rows: int,
        forced: ForcedAnswers,
        checker: AnswerChecker,
        require_passing: bool,
    ) -> None:
        self._number = shard
        self._forced = forced
        self._checker = checker
        self._require_passing = require_passing
        self._traces = source.read_traces(shard).slice(0, n_rows)
        self._answers = dict(self._columns("row", "answer"))
        data = source.read_data(shard)
        self._schema = data.schema
        self._data = [record for record in data.to_pylist() if record["row"] in self._answers]

    def write(self, ledger: Ledger, on_progress: Callable[[int], None]) -> None:
        """Verify its rows and write them."""
        n_kept = len({record["row"] for record in self._data})
        on_progress(self._traces.num_rows - n_kept)
        judged = self._judge(on_progress)
        faults: dict[int, _Judged] = {}
        for record, each in zip(self._data, judged, strict=True):
            if each.reason:
                faults.setdefault(record["row"], each)
        data = [record for record in self._data if record["row"] not in faults]
        rows = [_describe(record, each) for record, each in zip(self._data, judged, strict=True)]
        ledger.write_shard(
            self._number,
            pa.Table.from_pylist(data, self._schema),
            self._exclude(faults),
            {"forced": pa.Table.from_pylist(rows, _FORCED)},
        )

    def _columns(self, *names: str) -> Any:
        return zip(*(self._traces.column(name).to_pylist() for name in names), strict=True)

    def _judge(self, on_progress: Callable[[int], None]) -> list[_Judged]:
        """What becomes of each row of `data/`; only those that can be checked are asked about."""
        references = [self._refer(record) for record in self._data]
        owns = self._checker.judge_own(references)
        judged = [self._judge_own(own) for own in owns]
        firsts = {record["row"]: i for i, record in reversed(list(enumerate(self._data)))}
        asked = [i for i, each in enumerate(judged) if not each.reason]
        on_progress(len(set(firsts.values()) - set(asked)))

        def tell(position: int) -> None:
            is_first = firsts[self._data[asked[position]]["row"]] == asked[position]
            on_progress(int(is_first))

        answers = self._forced.answer([self._begin(self._data[i]) for i in asked], tell)
        answered: dict[int, ForcedAnswer] = {}
        for i, answer in zip(asked, answers, strict=True):
            if answer is None:
                detail = f"question, thinking and answer exceed {self._forced.window:,} tokens"
                judged[i] = _Judged("answer_not_checkable", detail)
            else:
                answered[i] = answer
        found = self._checker.find_reached(
            [(answer.text, references[i], owns[i]) for i, answer in answered.items()]
        )
        for (i, answer), (is_reached, detail) in zip(answered.items(), found, strict=True):
            cut = f"; the answer was cut off at {self._forced.max_tokens:,} tokens"
            detail += cut if detail and answer.is_cut else ""
            reason = "" if is_reached else "answer_not_reached"
            judged[i] = _Judged(reason, detail, answer, is_reached)
        return judged

    def _judge_own(self, own: OwnResult) -> _Judged:
        if self._require_passing and own.passes is False:
            return _Judged("tests_failed", own.fault or "the row's own answer fails its tests")
        return _Judged("answer_not_checkable" if own.fault else "", own.fault)

    def _refer(self, record: Mapping[str, Any]) -> Reference:
        return read_reference(f"row {record['row']}", self._answers[record["row"]], record)

    def _begin(self, record: Mapping[str, Any]) -> Begun:
        ending = CLOSING + self._answers[record["row"]]
        thinking = record["completion"].removeprefix(OPENING).removesuffix(ending)
        return Begun(f"row {record['row']} {record['variant']}".strip(), record["prompt"], thinking)

    def _exclude(self, faults: Mapping[int, _Judged]) -> pa.Table:
        """The evidence, with what became of the rows; their steps stay to be looked at."""
        changed = {"outcome": [], "reason": [], "detail": []}  # type: dict[str, list[Any]]
        for row, outcome, reason, detail in self._columns("row", "outcome", "reason", "detail"):
            fault = faults.get(row)
            changed["outcome"].append("excluded" if fault else outcome)
            changed["reason"].append(fault.reason if fault else reason)
            changed["detail"].append(fault.detail if fault else detail)
        table = self._traces
        for name, values in changed.items():
            at = table.schema.get_field_index(name)
            table = table.set_column(at, name, pa.array(values, pa.string()))
        return table


def _describe(record: Mapping[str, Any], judged: _Judged) -> dict[str, Any]:
    answer = judged.answer
    return {
        **{name: record[name] for name in ("row", "id", "variant")},
        "answer": answer.text if answer else None,
        "is_cut": answer.is_cut if answer else None,
        "is_reached": judged.is_reached,
        "detail": judged.detail,
    }


def _report(
    report: Mapping[str, Any],
    identity: Mapping[str, Any],
    result: VerifyResult,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """The run's own report, with what verifying has changed."""
    finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        **report,
        "identity": dict(identity),
        "counts": result.summary.to_dict(),
        "verify": dict(settings),
        "llm": None,
        "timings": {"finished": finished, "seconds": round(result.seconds, 3), "by_stage_s": {}},
    }


def _write_card(
    ledger: Ledger, run: Path, recipe: Recipe, summary: Summary, settings: Mapping[str, Any]
) -> None:
    """`README.md`, with the front matter of the run's own (its licence, how it loads)."""
    old = (run / "README.md").read_text("utf-8")
    head = yaml.safe_load(old.split("---\n")[1])
    excluded = "\n".join(
        f"| {name} | {count:,} |" for name, count in summary.excluded_by_reason.items()
    )
    text = f"""---
{yaml.safe_dump(head, sort_keys=False)}---
# Pruned reasoning traces, verified

Made by `asap verify` from a run of `asap prune`: `{settings["model"]}` read each question with the
kept thinking and wrote the answer, of at most {settings["max_tokens"]:,} tokens. Rows whose answer
it did not come to are left out.

Rows: {summary.rows_in:,} in, {summary.rows_out:,} out.

| excluded because | rows |
|---|---:|
{excluded or "| (none) | 0 |"}

`data/` holds the rows to train on, `traces/` the evidence for each, `forced/` the answers that were
compared. The recipe that pruned them:

```yaml
{recipe.to_yaml()}```
"""
    ledger.write_text("README.md", text)
