"""From a scorer's name to a scorer. The heavy imports happen here, when one is asked for."""

from __future__ import annotations

from typing import Literal

from asap.errors import MissingExtraError, ModelError
from asap.surprisal.model_folder import digest_weights, find_model_folder
from asap.surprisal.scorer import StepScorer
from asap.surprisal.tokenizer import load_folder_tokenizer

DType = Literal["auto", "bf16", "fp32"]
Context = Literal["raw", "template"]


def load_scorer(
    name: str,
    *,
    dtype: DType = "auto",
    device: str = "auto",
    context: Context = "raw",
    window: int | None = None,
) -> StepScorer:
    """Load a causal language model as a scorer.

    Args:
        name: `builtin`, a folder in Hugging Face format, or a Hub id.
        dtype: `bf16`, `fp32`, or `auto`: bf16 where the hardware multiplies in it. Scores are in
            fp32 either way.
        device: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto`: the first accelerator there is.
        context: what stands before the thinking: `raw`, the question and the opening tag;
            `template`, the model's own chat template.
        window: tokens that the model reads at once; by default its `max_position_embeddings`.

    Raises:
        MissingExtraError: the extra `score` is not installed.
        ModelError: the model cannot be loaded, or does not fit what is asked of it.
    """
    if context not in ("raw", "template"):
        raise ModelError(f"context is {context!r}; it must be 'raw' or 'template'")
    folder, label = find_model_folder(name)
    try:
        from asap.surprisal.context import find_prefix, load_template, write_raw
        from asap.surprisal.model import load_model
        from asap.surprisal.transformers_scorer import TransformersScorer
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in {"torch", "transformers"}:
            raise MissingExtraError(f"the scorer {name}", "score") from error
        raise
    digest = digest_weights(folder)
    tokenizer = load_folder_tokenizer(folder, label)
    is_raw = context == "raw"
    prefix = find_prefix(folder, tokenizer) if is_raw else []
    write_context = write_raw if is_raw else load_template(folder)
    model = load_model(folder, label, dtype, device)
    number_type = "bf16" if str(model.dtype) == "torch.bfloat16" else "fp32"
    return TransformersScorer(
        model,
        tokenizer,
        name=f"{label}@{digest}:{number_type}",
        prefix=prefix,
        write_context=write_context,
        window=window,
    )
