"""Overlaps with a benchmark's problems, on texts worked out by hand, and against brute force."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap.bench import Question, open_benchmark
from asap.corpus import open_corpus
from asap.train import (
    BOILERPLATE_PROBLEMS,
    LEAST_WORDS,
    NGRAM_WORDS,
    ProblemIndex,
    TrainRow,
    find_overlaps,
    index_problems,
)

FOX = (
    "A quick brown fox jumps over seven lazy dogs, then rests under an old oak tree until "
    "the evening bells call everyone home."
)
FOX_WORDS = re.sub(r"[^a-z ]", "", FOX.lower()).split()


def ask(id: str, statement: str) -> Question:
    return Question(id, f"Please solve the following problem:\n\n{statement}", statement, None)


def index(**statements: str) -> ProblemIndex:
    return index_problems({"b": [ask(id, statement) for id, statement in statements.items()]})


def row(prompt: str = "", completion: str = "Answer.") -> TrainRow:
    return TrainRow(4, "r-4", "short", prompt, completion)


def test_a_copied_problem_is_found_with_all_there_is_to_say() -> None:
    (found,) = index(fox=FOX).find_overlaps(row(f"Solve this. {FOX} Think first."))
    assert (found.row, found.id, found.variant) == (4, "r-4", "short")
    assert (found.benchmark, found.problem_id, found.where) == ("b", "fox", "prompt")
    assert found.shared == " ".join(FOX_WORDS)
    assert found.coverage == 1.0


def test_case_line_breaks_and_punctuation_make_no_difference() -> None:
    shouted = FOX.upper().replace(" ", "\n\n").replace(",", " --")
    (found,) = index(fox=FOX).find_overlaps(row(shouted))
    assert found.coverage == 1.0


def test_thirteen_words_are_found_and_twelve_are_not() -> None:
    assert NGRAM_WORDS == 13
    problems = index(fox=FOX)
    (found,) = problems.find_overlaps(row("Once " + " ".join(FOX_WORDS[3:16]) + " and on."))
    assert found.shared == " ".join(FOX_WORDS[3:16])
    assert found.coverage == pytest.approx(13 / len(FOX_WORDS))
    assert problems.find_overlaps(row("Once " + " ".join(FOX_WORDS[3:15]) + " and on.")) == []


def test_two_stretches_are_both_covered_and_the_longer_one_is_shown() -> None:
    text = "a b c d e f g h i j k l m n o p q r s t u v w x y z aa bb cc dd"
    words = text.split()
    copied = " ".join(words[:13]) + " but then " + " ".join(words[14:])
    (found,) = index(letters=text).find_overlaps(row(copied))
    assert found.shared == " ".join(words[14:])
    assert found.coverage == pytest.approx(29 / 30)


@pytest.mark.parametrize(
    ("prompt", "completion", "where"),
    [(FOX, "No.", "prompt"), ("", FOX, "completion"), (FOX, FOX, "both")],
)
def test_prompt_and_completion_are_looked_at(prompt: str, completion: str, where: str) -> None:
    (found,) = index(fox=FOX).find_overlaps(row(prompt, completion))
    assert found.where == where


def test_nothing_is_found_across_the_border_of_prompt_and_completion() -> None:
    half = " ".join(FOX_WORDS[:10])
    rest = " ".join(FOX_WORDS[10:20])
    assert index(fox=FOX).find_overlaps(row(half, rest)) == []


def test_a_short_problem_is_looked_for_as_a_whole() -> None:
    problem = "def f(text):\n    text.sort()\n    return text[::2] + tail"
    words = ["def", "f", "text", "text", "sort", "return", "text", "2", "tail"]
    assert LEAST_WORDS <= len(words) < NGRAM_WORDS
    problems = index(short=problem)
    (found,) = problems.find_overlaps(row(f"What does it do?\n{problem}\nf('a')"))
    assert (found.shared, found.coverage) == (" ".join(words), 1.0)
    assert problems.find_overlaps(row(problem.replace("tail", "head"))) == []


def test_problems_that_cannot_be_looked_for_are_named() -> None:
    problems = index(tiny="def f(s): return s.upper()", numbers="1 2 3 4 5 6 7 8 9 10", fox=FOX)
    assert problems.unchecked == (("b", "tiny"), ("b", "numbers"))
    assert problems.n_problems == 1


def test_what_many_problems_say_counts_for_none_of_them() -> None:
    boilerplate = "since the answer may be very large return it modulo ten to the ninth plus seven"
    own = [f"{FOX} {' '.join(FOX_WORDS[::-1])} number{n} {boilerplate}" for n in range(4)]
    own = [
        text.replace("fox", f"fox{n}").replace("bells", f"bells{n}") for n, text in enumerate(own)
    ]
    four = index(**{f"p{n}": text for n, text in enumerate(own)})
    three = index(**{f"p{n}": text for n, text in enumerate(own[:BOILERPLATE_PROBLEMS])})
    assert four.find_overlaps(row(boilerplate)) == []
    assert {found.problem_id for found in three.find_overlaps(row(boilerplate))} == {
        "p0",
        "p1",
        "p2",
    }
    # The coverage is of what can be found at all: a full copy has all of it.
    assert [f.coverage for f in four.find_overlaps(row(own[2])) if f.problem_id == "p2"] == [1.0]


def test_what_one_problem_says_often_is_no_boilerplate() -> None:
    (found,) = index(
        refrain=f"{FOX} And again: {FOX} Once more: {FOX} At last: {FOX}"
    ).find_overlaps(row(FOX))
    assert found.coverage > 0.9


def test_boilerplate_is_that_of_one_benchmark() -> None:
    """Four benchmarks with one and the same problem: none of them calls it boilerplate."""
    problems = index_problems({name: [ask("fox", FOX)] for name in "abcd"})
    assert [found.benchmark for found in problems.find_overlaps(row(FOX))] == list("abcd")


def test_a_run_of_numbers_says_nothing() -> None:
    numbers = "1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1"
    problems = index(wells=f"{FOX} For example the grid [{numbers}] gives six.")
    assert problems.find_overlaps(row(f"The bits are [{numbers}].")) == []
    (found,) = problems.find_overlaps(row(FOX))
    assert found.coverage < 1.0


def test_the_words_around_a_statement_are_not_looked_for() -> None:
    wrapped = "You solve puzzles of every kind and answer each of them with one single word only"
    questions = [Question("fox", f"{wrapped}\n\n{FOX}", FOX, None)]
    problems = index_problems({"b": questions})
    assert problems.find_overlaps(row(wrapped)) == []


def test_rows_are_read_one_by_one() -> None:
    n_read = 0

    def read() -> Iterator[TrainRow]:
        nonlocal n_read
        for number in range(5):
            n_read += 1
            yield TrainRow(number, str(number), "", FOX if number % 2 else "Clean.", "Answer.")

    overlaps = find_overlaps(read(), index(fox=FOX))
    assert (next(overlaps).row, n_read) == (1, 2)
    assert [found.row for found in overlaps] == [3]


@pytest.mark.parametrize("text", ["", " ", "…", "one", "ein zwei drei"])
def test_short_and_empty_rows_have_no_overlaps(text: str) -> None:
    assert index(fox=FOX).find_overlaps(row(text, text)) == []


def test_no_benchmark_no_overlap() -> None:
    assert index_problems({}).find_overlaps(row(FOX, FOX)) == []


WORD = st.sampled_from(["for", "i", "in", "range", "n", "return", "x", "1", "0"])
STATEMENTS = st.lists(st.lists(WORD, min_size=5, max_size=18), min_size=1, max_size=6)


def contains(words: list[str], part: list[str]) -> bool:
    return f" {' '.join(part)} " in f" {' '.join(words)} "


def find_by_force(
    statements: list[list[str]], prompt: list[str], completion: list[str]
) -> dict[str, tuple[str, float]]:
    found = {}
    for number, words in enumerate(statements):
        n = min(13, len(words))
        if n < 8:
            continue
        looked_for: set[int] = set()
        shared: set[int] = set()
        places = set()
        for start in range(len(words) - n + 1):
            part = words[start : start + n]
            is_common = sum(contains(other, part) for other in statements) > 3
            if is_common or 3 * len(set(part) - {"0", "1"}) < n:
                continue
            looked_for |= set(range(start, start + n))
            for name, text in (("prompt", prompt), ("completion", completion)):
                if contains(text, part):
                    shared |= set(range(start, start + n))
                    places.add(name)
        if shared:
            where = "both" if len(places) == 2 else places.pop()
            found[str(number)] = (where, len(shared) / len(looked_for))
    return found


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_it_finds_what_brute_force_finds(data: Any) -> None:
    statements = data.draw(STATEMENTS)
    # A statement may come again with a word changed, and rows are made of statements and noise.
    statements += [[*words[:6], "y", *words[7:]] for words in statements[:2]]
    pieces = st.sampled_from(statements) | st.lists(WORD, max_size=4) | st.just(["unknown"])
    texts = [
        [word for piece in data.draw(st.lists(pieces, max_size=3)) for word in piece]
        for _ in range(2)
    ]
    problems = index_problems(
        {"b": [ask(str(number), " ".join(words)) for number, words in enumerate(statements)]}
    )
    found = problems.find_overlaps(row(" ".join(texts[0]), " ".join(texts[1])))
    expected = find_by_force(statements, *texts)
    assert {each.problem_id: each.where for each in found} == {
        id: where for id, (where, _) in expected.items()
    }
    for each in found:
        assert each.coverage == pytest.approx(expected[each.problem_id][1])
        shared = each.shared.split()
        assert contains(statements[int(each.problem_id)], shared)
        assert len(shared) >= min(13, len(statements[int(each.problem_id)]))


REAL = {
    "humaneval": ("humaneval/HumanEval.jsonl.gz", 164),
    "leetcode-dataset": ("leetcode-dataset/LeetCodeDataset-v0.3.1-test.jsonl.gz", 228),
    "cruxeval": ("cruxeval-o-r1/traces.jsonl.gz", 585),
}


@pytest.mark.real
def test_real_traces_of_other_problems_share_nothing_with_a_benchmark(real_data: Path) -> None:
    """1,000 traces of Codeforces problems, 33 M characters of programs and talk about programs."""
    problems = index_problems(
        {
            name: open_benchmark(name, real_data / REAL[name][0]).questions.values()
            for name in ("humaneval", "leetcode-dataset")
        }
    )
    traces = open_corpus([str(real_data / "codeforces-cots-r1" / "traces.jsonl.gz")])
    rows = (TrainRow(r.row, r.id, "", "", str(r.columns["generation"])) for r in traces.rows())
    assert list(find_overlaps(rows, problems)) == []


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_every_real_problem_is_found_in_its_own_prompt(real_data: Path, name: str) -> None:
    """But for CRUXEval's 15 functions of under eight words."""
    file, n_problems = REAL[name]
    questions = open_benchmark(name, real_data / file).questions
    problems = index_problems({name: questions.values()})
    assert problems.n_problems == n_problems
    rows = [TrainRow(n, q.id, "", q.prompt, "-") for n, q in enumerate(questions.values())]
    overlaps = list(find_overlaps(rows, problems))
    own = [found for found in overlaps if found.problem_id == found.id]
    assert len(own) == n_problems
    assert {found.coverage for found in own} == {1.0}
    assert all(first.row <= second.row for first, second in pairwise(overlaps))
