"""The lab's traces, held against Python itself and against a reader that knows only their words."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap.errors import RecipeError
from asap.lab import GPU, REGIMES, SMALL, TINY, Difficulty, LabTrace, Task, draw_traces
from asap.prune import find_value
from asap.trace import segment_thinking

SIZES = [TINY, SMALL, GPU]
CALL = re.compile(r"What does (f\(.*\)) return\?\Z")
STATED = re.compile(r"\b([a-z]{1,2}) = (\d|\[[\d, ]*\])")
OPENERS = re.compile(
    r"(?:So|But|Then|Now|Thus|Wait,|The thing is,|Okay,|Therefore,|After that,|Next,|Yes,"
    r"|Let's see,|In other words,|Looking at it,|For now,|Alternatively,|Let me see,|Hmm,) "
)
"""Written here once more: what a step begins with, and nothing else."""


def draw(task: Task, regime: Any = "shared", split: Any = "train", n: int = 100, seed: int = 1):
    return list(draw_traces(task, regime, split, n, seed))


def program_of(trace: LabTrace) -> str:
    return trace.question[: CALL.search(trace.question).start()].rstrip()


def bodies_of(text: str) -> list[str]:
    """Steps without their openers."""
    steps = text.split("\n\n")
    assert all(OPENERS.match(step) for step in steps)
    return [OPENERS.sub("", step, count=1) for step in steps]


@pytest.mark.parametrize("task", SIZES, ids=lambda task: task.size)
def test_the_answer_is_what_python_returns(task: Task) -> None:
    for trace in draw(task, n=200):
        names: dict[str, Any] = {}
        exec(program_of(trace), names)
        value = eval(CALL.search(trace.question)[1], names)
        assert trace.answer == str(value)
        assert find_value(trace.answer).value == value


class Reader:
    """Executes the essential steps alone: every value it needs must have been stated before."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def read(self, step: str) -> int | None:
        if match := re.fullmatch(r"f returns (\w+), so the answer is (\d)\.", step):
            assert self.state[match[1]] == int(match[2])
            return int(match[2])
        if match := re.fullmatch(r"(\w+) = (.+) = (.+) = (\d)( mod 10)?\.", step):
            self.check(match[2], match[3], int(match[4]), bool(match[5]))
            self.state[match[1]] = int(match[4])
        elif match := re.fullmatch(
            r"g returns (.+) = (.+) = (\d)( mod 10)?, so (\w+) = \3\.", step
        ):
            self.check(match[1], match[2], int(match[3]), bool(match[4]))
            self.state[match[5]] = int(match[3])
        elif match := re.fullmatch(r"(.+) is (.+), (true|false)\.", step):
            assert self.value(match[1]) == self.value(match[2]) == (match[3] == "true")
        else:
            self.read_stated(step)
        return None

    def check(self, written: str, read: str, result: int, is_wrapped: bool) -> None:
        assert self.value(written) == self.value(read)
        assert self.value(read) % 10 == result
        assert is_wrapped == (self.value(read) != result)

    def read_stated(self, step: str) -> None:
        expected = dict(self.state)
        if match := re.fullmatch(r"appending (\w+\S*) makes (\w+) = (.*)\.", step):
            expected[match[2]] = [*self.state[match[2]], self.value(match[1])]
        elif match := re.fullmatch(r"setting (\w+)\[(\d)\] to (\S+) makes (\w+) = (.*)\.", step):
            expected[match[1]] = list(self.state[match[1]])
            expected[match[1]][int(match[2])] = self.value(match[3])
        elif match := re.fullmatch(r"g\((.+)\) starts with n = (\d)\.", step):
            expected["n"] = self.value(match[1])
        else:
            assert re.fullmatch(r"(?:f starts with|the loop takes) .*\.", step), step
            expected = {}
        stated = {name: eval(value) for name, value in STATED.findall(step)}
        assert stated
        self.state |= stated
        assert expected == {} or expected == self.state

    def value(self, expression: str) -> Any:
        return eval(expression, {}, dict(self.state))


@pytest.mark.parametrize("task", SIZES, ids=lambda task: task.size)
@pytest.mark.parametrize("regime", REGIMES)
def test_the_essential_steps_alone_lead_to_the_answer(task: Task, regime: Any) -> None:
    for trace in draw(task, regime, n=150):
        reader = Reader()
        *way, last = bodies_of(trace.clean)
        assert [reader.read(step) for step in way] == [None] * len(way)
        assert str(reader.read(last)) == trace.answer


def test_without_the_redundant_steps_the_clean_execution_is_left() -> None:
    for trace in draw(TINY):
        steps = trace.thinking.split("\n\n")
        left = [s for s, gone in zip(steps, trace.is_redundant, strict=True) if not gone]
        assert "\n\n".join(left) == trace.clean


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(REGIMES), st.sampled_from(SIZES))
def test_both_segmenters_cut_the_labelled_steps(seed: int, regime: Any, task: Task) -> None:
    for trace in draw(task, regime, n=3, seed=seed):
        steps = trace.thinking.split("\n\n")
        assert len(steps) == len(trace.habits)
        for segmenter in ("block", "paragraph"):
            cut = segment_thinking(trace.thinking, segmenter)
            assert [trace.thinking[step.start : step.end] for step in cut] == steps


def test_a_wrong_turn_says_what_is_not_so_and_takes_it_back() -> None:
    n_leaning = n_turns = 0
    for trace in draw(TINY, n=300):
        bodies = bodies_of(trace.thinking)
        start = 0
        while start < len(bodies):
            stop = start
            while trace.habits[stop] == "wrong-turn":
                stop += 1
            if stop > start:
                n_turns += 1
                n_leaning += stop - start == 3
                assert stop - start in (2, 3)
                right, wrong = bodies[stop], bodies[start]
                assert wrong != right
                assert wrong.split()[:2] == right.split()[:2]
                assert trace.habits[stop] is None
                assert re.search(r"is not (\d|true|false)\b", bodies[stop - 1])
            start = stop + 1
    assert n_turns > 200
    assert n_leaning > 20


def test_every_habit_occurs_and_only_those() -> None:
    found = {habit for trace in draw(TINY) for habit in trace.habits}
    assert found == {None, "restating", "re-checking", "abandoned", "wrong-turn", "aside"}


@pytest.mark.parametrize("regime", REGIMES)
def test_tiny_has_the_declared_lengths_and_share(regime: Any) -> None:
    traces = draw(TINY, regime, n=500)
    words = re.compile(r"\n\n|[A-Za-z']+|\d+|==|[^\sA-Za-z\d]")
    shares = []
    for trace in traces:
        assert 120 <= len(words.findall(trace.thinking)) <= 350
        assert 4 <= trace.is_redundant.count(False) - 1 <= 10
        sizes = [len(words.findall(step)) + 1 for step in trace.thinking.split("\n\n")]
        redundant = sum(n for n, gone in zip(sizes, trace.is_redundant, strict=True) if gone)
        shares.append(redundant / sum(sizes))
    assert 0.60 <= fmean(shares) <= 0.70


def test_splits_share_no_program_but_base_and_train() -> None:
    programs = {
        split: [program_of(trace) for trace in draw(TINY, split=split, n=300)]
        for split in ("base", "train", "validation", "test")
    }
    learnt = {*programs["base"], *programs["train"]}
    assert not learnt & {*programs["validation"], *programs["test"]}
    assert not {*programs["validation"]} & {*programs["test"]}
    for split in ("validation", "test"):
        assert len(set(programs[split])) == 300


def test_base_and_train_are_drawn_apart() -> None:
    assert [t.question for t in draw(TINY, split="base")] != [t.question for t in draw(TINY)]


def test_regimes_differ_in_openers_alone() -> None:
    for one, other in zip(draw(TINY, "shared"), draw(TINY, "distinct"), strict=True):
        assert (one.id, one.question, one.habits) == (other.id, other.question, other.habits)
        assert bodies_of(one.thinking) == bodies_of(other.thinking)


def test_a_seed_gives_the_same_traces_whatever_their_number() -> None:
    assert draw(TINY, n=20) == list(islice(draw_traces(TINY, "shared", "train", 10**9, 1), 20))
    assert draw(TINY, n=20, seed=2) != draw(TINY, n=20)


def test_dials_that_allow_nothing_are_refused() -> None:
    impossible = replace(TINY, difficulty=Difficulty(executed=(90, 99)))
    with pytest.raises(RecipeError, match="widen the difficulty"):
        draw(impossible, n=1)


def test_dials_turn_the_language() -> None:
    dials = Difficulty(for_weight=0, if_weight=0, list_weight=0, helper_rate=0)
    for trace in draw(replace(TINY, difficulty=dials)):
        program = program_of(trace)
        assert not re.search(r"\bfor\b|\bif\b|append|g\(", program)
        assert program.count("def ") == 1
