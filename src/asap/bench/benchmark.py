"""What a benchmark is to the rest of the house: rows in, questions and problems out.

A benchmark reads no file and runs no code. Its rows come from `source`, its answers are judged by
`judge`; all know a problem by the benchmark's own id and by nothing else, never by position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from asap.judge import Problem

Row = Mapping[str, Any]
"""One row of a benchmark's file, as it stands there."""
Extract = Literal["answer", "paper"]
"""Where an answer is looked for: after the thinking, or, as the paper's code does, anywhere."""

K_TOKENS = 1024
"""The paper's k: its mean under a budget of 1k is 1,007 tokens."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked."""

    id: str
    """The benchmark's own."""
    prompt: str
    """The user's turn, without any model's template."""
    statement: str
    """What is the benchmark's own in it: no words of ours around it, no starter code."""
    canonical: str | None
    """A solution that should pass, where the data has one."""
    has_erratum: bool = False
    """Whether the benchmark's authors call the problem broken."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: where its data is, and how its rows are read.

    The two functions raise ValueError (pydantic's is one) or SyntaxError on a row they cannot read.
    """

    name: str
    budget_tokens: int
    """The budget that the paper generates under."""
    repository: str
    """The data set on the Hugging Face Hub."""
    files: Mapping[str, str]
    """Shell pattern of a file in it, by the name of the shard, in order; one file has no name."""
    read_question: Callable[[Row], Question]
    build_problem: Callable[[Row], Problem]
    """What judges the answer; its id is the question's."""
    extract: Callable[[str, Extract], str | None]
    """The solution in a completion that follows an opened thinking tag; None: no answer."""
    part_column: str | None = None
    """The column that says which part a row belongs to, where a part is not a file."""
