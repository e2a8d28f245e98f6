"""The arms: what each one is pruned by, under which protocol, and what was left of its steps.

Every arm is a run of `asap prune` on the same file, scored by the base. Labels go to `oracle` and
`anti-oracle` with the tools; no other arm sees them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from asap.corpus import open_corpus
from asap.lab.findings import ArmData, ProtocolName
from asap.lab.scale import (
    BUDGETED_ARMS,
    CEILING,
    MATCHED_RATIO,
    PAPER_BUDGET_SHARE,
    STAGE1_RATIO,
    Scale,
)
from asap.run import Ledger, Recipe, load_recipe, open_tools, prune_corpus

UNTRAINED = "zero-shot"
"""The arm that is the base as it is."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm under one protocol."""

    name: str
    protocol: ProtocolName | None
    """None: it is the same under both (the original traces)."""
    recipe: Recipe

    @property
    def key(self) -> str:
        """Names its folders."""
        return self.name if self.protocol is None else f"{self.protocol}-{self.name}"


def list_arms(scale: Scale, scorer: Path, clean: Path, train_tokens: float) -> tuple[Arm, ...]:
    """All arms of a lab.

    Args:
        scale: its size.
        scorer: the base.
        clean: what `write_clean_replies` wrote.
        train_tokens: mean tokens of the train split's thinking, of which the paper's budget is a
            share.
    """
    arms = [
        _build(name, "matched", scorer, ratio=MATCHED_RATIO)
        for name in scale.arms
        if name != CEILING
    ]
    if CEILING in scale.arms:
        arms.append(_build_ceiling(scorer, clean))
    if scale.has_paper_protocol:
        budget_tokens = round(PAPER_BUDGET_SHARE * train_tokens)
        arms += [
            _build(name, "paper", scorer, budget_tokens=budget_tokens) for name in BUDGETED_ARMS
        ]
    return tuple(arms)


def _build(
    name: str,
    protocol: ProtocolName,
    scorer: Path,
    *,
    ratio: float | None = None,
    budget_tokens: int | None = None,
) -> Arm:
    is_original = name == "original"
    return Arm(
        name,
        None if is_original else protocol,
        load_recipe(
            "default",
            {
                "method": name,
                "scorer": str(scorer),
                "dtype": "fp32",
                "ratio": ratio,
                "budget_tokens": budget_tokens,
                # Without stage 2 it is stage 1 that has to come down to the ratio.
                "stage1_ratio": MATCHED_RATIO if name == "asap-no-stage2" else STAGE1_RATIO,
            },
        ),
    )


def _build_ceiling(scorer: Path, clean: Path) -> Arm:
    """ASAP's two stages with an LLM that always answers with the clean execution. No method could
    know it, so this is not ASAP.
    """
    given = {"stage1": "rewrite", "llm": "clean execution", "llm_url": f"replay:{clean}"}
    more = {"scorer": str(scorer), "dtype": "fp32", "ratio": MATCHED_RATIO}
    return Arm(CEILING, "matched", load_recipe("default", {**given, **more}))


def write_clean_replies(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Record the clean execution of each row as the LLM's anchor and as its rewriting.

    Args:
        path: the recording.
        rows: of the train split, with `id` and `clean`.
    """
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            for purpose in ("anchor", "rewrite"):
                reply = {"id": row["id"], "purpose": purpose, "text": row["clean"]}
                file.write(json.dumps(reply) + "\n")
    os.replace(temporary, path)


def prune_arm(
    arm: Arm, traces: Path, folder: Path, labels: Mapping[int, Sequence[bool]], device: str
) -> None:
    """Make an arm's run folder, or finish it.

    Args:
        arm: what it is pruned by.
        traces: the train split.
        folder: of the run.
        labels: of the train split, by row.
        device: where the scorer runs.
    """
    with open_tools(arm.recipe, device=device, labels=labels) as tools:
        prune_corpus(open_corpus([str(traces)]), folder, arm.recipe, tools, max_excluded=1.0)


def describe_arm(
    regime: str, arm: Arm, folder: Path, labels: Mapping[int, Sequence[bool]]
) -> ArmData:
    """What was left of an arm's traces."""
    rows = list(_read_kept(folder))
    counts = [_count_removed(row, labels[row["row"]]) for row in rows]
    known = [each for each in counts if each is not None]
    has_fates = len(known) == len(rows)
    sums = [sum(values) for values in zip(*known, strict=True)]
    return ArmData(
        regime=regime,
        protocol=arm.protocol,
        arm=arm.name,
        n_rows=len(rows),
        tokens_before=fmean(row["tokens_before"] for row in rows),
        tokens_after=fmean(row["tokens_after"] for row in rows),
        redundant_removed=sums[0] / sums[1] if has_fates else None,
        essential_removed=sums[2] / sums[3] if has_fates else None,
    )


def _count_removed(row: Mapping[str, Any], is_redundant: Sequence[bool]) -> list[int] | None:
    """Tokens of redundant steps that are gone, and of all of them; the same of essential ones. None
    where the method left text, not steps.
    """
    steps = row["steps"]
    if steps is None or any(step["fate"] is None for step in steps):
        return None
    counts = [0, 0, 0, 0]
    for step, label in zip(steps, is_redundant, strict=True):
        first = 0 if label else 2
        counts[first] += step["n_tokens"] * (step["fate"] != "kept")
        counts[first + 1] += step["n_tokens"]
    return counts


def _read_kept(folder: Path) -> Iterator[dict[str, Any]]:
    columns = ["row", "outcome", "steps", "tokens_before", "tokens_after"]
    return (row for row in Ledger(folder).traces(columns) if row["outcome"] != "excluded")
