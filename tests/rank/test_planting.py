"""Planted passages: the trace around them is untouched, and each is what its label says."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap.rank import Planted, PlantKind, find_unique_steps, plant_redundancy
from asap.rank.openers import strip_opener
from asap.rank.rewording import find_values
from asap.trace import Segmenter, Trace, parse_trace, segment_trace

SEGMENTERS: tuple[Segmenter, ...] = get_args(Segmenter)
_NOUNS = ["row", "column", "letter", "bracket", "pupil", "edge", "digit", "cycle", "query", "tile"]
_OPENERS = ["Wait, ", "So ", "", "", "Let me check again. ", "Alternatively, ", "Okay, "]


def make_trace(row: int, n_steps: int, segmenter: Segmenter = "block") -> Trace:
    """Prose of different steps with code, a list and a repeated step between."""
    source = random.Random(row)
    steps = []
    for index in range(n_steps):
        noun, value = source.choice(_NOUNS), source.randint(2, 99)
        opener = source.choice(_OPENERS)
        steps.append(
            f"{opener}{'t' if opener[-2:] in {', ', 'o '} else 'T'}he {noun} number {index} needs "
            f"to be {value}, because each element of '{noun}_{row}' equals {value * 3}."
        )
    steps.insert(2, "```python\nfor i in range(3):\n\n    print(i)\n```")
    steps.insert(n_steps // 2, "for i in range(n):\n\n    total += i\n\n    print(total)")
    steps.insert(n_steps // 2, "The code would be:")
    steps.insert(n_steps // 3, "- first item of the list\n\n- second item of the list")
    steps += ["This step is said twice, with the value 17."] * 2
    trace = Trace(row, f"t-{row}", "A question.", "\n\n".join(steps), "An answer.")
    return segment_trace(trace, segmenter)


DONORS = [make_trace(row, 30) for row in (900, 901, 902)]


def unplant(planted: Planted) -> str:
    text = planted.trace.thinking
    for plant in reversed(planted.plants):
        text = text[: plant.start] + text[plant.end :]
    return text


def check_laws(trace: Trace, planted: Planted, segmenter: Segmenter) -> None:
    assert unplant(planted) == trace.thinking
    new = planted.trace
    assert (new.row, new.id, new.question, new.answer) == (
        *(trace.row, trace.id),
        *(trace.question, trace.answer),
    )
    assert new.tokens is None
    assert new.steps == segment_trace(new, segmenter).steps
    assert len(new.thinking) <= 1.15 * len(trace.thinking)
    # Every step is an original one, in order and whole, or planted.
    kept = [origin for origin in planted.origins if origin is not None]
    assert kept == list(range(len(trace.steps)))
    for step, origin in enumerate(planted.origins):
        if origin is not None:
            assert new.text(step) == trace.text(origin)
    is_planted = [step for step, origin in enumerate(planted.origins) if origin is None]
    assert is_planted == [step for plant in planted.plants for step in plant.steps]
    for plant in planted.plants:
        texts = [new.text(step) for step in plant.steps]
        assert "\n\n".join(texts) + "\n\n" == new.thinking[plant.start : plant.end]


@pytest.fixture(scope="module")
def many() -> list[tuple[Trace, Planted]]:
    traces = [make_trace(row, 250) for row in range(6)]
    return [(trace, plant_redundancy(trace, DONORS, 0, "block")) for trace in traces]


def list_plants(
    many: list[tuple[Trace, Planted]], kind: PlantKind
) -> list[tuple[Trace, list[str]]]:
    """Texts of each plant of a kind, with the trace before planting."""
    found = [
        (trace, [planted.trace.text(step) for step in plant.steps])
        for trace, planted in many
        for plant in planted.plants
        if plant.kind == kind
    ]
    assert found
    return found


@pytest.mark.parametrize("segmenter", SEGMENTERS)
@settings(max_examples=40, deadline=None)
@given(n_steps=st.integers(1, 60), seed=st.integers(0, 1000), row=st.integers(0, 50))
def test_the_trace_around_the_plants_is_untouched(
    segmenter: Segmenter, n_steps: int, seed: int, row: int
) -> None:
    trace = make_trace(row, n_steps, segmenter)
    check_laws(trace, plant_redundancy(trace, DONORS, seed, segmenter), segmenter)


_LINES = [
    "The value of x_1 is 12, since it is in the first row of it.",
    "if x:",
    "    x = 2",
    "```",
]
_LINES += [
    "",
    "",
    "- a list item",
    "So we need to compute each element of the 5 lists:",
    "    else:",
]
_LINES += [
    "Wait, maybe the other row holds 7 instead of 9, which is odd.",
    "x = 3",
    "for each row:",
]


@pytest.mark.parametrize("segmenter", SEGMENTERS)
@settings(max_examples=100, deadline=None)
@given(lines=st.lists(st.sampled_from(_LINES), min_size=1, max_size=60), seed=st.integers(0, 9))
def test_so_it_is_in_a_muddle_of_code_fences_and_prose(
    segmenter: Segmenter, lines: list[str], seed: int
) -> None:
    trace = segment_trace(Trace(0, "a", "", "x is 1\n" + "\n".join(lines), ""), segmenter)
    check_laws(trace, plant_redundancy(trace, DONORS, seed, segmenter), segmenter)


def test_the_same_arguments_plant_the_same(many: list[tuple[Trace, Planted]]) -> None:
    for trace, planted in many:
        assert plant_redundancy(trace, DONORS, 0, "block") == planted
    trace, planted = many[0]
    assert plant_redundancy(trace, DONORS, 1, "block") != planted
    assert plant_redundancy(replace(trace, row=99), DONORS, 0, "block").plants != planted.plants


def test_a_long_trace_has_two_or_three_plants_of_each_kind(
    many: list[tuple[Trace, Planted]],
) -> None:
    for _, planted in many:
        counts = Counter(plant.kind for plant in planted.plants)
        assert set(counts) == set(get_args(PlantKind))
        assert all(2 <= count <= 3 for count in counts.values()), counts


def test_plants_keep_apart_and_away_from_code_lists_and_headers(
    many: list[tuple[Trace, Planted]],
) -> None:
    for _, planted in many:
        new = planted.trace
        for plant in planted.plants:
            before, after = plant.steps[0] - 1, plant.steps[-1] + 1
            assert planted.origins[before] is not None
            assert planted.origins[after] is not None
            assert not new.text(before).endswith(":")
            assert new.text(after)[0].isupper()  # neither a list item nor code


def test_a_verbatim_repeat_is_the_source_but_for_the_opener(
    many: list[tuple[Trace, Planted]],
) -> None:
    lengths = set()
    for _, planted in many:
        for plant in planted.plants:
            if plant.kind == "verbatim":
                lengths.add(len(plant.steps))
                assert len(plant.sources) == len(plant.steps)
                for step, source in zip(plant.steps, plant.sources, strict=True):
                    said, first = planted.trace.text(step), planted.trace.text(source)
                    if step > plant.steps[0] or not plant.opener:
                        assert said == first
                    else:
                        assert strip_opener(said).lower().endswith(strip_opener(first)[1:].lower())
    assert {1, 2} < lengths <= {1, 2, 3, 4}


def test_sources_are_unique_steps_before_and_distances_are_measured_to_them(
    many: list[tuple[Trace, Planted]],
) -> None:
    shares = []
    for trace, planted in many:
        unique = set(find_unique_steps(trace))
        for plant in planted.plants:
            if plant.kind in {"digression", "withdrawn"}:
                assert (plant.sources, plant.distance_characters) == ((), None)
                continue
            assert {planted.origins[source] for source in plant.sources} <= unique
            assert plant.distance_steps == plant.steps[0] - plant.sources[0] >= 2
            first = planted.trace.steps[plant.sources[0]].start
            assert plant.distance_characters == plant.start - first > 0
            shares.append(plant.distance_characters / len(planted.trace.thinking))
    # Near, middle and far all occur, none of them seldom.
    near, far = (
        sum(test) / len(shares) for test in ([x < 0.15 for x in shares], [x > 0.4 for x in shares])
    )
    assert min(near, far, 1 - near - far) > 0.15


def test_a_near_repeat_has_all_values_in_other_words(many: list[tuple[Trace, Planted]]) -> None:
    for _, planted in many:
        for plant in planted.plants:
            if plant.kind == "near":
                said = planted.trace.text(plant.steps[0])
                first = planted.trace.text(plant.sources[0])
                assert find_values(said) == find_values(first)
                fresh = set(said.lower().split()) - set(first.lower().split())
                assert len(fresh) >= 2


def test_a_corruption_has_another_value_and_is_not_redundant(
    many: list[tuple[Trace, Planted]],
) -> None:
    for _, planted in many:
        for plant in planted.plants:
            assert plant.is_redundant == (plant.kind != "corruption")
            if plant.kind == "corruption":
                said = planted.trace.text(plant.steps[0])
                first = planted.trace.text(plant.sources[0])
                assert find_values(said) != find_values(first)
                assert find_values(said).total() == find_values(first).total()


def test_a_recap_is_made_of_its_sources(many: list[tuple[Trace, Planted]]) -> None:
    for _, planted in many:
        for plant in planted.plants:
            if plant.kind == "recap":
                said = planted.trace.text(plant.steps[0])
                assert 2 <= len(plant.sources) <= 4
                for source in plant.sources:
                    # Each step's key sentence is the one with its values, here the last.
                    first = planted.trace.text(source).rstrip(".")
                    assert first[first.index("number") :] in said


def test_a_wrong_turn_is_taken_back_in_a_step_of_its_own(
    many: list[tuple[Trace, Planted]],
) -> None:
    for _, texts in list_plants(many, "withdrawn"):
        assert len(texts) == 2
        assert texts[1].split(",")[0].split(".")[0] in {
            "Wait",
            "No",
            "Hmm",
            "But no",
            "Oh wait",
        } or (texts[1].startswith("But that is not correct"))


def test_digressions_come_from_other_problems(many: list[tuple[Trace, Planted]]) -> None:
    donor_text = " ".join(donor.thinking for donor in DONORS)
    for trace, texts in list_plants(many, "digression"):
        for text in texts:
            # Behind the opener: every step of the donors has a number of its own.
            body = text[text.index("number") :]
            assert body in donor_text
            assert body not in trace.thinking


def test_a_trace_of_the_same_id_is_no_donor() -> None:
    trace = make_trace(1, 60)
    twin = replace(make_trace(950, 60), id=trace.id)
    planted = plant_redundancy(trace, [twin], 0, "block")
    kinds = {plant.kind for plant in planted.plants}
    assert "digression" not in kinds
    assert kinds == set(get_args(PlantKind)) - {"digression"}
    assert "_950" not in planted.trace.thinking  # every step of the twin names its row


def test_openers_are_the_trace_s_own(many: list[tuple[Trace, Planted]]) -> None:
    families = {"wait", "so", "let me", "alternatively", "okay", ""}
    seen = {plant.opener for _, planted in many for plant in planted.plants}
    assert seen == families


def test_a_trace_too_short_for_a_plant_has_none() -> None:
    trace = segment_trace(Trace(0, "a", "", "The sum is 4.\n\nSo the answer is 4.", ""))
    planted = plant_redundancy(trace, DONORS, 0, "block")
    assert planted == Planted(replace(trace, tokens=None), (), (0, 1))


@pytest.mark.parametrize(
    "trace", [make_trace(0, 10, "paragraph"), replace(make_trace(0, 10), steps=())]
)
def test_a_trace_cut_otherwise_or_not_at_all_is_refused(trace: Trace) -> None:
    with pytest.raises(ValueError, match="row 0 is not segmented by block"):
        plant_redundancy(trace, DONORS, 0, "block")


@pytest.mark.real
@pytest.mark.parametrize("segmenter", SEGMENTERS)
@pytest.mark.parametrize("name", ["codeforces-cots-r1", "cruxeval-o-r1"])
def test_real_traces_take_plants(real_data: Path, name: str, segmenter: Segmenter) -> None:
    traces = []
    with gzip.open(real_data / name / "traces.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row, line in enumerate(islice(lines, 20)):
            fields = json.loads(line)
            trace = parse_trace(
                row,
                fields["id"],
                "",
                response=fields.get("generation"),
                reasoning=fields.get("reasoning"),
                require="nothing",
            )
            if isinstance(trace, Trace):
                traces.append(segment_trace(trace, segmenter))
    kinds: Counter[str] = Counter()
    for trace in traces:
        planted = plant_redundancy(trace, traces, 0, segmenter)
        check_laws(trace, planted, segmenter)
        kinds.update(plant.kind for plant in planted.plants)
    # Every kind is there: three a trace at most, one in three of the short ones at least.
    assert set(kinds) == set(get_args(PlantKind))
    assert all(len(traces) / 5 <= count <= 3 * len(traces) for count in kinds.values()), kinds
