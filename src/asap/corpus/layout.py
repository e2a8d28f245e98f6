"""Which columns hold question, thinking and answer: recognised from the first rows, or named by the
user.

Several layouts can fit one data set (`problem`, `solution`, `generation` and `messages` stand side
by side in open-r1's). They are tried in the order of `_SHAPES`; the first that makes traces of half
the sample is taken, else the best one. Nothing is read here but the sample.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any, Literal

from asap.errors import InputError
from asap.trace import Require


@dataclass(frozen=True)
class Columns:
    """What the user named by flags; None where it is to be recognised."""

    question: str | None = None
    response: str | None = None
    """A column with thinking and answer in one: tagged text, a list of such texts, or the turns of
    a conversation.
    """
    reasoning: str | None = None
    answer: str | None = None
    id: str | None = None
    question_template: str | None = None
    r"""A question built from columns, like `{code}\n{input}`; `\n`, `\t` and `\\` may come as two
    characters.
    """


@dataclass(frozen=True)
class Layout:
    """Where the parts of a trace stand."""

    name: str
    response: str | None = None
    reasoning: str | None = None
    answer: str | None = None
    question: str | None = None
    question_template: str | None = None
    id: str | None = None
    has_turns: bool = False
    """The response is a conversation; its user turns are the question where no column is."""
    has_alternatives: bool = False
    """The response is a list of texts, of which the first usable one is taken."""

    def describe(self) -> str:
        """One sentence for the user."""
        parts = [self._describe_question()]
        if self.response and self.reasoning:
            parts += [
                f"thinking from '{self.reasoning}'",
                f"answer from '{self.answer or self.response}'",
            ]
        elif self.response:
            kind = "the tagged text of"
            if self.has_alternatives:
                kind = "the first usable text of each list in"
            elif self.has_turns:
                kind = "the last assistant turn of"
            parts.append(f"thinking and answer from {kind} '{self.response}'")
            if self.answer:
                parts.append(f"answers that are missing there from '{self.answer}'")
        else:
            parts.append(f"thinking from '{self.reasoning}'")
            parts.append(f"answer from '{self.answer}'" if self.answer else "no answer")
        parts.append(f"ids from '{self.id}'" if self.id else "row numbers as ids")
        return f"Layout {self.name}: {', '.join(parts)}."

    def _describe_question(self) -> str:
        if self.question_template is not None:
            return f"question from the template {self.question_template!r}"
        if self.question is not None:
            return f"question from '{self.question}'"
        if self.has_turns:
            return "question from the user turns (system turns are left out)"
        return "no question"


@dataclass(frozen=True)
class _Shape:
    """A known layout: the column that marks it and those that may go with it."""

    marker: str
    is_response: bool
    answers: tuple[str, ...] = ()
    questions: tuple[str, ...] = ("question", "prompt", "problem", "instruction", "query")
    needs_question: bool = False


_ANSWERS = ("answer", "response", "content", "solution")
_SHAPES = (
    _Shape("generation", True),
    _Shape("generations", True),
    _Shape("messages", True, questions=()),
    _Shape("conversations", True, questions=()),
    _Shape("reasoning_content", False, ("content", *_ANSWERS)),
    _Shape("reasoning", False, _ANSWERS),
    _Shape("thinking", False, _ANSWERS),
    _Shape("deepseek_reasoning", False, ("deepseek_solution",)),
    _Shape("deepseek_thinking_trajectory", False, ("deepseek_attempt",)),
    _Shape("completion", True),
    _Shape("response", True),
    _Shape("output", True, questions=("input", "question", "prompt", "problem", "instruction")),
    _Shape("solution", True, needs_question=True),
)
_IDS = ("id", "uuid", "task_id", "problem_id", "question_id", "sample_id", "_id")
_ESCAPE = re.compile(r"\\([nt\\])")
_ESCAPED = {"n": "\n", "t": "\t", "\\": "\\"}
_FLAGS = (
    "--response-column (thinking and answer in one text) or --reasoning-column and "
    "--answer-column, "
    "and --question-column or --question-template"
)

Sample = Sequence[Mapping[str, Any]]


def recognise_layout(
    sample: Sample,
    columns: Columns,
    require: Require,
    count_usable: Callable[[Layout, Sample], int],
) -> Layout:
    """Decide where the parts of a trace stand.

    Args:
        sample: the first rows; at least one.
        columns: what the user named.
        require: as in `trace.parse_trace`.
        count_usable: how many rows of a sample become traces under a layout.

    Raises:
        InputError: a named column does not exist, or no layout is recognised.
    """
    present = {key for row in sample for key, value in row.items() if value is not None}
    known = sorted({key for row in sample for key in row})
    _check_named(columns, known)
    template = columns.question_template
    if template is not None:
        template = _check_template(template, known, has_column=columns.question is not None)
    candidates = [
        replace(
            layout,
            question=None if template is not None else columns.question or layout.question,
            question_template=template,
            id=columns.id or next((name for name in _IDS if name in present), None),
            has_turns=_find_form(layout.response, sample) == "turns",
            has_alternatives=_find_form(layout.response, sample) == "texts",
        )
        for layout in _list_candidates(columns, present)
    ]
    if not candidates:
        raise InputError(
            f"cannot tell which columns hold the reasoning; there are {_list(known)}; "
            f"name them with {_FLAGS}"
        )
    counts = [count_usable(layout, sample) for layout in candidates]
    best = next(
        (i for i, n in enumerate(counts) if 2 * n >= len(sample)), counts.index(max(counts))
    )
    layout = candidates[best]
    if not counts[best] and require != "nothing" and not layout.response and not layout.answer:
        raise InputError(
            f"the input has thinking in '{layout.reasoning}' but no answer; there are "
            f"{_list(known)}; name the answer with --answer-column"
        )
    return layout


def _list(names: Sequence[str]) -> str:
    return "the columns " + ", ".join(f"'{name}'" for name in names) if names else "no columns"


def _check_named(columns: Columns, known: Sequence[str]) -> None:
    for part in ("question", "response", "reasoning", "answer", "id"):
        name = getattr(columns, part)
        if name is not None and name not in known:
            raise InputError(
                f"there is no column '{name}' (--{part}-column); there are {_list(known)}"
            )


def _check_template(template: str, known: Sequence[str], *, has_column: bool) -> str:
    """The template with its escapes resolved."""
    if has_column:
        raise InputError("give either --question-column or --question-template, not both")
    template = _ESCAPE.sub(lambda match: _ESCAPED[match[1]], template)
    try:
        fields = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise InputError(
            f"--question-template {template!r} is malformed: {error}; write braces as {{{{ }}}}"
        ) from error
    names = [name or "" for name, _, _ in fields]
    if not names or any(spec or conversion for _, spec, conversion in fields):
        raise InputError(
            f"--question-template {template!r} must name columns, like {{code}}, and no formats"
        )
    for name in names:
        if name not in known:
            raise InputError(
                f"there is no column '{name}' (--question-template); there are {_list(known)}"
            )
    return template


def _list_candidates(columns: Columns, present: set[str]) -> list[Layout]:
    if columns.response or columns.reasoning:
        answer = columns.answer
        if answer is None and not columns.response:
            answer = next(
                (name for name in _ANSWERS if name in present and name != columns.reasoning), None
            )
        question = next((name for name in _Shape("", True).questions if name in present), None)
        taken = (columns.response, columns.reasoning, answer)
        question = None if question in taken else question
        return [Layout("named by flags", columns.response, columns.reasoning, answer, question)]
    layouts = (_fit_shape(shape, columns, present) for shape in _SHAPES)
    return [layout for layout in layouts if layout is not None]


def _fit_shape(shape: _Shape, columns: Columns, present: set[str]) -> Layout | None:
    if shape.marker not in present:
        return None
    question = next((name for name in shape.questions if name in present), None)
    if shape.needs_question and not (question or columns.question or columns.question_template):
        return None
    answer = columns.answer or next((name for name in shape.answers if name in present), None)
    shown = (columns.question or question, shape.marker, answer)
    name = "+".join(part for part in shown if part is not None)
    if shape.is_response:
        return Layout(name, response=shape.marker, answer=columns.answer, question=question)
    return Layout(name, reasoning=shape.marker, answer=answer, question=question)


def _find_form(response: str | None, sample: Sample) -> Literal["text", "turns", "texts"]:
    """What the response column holds, by the first row that has it."""
    for row in sample:
        value = row.get(response) if response is not None else None
        if isinstance(value, dict):
            return "turns"
        if isinstance(value, list) and value:
            return "texts" if isinstance(value[0], str) else "turns"
        if value is not None:
            return "text"
    return "text"
