"""Figures worked out by hand; completions cut to a budget; loops."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from asap.bench import (
    Completion,
    Graded,
    cut_to_budget,
    ends_in_loop,
    measure,
    measure_common_tokens,
    measure_latency,
    pass_at_k,
)
from asap.judge import Verdict


def completion(id="a", n_tokens=10, sample=0, finish_reason="stop", ids=(), text="", total_s=1.0):
    return Completion(
        "humaneval", id, sample, 6144, None, ids, text, n_tokens, finish_reason, 0.1, total_s
    )


def graded(id, is_passed, n_tokens=10, sample=0, **more):
    outcome = more.pop("outcome", "passed" if is_passed else "wrong_answer")
    verdict = Verdict(outcome, None, "", 0.1)
    return Graded(completion(id, n_tokens, sample, **more), verdict)


def test_one_sample_per_problem():
    metrics = measure(
        [
            graded("a", True, 100, text="T.\n</think>\n```python\n```"),
            graded("b", False, 200, text="T.\n</think>\n"),
            graded("c", False, 300, text="Hmm", finish_reason="length", outcome="no_answer"),
            graded("d", True, 400, text="T.\n</think>\n"),
        ]
    )
    assert (metrics.n_problems, metrics.n_samples) == (4, 4)
    assert metrics.pass_at_1.estimate == 0.5
    # Wilson for 2 of 4.
    assert (metrics.pass_at_1.low, metrics.pass_at_1.high) == pytest.approx(
        (0.150039, 0.849961), abs=1e-6
    )
    assert metrics.tokens.estimate == 250
    assert metrics.truncation_rate == 0.25
    assert metrics.closed_thinking_rate == 0.75
    assert metrics.accuracy_of_finished == 2 / 3
    assert metrics.outcomes == {"passed": 2, "wrong_answer": 1, "no_answer": 1}


def test_a_problem_counts_once_however_many_samples_it_has():
    samples = [graded("a", True, 10, sample=n) for n in range(3)] + [graded("b", False, 50)]
    metrics = measure(samples)
    assert (metrics.n_problems, metrics.n_samples) == (2, 4)
    assert metrics.pass_at_1.estimate == 0.5
    # Bootstrapped over two problems, not four samples.
    assert (metrics.pass_at_1.low, metrics.pass_at_1.high) == (0.0, 1.0)
    assert metrics.tokens.estimate == 30


def test_pass_at_k_is_the_chance_of_a_draw_without_replacement():
    for n, n_passed, k in [(5, 2, 1), (5, 2, 2), (5, 2, 4), (6, 0, 3), (4, 4, 2), (10, 3, 5)]:
        draws = list(itertools.combinations(range(n), k))
        share = sum(min(draw) < n_passed for draw in draws) / len(draws)
        assert pass_at_k(n, n_passed, k) == pytest.approx(share)
    # 2 of 4 and none of 4: (1 - 1/6 + 0) / 2.
    samples = [graded("a", n < 2, sample=n) for n in range(4)]
    samples += [graded("b", False, sample=n) for n in range(4)]
    assert measure(samples, ks=[2]).pass_at_k == {2: pytest.approx(5 / 12)}
    with pytest.raises(ValueError, match="pass@5 needs at least 5 samples"):
        measure(samples, ks=[5])
    with pytest.raises(ValueError, match="pass@0"):
        pass_at_k(4, 2, 0)


def test_where_the_budget_stopped_all_there_is_no_accuracy_of_the_finished():
    metrics = measure([graded("a", False, finish_reason="length")])
    assert metrics.accuracy_of_finished is None
    assert metrics.truncation_rate == 1.0


def test_nothing_cannot_be_measured():
    with pytest.raises(ValueError, match="no samples"):
        measure([])


def test_common_tokens_are_those_of_right_answers_to_problems_both_solve():
    first = [
        graded("a", True, 100),
        graded("a", True, 300, sample=1),
        graded("a", False, 9000, sample=2),
        graded("b", True, 50),
        graded("c", True, 20),
    ]
    second = [graded("c", True, 40), graded("b", False, 1), graded("a", True, 80)]
    common = measure_common_tokens(first, second)
    assert (common.n_problems, common.first, common.second) == (2, (200 + 20) / 2, (80 + 40) / 2)
    none = measure_common_tokens(first, [graded("b", False)])
    assert (none.n_problems, none.first, none.second) == (0, None, None)


def test_trap_36_the_two_latencies_are_two_things():
    """100 requests at once, 1 to 100 s each, done when the slowest is: 1 s per sample, though the
    median request waits 50.5 s.
    """
    completions = [completion(total_s=float(n)) for n in range(1, 101)]
    latency = measure_latency(completions, wall_s=100.0)
    assert latency.amortised_s == 1.0
    assert latency.median_s == 50.5
    assert latency.p95_s == pytest.approx(95.05)


@pytest.mark.parametrize("completions", [[], [completion(), completion(total_s=None)]])
def test_latency_without_times_is_refused(completions):
    with pytest.raises(ValueError, match="time of every completion"):
        measure_latency(completions, 1.0)


def decode(ids):
    return "".join(chr(97 + id) for id in ids)


IDS = tuple(range(8))


def test_a_smaller_budget_is_a_prefix():
    whole = completion(n_tokens=8, ids=IDS, text=decode(IDS))
    cut = cut_to_budget(whole, 5, decode)
    assert (cut.text, cut.n_tokens, cut.completion_ids) == ("abcde", 5, (0, 1, 2, 3, 4))
    assert (cut.finish_reason, cut.budget_tokens) == ("length", 5)
    assert (cut.first_token_s, cut.total_s) == (None, None)


@pytest.mark.parametrize("budget_tokens", [8, 9, 6144])
def test_what_fits_the_budget_stays_as_it_is(budget_tokens):
    whole = completion(n_tokens=8, ids=IDS, text=decode(IDS))
    cut = cut_to_budget(whole, budget_tokens, decode)
    assert cut == replace(whole, budget_tokens=budget_tokens)


def test_the_token_that_ends_the_text_counts():
    """Servers count it and may not list it: 8 tokens under a budget of 7 are not finished."""
    whole = completion(n_tokens=8, ids=IDS[:7], text=decode(IDS[:7]))
    cut = cut_to_budget(whole, 7, decode)
    assert (cut.text, cut.finish_reason, cut.n_tokens) == (whole.text, "length", 7)


def test_truncation_is_what_a_decoder_under_that_budget_does():
    """Against a decoder of our own, at every budget."""

    def generate(seed, budget_tokens):
        draw, ids, end = random.Random(seed), [], 0
        while len(ids) < budget_tokens and end not in ids:
            ids.append(draw.randrange(20))
        is_done = end in ids
        ids = tuple(ids)
        whole = completion(
            n_tokens=len(ids),
            ids=ids,
            text=decode(id for id in ids if id != end),
            finish_reason="stop" if is_done else "length",
        )
        return replace(whole, budget_tokens=budget_tokens)

    def decode_shown(ids):
        return decode(id for id in ids if id)

    for seed in range(20):
        whole = generate(seed, 40)
        for budget_tokens in range(1, 41):
            cut = cut_to_budget(whole, budget_tokens, decode_shown)
            again = generate(seed, budget_tokens)
            assert (cut.text, cut.completion_ids, cut.n_tokens, cut.finish_reason) == (
                again.text,
                again.completion_ids,
                again.n_tokens,
                again.finish_reason,
            )


@pytest.mark.parametrize("budget_tokens", [0, -1, 6145])
def test_a_larger_budget_cannot_be_read_off(budget_tokens):
    with pytest.raises(ValueError, match="says nothing about a budget"):
        cut_to_budget(completion(ids=IDS), budget_tokens, decode)


def test_without_token_ids_nothing_can_be_cut():
    with pytest.raises(ValueError, match="no token ids"):
        cut_to_budget(completion(n_tokens=8, ids=None), 5, decode)


NOISE = random.Random(3).sample(range(1000), 500)


@pytest.mark.parametrize(
    ("tokens", "is_loop"),
    [
        ([], False),
        (NOISE, False),
        ([7] * 99, False),
        ([7] * 100, True),
        (NOISE + [7] * 100, True),
        (NOISE[:300] + NOISE[:50] * 3, True),
        # The third copy is begun and not finished: 140 of 150 tokens.
        (NOISE[:300] + (NOISE[:50] * 3)[:140], False),
        # The fourth is begun: more than three copies.
        (NOISE[:300] + (NOISE[:50] * 4)[:165], True),
        # The same block twice, as when reasoning goes over an example again.
        (NOISE[:300] + NOISE[:100] * 2, False),
        # Three times, but with something between.
        ([*NOISE[:50], -1, *NOISE[:50], -2, *NOISE[:50]], False),
        # It was in a loop and came out of it.
        ([7] * 200 + [8], False),
        (NOISE[:400] * 3, True),
    ],
)
def test_loops(tokens, is_loop):
    assert ends_in_loop(tokens) is is_loop


def test_loops_agree_with_the_definition_tried_out_literally():
    draw = random.Random(4)
    found = 0
    for _ in range(200):
        head = [draw.randrange(3) for _ in range(draw.randrange(30))]
        block = [draw.randrange(3) for _ in range(draw.randrange(1, 50))]
        tokens = head + (block * 200)[: draw.randrange(60, 180)]
        literal = any(
            length >= 3 * period and tail[period:] == tail[:-period]
            for length in range(100, len(tokens) + 1)
            for tail in [tokens[len(tokens) - length :]]
            for period in range(1, length // 3 + 1)
        )
        assert ends_in_loop(tokens) is literal
        found += literal
    assert 20 < found < 180


def test_the_loop_rate_needs_token_ids():
    loop = graded("a", False, ids=(7,) * 100)
    assert measure([loop, graded("b", True, ids=IDS)]).loop_rate == 0.5
    assert measure([loop, graded("b", True, ids=None)]).loop_rate is None
