"""Rendering: both ways, byte for byte within budget, code that still compiles."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asap.trace import (
    Render,
    Step,
    Trace,
    keep_steps,
    render_completion,
    render_steps,
    segment_trace,
)

TEXT = "\n  First.\n\n    x = 1\n \n\nLast.  \n\n"


def trace_of(thinking: str) -> Trace:
    return segment_trace(Trace(0, "a", "", thinking, ""), "paragraph")


def test_original_keeps_each_separator_and_trims_outer_blank_lines() -> None:
    trace = trace_of(TEXT)
    assert [trace.text(i) for i in range(3)] == ["\n  First.", "    x = 1", "Last."]
    assert render_steps(trace, [0, 2]) == "  First.\n\nLast."
    assert render_steps(trace, [1, 2]) == "    x = 1\n \n\nLast."
    assert render_steps(trace, [1]) == "    x = 1"
    assert render_steps(trace, [2]) == "Last."


def test_stripped_joins_bare_steps_by_one_blank_line() -> None:
    trace = trace_of(TEXT)
    assert render_steps(trace, [0, 1], "stripped") == "First.\n\nx = 1"
    assert render_steps(trace, [2], "stripped") == "Last."


def test_trap_27_with_every_step_kept_the_text_stays_byte_for_byte() -> None:
    trace = trace_of(TEXT)
    for render in ("original", "stripped"):
        chosen: Render = "original" if render == "original" else "stripped"
        assert render_steps(trace, [0, 1, 2], chosen) == TEXT


def test_trap_21_a_repeated_paragraph_goes_by_index_and_not_by_text() -> None:
    trace = trace_of("Wait.\n\na\n\nWait.\n\nb\n\nWait.")
    assert render_steps(trace, [0, 1, 3, 4]) == "Wait.\n\na\n\nb\n\nWait."
    assert render_steps(trace, [1, 2, 3]) == "a\n\nWait.\n\nb"


def test_trap_23_indentation_after_blank_lines_survives_and_pruned_code_compiles() -> None:
    program = "def f(n):\n\n    if n:\n\n        return 1\n\n    return 2"
    thinking = f"Let me think.\n\nSo the code:\n\n{program}\n\nThat is it."
    trace = segment_trace(Trace(0, "a", "", thinking, ""))
    assert len(trace.steps) == 4
    assert render_steps(trace, [2]) == program
    text = render_steps(trace, [1, 2])
    namespace: dict[str, object] = {}
    exec(compile(text.removeprefix("So the code:"), "pruned", "exec"), namespace)
    solve = namespace["f"]
    assert callable(solve)
    assert (solve(1), solve(0)) == (1, 2)


def test_trap_23_a_fence_with_blank_lines_is_kept_or_dropped_whole() -> None:
    thinking = "One.\n\n```python\nx = 1\n\nprint(x)\n```\n\nTwo."
    trace = segment_trace(Trace(0, "a", "", thinking, ""))
    assert render_steps(trace, [1]) == "```python\nx = 1\n\nprint(x)\n```"
    assert render_steps(trace, [0, 2]) == "One.\n\nTwo."


def test_kept_steps_as_one_text_keep_their_spans() -> None:
    trace = trace_of("ab\n\ncde\n\n\nf\n")
    text, steps = keep_steps(trace, [1, 2])
    assert text == "cde\n\n\nf\n"
    assert steps == (Step(0, 3), Step(6, 7))
    assert [text[step.start : step.end] for step in steps] == ["cde", "f"]


def test_completion_wraps_thinking_in_tags() -> None:
    assert render_completion("a\n\nb", "four") == "<think>\na\n\nb\n</think>\nfour"


@given(st.text("ab \t\n\r\u00a0", min_size=1, max_size=40), st.data())
def test_every_rendered_step_is_verbatim_and_in_order(thinking: str, data: st.DataObject) -> None:
    if not thinking.strip():
        return
    trace = trace_of(thinking)
    kept = sorted(data.draw(st.sets(st.integers(0, len(trace.steps) - 1), min_size=1)))
    text = render_steps(trace, kept)
    position = 0
    for i in kept:
        body = trace.text(i).strip()
        position = text.index(body, position) + len(body)
    if len(kept) < len(trace.steps):
        assert text.rstrip() == text
        first_line = text.split("\n", 1)[0]
        assert first_line.strip()
