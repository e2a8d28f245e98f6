"""Which rows are trained on, as ids on disk: those that fit `max_length`, in a comparison those
that every arm can hold, and rows mixed in. What is left out is counted and listed, with its reason.

Not the trainer: what comes out are Arrow files that it reads without loading them.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import pyarrow as pa

from asap.errors import InputError
from asap.train.rows import TrainRow, read_rows
from asap.train.template import Example, Template

_BATCH_ROWS = 256
_SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int32())),
        ("length", pa.int32()),
    ]
)
_MASKED = -100
"""The label that torch's cross entropy leaves out."""

LeftOutReason = Literal["empty_prompt", "over_max_length", "not_in_every_arm"]
TRAIN_REASONS: dict[LeftOutReason, str] = {
    "empty_prompt": "the prompt is empty: the model would learn to think about nothing",
    "over_max_length": "prompt and completion have more tokens than `max_length`",
    "not_in_every_arm": "an arm named with `--same-rows` excluded the row or cannot hold it",
}
"""What each reason means."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Rows of another source that are trained on as well."""

    source: str
    share: float
    """Of all rows trained on, in (0, 1)."""


@dataclass(frozen=True, slots=True)
class DataPlan:
    """What is to be trained on."""

    source: str
    max_length: int
    same_rows: tuple[str, ...] = ()
    """Run folders of the other arms of a comparison."""
    mix: Mix | None = None
    eval_share: float = 0.0
    allow_empty_prompts: bool = False
    seed: int = 0


@dataclass
class TrainData:
    """What is trained on, counted. Tokens are those of the rows trained on."""

    n_rows: int = 0
    n_eval: int = 0
    n_mixed: int = 0
    """Of `n_rows`, those of the other source."""
    n_mixable: int = 0
    """Rows of the other source that could be mixed in."""
    masked_tokens: int = 0
    trained_tokens: int = 0
    left_out: Counter[LeftOutReason] = field(default_factory=Counter)
    shortest_left_out: int | None = None
    """Tokens of the shortest row over `max_length`."""
    example: Example | None = None
    """The first row."""

    @property
    def tokens_per_sample(self) -> float:
        """Mean tokens of the full training sequence, prompt included (the paper's Table 3)."""
        return (self.masked_tokens + self.trained_tokens) / max(1, self.n_rows)


def write_data(
    plan: DataPlan,
    template: Template,
    folder: Path,
    on_progress: Callable[[int], None] = lambda _: None,
) -> TrainData:
    """Write `train.arrow`, `eval.arrow` (where rows are held out) and `excluded.jsonl`.

    Args:
        plan: what is to be trained on.
        template: writes rows as ids.
        folder: an existing folder.
        on_progress: called with the number of rows read since the last call.

    Raises:
        InputError: there is no such data, a row has no completion, or no row is left.
    """
    common = _find_common(plan, template, on_progress)
    data = TrainData()
    with _Writer(folder, data) as writer:
        for groups in _batch(_group(plan.source)):
            for rows, examples in _encode(groups, template):
                _place(rows, examples, plan, common, writer)
            on_progress(sum(len(rows) for rows in groups))
        if plan.mix is not None and data.n_rows:
            _mix_in(plan, plan.mix, template, writer)
    if not data.n_rows:
        raise InputError(_explain_emptiness(plan, data))
    return data


class _Writer:
    """The files, and the counts of what goes into them."""

    def __init__(self, folder: Path, data: TrainData) -> None:
        self.data = data
        self._folder = folder
        self._open: dict[str, pa.ipc.RecordBatchStreamWriter] = {}
        self._waiting: dict[str, list[Example]] = {}
        self._excluded = (folder / "excluded.jsonl").open("w", encoding="utf-8", newline="\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in list(self._waiting):
            self._flush(name)
        for writer in self._open.values():
            writer.close()
        self._excluded.close()

    def keep(self, example: Example, *, for_eval: bool) -> None:
        """Train on a row, or hold it out."""
        if for_eval:
            self.data.n_eval += 1
        else:
            self.data.n_rows += 1
            self.data.masked_tokens += example.n_prompt
            self.data.trained_tokens += len(example.input_ids) - example.n_prompt
            self.data.example = self.data.example or example
        name = "eval" if for_eval else "train"
        self._waiting.setdefault(name, []).append(example)
        if len(self._waiting[name]) == _BATCH_ROWS:
            self._flush(name)

    def leave_out(self, row: TrainRow, reason: LeftOutReason, n_tokens: int) -> None:
        """List a row that is not trained on."""
        self.data.left_out[reason] += 1
        if reason == "over_max_length":
            shortest = self.data.shortest_left_out
            self.data.shortest_left_out = min(n_tokens, n_tokens if shortest is None else shortest)
        line = {"row": row.row, "id": row.id, "variant": row.variant, "reason": reason}
        self._excluded.write(json.dumps({**line, "n_tokens": n_tokens}, ensure_ascii=False) + "\n")

    def _flush(self, name: str) -> None:
        examples, self._waiting[name] = self._waiting[name], []
        if name not in self._open:
            self._open[name] = pa.ipc.new_stream(str(self._folder / f"{name}.arrow"), _SCHEMA)
        labels = [[_MASKED] * e.n_prompt + e.input_ids[e.n_prompt :] for e in examples]
        columns = {
            "input_ids": [e.input_ids for e in examples],
            "labels": labels,
            "length": [len(e.input_ids) for e in examples],
        }
        self._open[name].write_batch(pa.RecordBatch.from_pydict(columns, _SCHEMA))


def _group(source: str) -> Iterator[list[TrainRow]]:
    """The rows, those that a method made of one trace together."""
    for _, rows in groupby(read_rows(source), lambda row: row.row):
        yield list(rows)


def _batch(groups: Iterable[list[TrainRow]]) -> Iterator[list[list[TrainRow]]]:
    """As many as one call of the tokenizer gets."""
    iterator = iter(groups)
    while batch := list(islice(iterator, _BATCH_ROWS)):
        yield batch


def _encode(
    groups: Sequence[Sequence[TrainRow]], template: Template
) -> Iterator[tuple[Sequence[TrainRow], list[Example]]]:
    examples = iter(template.encode([(r.prompt, r.completion) for rows in groups for r in rows]))
    for rows in groups:
        yield rows, [next(examples) for _ in rows]


def _place(
    rows: Sequence[TrainRow],
    examples: Sequence[Example],
    plan: DataPlan,
    common: Collection[int] | None,
    writer: _Writer,
) -> None:
    """Train on the rows of one trace, hold them out or leave them out."""
    if _lacks_prompt(rows, plan):
        for row, example in zip(rows, examples, strict=True):
            writer.leave_out(row, "empty_prompt", len(example.input_ids))
        return
    too_long = [len(example.input_ids) > plan.max_length for example in examples]
    is_common = common is None or (rows[0].row in common and not any(too_long))
    for row, example, is_too_long in zip(rows, examples, too_long, strict=True):
        if is_too_long:
            writer.leave_out(row, "over_max_length", len(example.input_ids))
        elif not is_common:
            writer.leave_out(row, "not_in_every_arm", len(example.input_ids))
        else:
            writer.keep(example, for_eval=_is_held_out(row.row, plan))


def _is_held_out(row: int, plan: DataPlan) -> bool:
    """By the row's number and the seed alone, so that every arm holds out the same ones."""
    digest = hashlib.sha256(f"{plan.seed} {row}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < plan.eval_share * 2**64


def _find_common(
    plan: DataPlan, template: Template, on_progress: Callable[[int], None]
) -> set[int] | None:
    """Rows of which every other arm holds all that its method made of them; None: no comparison."""
    common: set[int] | None = None
    for source in plan.same_rows:
        held: set[int] = set()
        for groups in _batch(_group(source)):
            for rows, examples in _encode(groups, template):
                if all(len(example.input_ids) <= plan.max_length for example in examples):
                    held.add(rows[0].row)
            on_progress(sum(len(rows) for rows in groups))
        common = held if common is None else common & held
    return common


def _mix_in(plan: DataPlan, mix: Mix, template: Template, writer: _Writer) -> None:
    """Add rows of the other source, drawn at random among those that fit; all, if they are few."""
    fitting: list[int] = []
    position = 0
    for groups in _batch(_group(mix.source)):
        for rows, examples in _encode(groups, template):
            for row, example in zip(rows, examples, strict=True):
                if _lacks_prompt([row], plan):
                    writer.leave_out(row, "empty_prompt", len(example.input_ids))
                elif len(example.input_ids) > plan.max_length:
                    writer.leave_out(row, "over_max_length", len(example.input_ids))
                else:
                    fitting.append(position)
                position += 1
    wanted = round(writer.data.n_rows * mix.share / (1 - mix.share))
    n_drawn = min(wanted, len(fitting))
    drawn = set(random.Random(f"mix {plan.seed}").sample(fitting, n_drawn))
    chosen = ([row] for at, row in enumerate(read_rows(mix.source)) if at in drawn)
    for groups in _batch(chosen):
        for _, (example,) in _encode(groups, template):
            writer.keep(example, for_eval=False)
    writer.data.n_mixed, writer.data.n_mixable = n_drawn, len(fitting)


def _lacks_prompt(rows: Sequence[TrainRow], plan: DataPlan) -> bool:
    return not plan.allow_empty_prompts and any(not row.prompt.strip() for row in rows)


def _explain_emptiness(plan: DataPlan, data: TrainData) -> str:
    if not data.left_out:
        return f"{plan.source}: no row is left to train on ({data.n_eval} held out)"
    reasons = ", ".join(f"{count:,} × {reason}" for reason, count in data.left_out.items() if count)
    hint = ""
    if data.left_out["empty_prompt"]:
        hint = (
            "; give asap prune a --question-column or --question-template, or train with "
            "--allow-empty-prompts"
        )
    elif data.shortest_left_out is not None:
        hint = (
            f"; the shortest has {data.shortest_left_out:,} tokens, and --max-length or the "
            f"model's window allows {plan.max_length:,}"
        )
    return f"{plan.source}: no row is left to train on: {reasons}{hint}"
