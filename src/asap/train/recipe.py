"""What a training is to do, as strict flat data: YAML in, YAML out, every field a flag of the same
words. A recipe names no model and no data: those are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from asap.errors import RecipeError
from asap.run import describe_first_problem, list_recipes, read_recipe
from asap.train.template import TemplateName


class TrainRecipe(BaseModel):
    """The fields of a train recipe."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )

    learning_rate: float | None = Field(default=None, gt=0.0)
    """Peak learning rate. A recipe may leave it out; a training may not."""
    epochs: float = Field(default=3.0, gt=0.0)
    """How often each row is seen."""
    max_length: int = Field(default=16_384, ge=2)
    """Most tokens of prompt and completion; longer rows are left out, and listed."""
    batch_size: int = Field(default=1, ge=1)
    """Rows per device and forward pass."""
    accumulation: int = Field(default=16, ge=1)
    """Forward passes per step."""
    lr_schedule: Literal["cosine-with-min", "linear", "constant"] = "cosine-with-min"
    """How the learning rate falls after the warm-up."""
    min_lr_ratio: float = Field(default=0.1, ge=0.0, le=1.0)
    """`cosine-with-min`: the last learning rate as a share of the peak."""
    warmup_ratio: float = Field(default=0.03, ge=0.0, lt=1.0)
    """Share of the steps in which the learning rate rises."""
    clip_norm: float = Field(default=0.2, gt=0.0)
    """Largest norm of the gradient."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """AdamW's."""
    adam_beta2: float = Field(default=0.999, gt=0.0, lt=1.0)
    """AdamW's decay of the second moment."""
    lora_rank: int | None = Field(default=None, ge=1)
    """Train adapters of this rank on all linear layers instead of the whole model; they are merged
    into the saved model.
    """
    lora_alpha: int = Field(default=16, ge=1)
    """Scale of the adapters."""
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    """Number type of the forward and backward pass; `auto` is bf16 on a GPU that has it."""
    weights: Literal["fp32", "bf16"] = "fp32"
    """Number type in which weights and AdamW's moments are kept: `bf16` halves the memory."""
    gradient_checkpointing: bool = True
    """Compute activations twice and keep few: less memory, a third more time."""
    packing: bool = False
    """Fill sequences of `max_length` with several rows; rows never see each other."""
    group_by_length: bool = False
    """Put rows of like length in a batch: less padding, less random batches."""
    liger: bool = False
    """Use Liger's fused kernels (needs the package liger-kernel and a GPU)."""
    template: TemplateName = "auto"
    """How prompt and completion are written: `deepseek-r1`, `chatml`, `plain`, `model` (its own),
    or what the vocabulary suggests.
    """
    eval_share: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the rows held out for an evaluation loss after every epoch."""
    save_steps: int = Field(default=100, ge=1)
    """Steps between checkpoints; the last two are kept until the training ends."""
    log_steps: int = Field(default=10, ge=1)
    """Steps between lines of the log."""
    seed: int = 42
    """Of the order of rows, of adapters, of the rows held out and mixed in."""

    @model_validator(mode="after")
    def _check(self) -> TrainRecipe:
        if self.packing and self.batch_size > 1:
            raise ValueError("packing fills one sequence of max_length: leave batch_size at 1")
        if self.packing and self.group_by_length:
            raise ValueError("packing and group_by_length exclude each other")
        return self

    def to_yaml(self) -> str:
        """The recipe as a file that gives it back."""
        return yaml.safe_dump(self.model_dump(exclude_none=True), sort_keys=False)


def shipped_train_recipes() -> list[str]:
    """Names of the train recipes that come with asap."""
    return list_recipes("train")


def load_train_recipe(name: str, changes: Mapping[str, Any] | None = None) -> TrainRecipe:
    """Read a train recipe and change fields of it.

    Args:
        name: a shipped recipe's name, or a YAML file.
        changes: fields that override the file's; None leaves a field as it is.

    Raises:
        RecipeError: no such recipe, not YAML, an unknown field, or a value out of range.
    """
    given = {key: value for key, value in (changes or {}).items() if value is not None}
    try:
        return TrainRecipe.model_validate({**read_recipe("train", name), **given})
    except ValidationError as error:
        problem = describe_first_problem(error, TrainRecipe)
        raise RecipeError(f"train recipe '{name}': {problem}") from None
