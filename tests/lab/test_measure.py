"""Figures, differences, the void rule and the reading, on students whose answers are known."""

from __future__ import annotations

import random

import numpy as np
import pytest

from asap.bench import Completion, Graded
from asap.errors import InputError
from asap.judge import Verdict
from asap.lab import (
    ArmData,
    Findings,
    StudentRun,
    TrainingFigures,
    measure_lab,
    read_setting,
)
from asap.statistics import paired_bootstrap

CAP = 100


def graded(id, is_passed, n_tokens=10, is_cut=False, ids=None):
    reason = "length" if is_cut else "stop"
    completion = Completion("lab", id, 0, CAP, None, ids, "", n_tokens, reason, None, None)
    outcome = "no_answer" if is_cut else "passed" if is_passed else "wrong_answer"
    return Graded(completion, Verdict(outcome, None, "", 0.0))


def student(arm, passed, tokens=None, seed=0, **changes):
    """A student that solves the problems marked 1, with one number of tokens per problem."""
    counts = tokens or [10] * len(passed)
    answers = tuple(
        graded(f"p{n:04}", mark == "1", count)
        for n, (mark, count) in enumerate(zip(passed, counts, strict=True))
    )
    fields = {
        "regime": "shared",
        "protocol": "matched",
        "student": "llama",
        "seconds_generating": 3.0,
        "training": None,
        "graded": answers,
    }
    return StudentRun(arm=arm, seed=seed, **(fields | changes))


def data(arm, tokens_after, **changes):
    fields = {"regime": "shared", "protocol": "matched", "n_rows": 9, "tokens_before": 200.0}
    shares = {"redundant_removed": 0.5, "essential_removed": 0.1}
    return ArmData(arm=arm, tokens_after=tokens_after, **(fields | shares | changes))


def find(runs, *, tokens=None, budgets=(5, CAP)):
    arms = {"oracle": 100.0, "random": 99.0, "anti-oracle": 98.0} if tokens is None else tokens
    return Findings(
        size="tiny",
        command="asap lab",
        settings={},
        budgets=budgets,
        runs=tuple(runs),
        data=tuple(data(arm, value) for arm, value in arms.items()),
        separability=(),
        bases=(),
    )


def mark(n_passed, n=40):
    return "1" * n_passed + "0" * (n - n_passed)


class TestScores:
    def test_by_hand(self):
        answers = (
            graded("a", True, 4),
            graded("b", True, 8),
            graded("c", False, 6),
            graded("d", False, CAP, is_cut=True),
        )
        (results,) = measure_lab(find([student("random", "1101", graded=answers)]))
        (score,) = results.scores
        assert (score.arm, score.n_problems, score.seed_accuracy) == ("random", 4, (0.5,))
        assert score.accuracy.estimate == 0.5
        assert score.accuracy_at[5].estimate == 0.25
        assert score.accuracy_at[CAP] == score.accuracy
        assert score.accuracy_of_finished == pytest.approx(2 / 3)
        assert score.truncation == 0.25
        assert score.tokens.estimate == 29.5
        assert score.latency_s == 0.75
        assert score.loop_rate is None

    def test_seeds_are_averaged(self):
        figures = [
            TrainingFigures(100, 10, 250.0, 0.5, 5.0, 800.0),
            TrainingFigures(100, 10, 250.0, 0.7, 7.0, 900.0),
        ]
        runs = [
            student("random", "1100", [1, 2, 3, 4], seed=2, training=figures[0]),
            student("random", "1000", [3, 4, 5, 6], seed=1, training=figures[1]),
        ]
        ((score,),) = [results.scores for results in measure_lab(find(runs))]
        assert score.seed_accuracy == (0.25, 0.5)
        assert score.accuracy.estimate == 0.375
        assert score.tokens.estimate == 3.5
        assert score.training == TrainingFigures(100, 10, 250.0, 0.6, 6.0, 900.0)

    def test_loops_are_counted_where_the_tokens_are_known(self):
        answers = (
            graded("a", False, CAP, is_cut=True, ids=(1, 2) * 50),
            graded("b", True, 4, ids=(1, 2, 3, 4)),
        )
        (results,) = measure_lab(find([student("random", "01", graded=answers)]))
        assert results.scores[0].loop_rate == 0.5

    def test_what_belongs_to_both_protocols_stands_in_both(self):
        runs = [
            student("zero-shot", "10", protocol=None),
            student("random", "11"),
            student("random", "00", protocol="paper"),
            student("zero-shot", "01", protocol=None, student="qwen2"),
            student("random", "00", student="qwen2"),
            student("original", "00", protocol=None, regime="distinct"),
        ]
        found = {
            (each.setting.regime, each.setting.protocol, each.setting.student): [
                (score.arm, score.seed_accuracy) for score in each.scores
            ]
            for each in measure_lab(find(runs))
        }
        assert found == {
            ("shared", "matched", "llama"): [("zero-shot", (0.5,)), ("random", (1.0,))],
            ("shared", "paper", "llama"): [("zero-shot", (0.5,)), ("random", (0.0,))],
            ("shared", "matched", "qwen2"): [("zero-shot", (0.5,)), ("random", (0.0,))],
            ("distinct", "matched", "llama"): [("original", (0.0,))],
        }


class TestDifferences:
    def test_by_hand(self):
        runs = [
            student("asap", "1" * 8 + "00", [8] * 10),
            student("random", "0" * 8 + "10", [10] * 10),
        ]
        (results,) = measure_lab(find(runs))
        (pair,) = results.differences
        assert (pair.first, pair.second) == ("asap", "random")
        assert pair.accuracy.estimate == pytest.approx(0.7)
        # 8 problems against 1: 2·(1 + 9) / 2^9; with one seed Wilcoxon's ranks are all tied.
        assert pair.mcnemar.p == pair.mcnemar.holm == 20 / 512
        assert pair.wilcoxon.p == 20 / 512
        assert (pair.tokens.estimate, pair.tokens.low, pair.tokens.high) == (-2, -2, -2)
        assert pair.tokens_test.p == 2 / 1024

    def test_p_values_are_adjusted_over_all_pairs_of_the_setting(self):
        runs = [
            student("random", "0" * 10),
            student("original", "0" * 10),
            student("asap", "1" * 10),
        ]
        (results,) = measure_lab(find(runs))
        p = {(each.first, each.second): each.mcnemar for each in results.differences}
        assert set(p) == {
            ("original", "random"),
            ("asap", "random"),
            ("random", "original"),
            ("asap", "original"),
        }
        # 10 to 0: 2 / 2^10, the smallest of four.
        assert p["asap", "random"].p == 2 / 1024
        assert p["asap", "random"].holm == p["asap", "original"].holm == 4 * 2 / 1024
        assert p["original", "random"].holm == 1.0

    def test_mcnemar_goes_by_most_of_the_seeds(self):
        # Problem 1: solved by two of three seeds; problem 2: by one.
        arm = [student("asap", row, seed=n) for n, row in enumerate(["110", "100", "000"])]
        (results,) = measure_lab(find([*arm, student("random", "000")]))
        (pair,) = results.differences
        assert pair.accuracy.estimate == pytest.approx(3 / 9)
        # Problem 1 alone against none: p = 1. Were two solved it would be 0.5.
        assert pair.mcnemar.p == 1.0
        assert pair.wilcoxon.p == 0.5

    def test_the_smallest_difference_knows_of_seeds(self):
        steady = [student("asap", mark(20), seed=n) for n in range(3)]
        shaky = [student("asap", mark(20 + 12 * (n - 1)), seed=n) for n in range(3)]
        other = student("random", mark(20))
        smallest = [
            measure_lab(find([*arm, other]))[0].differences[0].smallest_accuracy
            for arm in (steady, shaky)
        ]
        # Equal everywhere: the least that McNemar can show, 6 problems of 40.
        assert smallest[0] == 6 / 40
        assert smallest[1] > 0.25

    @pytest.mark.parametrize(
        ("runs", "message"),
        [
            ([], "no student"),
            ([student("random", "11"), student("random", "11")], "two students of seed 0"),
            ([student("random", "11"), student("asap", "111")], "seed 0, does not answer the same"),
            (
                [student("random", "11", graded=(graded("a", True), graded("a", True)))],
                "does not answer the same",
            ),
        ],
    )
    def test_students_that_do_not_fit_together_are_refused(self, runs, message):
        with pytest.raises(InputError, match=message):
            measure_lab(find(runs))

    def test_another_cap_is_refused(self):
        with pytest.raises(InputError, match="another cap than 50"):
            measure_lab(find([student("random", "11")], budgets=(5, 50)))


def judge_void(oracle, random, anti, tokens=None):
    arms = {"oracle": oracle, "random": random, "anti-oracle": anti}
    runs = [student(arm, mark(n)) for arm, n in arms.items() if n is not None]
    (results,) = measure_lab(find(runs, tokens=tokens))
    return results.void_rule


class TestVoidRule:
    def test_passed(self):
        rule = judge_void(32, 20, 12)
        assert (rule.state, rule.reasons) == ("passed", ())
        assert rule.token_gap == pytest.approx(0.02)

    @pytest.mark.parametrize(
        ("oracle", "random", "anti", "told"),
        [
            (20, 20, 12, ["`random`: +0.0"]),
            (12, 20, 8, ["`random`: -20.0"]),
            (32, 20, 32, ["`anti-oracle`: +0.0"]),
            (20, 20, 20, ["`random`", "`anti-oracle`"]),
            (None, 20, 12, []),
        ],
    )
    def test_void_where_oracle_does_not_beat_both(self, oracle, random, anti, told):
        rule = judge_void(oracle, random, anti)
        if not told:
            assert rule.state == "unknown"
            return
        assert rule.state == "void"
        assert len(rule.reasons) == len(told)
        for reason, words in zip(rule.reasons, told, strict=True):
            assert words in reason

    def test_a_difference_that_may_be_none_is_not_enough(self):
        # Each alone solves some: 5 against 3, an interval that reaches across 0.
        runs = [
            student("oracle", "1" * 5 + "0" * 35),
            student("random", "00000111" + "0" * 32),
            student("anti-oracle", mark(0)),
        ]
        (results,) = measure_lab(find(runs))
        pair = results.difference("oracle", "random")
        assert pair.accuracy.estimate == pytest.approx(0.05)
        assert pair.accuracy.low < 0
        assert results.void_rule.state == "void"

    def test_unequal_tokens_make_it_void(self):
        rule = judge_void(32, 20, 12, {"oracle": 100.0, "random": 90.0, "anti-oracle": 100.0})
        assert rule.state == "void"
        assert "differ by 10.0 %" in rule.reasons[0]

    def test_unknown_tokens_leave_it_open(self):
        rule = judge_void(32, 20, 12, {"oracle": 100.0})
        assert (rule.state, rule.token_gap) == ("unknown", None)

    def test_a_missing_arm_does_not_hide_a_failure(self):
        assert judge_void(20, 20, None).state == "void"

    def test_the_papers_protocol_is_never_asked(self):
        runs = [student(arm, "10", protocol="paper") for arm in ("oracle", "random", "anti-oracle")]
        (results,) = measure_lab(find(runs))
        assert results.void_rule is None


RANKED = {"oracle": 36, "random": 20, "anti-oracle": 8}


def read(arms, tokens=None, protocol="matched"):
    """The claims by their first words, of arms that solve the first so many of 40 problems."""
    counts = {} if tokens is None else tokens
    runs = [
        student(arm, mark(n), [counts.get(arm, 20)] * 40, protocol=protocol)
        for arm, n in (RANKED | arms).items()
    ]
    (results,) = measure_lab(find(runs))
    return [(each.ruling, " ".join(each.sentences)) for each in read_setting(results)]


class TestReading:
    def test_everything_as_the_paper_has_it(self):
        arms = {"asap": 30, "spirit-fast": 22, "original": 24, "selective-context": 12}
        stages = {"asap-no-stage1": 26, "asap-no-stage2": 25}
        claims = read(arms | stages, {"original": 40})
        assert [ruling for ruling, _ in claims] == ["reproduced"] * 4
        assert claims[0][1].startswith("`asap` is above `spirit-fast` in accuracy: +20.0 points [")
        assert (
            "Its answers are shorter than those of `original`: -20 tokens [-20, -20]."
            in (claims[1][1])
        )

    def test_everything_the_other_way_round(self):
        arms = {"asap": 22, "spirit-fast": 30, "original": 26, "selective-context": 34}
        stages = {"asap-no-stage1": 26, "asap-no-stage2": 29}
        claims = read(arms | stages, {"original": 10})
        assert [ruling for ruling, _ in claims] == ["contradicted"] * 4
        assert "is below `spirit-fast` in accuracy: -20.0 points [" in claims[0][1]
        assert "longer than those of `original`: +10 tokens" in claims[1][1]

    def test_nothing_to_tell_apart(self):
        arms = {"asap": 24, "spirit-fast": 24, "original": 24, "selective-context": 24}
        stages = {"asap-no-stage1": 24, "asap-no-stage2": 24}
        claims = read(arms | stages)
        assert [ruling for ruling, _ in claims] == ["not shown"] * 4
        for _, said in claims:
            assert "not distinguishable" in said
            assert "above" not in said
            assert "below" not in said
        assert (
            "+0.0 points [+0.0, +0.0]; a true difference of 15.0 points would be shown"
            in (claims[0][1])
        )

    def test_one_part_of_a_claim_is_not_the_claim(self):
        arms = {"asap": 30, "original": 24, "asap-no-stage1": 30, "asap-no-stage2": 24}
        claims = read(arms, {"original": 20})
        # Better, but not shorter; one stage needed, the other not shown to be.
        assert claims[1][0] == claims[2][0] == "reproduced in part"
        claims = read(arms | {"asap-no-stage1": 36}, {"original": 10})
        assert claims[1][0] == claims[2][0] == "contradicted in part"

    def test_what_did_not_run_is_not_read(self):
        claims = read({"asap": 30})
        assert [ruling for ruling, _ in claims] == ["not measured"] * 4
        assert claims[0][1] == "`asap` and `spirit-fast` were not both run."

    def test_a_void_lab_says_so_at_each_claim_about_ranking(self):
        arms = {"asap": 30, "spirit-fast": 22, "asap-no-stage1": 26, "asap-no-stage2": 25}
        void = read(arms | {"oracle": 20})
        passed = read(arms)
        assert ["void for ranking" in said for _, said in void] == [True, False, True, False]
        assert [void[0][0], void[2][0]] == ["void"] * 2
        assert [passed[0][0], passed[2][0]] == ["reproduced"] * 2
        assert not any("void" in said for _, said in passed)

    def test_the_papers_protocol_does_not_speak_about_ranking(self):
        claims = read({"asap": 30, "spirit-fast": 22}, protocol="paper")
        assert claims[0][0] == "reproduced"
        assert "not about the ranking alone" in claims[0][1]

    def test_a_sign_that_the_correction_takes_away_is_said_with_it(self):
        # 12 problems against 2: p = 0.013, and the smallest of more than four.
        runs = [
            student("asap", "1" * 12 + "0" * 28),
            student("spirit-fast", "0" * 12 + "11" + "0" * 26),
            *(student(arm, mark(0)) for arm in ("random", "original")),
        ]
        (results,) = measure_lab(find(runs))
        (claim, *_) = read_setting(results)
        assert claim.ruling == "reproduced"
        pair = results.difference("asap", "spirit-fast")
        assert pair.wilcoxon.p < 0.05 < pair.wilcoxon.holm
        assert "not significant after Holm's correction" in claim.sentences[0]


def test_intervals_are_those_of_the_projects_own_bootstrap():
    draw = random.Random(0)
    arms = {"asap": (0.5, 30), "random": (0.3, 50)}
    runs = [
        student(
            arm,
            "".join("1" if draw.random() < share + seed / 10 else "0" for _ in range(150)),
            [draw.randrange(1, 2 * tokens) for _ in range(150)],
            seed=seed,
        )
        for arm, (share, tokens) in arms.items()
        for seed in range(3)
    ]
    (results,) = measure_lab(find(runs))
    one, other = (
        np.array([[each.is_passed for each in run.graded] for run in runs if run.arm == arm])
        for arm in arms
    )
    expected = paired_bootstrap(one, other)
    found = results.difference("asap", "random").accuracy
    assert found.estimate == pytest.approx(expected.estimate)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.005)
    expected = paired_bootstrap(one)
    found = results.score("asap").accuracy
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.005)
