"""All metrics of one kept text, and the laws that hold for any kept places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asap.rank import METRICS, KeptText, measure_kept, prepare_trace
from asap.rank.places import cut_out, join_pieces, subtract_spans
from asap.trace import Trace

THINKING = (
    "Let heap = [17].\n\n```python\nprint(heap)\n```\n\nSo heappop gives 17, and heap is bare."
)
ANSWER = "```python\nheap = [17]\nprint(heappop(heap))\n```"
TRACE = Trace(0, "a", "", THINKING, ANSWER)
PREPARED = prepare_trace(TRACE, ("[17]", "17"))
N = len(THINKING)


def keep(spans: list[tuple[int, int]]) -> KeptText:
    return KeptText(join_pieces(THINKING, spans), tuple(spans))


def test_every_metric_has_its_line_and_its_value() -> None:
    assert measure_kept(PREPARED, keep([(0, N)])) == {
        "state_coverage": 1.0,
        "dangling_rate": 0.0,
        "conclusion_kept": 1.0,
        "code_whole": 1.0,
        "code_parses": 1.0,
        "orphan_fences": 0.0,
        "bare_headers": None,
        "repeats_left": None,
    }
    assert list(measure_kept(PREPARED, keep([]))) == list(METRICS)


def test_what_does_not_apply_is_none() -> None:
    values = measure_kept(prepare_trace(Trace(0, "a", "", "Hm.", "5")), KeptText("Hm.", None))
    assert {name for name, value in values.items() if value is not None} == {"orphan_fences"}


@st.composite
def draw_spans(draw: st.DrawFn) -> list[tuple[int, int]]:
    cuts = sorted(draw(st.sets(st.integers(0, N), max_size=12)))
    return list(zip(cuts[::2], cuts[1::2], strict=False))


@given(draw_spans())
def test_shares_are_shares(spans: list[tuple[int, int]]) -> None:
    values = measure_kept(PREPARED, keep(spans))
    for name, value in values.items():
        assert value is None or value >= 0
        assert value is None or name == "orphan_fences" or value <= 1


@given(draw_spans())
def test_a_kept_piece_cut_where_nothing_is_lost_changes_nothing(
    spans: list[tuple[int, int]],
) -> None:
    text = join_pieces(THINKING, spans)
    cut = [(k, k + 1) for start, end in spans for k in range(start, end)]
    assert join_pieces(THINKING, cut) == text
    whole, pieces = KeptText(text, tuple(spans)), KeptText(text, tuple(cut))
    assert measure_kept(PREPARED, pieces) == measure_kept(PREPARED, whole)


@given(draw_spans(), draw_spans())
def test_places_are_sets_of_characters(
    spans: list[tuple[int, int]], masked: list[tuple[int, int]]
) -> None:
    def characters(pieces: object) -> set[int]:
        assert isinstance(pieces, list | tuple)
        return {k for start, end in pieces for k in range(start, end)}

    left = subtract_spans(spans, masked)
    assert characters(left) == characters(spans) - characters(masked)
    assert characters(cut_out(spans, 10, 40)) == characters(spans) & set(range(10, 40))
