"""How long an accelerator takes for readings of known length, and what memory that needs.

The idea is LLM-Viewer's (arXiv 2402.16363): every part of a layer takes the longer of its
operations over the peak and its bytes over the bandwidth. Neither is reached in practice, so both
are taken at three efficiencies; see docs/plan.md for where those come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from asap.errors import InputError
from asap.plan.estimate import Range
from asap.plan.shape import ModelShape, Reading

COMPUTE_EFFICIENCY = Range(0.35, 0.5, 0.6)
"""Share of the peak that is reached in scoring; a low share makes a high time."""
BANDWIDTH_EFFICIENCY = Range(0.6, 0.75, 0.9)
"""Share of the bandwidth that is reached."""
BATCH_TOKENS = 32_768
"""Tokens that the scorer sends through an accelerator together, where they fit."""
_FREE_SHARE = 0.9
"""Of the memory: the rest is the runtime's own."""
_OUTPUT_BYTES = 1024 * 16_384 * 4 * 4
"""The output layer works on 1,024 rows by 16,384 entries in fp32, some four tensors at a time."""


class Gpu(BaseModel):
    """One kind of accelerator."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    label: str
    """What it is called."""
    tflops: float = Field(gt=0)
    """Peak of dense bf16 in 10^12 operations per second."""
    bandwidth_gb_s: float = Field(gt=0)
    """Of its memory, in 10^9 bytes per second."""
    memory_gb: float = Field(gt=0)
    """In 10^9 bytes."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What scoring needs on one accelerator, in 10^9 bytes."""

    weights_gb: float
    activations_gb: float
    """Of a batch of `batch_tokens`."""
    kv_cache_gb: float
    """Keys and values of the longest reading: only `spirit`, which leaves steps out, keeps them."""
    free_gb: float
    """What the accelerator has."""
    batch_tokens: int
    """The largest batch that fits, at most the scorer's own; 0: not even one window fits."""

    @property
    def fits(self) -> bool:
        """Whether the scorer can run there."""
        return self.batch_tokens > 0


def load_gpus(path: Path | None = None) -> dict[str, Gpu]:
    """The table of accelerators: the shipped one, with the entries of a file over it.

    Raises:
        InputError: the file is no such table.
    """
    shipped = (resources.files("asap.plan") / "gpus.yaml").read_text("utf-8")
    gpus = _read_gpus(shipped, "gpus.yaml")
    if path is not None:
        try:
            gpus |= _read_gpus(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {path}: {error}") from None
    return gpus


def find_gpu(name: str | None, gpus: Mapping[str, Gpu]) -> tuple[str, Gpu | None]:
    """The accelerator that is meant: by its name, else the one in this machine, else none (`cpu`).

    Raises:
        InputError: it is not in the table.
    """
    there = ", ".join([*gpus, "cpu"])
    if name is None:
        own = _find_own()
        if own is None:
            return "cpu", None
        words = own.lower().replace("-", " ").split()
        found = [key for key in gpus if key in words]
        if not found:
            raise InputError(f"this machine has {own}; say which it comes near: --gpu {there}")
        name = found[0]
    if name == "cpu":
        return name, None
    if name not in gpus:
        raise InputError(f"no accelerator '{name}' is known; there are: {there} (--gpu-table)")
    return name, gpus[name]


def _find_own() -> str | None:
    """What torch calls the first CUDA device, if there are torch and one."""
    try:
        import torch
    except ModuleNotFoundError:
        return None
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else None


def _read_gpus(text: str, name: str) -> dict[str, Gpu]:
    try:
        return TypeAdapter(dict[str, Gpu]).validate_python(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        first = " ".join(str(error).split())[:200]
        raise InputError(f"{name} is no table of accelerators: {first}") from None


def measure_memory(shape: ModelShape, longest: int, gpu: Gpu) -> Memory:
    """What scoring needs on an accelerator.

    Args:
        shape: the scorer's.
        longest: tokens of the longest reading: less than that cannot go through at once.
        gpu: the accelerator.
    """
    free = gpu.memory_gb * 1e9 * _FREE_SHARE - shape.weight_bytes() - _OUTPUT_BYTES
    per_token = activation_bytes(shape)
    batch_tokens = min(BATCH_TOKENS, int(free // per_token)) if free > 0 else 0
    if batch_tokens < longest:
        batch_tokens = longest if free >= longest * per_token else 0
    used = batch_tokens or longest
    return Memory(
        shape.weight_bytes() / 1e9,
        (used * per_token + _OUTPUT_BYTES) / 1e9,
        longest * shape.kv_bytes_per_token / 1e9,
        gpu.memory_gb,
        batch_tokens,
    )


def activation_bytes(shape: ModelShape) -> int:
    """Of one token at the widest place of a layer in bf16: the stream, its normed copy and its sum,
    gate, up and their product.
    """
    return 2 * (3 * shape.hidden + 3 * shape.intermediate)


def reading_seconds(
    shape: ModelShape, readings: Sequence[Reading], gpu: Gpu, batch_tokens: int
) -> Range:
    """Time for readings, each as its share of a full batch.

    Args:
        shape: the model's.
        readings: what goes through it.
        gpu: the accelerator.
        batch_tokens: tokens that share one reading of the weights.
    """
    seconds = [
        sum(_seconds(shape, reading, gpu, batch_tokens, compute, bandwidth) for reading in readings)
        for compute, bandwidth in (
            (COMPUTE_EFFICIENCY.high, BANDWIDTH_EFFICIENCY.high),
            (COMPUTE_EFFICIENCY.likely, BANDWIDTH_EFFICIENCY.likely),
            (COMPUTE_EFFICIENCY.low, BANDWIDTH_EFFICIENCY.low),
        )
    ]
    return Range(*seconds)


def _seconds(
    shape: ModelShape,
    reading: Reading,
    gpu: Gpu,
    batch_tokens: int,
    compute: float,
    bandwidth: float,
) -> float:
    """Each part by the longer of its two times. Bytes are bf16: weights by their share of the
    batch, what goes in and out of each matrix, and keys and values that attention reads again.
    """
    peak, speed = gpu.tflops * 1e12 * compute, gpu.bandwidth_gb_s * 1e9 * bandwidth
    share = reading.n_new / max(batch_tokens, reading.n_new)
    width, kv_width = shape.n_heads * shape.head_width, shape.n_kv_heads * shape.head_width
    n = reading.n_new

    def longer(operations: float, n_numbers: float) -> float:
        return max(operations / peak, 2 * n_numbers / speed)

    def matrices(weights: int, n_in_out: int) -> float:
        return longer(2.0 * weights * n, weights * share + n_in_out * n)

    attention = matrices(shape.attention_weights, 2 * shape.hidden + 2 * width + 2 * kv_width)
    products = longer(
        4.0 * width * reading.n_pairs, 2 * n * width + 2 * (n + reading.n_past) * kv_width
    )
    conv = matrices(shape.conv_weights, 6 * shape.hidden)
    mlp = matrices(
        shape.mlp_weights,
        shape.mlp_matrices * (shape.hidden + shape.intermediate),
    )
    output = longer(
        2.0 * shape.output_weights * reading.n_out,
        shape.output_weights * share + (shape.hidden + shape.vocabulary) * reading.n_out,
    )
    return (
        shape.n_attention_layers * (attention + products)
        + shape.n_conv_layers * conv
        + shape.n_layers * mlp
        + (output if reading.n_out else 0.0)
    )
