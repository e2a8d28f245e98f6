"""The Gestalt check: the paper's validity, and an attribution that look-alikes do not mislead."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap.prune import GestaltMatch, match_steps
from asap.trace import Trace, parse_trace, segment_thinking, segment_trace

PROSE = (
    "First I sort the numbers and walk over them from the left, since the smallest one that is not "
    "yet used can only be paired with its right neighbour; any other pair would leave a gap that a "
    "later number has to fill, and the cost of that grows with the distance between the two."
)


def greedy_by_difflib(
    original: list[str], reply: list[str], similarity: float
) -> list[tuple[int, float]]:
    """The paper's rule with Python's own matcher: the earliest partner of each reply step."""
    partners: list[tuple[int, float]] = []
    position = 0
    for text in reply:
        for i in range(position, len(original)):
            ratio = SequenceMatcher(None, original[i], text, autojunk=False).ratio()
            if ratio >= similarity:
                partners.append((i, ratio))
                position = i + 1
                break
        else:
            break
    return partners


def test_verbatim_steps_match_themselves() -> None:
    original = ["Read n.", "Wait.", "Sort the list.", "Print the sum."]
    match = match_steps(original, ["Read n.", "Print the sum."], 0.6)
    assert match == GestaltMatch(True, None, (0, 3), (1.0, 1.0))


def test_ratio_is_ratcliff_obershelp() -> None:
    # "abcd" and "bcde" share "bcd": 2 * 3 / 8.
    assert match_steps(["abcd"], ["bcde"], 0.6).ratios == (0.75,)
    assert not match_steps(["abcd"], ["bcde"], 0.76).is_valid


def test_ratio_takes_the_original_first() -> None:
    # Python's documentation of SequenceMatcher.ratio: tide/diet 0.25, diet/tide 0.5.
    assert match_steps(["tide"], ["diet"], 0.25).ratios == (0.25,)
    assert match_steps(["diet"], ["tide"], 0.25).ratios == (0.5,)


def test_order_matters() -> None:
    match = match_steps(["Read the input.", "Sort it."], ["Sort it.", "Read the input."], 0.6)
    assert match == GestaltMatch(False, 1, (1, None), (1.0, 0.0))


def test_one_original_step_serves_one_reply_step() -> None:
    match = match_steps(["Sort it.", "Print it twice over."], ["Sort it.", "Sort it."], 0.6)
    assert match.first_unmatched == 1


def test_invented_step_is_named() -> None:
    original = ["Read n.", "Sort the list.", "Print the sum."]
    match = match_steps(
        original, ["Read n.", "Graphs have nodes and edges.", "Print the sum."], 0.6
    )
    assert match == GestaltMatch(False, 1, (0, None, None), (1.0, 0.0, 0.0))


def test_empty_reply_and_empty_original() -> None:
    assert match_steps(["a"], [], 0.6) == GestaltMatch(True, None, (), ())
    assert match_steps([], ["a"], 0.6) == GestaltMatch(False, 0, (None,), (0.0,))


def test_trap_9_autojunk_is_off() -> None:
    assert len(PROSE) > 200
    edited = PROSE.replace("smallest", "least")
    (ratio,) = match_steps([PROSE], [edited], 0.6).ratios
    assert ratio > 0.95
    assert ratio == pytest.approx(SequenceMatcher(None, PROSE, edited, autojunk=False).ratio())


def test_trap_10_threshold_bounds_verbatim_shortening() -> None:
    # c kept of o characters: 2c / (o + c) >= 0.6 from c = 3/7 o on.
    original = "".join(chr(0x4E00 + k) for k in range(700))
    assert match_steps([original], [original[:300]], 0.6).is_valid
    assert not match_steps([original], [original[:299]], 0.6).is_valid


def test_trap_11_extra_blank_lines_make_no_empty_step() -> None:
    thinking = "Read n.\n\nSort the list.\n\nPrint the sum."
    reply = "Read n.\n\n\n\n \n\nPrint the sum.\n\n\n"
    texts = [[t[s.start : s.end] for s in segment_thinking(t)] for t in (thinking, reply)]
    assert match_steps(texts[0], texts[1], 0.6).attribution == (0, 2)


def test_trap_21_equal_texts_are_told_apart_by_place() -> None:
    original = ["Plan A.", "Wait.", "Sorting costs n log n.", "Wait.", "Use a heap instead."]
    reply = ["Sorting costs n log n.", "Wait.", "Use a heap instead."]
    assert match_steps(original, reply, 0.6).attribution == (2, 3, 4)


def test_look_alike_does_not_mislead() -> None:
    original = ["First example:", "It gives 3.", "Third example:", "It gives 7."]
    reply = ["Third example:", "It gives 7."]
    assert [i for i, _ in greedy_by_difflib(original, reply, 0.6)] == [0, 1]
    assert match_steps(original, reply, 0.6).attribution == (2, 3)


def test_edited_step_goes_to_its_nearest() -> None:
    original = ["Case 1: the sum is 4, so print 4.", "So far.", "Case 2: the sum is 9, so print 9."]
    reply = ["Case 2: sum is 9, so print 9."]
    assert match_steps(original, reply, 0.6).attribution == (2,)


def test_highest_sum_wins_over_one_good_pair() -> None:
    # The better partner of the first step (2) would leave the second only its worse one.
    original = ["abcdefghXX", "klmnopqrst", "abcdefghiX", "klmnopXXXX"]
    reply = ["abcdefghij", "klmnopqrsX"]
    ratio = [[SequenceMatcher(None, a, b, autojunk=False).ratio() for a in original] for b in reply]
    assert ratio[0][0] + ratio[1][1] > ratio[0][2] + ratio[1][3]
    assert match_steps(original, reply, 0.6).attribution == (0, 1)


def test_exact_match_that_starves_another_step_is_no_fixed_point() -> None:
    # "uuuuuuuuuu" stands first in the original, but then "rrrrrrrrrr" comes only before its twin.
    original = ["uuuuuuuuuX", "rrrrrrrrrr", "uuuuuuuuuu"]
    match = match_steps(original, ["uuuuuuuuuu", "rrrrrrrrrr"], 0.6)
    assert match == GestaltMatch(True, None, (0, 1), (0.9, 1.0))


def test_fixed_points_that_fit_singly_but_not_together() -> None:
    # u and v are unique and exact at 2 and 3; with both taken nothing is left between for r.
    original = ["uuuuuuuuuX", "rrrrrrrrrX", "uuuuuuuuuu", "vvvvvvvvvv", "rrrrrrrrXX", "vvvvvvvvvX"]
    match = match_steps(original, ["uuuuuuuuuu", "rrrrrrrrrr", "vvvvvvvvvv"], 0.6)
    assert match.is_valid
    assert match.attribution == (2, 4, 5)
    assert match.ratios == (1.0, 0.8, 0.9)


steps = st.lists(st.text("abX", min_size=1, max_size=6), max_size=9)


@given(steps, steps, st.sampled_from([0.3, 0.6, 0.8, 1.0]))
@settings(max_examples=400, deadline=None)
def test_any_two_texts(original: list[str], reply: list[str], similarity: float) -> None:
    match = match_steps(original, reply, similarity)
    greedy = greedy_by_difflib(original, reply, similarity)
    assert match.is_valid == (len(greedy) == len(reply))
    assert match.first_unmatched == (None if match.is_valid else len(greedy))
    partners = [i for i in match.attribution if i is not None]
    assert len(match.attribution) == len(match.ratios) == len(reply)
    assert len(partners) == len(greedy)
    assert partners == sorted(set(partners))
    for (j, i), ratio in zip(enumerate(partners), match.ratios, strict=False):
        expected = SequenceMatcher(None, original[i], reply[j], autojunk=False).ratio()
        assert ratio == expected >= similarity


@given(st.lists(st.text("abcX", min_size=1, max_size=5), max_size=9), st.data())
@settings(max_examples=300, deadline=None)
def test_verbatim_subset_is_found_up_to_equal_texts(
    original: list[str], data: st.DataObject
) -> None:
    kept = sorted(data.draw(st.sets(st.sampled_from(range(len(original))))) if original else [])
    match = match_steps(original, [original[i] for i in kept], 0.6)
    assert [original[i] for i in match.attribution if i is not None] == [original[i] for i in kept]
    assert match.ratios == (1.0,) * len(kept)


def best_sum(original: list[str], reply: list[str], similarity: float) -> float:
    """The highest summed similarity of all alignments, by trying every one of them."""

    def search(j: int, position: int) -> float:
        if j == len(reply):
            return 0.0
        found = [-1e9]
        for i in range(position, len(original)):
            ratio = SequenceMatcher(None, original[i], reply[j], autojunk=False).ratio()
            if ratio >= similarity:
                found.append(ratio + search(j + 1, i + 1))
        return max(found)

    return search(0, 0)


@given(
    st.lists(st.text("abX", min_size=2, max_size=6), max_size=7),
    st.lists(st.text("abX", min_size=2, max_size=6), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_alignment_without_fixed_points_is_the_best(original: list[str], reply: list[str]) -> None:
    reply = [text + "y" for text in reply]  # no exact matches
    match = match_steps(original, reply, 0.5)
    if match.is_valid:
        assert sum(match.ratios) == pytest.approx(best_sum(original, reply, 0.5))


def make_alike(n_steps: int) -> list[str]:
    return [
        f"For i = {k} the running sum is {k * 7 % 101} and the loop goes on."
        for k in range(n_steps)
    ]


def test_long_traces_of_look_alikes_take_no_quadratic_time() -> None:
    original = make_alike(1252)
    reply = [text.replace("loop", "while loop") for text in original[::2][:600]]
    started = time.perf_counter()
    match = match_steps(original, reply, 0.6)
    elapsed_s = time.perf_counter() - started
    assert match.is_valid
    assert match.attribution == tuple(range(0, 1200, 2))
    assert elapsed_s < 10  # about 0.5 s; all pairs take a minute


def read_traces(folder: Path, split: str | None, limit: int | None) -> Iterator[Trace]:
    n_traces = 0
    with gzip.open(
        folder / "codeforces-cots-r1" / "traces.jsonl.gz", "rt", encoding="utf-8"
    ) as file:
        for row, line in enumerate(file):
            record = json.loads(line)
            if split is not None and record["split"] != split:
                continue
            trace = parse_trace(row, record["id"], "", response=record["generation"])
            if isinstance(trace, Trace):
                yield trace
                n_traces += 1
                if n_traces == limit:
                    return


def count_misattributed(traces: Iterator[Trace], segmenter: str) -> tuple[int, int, int]:
    """Steps, and how many of them the alignment and the greedy rule give to another text."""
    n_steps = n_wrong = n_wrong_greedily = 0
    for trace in traces:
        whole = segment_trace(trace, segmenter)  # type: ignore[arg-type]
        original = [whole.text(i) for i in range(len(whole.steps))]
        kept = sorted(random.Random(trace.row).sample(range(len(original)), len(original) // 2))
        match = match_steps(original, [original[i] for i in kept], 0.6)
        assert match.is_valid
        earliest = match_earliest(original, [original[i] for i in kept])
        n_steps += len(kept)
        n_wrong += sum(
            original[a] != original[i] for a, i in zip(match.attribution, kept, strict=True)
        )  # type: ignore[index]
        n_wrong_greedily += sum(
            original[a] != original[i] for a, i in zip(earliest, kept, strict=True)
        )
    return n_steps, n_wrong, n_wrong_greedily


def match_earliest(original: list[str], reply: list[str]) -> list[int]:
    """The greedy partners: an invalid reply's attribution is the paper's."""
    match = match_steps(original, [*reply, "\N{SNOWMAN}" * 10_000], 0.6)
    return [i for i in match.attribution if i is not None]


@pytest.mark.real
@pytest.mark.parametrize("segmenter", ["block", "paragraph"])
def test_verbatim_subsets_of_real_traces(real_data: Path, segmenter: str) -> None:
    n_steps, n_wrong, n_wrong_greedily = count_misattributed(
        read_traces(real_data, "dev", 20), segmenter
    )
    assert n_steps > 1000
    assert n_wrong == 0
    assert n_wrong_greedily > 0


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("segmenter", ["block", "paragraph"])
def test_verbatim_subsets_of_all_real_traces(real_data: Path, segmenter: str) -> None:
    n_steps, n_wrong, n_wrong_greedily = count_misattributed(
        read_traces(real_data, None, None), segmenter
    )
    assert n_wrong == 0
    assert 0.02 < n_wrong_greedily / n_steps < 0.2
