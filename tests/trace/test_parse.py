"""Parsing: every tag style, the separate field, no tags, and every reason for refusal."""

from __future__ import annotations

import pytest

from asap.trace import REASONS, TAGS, Excluded, Require, Trace, parse_trace


def parse(response: str, require: Require = "answer") -> Trace | Excluded:
    return parse_trace(0, "a", "Why?", response=response, require=require)


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_each_tag_style_is_parsed(opening: str, closing: str) -> None:
    outcome = parse(f"{opening}\nfirst\n\nsecond\n{closing}\n\nThe answer is 4.\n")
    assert outcome == Trace(0, "a", "Why?", "first\n\nsecond", "The answer is 4.")


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_the_opening_tag_may_be_missing(opening: str, closing: str) -> None:
    outcome = parse(f"first\n{closing}\nanswer")
    assert isinstance(outcome, Trace)
    assert (outcome.thinking, outcome.answer) == ("first", "answer")


def test_the_solution_tags_of_the_long_style_are_no_part_of_the_answer() -> None:
    outcome = parse(
        "<|begin_of_thought|>\n\nplan\n\n<|end_of_thought|>\n\n"
        "<|begin_of_solution|>\n\n42\n\n<|end_of_solution|>"
    )
    assert isinstance(outcome, Trace)
    assert outcome.thinking == "\nplan\n"
    assert outcome.answer == "42"


def test_only_one_line_break_next_to_a_tag_belongs_to_the_tag() -> None:
    outcome = parse("<think>\n\n    x = 1\n\n\n</think>ok")
    assert isinstance(outcome, Trace)
    assert outcome.thinking == "\n    x = 1\n\n"


def test_windows_line_breaks_next_to_a_tag_belong_to_the_tag() -> None:
    outcome = parse("<think>\r\none\r\n\r\ntwo\r\n</think>\r\nok\r\n")
    assert isinstance(outcome, Trace)
    assert (outcome.thinking, outcome.answer) == ("one\r\n\r\ntwo", "ok")


def test_reasoning_in_a_field_of_its_own() -> None:
    outcome = parse_trace(3, "b", "", reasoning="think\n", answer=" four ")
    assert outcome == Trace(3, "b", "", "think\n", "four")


def test_reasoning_in_a_field_of_its_own_may_wear_its_tags() -> None:
    outcome = parse_trace(0, "a", "", reasoning="<think>\nhm\n</think>", answer="four")
    assert isinstance(outcome, Trace)
    assert (outcome.thinking, outcome.answer) == ("hm", "four")


def test_a_response_beside_the_reasoning_field_is_the_answer() -> None:
    outcome = parse_trace(0, "a", "", reasoning="hm", response="four")
    assert isinstance(outcome, Trace)
    assert outcome.answer == "four"


def test_a_response_that_repeats_the_reasoning_field_gives_its_answer_only() -> None:
    outcome = parse_trace(0, "a", "", reasoning="hm", response="<think>\nhm\n</think>\nfour")
    assert isinstance(outcome, Trace)
    assert (outcome.thinking, outcome.answer) == ("hm", "four")


def test_the_answer_column_fills_in_where_nothing_follows_the_tags() -> None:
    outcome = parse_trace(0, "a", "", response="<think>hm</think>\n", answer="four")
    assert isinstance(outcome, Trace)
    assert outcome.answer == "four"


def test_the_text_after_the_tags_goes_before_the_answer_column() -> None:
    outcome = parse_trace(0, "a", "", response="<think>hm</think>It is four.", answer="4")
    assert isinstance(outcome, Trace)
    assert outcome.answer == "It is four."


def test_tags_of_another_model_in_the_text_are_text() -> None:
    outcome = parse("<think>Mistral writes [THINK] and [/THINK].</think>Yes, <thinking> is not it.")
    assert isinstance(outcome, Trace)
    assert outcome.thinking == "Mistral writes [THINK] and [/THINK]."


def test_the_style_that_opens_the_text_wins_over_one_that_is_mentioned() -> None:
    outcome = parse("[THINK]so <thinking> ends with </thinking>, fine[/THINK]done")
    assert isinstance(outcome, Trace)
    assert outcome.thinking == "so <thinking> ends with </thinking>, fine"
    assert outcome.answer == "done"


_REFUSED: list[tuple[str, dict[str, str], Require]] = [
    ("no_tags", {"response": "just an answer"}, "answer"),
    ("no_tags", {}, "answer"),
    ("no_closing_tag", {"response": "<think>\ncut off"}, "answer"),
    ("no_closing_tag", {"reasoning": "<think>cut off", "answer": "4"}, "answer"),
    ("tags_out_of_order", {"response": "<think>a<think>b</think>c"}, "answer"),
    ("tags_out_of_order", {"response": "</think>a<think>b"}, "answer"),
    ("tags_out_of_order", {"response": "Sure.\n<think>a</think>b"}, "answer"),
    ("tags_out_of_order", {"response": "[THINK]the tag </think> ends it[/THINK]b"}, "answer"),
    ("tags_out_of_order", {"reasoning": "a", "answer": "end with </think>"}, "answer"),
    ("empty_thinking", {"response": "<think>\n\n</think>\nfour"}, "answer"),
    ("empty_thinking", {"reasoning": " \n", "answer": "four"}, "answer"),
    ("no_answer", {"response": "<think>hm</think>\n \n"}, "answer"),
    ("no_answer", {"reasoning": "hm"}, "code"),
    ("no_code_block", {"response": "<think>hm</think>print(4)"}, "code"),
    ("no_code_block", {"response": "<think>hm</think>```python\nprint(4)"}, "code"),
]


@pytest.mark.parametrize(("reason", "fields", "require"), _REFUSED)
def test_what_cannot_be_used_is_refused_by_name(
    reason: str, fields: dict[str, str], require: Require
) -> None:
    assert parse_trace(0, "a", "q", require=require, **fields) == Excluded(reason)


def test_every_reason_has_a_case_that_trips_it() -> None:
    assert {reason for reason, _, _ in _REFUSED} == set(REASONS)


def test_no_answer_is_needed_where_nothing_is_required() -> None:
    outcome = parse("<think>hm</think>", require="nothing")
    assert isinstance(outcome, Trace)
    assert outcome.answer == ""


@pytest.mark.parametrize(
    "block", ["```python\nprint(4)\n```", "~~~\nprint(4)\n~~~", "1. So\n   ```\n   4\n   ```"]
)
def test_a_closed_fenced_block_satisfies_require_code(block: str) -> None:
    assert isinstance(parse(f"<think>hm</think>Here:\n{block}", require="code"), Trace)


def test_trap_12_a_thinking_that_starts_and_ends_with_code_keeps_its_fences() -> None:
    thinking = "```text\nin\n```\n\nSo:\n\n```python\nprint(1)\n```"
    outcome = parse(f"<think>\n{thinking}\n</think>\nok")
    assert isinstance(outcome, Trace)
    assert outcome.thinking == thinking


@pytest.mark.parametrize(
    "response",
    [
        "<think>a</think>b</think>c",
        "<think>a</think>b<think>c</think>d",
        "a</think>b</think>c",
    ],
)
def test_trap_15_a_second_closing_tag_is_refused_and_not_cut_at(response: str) -> None:
    assert parse(response) == Excluded("tags_out_of_order")
