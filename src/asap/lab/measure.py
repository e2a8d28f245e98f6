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

from asap.bench import Comparison, Graded, compare_arms, ends_in_loop
from asap.errors import InputError
from asap.lab.findings import Findings, ProtocolName, StudentRun, TrainingFigures
from asap.statistics import (
    Interval,
    adjust_holm,
    mcnemar_exact,
    paired_bootstrap,
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
_CAP_RESAMPLES = 10_000
_SWEEP_RESAMPLES = 2_000
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

    def accuracy_at(self, budget: int, n_resamples: int) -> Interval:
        # A greedy completion under a smaller budget is a prefix, and a prefix is cut off.
        passed = self.passed & (self.tokens <= budget)
        # Wilson's interval for one seed holds at 0 and 1 too; the bootstrap draws seeds as well.
        if len(passed) == 1:
            return wilson_interval(int(passed.sum()), passed.shape[1])
        return paired_bootstrap(passed, n_resamples=n_resamples)


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
    differences = _find_differences(arms)
    is_matched = setting.protocol == "matched"
    return SettingResults(
        setting=setting,
        scores=tuple(_score(arm, findings.budgets) for arm in arms.values()),
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


def _score(arm: _Arm, budgets: Sequence[int]) -> ArmScore:
    completions = [each.completion for seed in arm.graded for each in seed]
    is_finished = np.array([each.finish_reason == "stop" for each in completions])
    outputs = [each.completion_ids for each in completions if each.completion_ids is not None]
    figures = [run.training for run in arm.runs if run.training is not None]
    cap = budgets[-1]
    accuracy_at = {
        budget: arm.accuracy_at(budget, _CAP_RESAMPLES if budget == cap else _SWEEP_RESAMPLES)
        for budget in budgets
    }
    return ArmScore(
        arm=arm.name,
        n_problems=arm.passed.shape[1],
        seed_accuracy=tuple(float(each) for each in arm.passed.mean(axis=1)),
        accuracy_at=accuracy_at,
        accuracy=accuracy_at[cap],
        accuracy_of_finished=(
            float(arm.passed.ravel()[is_finished].mean()) if is_finished.any() else None
        ),
        truncation=1 - float(is_finished.mean()),
        loop_rate=(fmean(map(ends_in_loop, outputs)) if len(outputs) == len(completions) else None),
        tokens=paired_bootstrap(arm.tokens),
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


def _find_differences(arms: Mapping[str, _Arm]) -> tuple[PairDifference, ...]:
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


def _compare(one: _Arm, other: _Arm) -> PairDifference:
    compared: Comparison = compare_arms(one.graded, other.graded)
    accuracy = compared.accuracy
    # The comparison's own figure leaves the spread over seeds out; the width has it.
    from_width = _POWER_TO_WIDTH * (accuracy.high - accuracy.low) / 2
    majority = [[bool(share > 0.5) for share in arm.passed.mean(axis=0)] for arm in (one, other)]
    # Of two equal arms it is the least that McNemar's test can show at all.
    least = smallest_accuracy_difference(majority[0], majority[0])
    means = one.passed.mean(axis=0) - other.passed.mean(axis=0)
    return PairDifference(
        first=one.name,
        second=other.name,
        accuracy=accuracy,
        smallest_accuracy=max(compared.smallest_accuracy, from_width, least),
        mcnemar=_not_adjusted(mcnemar_exact(*majority)),
        wilcoxon=_not_adjusted(wilcoxon_signed_rank(np.round(means, 9)).p_value),
        tokens=compared.tokens.mean,
        tokens_test=_not_adjusted(compared.tokens.test.p_value),
    )


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
