"""Real R1 traces: twenty fixed ones in every run of the tests, all with `make test-real`."""

from __future__ import annotations

import ast
import gzip
import json
import random
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from asap.trace import (
    Excluded,
    Segmenter,
    Trace,
    classify_line,
    find_fences,
    parse_trace,
    render_steps,
    segment_trace,
)

pytestmark = pytest.mark.real

N_SAMPLE = 20
ALL_ROWS = pytest.param(None, marks=pytest.mark.slow, id="all")
SOME_ROWS = pytest.param(N_SAMPLE, id="sample")


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def read_outcomes(folder: Path, n_rows: int | None) -> Iterator[Trace | Excluded]:
    """Codeforces first; the sample takes its first rows, all rows take the other two sets too."""
    path = folder / "codeforces-cots-r1" / "traces.jsonl.gz"
    for row, fields in enumerate(islice(read_rows(path), n_rows)):
        yield parse_trace(row, fields["id"], "", response=fields["generation"])
    if n_rows is not None:
        return
    for name in ("cruxeval-o-r1", "r1-code-reasoning"):
        for row, fields in enumerate(read_rows(folder / name / "traces.jsonl.gz")):
            reasoning = fields["reasoning"]
            yield parse_trace(row, fields["id"], "", reasoning=reasoning, require="nothing")


def read_traces(folder: Path, n_rows: int | None) -> Iterator[Trace]:
    for outcome in read_outcomes(folder, n_rows):
        if isinstance(outcome, Trace):
            yield outcome


@pytest.mark.slow
def test_the_six_traces_that_were_cut_off_are_refused_as_such(real_data: Path) -> None:
    path = real_data / "codeforces-cots-r1" / "traces.jsonl.gz"
    outcomes = [
        parse_trace(row, fields["id"], "", response=fields["generation"])
        for row, fields in enumerate(read_rows(path))
    ]
    refused = [outcome.reason for outcome in outcomes if isinstance(outcome, Excluded)]
    assert len(outcomes) == 1000
    assert refused == ["no_closing_tag"] * 6


@pytest.mark.parametrize("segmenter", ["block", "paragraph"])
@pytest.mark.parametrize("n_rows", [SOME_ROWS, ALL_ROWS])
def test_segmenting_and_rendering_lose_nothing(
    real_data: Path, n_rows: int | None, segmenter: Segmenter
) -> None:
    n_traces = 0
    for bare in read_traces(real_data, n_rows):
        trace = segment_trace(bare, segmenter)
        n_steps = len(trace.steps)
        assert trace.steps[0].start == 0
        assert all(trace.text(i).strip() and not trace.separator(i).strip() for i in range(n_steps))
        parts = [trace.text(i) + trace.separator(i) for i in range(n_steps)]
        assert "".join(parts) == trace.thinking
        kept = sorted(random.Random(trace.row).sample(range(n_steps), (n_steps + 1) // 2))
        text = render_steps(trace, kept)
        position = 0
        for i in kept:
            position = text.index(trace.text(i).strip(), position)
        n_traces += 1
    assert n_traces >= N_SAMPLE - 1


def find_programs(text: str) -> Iterator[tuple[int, int]]:
    """Unfenced stretches over several paragraphs that hold a block and parse as Python.

    An independent witness: it knows the parser and line breaks, and nothing of `block`.
    """
    fences = find_fences(text)
    lines: list[tuple[int, str]] = []
    position = 0
    for line in text.split("\n"):
        if line.strip() and not any(start <= position < end for start, end in fences):
            lines.append((position, line))
        position += len(line) + 1
    first = 0
    while first < len(lines):
        stop = find_program_end(lines, first)
        if stop - first >= 3:
            last_start, last_line = lines[stop - 1]
            yield lines[first][0], last_start + len(last_line)
        first = max(stop, first + 1)


def find_program_end(lines: list[tuple[int, str]], first: int) -> int:
    best = first
    margin = len(lines[first][1]) - len(lines[first][1].lstrip())
    n_failures = 0
    for stop in range(first + 1, len(lines) + 1):
        line = lines[stop - 1][1]
        if n_failures == 4 or len(line) - len(line.lstrip()) < margin:
            break
        if is_program([text[margin:] for _, text in lines[first:stop]]):
            best, n_failures = stop, 0
        else:
            n_failures += 1
    program = "\n".join(text[margin:] for _, text in lines[first:best])
    return best if ":\n" in program else first


def is_program(lines: list[str]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if lines[0].startswith("#"):
        return False
    return all(
        isinstance(node.value, (ast.Call, ast.Constant)) and not is_number(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
    ) and not any(isinstance(node, ast.AnnAssign) for node in ast.walk(tree))


def is_number(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and not isinstance(value.value, str)


@pytest.mark.parametrize("n_rows", [SOME_ROWS, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_program_is_cut_in_two(real_data: Path, n_rows: int) -> None:
    n_programs = 0
    cut: list[tuple[int, str]] = []
    for bare in read_traces(real_data, n_rows):
        classify_line.cache_clear()
        trace = segment_trace(bare)
        starts = {step.start for step in trace.steps}
        for start, end in find_programs(trace.thinking):
            n_programs += 1
            if starts & set(range(start + 1, end)):
                cut.append((trace.row, trace.thinking[start:end]))
    assert n_programs >= n_rows
    assert len(cut) <= n_programs // 500, cut
