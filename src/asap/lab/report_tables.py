"""The layouts of the lab's report: measured figures put into the paper's Tables 1 to 4, and those
that the paper has not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from asap.lab.findings import FIRST_TOKEN_SCORE, ArmData, Findings, GatedBase
from asap.lab.measure import ArmScore, PairDifference, Setting, SettingResults
from asap.report import Cell, Column, Number, Table
from asap.statistics import Interval

ABLATION = ("asap", "asap-no-stage1", "asap-no-stage2", "original", "zero-shot")
"""The rows of the paper's Table 2."""
HOW_TO_READ = (
    "Accuracy: greedy answers; one that the cap cuts off is wrong. Of finished: accuracy among the "
    "others. Latency: wall time of generating over the number of answers, decoded in batches.",
    "Intervals: 95 %, bootstrap over problems, and over training seeds where there are several. "
    "Of few seeds it draws too little spread: simulated with three of them, an interval held the "
    "truth in 96 % of cases where the accuracy of one seed varied by 2 points (standard "
    "deviation), in 88 % where by 3.5. `seeds`: how many, lowest and highest accuracy of one.",
    "p: two-sided, adjusted by Holm over all pairs of the setting; the unit is the problem, and "
    "the trained students are taken as they are. So p says nothing about other seeds: where it and "
    "an interval differ, go by the interval. Wilcoxon: signed ranks of the problems' differences, "
    "each the mean over seeds. McNemar: exact; a problem is solved where more than half of the "
    "seeds solve it.",
    "Smallest: the true difference in accuracy that would be shown with 80 % power. No best values "
    "are marked: the best of many is often so by chance.",
)
"""What holds for all tables, by paragraph."""


def lay_out_separability(findings: Findings) -> Table:
    """What was measured without training."""
    return Table(
        "Without training: how well a score tells redundant steps from essential ones",
        (Column("regime"), Column("score"), Column("AUC"), Column("traces")),
        tuple(
            (each.regime, each.score, show_interval(each.auc, 3), Number(each.n_traces))
            for each in findings.separability
        ),
        (
            "AUC: the chance that the score has a redundant step go before an essential one of the "
            "same trace, averaged over traces (interval: bootstrap over traces). 1: the oracle's "
            "order; 0.5: chance; below: the wrong way round. Surprisals: the lowest goes first",
        ),
    )


def lay_out_gate(base: GatedBase) -> Table:
    """Every setting tried for a base."""
    return Table(
        f"The base of regime {base.regime}, {base.student}: settings tried, the last one taken",
        (Column("setting"), Column("accuracy % on validation"), Column("problems")),
        tuple(
            (trial.setting, Number(100 * trial.accuracy, 1), Number(trial.n_problems))
            for trial in base.trials
        ),
        (f"{100 * base.truncation:.1f} % of the base's answers to validation were cut off",),
    )


def lay_out_main(results: SettingResults) -> Table:
    """Table 1 of the paper."""
    n_problems = results.scores[0].n_problems
    return Table(
        f"Table 1. Accuracy, tokens and latency under the cap ({say_setting(results.setting)})",
        (
            Column("arm"),
            Column("accuracy %"),
            Column("seeds"),
            Column("of finished %"),
            Column("cut off %"),
            Column("loops %"),
            Column("tokens"),
            Column("latency ms"),
        ),
        tuple((score.arm, *_main_cells(score)) for score in results.scores),
        (f"problems: {n_problems:,}",),
    )


def lay_out_differences(results: SettingResults, baseline: str) -> Table | None:
    """Every arm against a baseline, tested; None where the baseline did not run."""
    pairs = [each for each in results.differences if each.second == baseline]
    pairs = [each for each in pairs if results.score(each.first)]
    if not pairs:
        return None
    return Table(
        f"Differences to {baseline} under the cap ({say_setting(results.setting)})",
        (
            Column("arm"),
            Column("accuracy, points"),
            *(Column(heading, "p, Holm,") for heading in ("Wilcoxon", "McNemar")),
            Column("smallest, points"),
            Column("tokens"),
            Column("p, Holm, tokens"),
        ),
        tuple((pair.first, *_difference_cells(pair)) for pair in pairs),
    )


def lay_out_ablation(results: SettingResults) -> Table | None:
    """Table 2 of the paper; None where ASAP did not run."""
    scores = [score for arm in ABLATION if (score := results.score(arm)) is not None]
    if not results.score("asap") or len(scores) < 2:
        return None
    rows = []
    for score in scores:
        pair = results.difference("asap", score.arm)
        against: Cell = None if pair is None else _show_points(pair.accuracy)
        rows.append(
            (score.arm, show_percent(score.accuracy), show_interval(score.tokens, 0), against)
        )
    return Table(
        f"Table 2. ASAP and what becomes of it without a stage ({say_setting(results.setting)})",
        (
            Column("arm"),
            Column("accuracy %"),
            Column("tokens"),
            Column("asap less this arm, points"),
        ),
        tuple(rows),
    )


def lay_out_data(setting: Setting, data: Sequence[ArmData]) -> Table | None:
    """What each arm trains on; None where nothing is known of it."""
    if not data:
        return None
    return Table(
        f"What the arms were trained on ({say_setting(setting)})",
        (
            Column("arm"),
            Column("rows"),
            *(Column(heading, "tokens") for heading in ("before", "after", "kept %")),
            *(Column(heading, "gone, % of") for heading in ("redundant", "essential")),
        ),
        tuple(
            (
                each.arm,
                Number(each.n_rows),
                Number(each.tokens_before, 1),
                Number(each.tokens_after, 1),
                Number(100 * each.tokens_after / each.tokens_before, 1),
                _show_share(each.redundant_removed),
                _show_share(each.essential_removed),
            )
            for each in data
        ),
        ("tokens: of the thinking, mean per row; gone: share of the tokens of so labelled steps",),
    )


def lay_out_training(results: SettingResults) -> Table | None:
    """Table 3 of the paper; None where no arm was trained."""
    rows = [
        (
            score.arm,
            Number(training.n_rows),
            Number(training.tokens_per_sample, 1),
            Number(training.n_steps),
            Number(training.seconds_per_step, 3),
            None if training.peak_memory_mib is None else Number(training.peak_memory_mib),
            Number(training.seconds, 1),
        )
        for score in results.scores
        if (training := score.training) is not None
    ]
    if not rows:
        return None
    return Table(
        f"Table 3. Training efficiency ({say_setting(results.setting)})",
        (
            Column("arm"),
            Column("rows"),
            Column("tokens per sample"),
            Column("steps"),
            Column("s per step"),
            Column("peak memory MiB"),
            Column("training s"),
        ),
        tuple(rows),
        ("tokens per sample: of the full training sequence; means over seeds, the highest peak",),
    )


def lay_out_other_student(results: SettingResults) -> Table:
    """Table 4 of the paper: a second student on the same data."""
    rows = []
    for score in results.scores:
        pairs = [results.difference(score.arm, name) for name in ("random", "original")]
        rows.append(
            (
                score.arm,
                show_percent(score.accuracy),
                show_interval(score.tokens, 0),
                Number(100 * score.truncation, 1),
                *(None if pair is None else _show_points(pair.accuracy) for pair in pairs),
            )
        )
    return Table(
        f"Table 4. Another student on the same data ({say_setting(results.setting)})",
        (
            Column("arm"),
            Column("accuracy %"),
            Column("tokens"),
            Column("cut off %"),
            *(Column(heading, "points to") for heading in ("random", "original")),
        ),
        tuple(rows),
    )


def lay_out_sweep(results: SettingResults) -> Table:
    """The points of Figure 3."""
    budgets = list(results.scores[0].accuracy_at)
    return Table(
        f"Accuracy % over budgets ({say_setting(results.setting)})",
        (Column("arm"), *(Column(f"{budget:,} tokens") for budget in budgets)),
        tuple(
            (score.arm, *(show_percent(score.accuracy_at[budget]) for budget in budgets))
            for score in results.scores
        ),
        ("an answer longer than the budget is wrong; the last budget is the cap",),
    )


def lay_out_by_auc(findings: Findings, all_results: Sequence[SettingResults]) -> Table | None:
    """Accuracy read against the AUC of first-token surprisal; None where no AUC is known."""
    aucs = {
        each.regime: each.auc for each in findings.separability if each.score == FIRST_TOKEN_SCORE
    }
    pairs = (("oracle", "random"), ("asap-no-stage1", "random"), ("asap", "random"))
    rows = []
    for results in all_results:
        setting = results.setting
        if setting.protocol != "matched" or setting.regime not in aucs:
            continue
        found = [results.difference(*pair) for pair in pairs]
        rows.append(
            (
                setting.regime,
                setting.student,
                show_interval(aucs[setting.regime], 3),
                *(None if pair is None else _show_points(pair.accuracy) for pair in found),
            )
        )
    if not rows:
        return None
    return Table(
        "Accuracy as a function of the AUC of first-token surprisal",
        (
            *map(Column, ("regime", "student", "AUC")),
            *(Column(f"{first} less {second}", "points,") for first, second in pairs),
        ),
        tuple(rows),
        (
            "asap-no-stage1 ranks by first-token surprisal alone; oracle less random is the room "
            "that any ranking has",
        ),
    )


def say_setting(setting: Setting) -> str:
    """A setting in a few words."""
    return f"regime {setting.regime}, protocol {setting.protocol}, student {setting.student}"


def show_percent(interval: Interval) -> Number:
    """A share as per cent with its interval."""
    return show_interval(_scale(interval), 1)


def show_interval(interval: Interval, digits: int) -> Number:
    """An estimate with its interval."""
    return Number(interval.estimate, digits, (interval.low, interval.high))


def _main_cells(score: ArmScore) -> tuple[Cell, ...]:
    seeds = [100 * each for each in score.seed_accuracy]
    return (
        show_percent(score.accuracy),
        "1" if len(seeds) == 1 else f"{len(seeds)}: {min(seeds):.1f} to {max(seeds):.1f}",
        _show_share(score.accuracy_of_finished),
        Number(100 * score.truncation, 1),
        _show_share(score.loop_rate),
        show_interval(score.tokens, 0),
        Number(1000 * score.latency_s, 1),
    )


def _difference_cells(pair: PairDifference) -> tuple[Cell, ...]:
    smallest = 100 * pair.smallest_accuracy
    return (
        _show_points(pair.accuracy),
        _show_p(pair.wilcoxon.holm),
        _show_p(pair.mcnemar.holm),
        Number(smallest, 1) if math.isfinite(smallest) else None,
        Number(pair.tokens.estimate, 0, (pair.tokens.low, pair.tokens.high), is_signed=True),
        _show_p(pair.tokens_test.holm),
    )


def _show_points(interval: Interval) -> Number:
    scaled = _scale(interval)
    return Number(scaled.estimate, 1, (scaled.low, scaled.high), is_signed=True)


def _scale(interval: Interval) -> Interval:
    return Interval(100 * interval.estimate, 100 * interval.low, 100 * interval.high)


def _show_share(share: float | None) -> Cell:
    return None if share is None else Number(100 * share, 1)


def _show_p(p: float) -> Number:
    return Number(p, 3, floor=0.001)
