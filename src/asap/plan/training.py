"""What training on the pruned data costs against training on the unpruned.

Operations: 6 for every weight and token (2 forward, 4 backward), 8 where activations are computed
again (gradient checkpointing), and attention three or four times as in reading. Arithmetic alone:
what a trainer wastes on padding, loading and saving is in the range of the efficiency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asap.errors import RecipeError
from asap.plan.estimate import Range, estimate_count, estimate_total, exactly
from asap.plan.roofline import Gpu
from asap.plan.shape import ModelShape, Reading
from asap.plan.workload import RowWork
from asap.run import read_recipe

TRAIN_EFFICIENCY = Range(0.25, 0.38, 0.5)
"""Share of an accelerator's peak that training reaches."""


class TrainFields(BaseModel):
    """What of a recipe of `asap train` costs something; its other fields do not."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    epochs: float = Field(default=10.0, gt=0)
    max_length: int = Field(default=16_384, ge=1)
    gradient_checkpointing: bool = False


@dataclass(frozen=True, slots=True)
class TrainCost:
    """Of one data set."""

    rows: Range
    tokens: Range
    """Prompt and completion, all epochs."""
    rows_too_long: Range
    """Longer than the recipe's `max_length`: a trainer leaves them out; they are counted here."""
    gpu_hours: Range | None
    """None: no model or no accelerator is named."""


@dataclass(frozen=True, slots=True)
class TrainForecast:
    """Both, under one recipe."""

    recipe: str
    epochs: float
    max_length: int
    model: str | None
    n_parameters: int | None
    gpu: str | None
    before: TrainCost
    after: TrainCost


def read_train_fields(name: str) -> TrainFields:
    """The fields of a recipe of `asap train`, shipped or a file.

    Raises:
        RecipeError: no such recipe, or a value out of range.
    """
    try:
        return TrainFields.model_validate(read_recipe("train", name))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RecipeError(f"train recipe '{name}': {first['loc'][0]}: {first['msg']}") from None


def forecast_training(
    works: Sequence[RowWork],
    n_rows: int,
    recipe: str,
    shape: ModelShape | None,
    gpu: Gpu | None,
    slack: Range,
) -> TrainForecast:
    """Training on what comes of all rows, against training on them as they are.

    Args:
        works: what each sampled row comes to; excluded ones count in neither.
        n_rows: of the whole.
        recipe: of `asap train`.
        shape: of the model to train.
        gpu: what it is trained on.
        slack: how much more or less may be left than the stand-ins left.
    """
    fields = read_train_fields(recipe)
    before = [[work.train_before] if work.reason is None else [] for work in works]
    after = [list(work.train_after) for work in works]
    return TrainForecast(
        recipe,
        fields.epochs,
        fields.max_length,
        shape.name if shape else None,
        shape.n_parameters if shape else None,
        gpu.label if gpu else None,
        _cost(before, n_rows, fields, shape, gpu, exactly(1.0)),
        _cost(after, n_rows, fields, shape, gpu, slack),
    )


def train_operations(shape: ModelShape, n_tokens: int, is_recomputed: bool) -> float:
    """Of one row once: forward, backward (twice that), and forward again where it is recomputed."""
    return shape.operations(Reading(0, n_tokens, n_tokens)) * (4 if is_recomputed else 3)


def _cost(
    rows: Sequence[Sequence[int]],
    n_rows: int,
    fields: TrainFields,
    shape: ModelShape | None,
    gpu: Gpu | None,
    slack: Range,
) -> TrainCost:
    hours = None
    if shape is not None and gpu is not None:
        operations = estimate_total(
            [
                sum(train_operations(shape, n, fields.gradient_checkpointing) for n in lengths)
                for lengths in rows
            ],
            n_rows,
        ).times(slack)
        per_hour = gpu.tflops * 1e12 * 3600 / fields.epochs
        share = TRAIN_EFFICIENCY
        hours = Range(
            operations.low / (per_hour * share.high),
            operations.likely / (per_hour * share.likely),
            operations.high / (per_hour * share.low),
        )
    too_long = [sum(n > fields.max_length for n in lengths) for lengths in rows]
    return TrainCost(
        estimate_total([float(len(lengths)) for lengths in rows], n_rows, floor=0.0),
        estimate_total([float(sum(lengths)) for lengths in rows], n_rows)
        .times(slack)
        .times(fields.epochs),
        estimate_count(sum(n > 0 for n in too_long), len(rows), n_rows),
        hours,
    )
