"""From students to figures: per setting (regime, protocol, student) the scores of each arm and the
differences between arms, and whether the lab may speak about ranking there at all.

The unit of every test is the problem, with its seeds averaged; tests take the trained students as
they are, and only the intervals draw seeds too. So what is said is said by the intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asap.bench import Graded, ends_in_loop
from asap.errors import InputError
from asap.lab.findings import Findings, ProtocolName, StudentRun, TrainingFigures
from asap.lab.resample import Measure, find_interval, resample
from asap.statistics import (
    Interval,
    adjust_holm,
    mcnemar_exact,
    smallest_accuracy_difference,
    wilcoxon_signed_rank,
    wilson_interval,
)

BASELINES = ("random", "original")
"""Every arm is compared with these two."""
SPIRIT = ("spirit-fast", "spirit")
"""The arms of the paper's closest rival."""
TOKEN_LEVEL = ("selective-context", "llmlingua2", "tokenskip")
"""Arms that remove words, not steps."""
_CLAIMED_PAIRS = (
    ("oracle", "anti-oracle"),
    *(("asap", arm) for arm in (*SPIRIT, "asap-no-stage1", "asap-no-stage2")),
)
_MOST_TOKEN_GAP = 0.05
_POWER_TO_WIDTH = (1.959964 + 0.841621) / 1.959964
"""The difference shown with 80 % power, over half the width of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all arms of one comparison have in common."""

    regime: str
    protocol: ProtocolName
    student: str


@dataclass(frozen=True, slots=True)
class ArmScore:
    """The figures of one arm. Rates are shares; intervals are 95 %, over problems and seeds."""

    arm: str
    n_problems: int
    seed_accuracy: tuple[float, ...]
    """Under the cap, one per seed."""
    accuracy_at: Mapping[int, Interval]
    """By budget in tokens; cut off counts as wrong."""
    accuracy: Interval
    """Under the cap."""
    accuracy_of_finished: float | None
    truncation: float
    """Share cut off by the cap."""
    loop_rate: float | None
    tokens: Interval
    """Mean per answer under the cap."""
    latency_s: float
    """Wall clock of generating over the number of answers, mean over seeds."""
    training: TrainingFigures | None
    """Mean over seeds."""


@dataclass(frozen=True, slots=True)
class Tested:
    """A p-value, two-sided, and the same adjusted by Holm over all pairs of the setting."""

    p: float
    holm: float


@dataclass(frozen=True, slots=True)
class PairDifference:
    """One arm less another on the same problems, under the cap."""

    first: str
    second: str
    accuracy: Interval
    smallest_accuracy: float
    """The smallest true difference that would be shown with 80 % power; infinite where none."""
    mcnemar: Tested
    """Exact; with several seeds a problem is solved where more than half of them solve it."""
    wilcoxon: Tested
    """Signed ranks of the problems' differences, each the mean over seeds."""
    tokens: Interval
    tokens_test: Tested
    """Wilcoxon's, as above."""


@dataclass(frozen=True, slots=True)
class VoidRule:
    """Whether a setting may speak about ranking: `oracle` must beat `random` and `anti-oracle`."""

    state: Literal["passed", "void", "unknown"]
    """`unknown`: one of the three arms, or the tokens they were trained on, is not there."""
    reasons: tuple[str, ...]
    """What is missing or not met, in words; empty for `passed`."""
    token_gap: float | None
    """Largest less smallest mean of the three arms' training tokens, over the largest."""


@dataclass(frozen=True, slots=True)
class SettingResults:
    """Everything about one setting."""

    setting: Setting
    scores: tuple[ArmScore, ...]
    differences: tuple[PairDifference, ...]
    void_rule: VoidRule | None
    """None under the protocol `paper`, which does not speak about ranking."""

    def score(self, arm: str) -> ArmScore | None:
        """The figures of an arm; None where it did not run."""
        return next((each for each in self.scores if each.arm == arm), None)

    def difference(self, first: str, second: str) -> PairDifference | None:
        """One arm less another; None where the two were not compared."""
        return next(
            (each for each in self.differences if (each.first, each.second) == (first, second)),
            None,
        )


class _Arm:
    """The runs of one arm in one setting, as tables: a row per seed, a column per problem."""

    def __init__(self, name: str, runs: Sequence[StudentRun]) -> None:
        self.name = name
        self.runs = sorted(runs, key=lambda run: run.seed)
        seeds = Counter(run.seed for run in runs)
        if max(seeds.values()) > 1:
            raise InputError(
                f"the arm {name} has two students of seed {seeds.most_common(1)[0][0]}"
            )

    @cached_property
    def graded(self) -> list[list[Graded]]:
        """Problems in one order, for every seed of every arm."""
        return [sorted(run.graded, key=lambda each: each.completion.id) for run in self.runs]

    @cached_property
    def passed(self) -> NDArray[np.bool_]:
        return np.array([[each.is_passed for each in seed] for seed in self.graded])

    @cached_property
    def tokens(self) -> NDArray[np.int64]:
        return np.array([[each.completion.n_tokens for each in seed] for seed in self.graded])

    def tables(self, budgets: Sequence[int]) -> dict[Measure, NDArray[np.float64]]:
        """Accuracy under each budget, and tokens."""
        tables: dict[Measure, NDArray[np.float64]] = {"tokens": self.tokens.astype(np.float64)}
        for budget in budgets:
            # A greedy completion under a smaller budget is a prefix, and a prefix is cut off.
            tables[budget] = (self.passed & (self.tokens <= budget)).astype(np.float64)
        return tables


@dataclass(frozen=True)
class _Resampled:
    """An arm with its measures, as they are and in each resample."""

    arm: _Arm
    cap: int
    tables: Mapping[Measure, NDArray[np.float64]]
    draws: Mapping[Measure, NDArray[np.float64]]

    def interval(self, measure: Measure) -> Interval:
        """Of the mean; Wilson's for the accuracy of one seed, which holds at 0 and 1 too."""
        table = self.tables[measure]
        if measure != "tokens" and len(table) == 1:
            return wilson_interval(int(table.sum()), table.shape[1])
        return find_interval(float(table.mean()), self.draws[measure])

    def less(self, other: _Resampled, measure: Measure) -> Interval:
        """Of the difference of the means."""
        estimate = float(self.tables[measure].mean() - other.tables[measure].mean())
        return find_interval(estimate, self.draws[measure] - other.draws[measure])

    def by_problem(self, measure: Measure) -> NDArray[np.float64]:
        """Means over seeds."""
        return np.asarray(self.tables[measure].mean(axis=0))


def measure_lab(findings: Findings) -> tuple[SettingResults, ...]:
    """Measure every setting.

    Args:
        findings: what the experiment left.

    Returns:
        One for each regime, protocol and student, in the order in which they come.

    Raises:
        InputError: there are no students, two have one arm and seed, they answer different
            problems, or a completion is longer than the cap.
    """
    if not findings.runs:
        raise InputError("there is nothing to report: no student has answered yet")
    return tuple(_measure_setting(setting, findings) for setting in _find_settings(findings.runs))


def _find_settings(runs: Sequence[StudentRun]) -> list[Setting]:
    has_protocol = {(run.regime, run.student) for run in runs if run.protocol is not None}
    return list(
        dict.fromkeys(
            Setting(run.regime, run.protocol or "matched", run.student)
            for run in runs
            # What stands under both protocols makes a setting only where there is nothing else.
            if run.protocol is not None or (run.regime, run.student) not in has_protocol
        )
    )


def _measure_setting(setting: Setting, findings: Findings) -> SettingResults:
    by_arm: dict[str, list[StudentRun]] = {}
    for run in findings.runs:
        if (run.regime, run.student) == (setting.regime, setting.student) and run.protocol in (
            setting.protocol,
            None,
        ):
            by_arm.setdefault(run.arm, []).append(run)
    arms = {name: _Arm(name, runs) for name, runs in by_arm.items()}
    _check_problems(arms.values(), findings.budgets[-1])
    tables = [arm.tables(findings.budgets) for arm in arms.values()]
    resampled = {
        arm.name: _Resampled(arm, findings.budgets[-1], own, draws)
        for arm, own, draws in zip(arms.values(), tables, resample(tables), strict=True)
    }
    differences = _find_differences(resampled)
    is_matched = setting.protocol == "matched"
    return SettingResults(
        setting=setting,
        scores=tuple(_score(each, findings.budgets) for each in resampled.values()),
        differences=differences,
        void_rule=_apply_void_rule(setting, differences, findings) if is_matched else None,
    )


def _check_problems(arms: Iterable[_Arm], cap: int) -> None:
    expected: list[str] | None = None
    for arm in arms:
        for run, graded in zip(arm.runs, arm.graded, strict=True):
            ids = [each.completion.id for each in graded]
            expected = ids if expected is None else expected
            if ids != expected or len(set(ids)) < len(ids):
                raise InputError(
                    f"the student of {arm.name}, seed {run.seed}, does not answer the same "
                    "problems once each as the others do"
                )
            if any(each.completion.budget_tokens != cap for each in graded):
                raise InputError(
                    f"the student of {arm.name}, seed {run.seed}, wrote under another cap than "
                    f"{cap} tokens"
                )


def _score(resampled: _Resampled, budgets: Sequence[int]) -> ArmScore:
    arm = resampled.arm
    completions = [each.completion for seed in arm.graded for each in seed]
    is_finished = np.array([each.finish_reason == "stop" for each in completions])
    outputs = [each.completion_ids for each in completions if each.completion_ids is not None]
    figures = [run.training for run in arm.runs if run.training is not None]
    accuracy_at = {budget: resampled.interval(budget) for budget in budgets}
    return ArmScore(
        arm=arm.name,
        n_problems=arm.passed.shape[1],
        seed_accuracy=tuple(float(each) for each in arm.passed.mean(axis=1)),
        accuracy_at=accuracy_at,
        accuracy=accuracy_at[resampled.cap],
        accuracy_of_finished=(
            float(arm.passed.ravel()[is_finished].mean()) if is_finished.any() else None
        ),
        truncation=1 - float(is_finished.mean()),
        loop_rate=(fmean(map(ends_in_loop, outputs)) if len(outputs) == len(completions) else None),
        tokens=resampled.interval("tokens"),
        latency_s=fmean(run.seconds_generating / len(run.graded) for run in arm.runs),
        training=_average(figures) if len(figures) == len(arm.runs) else None,
    )


def _average(figures: Sequence[TrainingFigures]) -> TrainingFigures:
    peaks = [each.peak_memory_mib for each in figures if each.peak_memory_mib is not None]
    return TrainingFigures(
        n_rows=round(fmean(each.n_rows for each in figures)),
        n_steps=round(fmean(each.n_steps for each in figures)),
        tokens_per_sample=fmean(each.tokens_per_sample for each in figures),
        seconds_per_step=fmean(each.seconds_per_step for each in figures),
        seconds=fmean(each.seconds for each in figures),
        peak_memory_mib=max(peaks) if peaks else None,
    )


def _find_differences(arms: Mapping[str, _Resampled]) -> tuple[PairDifference, ...]:
    wanted = [(arm, baseline) for baseline in BASELINES for arm in arms if arm != baseline]
    wanted += [pair for pair in _CLAIMED_PAIRS if pair not in wanted]
    pairs = [(arms[one], arms[other]) for one, other in wanted if one in arms and other in arms]
    found = [_compare(one, other) for one, other in pairs]
    adjusted = [
        adjust_holm([getattr(each, kind).p for each in found])
        for kind in ("mcnemar", "wilcoxon", "tokens_test")
    ]
    return tuple(
        replace(
            each,
            mcnemar=Tested(each.mcnemar.p, adjusted[0][n]),
            wilcoxon=Tested(each.wilcoxon.p, adjusted[1][n]),
            tokens_test=Tested(each.tokens_test.p, adjusted[2][n]),
        )
        for n, each in enumerate(found)
    )


def _compare(one: _Resampled, other: _Resampled) -> PairDifference:
    accuracy = one.less(other, one.cap)
    by_problem = [arm.by_problem(arm.cap) for arm in (one, other)]
    majority = [[bool(share > 0.5) for share in shares] for shares in by_problem]
    tokens = one.by_problem("tokens") - other.by_problem("tokens")
    return PairDifference(
        first=one.arm.name,
        second=other.arm.name,
        accuracy=accuracy,
        smallest_accuracy=_find_smallest(accuracy, majority[0]),
        mcnemar=_not_adjusted(mcnemar_exact(*majority)),
        # Thirds of one size are to be ties.
        wilcoxon=_test_ranks(np.round(by_problem[0] - by_problem[1], 9)),
        tokens=one.less(other, "tokens"),
        tokens_test=_test_ranks(np.round(tokens, 9)),
    )


def _find_smallest(accuracy: Interval, solved: Sequence[bool]) -> float:
    """By the width of the interval, which has the spread of problems and seeds in it."""
    # Of two equal arms it is the least that McNemar's test can show at all.
    least = smallest_accuracy_difference(solved, solved)
    return max(least, _POWER_TO_WIDTH * (accuracy.high - accuracy.low) / 2)


def _test_ranks(differences: NDArray[np.float64]) -> Tested:
    return _not_adjusted(wilcoxon_signed_rank(differences).p_value)


def _not_adjusted(p: float) -> Tested:
    return Tested(p, p)


def _apply_void_rule(
    setting: Setting, differences: Sequence[PairDifference], findings: Findings
) -> VoidRule:
    found = {
        each.second: each.accuracy
        for each in differences
        if each.first == "oracle" and each.second in ("random", "anti-oracle")
    }
    missing = [name for name in ("random", "anti-oracle") if name not in found]
    tokens = {
        data.arm: data.tokens_after
        for data in findings.data
        if (data.regime, data.protocol) == (setting.regime, setting.protocol)
    }
    trained = [tokens[arm] for arm in ("oracle", "random", "anti-oracle") if arm in tokens]
    gap = (max(trained) - min(trained)) / max(trained) if len(trained) == 3 else None
    reasons = [
        f"`oracle` does not beat `{name}`: {_say_points(interval)}"
        for name, interval in found.items()
        if interval.low <= 0
    ]
    if gap is not None and gap > _MOST_TOKEN_GAP:
        reasons.append(f"The arms' training tokens are not equal: they differ by {100 * gap:.1f} %")
    if reasons:
        return VoidRule("void", tuple(reasons), gap)
    if missing:
        return VoidRule(
            "unknown", (f"`oracle` was not compared with `{'` and `'.join(missing)}`",), gap
        )
    if gap is None:
        return VoidRule("unknown", ("The arms' training tokens are not known",), gap)
    return VoidRule("passed", (), gap)


def _say_points(interval: Interval) -> str:
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.estimate:+.1f} points [{low:+.1f}, {high:+.1f}]"
