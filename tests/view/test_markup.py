"""Text in pieces: lossless, control signs visible, code and mathematics told from prose."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap.view.highlight import Highlighter
from asap.view.markup import MOST_CHARACTERS, describe_text, join_pieces, split_markup
from asap.view.visible import find_controls, show_controls

SIGNS = st.sampled_from(
    [
        *("`", "```", "~~~", "$", "$$", "\\(", "\\)", "\\[", "\\]", "\\", "- "),
        *("\n", "\n\n", " ", "\r\n", "a", "3", "é", "π", "x = 1", "python", "def f():"),
        *("\x00", "\x1b[31m", "\u202e", "\u200b", "\u2028", "\x85"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(SIGNS, max_size=40).map("".join))
def test_joined_the_pieces_are_the_text(text: str) -> None:
    pieces = split_markup(text)
    assert join_pieces(pieces) == show_controls(text)
    for kind, content, *more in pieces:
        assert kind in {"text", "code", "block", "math", "display", "control", "fence"}
        assert find_controls(content) is None
        if kind == "block":
            assert "".join(token for _, token in more[0]) == content
            assert {name for name, _ in more[0]} <= set("kscnof") | {""}


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Take `n - 1` steps.", [["text", "Take "], ["code", "n - 1"], ["text", " steps."]]),
        ("A lone ` stays.", [["text", "A lone ` stays."]]),
        ("So $x^2$ is it.", [["text", "So "], ["math", "x^2", "$"], ["text", " is it."]]),
        ("It costs $5 or $10.", [["text", "It costs $5 or $10."]]),
        ("Give $3 and take $ 4$.", [["text", "Give $3 and take $ 4$."]]),
        (r"Now \(a+b\),", [["text", "Now "], ["math", "a+b", "\\("], ["text", ","]]),
        (r"\[a\]b", [["display", "a", "\\["], ["text", "b"]]),
        ("$$\na\n$$", [["display", "\na\n", "$$"]]),
        (r"\$x\$", [["text", r"\$x\$"]]),
        ("a\x1b[1mb", [["text", "a"], ["control", "\u241b"], ["text", "[1mb"]]),
        ("a\x00\x01b", [["text", "a"], ["control", "\u2400\u2401"], ["text", "b"]]),
        ("x\u202ey", [["text", "x"], ["control", "<U+202E>"], ["text", "y"]]),
        ("a\u2028b", [["text", "a"], ["control", "<U+2028>"], ["text", "b"]]),
        ("tab\tand\nline", [["text", "tab\tand\nline"]]),
        ("$a\u202eb$", [["text", "$a"], ["control", "<U+202E>"], ["text", "b$"]]),
    ],
)
def test_what_is_what(text: str, pieces: list[Any]) -> None:
    assert split_markup(text) == pieces


def test_a_fenced_block_has_its_fences_and_its_tokens() -> None:
    pieces = split_markup("See:\n```python\ndef f(n):\n    return 'a'  # why\n```\nDone.")
    assert [piece[0] for piece in pieces] == ["text", "fence", "block", "fence", "text"]
    assert pieces[1] == ["fence", "```python\n"]
    assert pieces[3] == ["fence", "```"]
    tokens = [tuple(token) for token in pieces[2][2]]
    named = [(name, text.strip()) for name, text in tokens if name]
    assert ("k", "def") in named
    assert ("f", "f") in named
    assert ("k", "return") in named
    assert ("s", "'a'") in named
    assert ("c", "# why") in named
    assert pieces[2][1] == "def f(n):\n    return 'a'  # why\n"


def test_indentation_stays() -> None:
    code = "    for i in range(3):\n        print(i)\n"
    (block,) = [piece for piece in split_markup(f"```\n{code}```") if piece[0] == "block"]
    assert block[1] == code
    assert ["k", "for"] in block[2]


def test_unfenced_code_is_a_block() -> None:
    ((kind, text, tokens),) = split_markup("for i in range(n):\n    total += a[i]")
    assert (kind, text) == ("block", "for i in range(n):\n    total += a[i]")
    assert ["k", "for"] in tokens


def test_the_c_family_is_guessed() -> None:
    pieces = split_markup("```\n#include <vector>\nint main() { return 0; }\n```")
    assert ["k", "int"] in pieces[1][2]


@pytest.mark.parametrize("language", ["no-such-language", "../etc", "x" * 99, "\x00"])
def test_a_language_that_is_none_is_plain(language: str) -> None:
    pieces = split_markup(f"```{language}\nlet me = see\n```")
    assert pieces[1][:2] == ["block", "let me = see\n"]
    assert pieces[1][2] == [["", "let me = see\n"]]


def test_a_long_text_is_cut_unless_all_is_asked_for() -> None:
    text = "x" * (MOST_CHARACTERS + 5)
    cut, full = describe_text(text), describe_text(text, is_full=True)
    assert cut == {"pieces": [["text", "x" * MOST_CHARACTERS]], "cut": MOST_CHARACTERS + 5}
    assert full == {"pieces": [["text", text]], "cut": None}
    assert describe_text("x" * MOST_CHARACTERS) == {
        "pieces": [["text", "x" * MOST_CHARACTERS]],
        "cut": None,
    }


@pytest.mark.parametrize(
    "unit", ["$", "$$", "`", "\\(", "\\[", "```\n", "$a ", "\\[a", "\x00", "<", "(", "`a", "a" * 9]
)
def test_hostile_lengths_cost_little(unit: str) -> None:
    text = unit * (2_000_000 // len(unit))
    started = time.process_time()
    shown = describe_text(text)
    assert time.process_time() - started < 2
    assert shown["cut"] == len(text)


@pytest.mark.parametrize("language", ["java", "cpp", "python", ""])
@pytest.mark.parametrize("unit", ["\n", " \n", "a ", "a\n", "//", "def "])
def test_hostile_code_has_a_limited_time(language: str, unit: str) -> None:
    code = unit * (19_000 // len(unit))
    highlighter = Highlighter(limit_s=0.05)
    started = time.process_time()
    for _ in range(20):
        tokens = highlighter.highlight(code, language)
    assert time.process_time() - started < 1
    assert "".join(text for _, text in tokens) == code


def test_when_the_time_is_up_the_rest_is_plain() -> None:
    tokens = Highlighter(limit_s=1e-9).highlight("def f():\n    return 1\n", "python")
    assert tokens == [("k", "def"), ("", " f():\n    return 1\n")]
    assert ("k", "return") in Highlighter().highlight("def f():\n    return 1\n", "python")


@pytest.mark.parametrize("code", range(0x20))
def test_c0_controls_are_pictures(code: int) -> None:
    expected = chr(code) if chr(code) in "\t\n" else chr(0x2400 + code)
    assert show_controls(f"a{chr(code)}b") == f"a{expected}b"


def test_what_has_no_shape_is_named() -> None:
    invisible = "\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e"
    invisible += "\u2060\u2066\u2067\u2068\u2069\ufeff\x7f\x85\x9b\U000e0041\u00ad"
    shown = show_controls(invisible)
    assert shown.count("<U+") == len(invisible) - 1
    assert "\u2421" in shown
    assert find_controls(shown) is None
    assert show_controls("é 漢字 → ≤ 😀 a\u0301") == "é 漢字 → ≤ 😀 a\u0301"
