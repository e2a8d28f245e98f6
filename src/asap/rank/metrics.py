"""The metrics that need no model, as one table, and all of them for one kept text.

Whatever depends on the trace alone is read once, since dozens of kept texts are measured per trace.
What each metric means is said where it is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from asap.rank.conclusion import AnswerEvidence, conclusion_kept, find_answer_evidence
from asap.rank.coverage import state_coverage
from asap.rank.dangling import References, dangling_rate, find_references
from asap.rank.integrity import Structure, check_integrity, find_structure
from asap.rank.kept import KeptText
from asap.trace import Trace


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table."""

    direction: Literal["higher", "lower"]
    """Which values are better."""
    meaning: str
    applies_to: str
    """The rows that have a value."""


METRICS: dict[str, Metric] = {
    "state_coverage": Metric(
        "higher",
        "share of the program's intermediate values told in order",
        "questions that are a Python function f and a call's arguments",
    ),
    "dangling_rate": Metric(
        "lower",
        "share of the names and quantities whose introduction was dropped",
        "kept text that is the trace's own",
    ),
    "conclusion_kept": Metric(
        "higher",
        "share of the answer's names, calls and constants still mentioned outside drafts",
        "answers with a fenced Python program",
    ),
    "code_whole": Metric(
        "higher",
        "share of the code blocks touched that are kept whole",
        "kept text that is the trace's own and has code",
    ),
    "code_parses": Metric(
        "higher",
        "share of the Python blocks touched of which what is left parses",
        "kept text that is the trace's own and has Python",
    ),
    "orphan_fences": Metric("lower", "fence lines without a partner, a count", "all"),
    "bare_headers": Metric(
        "lower",
        "share of the headers kept of whose body nothing is",
        "kept text that is the trace's own and has headers",
    ),
    "repeats_left": Metric(
        "lower",
        "verbatim repeats of paragraphs of 40 characters or more, over those of the trace",
        "traces with such repeats",
    ),
}
"""By name every metric that needs no model: direction, meaning, where it applies."""


@dataclass(frozen=True)
class Prepared:
    """A trace with all that the metrics need to know of it."""

    trace: Trace
    values: tuple[str, ...] | None
    references: References
    evidence: AnswerEvidence | None
    structure: Structure


def prepare_trace(trace: Trace, values: Sequence[str] | None = None) -> Prepared:
    """Read a trace once.

    Args:
        trace: any; its own steps are not used.
        values: what `trace_values` found, where its question is a program and a call.
    """
    return Prepared(
        trace=trace,
        values=None if values is None else tuple(values),
        references=find_references(trace),
        evidence=find_answer_evidence(trace),
        structure=find_structure(trace),
    )


def measure_kept(prepared: Prepared, kept: KeptText) -> dict[str, float | None]:
    """Every metric of `METRICS` for one kept text; None where it cannot be said."""
    integrity = check_integrity(prepared.structure, kept)
    values, evidence = prepared.values, prepared.evidence
    return {
        "state_coverage": None if values is None else state_coverage(values, kept.text),
        "dangling_rate": dangling_rate(prepared.references, kept),
        "conclusion_kept": None if evidence is None else conclusion_kept(evidence, kept),
        "code_whole": integrity.code_whole,
        "code_parses": integrity.code_parses,
        "orphan_fences": float(integrity.orphan_fences),
        "bare_headers": integrity.bare_headers,
        "repeats_left": integrity.repeats_left,
    }
