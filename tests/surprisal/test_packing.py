"""Several texts in one row: scores as if each were alone, and only for models that allow it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from asap.surprisal import ScoreRequest, load_scorer
from asap.surprisal.model import load_model
from asap.surprisal.packing import allow_packing, read_packed

PROBE = list(range(5, 45))
SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "pad_token_id": None,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def read_alone(model: PreTrainedModel, text: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model.base_model(input_ids=torch.tensor([text]), use_cache=False).last_hidden_state[
            0
        ]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_packed_texts_read_as_each_alone(
    kind: str, dtype: str, model_folder: Callable[[str], Path]
) -> None:
    model = load_model(model_folder(kind), kind, dtype, "cpu")
    texts = [list(range(1, 90)), [7], list(range(40, 4, -1)), [3] * 200]
    alone = [read_alone(model, text) for text in texts]
    assert allow_packing(model, PROBE)
    with torch.inference_mode():
        row = torch.tensor([i for text in texts for i in text])
        packed = read_packed(model, row, [len(text) for text in texts])
    for expected, found in zip(alone, packed.split([len(text) for text in texts]), strict=True):
        near = {"atol": 1e-4, "rtol": 1e-4} if dtype == "fp32" else {"atol": 0.2, "rtol": 0.1}
        torch.testing.assert_close(found, expected, **near)
    for expected, text in zip(alone, texts, strict=True):  # plain readings are what they were
        torch.testing.assert_close(read_alone(model, text), expected)


@pytest.mark.parametrize("kind", ["lfm2", "gemma2"])
def test_texts_that_would_see_each_other_are_not_packed(
    kind: str, model_folder: Callable[[str], Path]
) -> None:
    model = load_model(model_folder(kind), kind, "fp32", "cpu")
    attention = model.config._attn_implementation
    assert not allow_packing(model, PROBE)
    assert model.config._attn_implementation == attention


@pytest.mark.parametrize(
    "model",
    [
        lambda: MistralForCausalLM(MistralConfig(**SMALL, sliding_window=1024)),
        lambda: Qwen2ForCausalLM(
            Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=1024, max_window_layers=1)
        ),
    ],
    ids=["mistral", "qwen2"],
)
def test_a_window_longer_than_the_texts_tried_is_not_overlooked(
    model: Callable[[], PreTrainedModel],
) -> None:
    assert not allow_packing(model().eval(), PROBE)


def test_cached_readings_go_on_as_before(model_folder: Callable[[str], Path]) -> None:
    model = load_model(model_folder("llama"), "llama", "fp32", "cpu")
    whole = read_alone(model, PROBE)
    assert allow_packing(model, PROBE)
    with torch.inference_mode():
        first = model.base_model(input_ids=torch.tensor([PROBE[:30]]), use_cache=True)
        rest = model.base_model(
            input_ids=torch.tensor([PROBE[30:]]), past_key_values=first.past_key_values
        )
    torch.testing.assert_close(rest.last_hidden_state[0], whole[30:], atol=1e-4, rtol=1e-4)


def test_texts_of_unlike_lengths_cost_no_padding(
    model_folder: Callable[[str], Path], requests: list[ScoreRequest]
) -> None:
    """As many tokens reach the model as there are, rounded up once a batch."""

    def count_read(kind: str) -> int:
        scorer = load_scorer(str(model_folder(kind)), dtype="fp32", device="cpu")
        read = 0

        def note(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            nonlocal read
            if isinstance(module, torch.nn.Embedding):
                read += inputs[0].numel()

        with torch.nn.modules.module.register_module_forward_pre_hook(note):
            scorer.score(requests)
        return read

    n_tokens = sum(
        scores.first_token_index[-1]
        for scores in load_scorer(str(model_folder("qwen2")), device="cpu").score(requests)
    )
    assert n_tokens <= count_read("qwen2") < n_tokens + 128 < count_read("lfm2")
