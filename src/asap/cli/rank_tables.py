"""The layouts of `asap rank`: one table per target with every metric, differences to the first
method, and what became of planted passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from asap.errors import InputError
from asap.rank import (
    CONTROLS,
    FEWEST_PAIRS,
    METRICS,
    MOST_MISMATCH,
    AtTarget,
    RankFolder,
    Results,
    TraceValues,
    own_target,
    summarise_values,
)
from asap.report import Cell, Column, Number, Table

MODEL_METRICS = {
    "answer_support": "the answer's NLL per token after the whole thinking less that after what is "
    "kept of it",
    "forced_answer": "share of the answers that a model still reaches from the kept thinking",
}
"""Metrics for which a model is asked, and what they mean."""
_ORDER = "order"
_INTERVALS = "intervals: 95 %, paired bootstrap over traces; not corrected for their number"
_SAME = "as many tokens for every method, trace by trace; kept: the mean share that was reached"
_MISMATCH = (
    f"no interval where a method missed the tokens asked for by more than {MOST_MISMATCH:.0%} in "
    f"the mean, or fewer than {FEWEST_PAIRS} traces have a value of both"
)
_TRACES = "n: the traces for which every method has a value (a hyphen: never has one)"
_LIFT = (
    "share of each planted passage that is gone; lift: over what random removal takes at as many "
    "tokens (1 is chance)"
)
_KINDS = (
    "corruption: repeats with another value, which are not redundant; distance: characters to the "
    "first occurrence, near < 1,000, middle < 8,000; none: what repeats nothing"
)
_CHANCE = "how surely a planted passage goes before a unique step; 0.5 is chance"


def choose_arms(folder: RankFolder, baseline: str | None) -> tuple[list[str], list[str]]:
    """The arms to show, what differences are taken to first; and those not finished yet.

    Raises:
        InputError: the baseline is no finished arm of the folder.
    """
    n_traces = folder.report()["counts"]["traces"]
    names = folder.arm_names()
    finished = [name for name in names if sum(1 for _ in folder.values(name)) == n_traces]
    if baseline is not None and baseline not in finished:
        raise InputError(f"--baseline {baseline}: the finished arms are {', '.join(finished)}")
    first = baseline or finished[0]
    unfinished = [name for name in names if name not in finished]
    return [first, *(name for name in finished if name != first)], unfinished


Parts = dict[str, Results]
"""The numbers of a comparison: `kept`, `planted`, `auc`."""


def summarise_parts(folder: RankFolder, arms: Sequence[str]) -> Parts:
    """All numbers; the first arm is what differences are taken to."""
    return {
        "kept": summarise_values(folder, arms, arms[0]),
        "planted": summarise_values(folder, arms, arms[0], lambda values: values.planted),
        "auc": summarise_values(folder, arms, arms[0], _pick_order),
    }


def lay_out_all(folder: RankFolder, parts: Parts) -> list[Table]:
    """Every table of a comparison."""
    kept = parts["kept"]
    return [
        *_lay_out_metrics(kept),
        *_lay_out_controls(folder, kept.reference),
        *_lay_out_planted(parts["planted"]),
        *_lay_out_order(parts["auc"]),
        *_lay_out_match(kept),
    ]


def say_metric(name: str) -> str:
    """A metric's name and what it means."""
    meaning = METRICS[name].meaning if name in METRICS else MODEL_METRICS[name]
    return f"{name.replace('_', ' ')}: {meaning}"


def to_json(parts: Parts) -> dict[str, Any]:
    """All numbers as plain data, by target, arm and metric."""
    reference = parts["kept"].reference
    return {"reference": reference, **{name: _plain(part) for name, part in parts.items()}}


def _plain(results: Results) -> list[dict[str, Any]]:
    return [
        {
            "target": target,
            "arm": arm,
            "metric": metric,
            **asdict(measured),
            "match": asdict(results.matches[target, arm]),
        }
        for (target, arm, metric), measured in results.measured.items()
    ]


def _pick_order(values: TraceValues) -> dict[str, AtTarget]:
    return {_ORDER: AtTarget(1, 1, 1, values.auc)} if values.auc else {}


def _lay_out_metrics(results: Results) -> Iterator[Table]:
    """Means at each target, and differences under it; what the metrics mean is said once."""
    names = [name for name in (*METRICS, *MODEL_METRICS) if name in results.metrics]
    for n_table, target in enumerate(results.targets):
        arms = [arm for arm in results.arms if (target, arm) in results.matches]
        columns = [Column("method"), Column("kept %")]
        columns += [_head(name, _count(results, target, name)) for name in names]
        rows = [
            (
                arm,
                Number(100 * results.matches[target, arm].ratio, 1),
                *(_mean(results, target, arm, name) for name in names),
            )
            for arm in arms
        ]
        notes = () if n_table else (_SAME, _TRACES, *_meanings(names))
        yield Table(f"At {_say(target)}", tuple(columns), tuple(rows), notes)
        title = f"At {_say(target)}"
        yield from _lay_out_differences(results, target, names, title, (_INTERVALS, _MISMATCH))


def _lay_out_differences(
    results: Results, target: str, names: Sequence[str], title: str, notes: tuple[str, ...]
) -> Iterator[Table]:
    others = [a for a in results.arms if a != results.reference and (target, a) in results.matches]
    has_any = any(
        (found := results.measured.get((target, arm, name))) and found.difference
        for arm in others
        for name in names
    )
    if has_any:
        yield Table(
            f"{title}, differences to {results.reference}",
            (Column("method"), *map(_unmarked, names)),
            tuple(
                (arm, *(_difference(results, target, arm, name) for name in names))
                for arm in others
            ),
            notes,
        )


def _lay_out_controls(folder: RankFolder, reference: str) -> Iterator[Table]:
    """What no method makes: all, nothing, drafts alone, everything but drafts."""
    there = list(CONTROLS)
    results = summarise_values(folder, there, reference)
    names = [
        n for n in ("state_coverage", "conclusion_kept", *MODEL_METRICS) if n in results.metrics
    ]
    rows = []
    for name in there:
        target = own_target(name)
        ratio = Number(100 * results.matches[target, name].ratio, 1)
        rows.append((name, ratio, *(_mean(results, target, name, each) for each in names)))
    columns = (Column("control"), Column("kept %"), *map(_unmarked, names))
    note = "drafts are masked where conclusion and support are measured: alone they are nothing"
    if rows and names:
        yield Table("Controls", columns, tuple(rows), (note,))


def _lay_out_planted(results: Results) -> Iterator[Table]:
    for n_table, target in enumerate(results.targets):
        arms = [arm for arm in results.arms if (target, arm) in results.matches]
        names = [n for n in results.metrics if n != "lift" and not n.startswith("opener")]
        if not any((target, arm, "redundant") in results.measured for arm in arms):
            continue
        columns = [Column("method"), Column("kept %"), Column("↑", "lift", "highest")]
        columns += [
            _planted_head(results, target, name) for name in sorted(names, key=_planted_key)
        ]
        rows = [
            (
                arm,
                Number(100 * results.matches[target, arm].ratio, 1),
                _mean(results, target, arm, "lift", 2),
                *(_mean(results, target, arm, name, 2) for name in sorted(names, key=_planted_key)),
            )
            for arm in arms
        ]
        notes = () if n_table else (_LIFT, _KINDS)
        yield Table(f"Planted passages at {_say(target)}", tuple(columns), tuple(rows), notes)
        title = f"Planted passages at {_say(target)}"
        names = ["lift", "redundant"]
        yield from _lay_out_differences(results, target, names, title, (_INTERVALS, _MISMATCH))


def _lay_out_order(results: Results) -> Iterator[Table]:
    """AUC of the removal order, and by opener."""
    arms = [arm for arm in results.arms if (_ORDER, arm) in results.matches]
    names = sorted(results.metrics, key=_planted_key)
    groups = [name for name in names if not name.startswith("opener")]
    openers = [name for name in names if name.startswith("opener")]
    if not groups:
        return
    rows = [(arm, *(_mean(results, _ORDER, arm, name, 2) for name in groups)) for arm in arms]
    columns = (Column("method"), *(_planted_head(results, _ORDER, name) for name in groups))
    title = "AUC of the removal order"
    yield Table(title, columns, tuple(rows), (_CHANCE,))
    yield from _lay_out_differences(results, _ORDER, ["redundant"], title, (_INTERVALS,))
    yield Table(
        "AUC by opener",
        (Column("opener"), Column("traces"), *(Column("AUC", arm) for arm in arms)),
        tuple(
            (
                name.removeprefix("opener "),
                Number(_count(results, _ORDER, name)),
                *(_mean(results, _ORDER, arm, name, 2) for arm in arms),
            )
            for name in openers
        ),
        (_CHANCE,),
    )


def _lay_out_match(results: Results) -> Iterator[Table]:
    targets = [
        target
        for target in results.targets
        if sum((target, arm) in results.matches for arm in results.arms) > 1
    ]
    columns = [Column("method")]
    for target in targets:
        group = _say(target)
        columns += [Column(head, group) for head in ("n", "mean %", "largest %")]
    rows = []
    for arm in results.arms:
        cells: list[Cell] = [arm]
        for target in targets:
            match = results.matches.get((target, arm))
            if match is None:
                cells += [None, None, None]
            else:
                misses = (Number(100 * match.mean, 2), Number(100 * match.largest, 1))
                cells += [Number(match.n), *misses]
        rows.append(tuple(cells))
    yield Table("How far the tokens kept are from those asked for", tuple(columns), tuple(rows))


def _say(target: str) -> str:
    if target.startswith("as "):
        return f"as many tokens as {target.removeprefix('as ')} keeps"
    return f"{float(target):.0%} of the tokens"


def _head(name: str, n: int | None = None) -> Column:
    is_higher = name not in METRICS or METRICS[name].direction == "higher"
    arrow = "↑" if is_higher else "↓"
    heading = arrow if n is None else f"{arrow} n = {n}"
    return Column(heading, name.replace("_", " "), "highest" if is_higher else "lowest")


def _unmarked(name: str) -> Column:
    return replace(_head(name), best=None)


def _planted_head(results: Results, target: str, name: str) -> Column:
    group, _, kind = name.partition(" ")
    n = f" n = {_count(results, target, name)}"
    return Column(kind + n, f"{group} {kind}") if kind else Column("all" + n, name)


def _planted_key(name: str) -> tuple[int, str]:
    groups = ("redundant", "kind", "distance", "opener")
    return groups.index(name.partition(" ")[0]), name


def _meanings(names: Sequence[str]) -> list[str]:
    ordered = [name for name in names if name in METRICS]
    ordered += [name for name in MODEL_METRICS if name in names]
    return [say_metric(name) for name in ordered]


def _count(results: Results, target: str, name: str) -> int:
    """Traces that a column's means are taken over."""
    keys = ((target, arm, name) for arm in results.arms)
    return next((results.measured[key].n for key in keys if key in results.measured), 0)


def _mean(results: Results, target: str, arm: str, name: str, digits: int = 3) -> Cell:
    found = results.measured.get((target, arm, name))
    return None if found is None else Number(found.mean, digits)


def _difference(results: Results, target: str, arm: str, name: str) -> Cell:
    found = results.measured.get((target, arm, name))
    if found is None or found.difference is None:
        return None
    interval = found.difference
    return Number(interval.estimate, 3, (interval.low, interval.high), is_signed=True)
