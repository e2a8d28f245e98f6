"""Loads a language model or a token classifier onto a device in a float type."""

from __future__ import annotations

import logging as standard_logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification, PreTrainedModel
from transformers.utils import logging

from asap.errors import ModelError

_BF16_CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # the last one is Arm's


def load_model(folder: Path, label: str, dtype: str, device: str) -> PreTrainedModel:
    """The causal language model in a folder, ready to read; see `load_token_classifier`."""
    return _load(AutoModelForCausalLM, "scorer", folder, label, dtype, device)


def load_token_classifier(folder: Path, label: str, dtype: str, device: str) -> PreTrainedModel:
    """The token classifier in a folder, ready to read.

    Args:
        folder: in Hugging Face format.
        label: what the user calls it.
        dtype: `auto`, `bf16` or `fp32`.
        device: `auto`, or what torch calls it.

    Raises:
        ModelError: it cannot be loaded, lacks weights, or device or float type are unknown.
    """
    return _load(AutoModelForTokenClassification, "classifier", folder, label, dtype, device)


def _load(
    architecture: Any, kind: str, folder: Path, label: str, dtype: str, device: str
) -> PreTrainedModel:
    target = _choose_device(device)
    float_type = _choose_dtype(dtype, target)
    try:
        with _no_progress_bar():
            loaded: Any = architecture.from_pretrained(
                str(folder), dtype=float_type, output_loading_info=True
            )
            model: PreTrainedModel = loaded[0]
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"the {kind} {label} cannot be loaded: {first_line}") from error
    if missing := sorted(loaded[1]["missing_keys"]):
        raise ModelError(
            f"the {kind} {label} lacks {len(missing)} of its weights ({missing[0]}, …); "
            "fetch it again"
        )
    if target.type == "cpu":
        # It would warn that faster kernels for convolutions are not installed; a CPU has none.
        kernels = standard_logging.getLogger("transformers.integrations.hub_kernels")
        kernels.setLevel(standard_logging.ERROR)
    model.train(False)
    model.requires_grad_(False)
    model.to(target)  # type: ignore[arg-type]
    return model


def _choose_device(device: str) -> torch.device:
    if device != "auto":
        try:
            chosen = torch.device(device)
            torch.empty(0, device=chosen)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ModelError(f"no device {device!r} here; use 'auto' or 'cpu'") from error
        return chosen
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    if dtype == "auto":
        return torch.bfloat16 if _multiplies_bf16(device) else torch.float32
    if dtype not in ("bf16", "fp32"):
        raise ModelError(f"dtype is {dtype!r}; it must be 'auto', 'bf16' or 'fp32'")
    return torch.bfloat16 if dtype == "bf16" else torch.float32


def _multiplies_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32 there, not merely possible."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or sys.platform != "linux":
        return False
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("flags", "Features")):
            return not _BF16_CPU_FLAGS.isdisjoint(line.split())
    return False


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Without the library's own bar, which does not ask whether there is a terminal."""
    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
