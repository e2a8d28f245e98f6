"""From one record and the layout to a trace, or to the named reason why the row is unusable. Never
an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any

from asap.corpus.conversation import find_last_assistant, join_user_turns, read_turns
from asap.corpus.layout import Layout
from asap.corpus.record import Record
from asap.trace import Excluded, Require, Trace, parse_trace


@dataclass(frozen=True)
class Row:
    """One row of the input."""

    row: int
    """Position in the inputs, taken in path order; malformed lines count."""
    id: str
    """The input's own identifier as text, else `str(row)`."""
    outcome: Trace | Excluded
    columns: Mapping[str, Any]
    """The row as it stood in the input; empty for a malformed line."""


class _Unusable(Exception):
    """Ends the reading of one row."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.excluded = Excluded(reason, detail)


@dataclass(frozen=True)
class _Response:
    """Thinking and answer before parsing; `question` where it came along in the same column."""

    text: str | None = None
    reasoning: str | None = None
    question: str | None = None
    has_earlier_answers: bool = False
    """Whether the assistant has spoken before: the user turns alone are then no question."""


def read_row(row: int, record: Record, layout: Layout, require: Require) -> Row:
    """Make a row of a record.

    Args:
        row: position in the inputs.
        record: what the source yielded.
        layout: where the parts of a trace stand.
        require: as in `trace.parse_trace`.
    """
    columns = record.columns
    if isinstance(columns, Excluded):
        return Row(row, str(row), _locate(columns, record.where), {})
    row_id = _read_id(columns, layout, row)
    try:
        outcome = _read_trace(row, row_id, columns, layout, require)
    except _Unusable as error:
        outcome = error.excluded
    if isinstance(outcome, Excluded):
        outcome = _locate(outcome, record.where)
    return Row(row, row_id, outcome, columns)


def _locate(excluded: Excluded, where: str) -> Excluded:
    return replace(excluded, detail=f"{where}: {excluded.detail}" if excluded.detail else where)


def _read_id(columns: Mapping[str, Any], layout: Layout, row: int) -> str:
    value = columns.get(layout.id) if layout.id else None
    return str(value) if isinstance(value, (str, int, float)) and value != "" else str(row)


def _read_trace(
    row: int, row_id: str, columns: Mapping[str, Any], layout: Layout, require: Require
) -> Trace | Excluded:
    responses = _read_responses(columns, layout)
    question = _read_question(columns, layout)
    answer = _read_answer(columns, layout)
    outcomes = []
    for response in responses:
        if question is None and response.has_earlier_answers:
            raise _Unusable("several_turns", "name a --question-column, or split the conversation")
        own = question if question is not None else response.question or ""
        outcome = parse_trace(
            row,
            row_id,
            own,
            response=response.text,
            reasoning=response.reasoning,
            answer=answer,
            require=require,
        )
        if isinstance(outcome, Trace):
            return outcome
        outcomes.append(outcome)
    return outcomes[0]


def _read_responses(columns: Mapping[str, Any], layout: Layout) -> list[_Response]:
    """What can be parsed, best first; more than one only for a list of texts."""
    reasoning = None
    if layout.reasoning is not None:
        reasoning = _read_text(columns, layout.reasoning, is_needed=layout.response is None)
    if layout.response is None:
        return [_Response(reasoning=reasoning)]
    value = columns.get(layout.response)
    if value is None and reasoning is not None:
        return [_Response(reasoning=reasoning)]
    if isinstance(value, str) or value is None:
        return [_Response(_read_text(columns, layout.response, is_needed=True), reasoning)]
    if isinstance(value, list) and not value:
        raise _Unusable("null_value", f"the list in column '{layout.response}' is empty")
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return [_Response(text, reasoning) for text in value]
    return [_read_last_turn(value, layout.response, reasoning)]


def _read_last_turn(value: Any, name: str, reasoning: str | None) -> _Response:
    turns = read_turns(value)
    if turns is None:
        raise _Unusable(
            "wrong_type", f"column '{name}' holds {type(value).__name__}, neither text nor turns"
        )
    last = find_last_assistant(turns)
    if last is None:
        raise _Unusable("no_assistant_turn", f"column '{name}'")
    turn = turns[last]
    return _Response(
        turn.text,
        turn.reasoning if reasoning is None else reasoning,
        join_user_turns(turns[:last]),
        find_last_assistant(turns[:last]) is not None,
    )


def _read_text(columns: Mapping[str, Any], name: str, *, is_needed: bool) -> str | None:
    value = columns.get(name)
    if isinstance(value, str):
        return value
    if value is not None:
        raise _Unusable("wrong_type", f"column '{name}' holds {type(value).__name__}, not text")
    if is_needed:
        raise _Unusable("null_value" if name in columns else "missing_column", f"column '{name}'")
    return None


def _read_question(columns: Mapping[str, Any], layout: Layout) -> str | None:
    """The question; empty where the row has none, None where the conversation holds it."""
    if layout.question_template is not None:
        return _fill_template(layout.question_template, columns)
    if layout.question is None:
        return None
    value = columns.get(layout.question)
    if (
        value is not None
        and not isinstance(value, str)
        and (turns := read_turns(value)) is not None
    ):
        return join_user_turns(turns)
    return _read_text(columns, layout.question, is_needed=False) or ""


def _fill_template(template: str, columns: Mapping[str, Any]) -> str:
    parts = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(literal)
        if name is None:
            continue
        value = columns.get(name)
        if value is None:
            raise _Unusable(
                "null_value" if name in columns else "missing_column", f"column '{name}'"
            )
        parts.append(
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        )
    return "".join(parts)


def _read_answer(columns: Mapping[str, Any], layout: Layout) -> str | None:
    """The answer as text: numbers and truth values too, since value answers often are."""
    value = columns.get(layout.answer) if layout.answer else None
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if value is None or isinstance(value, str):
        return value
    raise _Unusable(
        "wrong_type", f"column '{layout.answer}' holds {type(value).__name__}, not text"
    )
