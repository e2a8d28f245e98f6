"""Forced answers as a measure: is the answer still reached from what a method left of a trace?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asap.corpus import Row
from asap.rank.forced import Attempt, Begun, ForcedAnswers, reach_answers
from asap.rank.kept import KeptText
from asap.rank.own_answer import AnswerChecker, read_reference
from asap.trace import Trace


@dataclass(frozen=True, slots=True)
class Forcing:
    """A model that answers behind what is left, and what compares its answers."""

    forced: ForcedAnswers
    checker: AnswerChecker


class ForcedReach:
    """The traces of one comparison, with how their own answers fare.

    Args:
        forcing: the model and the checker, entered.
        rows: the rows of the traces; their columns hold the tests.
    """

    def __init__(self, forcing: Forcing, rows: Sequence[Row]) -> None:
        self._forcing = forcing
        self._references = {
            row.row: read_reference(row.id, row.outcome.answer, row.columns)
            for row in rows
            if isinstance(row.outcome, Trace)
        }
        owns = forcing.checker.judge_own(list(self._references.values()))
        self._owns = dict(zip(self._references, owns, strict=True))

    def reach(self, items: Sequence[tuple[Trace, KeptText]]) -> list[float | None]:
        """1 where the answer is reached from what is left, 0 where not, None where it cannot be
        said.
        """
        attempts = [
            Attempt(
                Begun(trace.id, trace.question, kept.text),
                self._references[trace.row],
                self._owns[trace.row],
            )
            for trace, kept in items
        ]
        reached = reach_answers(attempts, self._forcing.forced, self._forcing.checker)
        return [None if each is None else float(each) for each in reached]
