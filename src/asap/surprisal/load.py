"""From a name to a scorer or a token classifier. The heavy imports happen here."""

from __future__ import annotations

from typing import Literal

from asap.errors import MissingExtraError, ModelError
from asap.surprisal.classifier import TokenClassifier
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


def load_classifier(name: str, *, dtype: DType = "auto", device: str = "auto") -> TokenClassifier:
    """Load a token classifier with the two labels of LLMLingua-2 (arXiv 2403.12968).

    Args:
        name: a folder in Hugging Face format, or a Hub id
            (`microsoft/llmlingua-2-xlm-roberta-large-meetingbank`).
        dtype: as for `load_scorer`.
        device: as for `load_scorer`.

    Raises:
        MissingExtraError: the extra `score` is not installed.
        ModelError: the model cannot be loaded, is no such classifier, or has no fast tokenizer.
    """
    folder, label = find_model_folder(name)
    try:
        from transformers import AutoTokenizer

        from asap.surprisal.model import load_token_classifier
        from asap.surprisal.transformers_classifier import TransformersClassifier
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in {"torch", "transformers"}:
            raise MissingExtraError(f"the classifier {name}", "score") from error
        raise
    digest = digest_weights(folder)
    model = load_token_classifier(folder, label, dtype, device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError, KeyError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"the tokenizer of the classifier {label} cannot be loaded: {first_line}"
        ) from error
    number_type = "bf16" if str(model.dtype) == "torch.bfloat16" else "fp32"
    return TransformersClassifier(model, tokenizer, name=f"{label}@{digest}:{number_type}")
