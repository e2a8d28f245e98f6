"""The value that a short answer gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.prune import find_value

PROGRAM = "```python\nprint(1 + 2)\n```"
LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("[1,2]", [1, 2]),
        ("  'a b'\n", "a b"),
        ("```python\n{1: None}\n```", {1: None}),
        ("First `1`, then `2`.", 2),
        ("So it is **3**.", 3),
        (r"Therefore \boxed{42}.", 42),
        ("$7$", 7),
        ("YES.", "YES"),
        ("10:25", "10:25"),
        (r"That is \boxed{YES}", "YES"),
        (r"'\d'", r"\d"),
        ("Two:\n```\n1\n```\n\n```\n2\n```", 2),
    ],
)
def test_values_are_read_from_short_answers(answer: str, value: Any) -> None:
    found = find_value(answer)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "It arrives at ten.",
        PROGRAM,
        f"{PROGRAM}\n\nIt prints:\n\n```\n3\n```",
        "Use `heapq` for it.",
        "(" * 500 + ")" * 500,
        "[" + "1, " * 5000 + "]",
    ],
)
def test_prose_and_programs_give_no_value(answer: str) -> None:
    assert find_value(answer) is None


@given(LITERALS)
def test_a_literal_is_its_value_however_it_is_set_off(value: Any) -> None:
    text = repr(value)
    for answer in (text, f"\n  {text}\n", f"```python\n{text}\n```", f"Hence:\n\n```\n{text}\n```"):
        found = find_value(answer)
        assert found is not None
        assert found.value == value


def test_values_compare_as_python_compares_them() -> None:
    assert find_value("[1, 2]") == find_value("`[1,2]`")
    assert find_value("1") == find_value("True") == find_value("1.0")
    assert find_value("(1, 2)") != find_value("[1, 2]")
    assert find_value("'1'") != find_value("1")
    assert find_value("YES") != find_value("Yes")
