"""What LLM tokens cost: a dated table that the user edits. No model is asked for its price."""

from __future__ import annotations

import datetime
from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from asap.errors import InputError


class Price(BaseModel):
    """Dollars per million tokens of one LLM."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    input: float = Field(ge=0)
    """Of a prompt."""
    cached: float = Field(ge=0)
    """Of a prompt that the server has read before."""
    output: float = Field(ge=0)
    """Of a reply."""
    as_of: datetime.date
    """The day on which it was right."""


def load_prices(path: Path | None = None) -> dict[str, Price]:
    """The table of prices: the shipped one, with the entries of a file over it.

    Raises:
        InputError: the file is no such table.
    """
    shipped = (resources.files("asap.plan") / "prices.yaml").read_text("utf-8")
    prices = _read_prices(shipped, "prices.yaml")
    if path is not None:
        try:
            prices |= _read_prices(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {path}: {error}") from None
    return prices


def _read_prices(text: str, name: str) -> dict[str, Price]:
    try:
        return TypeAdapter(dict[str, Price]).validate_python(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise InputError(f"{name} is not YAML: {' '.join(str(error).split())[:200]}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{name} is no table of prices: {place}: {first['msg']}; a line is "
            "'NAME: {input: 0.5, cached: 0.05, output: 1.5, as_of: 2026-01-31}'"
        ) from None
