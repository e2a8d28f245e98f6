"""Solutions as somebody else made them: a file with one JSON object per line.

`id` is the problem's, `sample` tells several answers to it apart, `solution` is code, or null where
a response holds no answer. Other columns are passed over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asap.bench.grade import Solution
from asap.bench.source import read_rows
from asap.errors import InputError


class _Line(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str
    sample: Annotated[int, Field(ge=0)] = 0
    solution: str | None


def read_solutions(path: Path) -> list[Solution]:
    """All solutions of a file: JSON lines, plain or compressed, or Parquet with the same columns.

    Raises:
        InputError: the file cannot be read, a line is no solution, or there is none.
    """
    solutions = []
    for place, row in read_rows(path):
        try:
            line = _Line.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            name = first["loc"][0]
            raise InputError(
                f"{place} is no solution: '{name}': {first['msg']}; a line has id (text), "
                "solution (code or null) and perhaps sample (a number)"
            ) from None
        solutions.append(Solution(line.id, line.sample, line.solution))
    if not solutions:
        raise InputError(f"{path} holds no solutions")
    return solutions
