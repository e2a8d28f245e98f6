"""Recall and AUC of planted passages, on numbers worked out by hand and by another road."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.rank import (
    KeptText,
    Plant,
    Planted,
    PlantKind,
    PlantMeans,
    PlantValue,
    Recall,
    average_plants,
    measure_recall,
    measure_removal,
    rank_auc,
    value_plants,
)
from asap.trace import Trace, segment_trace

_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
_WORDS += ["nine", "ten", "eleven", "twelve"]


def make_steps(n_steps: int) -> list[str]:
    """Different steps of prose, each of at least 40 characters."""
    return [f"The {_WORDS[i]} of them is what this step is all about." for i in range(n_steps)]


def plant_by_hand(steps: list[str], inserts: dict[int, tuple[PlantKind, list[str]]]) -> Planted:
    """A planted trace with passages before given steps, without the code under test."""
    texts: list[str] = []
    origins: list[int | None] = []
    groups: list[tuple[PlantKind, int, int]] = []
    for index, step in enumerate(steps):
        if index in inserts:
            kind, passage = inserts[index]
            groups.append((kind, len(texts), len(texts) + len(passage)))
            texts += passage
            origins += [None] * len(passage)
        texts.append(step)
        origins.append(index)
    trace = segment_trace(Trace(7, "a", "", "\n\n".join(texts), ""), "paragraph")
    plants = tuple(
        Plant(
            kind,
            "wait",
            tuple(range(first, stop)),
            trace.steps[first].start,
            trace.steps[stop].start,
            *((), None, None),
        )
        for kind, first, stop in groups
    )
    return Planted(trace, plants, tuple(origins))


def make_plain(steps: list[str]) -> Trace:
    return segment_trace(Trace(7, "a", "", "\n\n".join(steps), ""), "paragraph")


LONG = "Wait, this passage was planted here by the test."
OTHER = "So this other passage was planted by hand as well."
FOUR = make_steps(4)


@pytest.mark.parametrize(
    ("planted_order", "expected"),
    [
        # The planted trace is 0 P 2 3 4 with the plant at 1; the plain order is 2 0 3 1.
        ([1, 3, 0, 4, 2], 1.0),  # none of the originals before it: all four unique steps after it
        ([3, 1, 0, 4, 2], 0.75),  # one before it: those at places 1, 2 and 3 go after it
        ([3, 0, 4, 1, 2], 0.25),
        ([3, 0, 4, 2, 1], 0.0),
    ],
)
def test_auc_by_hand(planted_order: list[int], expected: float) -> None:
    planted = plant_by_hand(FOUR, {1: ("verbatim", [LONG])})
    assert rank_auc([2, 0, 3, 1], planted_order, planted, make_plain(FOUR)) == (expected,)


def test_only_unique_steps_of_prose_are_compared_with() -> None:
    # Steps 1 and 4 are one text, 2 is code, 3 is short: 0 and 5 are left, at places 0 and 3.
    steps = [FOUR[0], FOUR[1], "for i in range(100000000): print(i, i + 1, i + 2)"]
    steps += ["So yes.", FOUR[1], FOUR[2]]
    planted = plant_by_hand(steps, {3: ("digression", [LONG])})
    # Planted indices: 0 1 2 P=3 4 5 6. Two originals (4 and 1) go before the plant: place 2.
    auc = rank_auc([0, 1, 2, 5, 3, 4], [4, 1, 3, 0, 2, 5, 6], planted, make_plain(steps))
    assert auc == (0.5,)


def test_a_plant_of_several_steps_has_their_mean() -> None:
    planted = plant_by_hand(FOUR, {1: ("withdrawn", [LONG, OTHER]), 3: ("recap", [LONG + OTHER])})
    # Planted indices: 0, P P, 3, 4, Q=5, 6. Originals before the first P: 0, before the second: 2
    # (0 and 3); before Q: 4. Against places 0 to 3: (1 + 0.5) / 2, and 0.
    auc = rank_auc([0, 1, 2, 3], [1, 0, 3, 2, 4, 6, 5], planted, make_plain(FOUR))
    assert auc == (0.75, 0.0)


def test_a_trace_without_unique_steps_has_no_auc() -> None:
    steps = [FOUR[0], FOUR[0]]
    planted = plant_by_hand(steps, {1: ("verbatim", [LONG])})
    assert rank_auc([0, 1], [0, 1, 2], planted, make_plain(steps)) is None


@given(st.integers(2, 12), st.integers(0, 10**6))
def test_auc_is_that_of_all_pairs(n_steps: int, seed: int) -> None:
    source = random.Random(seed)
    steps = make_steps(n_steps)
    inserts: dict[int, tuple[PlantKind, list[str]]] = {
        place: ("near", [LONG, OTHER][: source.randint(1, 2)])
        for place in source.sample(range(n_steps), source.randint(1, min(3, n_steps)))
    }
    planted = plant_by_hand(steps, inserts)
    plain_order = source.sample(range(n_steps), n_steps)
    n_planted = len(planted.trace.steps)
    planted_order = source.sample(range(n_planted), n_planted)
    auc = rank_auc(plain_order, planted_order, planted, make_plain(steps))

    def wins(step: int, unique: int) -> bool:
        # Put the plant into the plain order behind as many originals as went before it.
        gone = planted_order[: planted_order.index(step)]
        n_before = sum(
            other in [i for i, o in enumerate(planted.origins) if o is not None] for other in gone
        )
        merged = [*plain_order[:n_before], "plant", *plain_order[n_before:]]
        return merged.index("plant") < merged.index(unique)

    for plant, value in zip(planted.plants, auc or (), strict=True):
        pairs = [wins(step, unique) for step in plant.steps for unique in range(n_steps)]
        assert value == pytest.approx(sum(pairs) / len(pairs))


def test_a_random_order_is_at_one_half() -> None:
    # All 5! orders of 4 originals and one plant: the plant is at each place equally often.
    planted = plant_by_hand(FOUR, {2: ("near", [LONG])})
    values = []
    for place in range(5):
        order = [0, 1, 3, 4]
        order.insert(place, 2)
        values += rank_auc([3, 1, 0, 2], order, planted, make_plain(FOUR)) or ()
    assert sum(values) / 5 == pytest.approx(0.5)


def keep_steps(planted: Planted, kept: list[int]) -> KeptText:
    spans = tuple((planted.trace.steps[i].start, planted.trace.steps[i].end) for i in kept)
    return KeptText("", spans)


def test_removal_by_hand() -> None:
    planted = plant_by_hand(
        FOUR, {1: ("withdrawn", ["a" * 60, "b" * 40]), 3: ("corruption", ["c" * 50])}
    )
    # Planted indices: 0, aP bP, 3, 4, cP=5, 6. Step bP is gone: 40 of 100 characters.
    assert measure_removal(planted, keep_steps(planted, [0, 1, 3, 5])) == pytest.approx((0.4, 0.0))
    # Single words: of cP 20 characters are kept, of aP 15.
    first, last = planted.trace.steps[1].start, planted.trace.steps[5].end
    words = KeptText("", ((first, first + 15), (last - 20, last)))
    assert measure_removal(planted, words) == pytest.approx((0.85, 0.6))
    assert measure_removal(planted, KeptText("new", None)) is None


def test_recall_beside_chance() -> None:
    planted = plant_by_hand(
        FOUR, {1: ("verbatim", [LONG]), 2: ("near", [OTHER]), 3: ("corruption", ["c" * 50])}
    )
    # Planted indices: 0 P=1 2 Q=3 4 C=5 6. P is gone and Q is not; the corruption does not count.
    recall = measure_recall(planted, keep_steps(planted, [0, 3, 4]), 0.4)
    assert recall == Recall(0.5, 0.4)
    assert recall.lift == pytest.approx(1.25)
    assert recall.excess == pytest.approx(0.1)
    assert Recall(0.0, 0.0).lift is None


def test_recall_cannot_be_said_of_new_text_or_without_plants() -> None:
    planted = plant_by_hand(FOUR, {1: ("corruption", [LONG])})
    assert measure_recall(planted, keep_steps(planted, [0]), 0.5) is None
    planted = plant_by_hand(FOUR, {1: ("verbatim", [LONG])})
    assert measure_recall(planted, KeptText("new", None), 0.5) is None


def make_value(row: int, kind: PlantKind, removed: float | None, auc: float | None) -> PlantValue:
    return PlantValue(row, kind, "wait", None, 50, removed, auc)


def test_means_are_taken_within_each_trace() -> None:
    values = [
        make_value(0, "near", 1.0, 0.5),
        make_value(0, "near", 0.0, 0.75),
        make_value(0, "recap", 0.5, None),
        make_value(0, "corruption", 0.25, 0.25),
        make_value(3, "near", None, 0.5),
    ]
    assert average_plants(values, "kind") == {
        0: {
            "near": PlantMeans(2, 0.5, 0.625),
            "recap": PlantMeans(1, 0.5, None),
            "corruption": PlantMeans(1, 0.25, 0.25),
        },
        3: {"near": PlantMeans(1, None, 0.5)},
    }
    # Elsewhere corruptions are left out.
    assert average_plants(values, "all")[0] == {"redundant": PlantMeans(3, 0.5, 0.625)}
    assert average_plants(values, "opener")[0] == {"wait": PlantMeans(3, 0.5, 0.625)}
    assert average_plants(values[3:4], "all") == {}


@pytest.mark.parametrize(
    ("characters", "expected"),
    [(None, "none"), (0, "near"), (999, "near"), (1000, "middle"), (7999, "middle"), (8000, "far")],
)
def test_distances_have_names(characters: int | None, expected: str) -> None:
    value = replace(make_value(0, "near", 1.0, 1.0), distance_characters=characters)
    assert list(average_plants([value], "distance")[0]) == [expected]


def test_values_carry_what_they_are_grouped_by() -> None:
    planted = plant_by_hand(FOUR, {1: ("withdrawn", ["a" * 60, "b" * 40])})
    value = PlantValue(7, "withdrawn", "wait", None, 100, 0.25, None)
    assert value_plants(planted, [0.25], None) == (value,)
    assert value_plants(planted, None, [0.5]) == (replace(value, removed=None, auc=0.5),)
