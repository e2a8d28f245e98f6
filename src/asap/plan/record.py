"""What a forecast says, and the file that keeps it. Every figure is a range."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from asap.errors import InputError
from asap.plan.estimate import Range
from asap.plan.roofline import Memory
from asap.plan.training import TrainForecast

FORMAT_VERSION = 1
"""Of a saved forecast."""


@dataclass(frozen=True, slots=True)
class TokenForecast:
    """Rows and tokens by stage. `before` and `after` are those of rows that are not excluded."""

    rows: Range
    rows_excluded: Range
    excluded_by_reason: dict[str, Range]
    thinking: Range
    """Of all usable rows, excluded by the method or not."""
    before: Range
    after_stage1: Range
    after: Range
    context: Range
    """What the scorer reads before the thinking, windows aside."""
    scored: Range
    """All that the scorer or the classifier reads: windows overlap, rounds read again."""


@dataclass(frozen=True, slots=True)
class LlmForecast:
    """What is asked of an LLM."""

    model: str | None
    requests: Range
    requests_by_purpose: dict[str, Range]
    prompt_tokens: Range
    completion_tokens: Range
    dollars: Range | None
    """None: the table has no price for this model."""
    price_as_of: str | None


@dataclass(frozen=True, slots=True)
class ScoringForecast:
    """What the scorer or the classifier does."""

    model: str
    operations: Range
    weights_gb: float
    kv_bytes_per_token: int
    longest: int
    """Tokens of the longest reading in the sample."""
    gpu: str | None
    gpu_hours: Range | None
    """None: it runs on this machine's CPU, and stands in the time."""
    memory: Memory | None


@dataclass(frozen=True, slots=True)
class TimeForecast:
    """Seconds from the first row to the last; loading the model and waiting for an LLM aside."""

    seconds: Range
    pipeline_s: Range
    """Of it, this machine's own part: reading, segmenting, counting, stage 1, writing."""
    scoring_s: Range
    cpu_s: Range
    """Of all cores together, on this machine."""
    measured_rows: int
    measured_s: float
    load_s: float
    """What loading the model took; it comes on top."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """All of it."""

    recipe: dict[str, Any]
    input: str
    """The input's fingerprint."""
    limit: int | None
    n_rows: int
    n_sample: int
    spread: str
    device: str
    """`cpu`, or the accelerator's name in the table."""
    tokens: TokenForecast
    llm: LlmForecast | None
    scoring: ScoringForecast | None
    time: TimeForecast
    training: TrainForecast
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": "plan", "format_version": FORMAT_VERSION, **asdict(self)}


def read_forecast(path: Path) -> Forecast:
    """A forecast that `asap plan --save` wrote.

    Raises:
        InputError: the file is none, or of another version.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the forecast {path}: {error}") from None
    if not isinstance(data, dict) or data.pop("kind", None) != "plan":
        raise InputError(f"{path} is no forecast that asap plan --save wrote")
    version = data.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise InputError(f"{path} has format version {version}; this asap reads {FORMAT_VERSION}")
    try:
        return TypeAdapter(Forecast).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path} is no forecast: {place}: {first['msg']}") from None
