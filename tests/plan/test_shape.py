"""Parameters, operations and bytes, against figures worked out by hand and counts of modules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asap.errors import ModelError
from asap.plan import Reading, read_shape, shape_of

# Qwen2-7B, term by term: per layer q and o 3584 x 3584, k and v 3584 x 512, three matrices of
# 3584 x 18944; embedding and output layer 152064 x 3584 each.
Q_O = 2 * 12_845_056
K_V = 2 * 1_835_008
MLP = 3 * 67_895_296
LAYER = Q_O + K_V + MLP
LAYERS = 28 * LAYER
OUTPUT = 544_997_376


def test_a_shape_like_qwen2_7b_has_its_parameters_and_bytes() -> None:
    shape = read_shape("7b")
    assert LAYER == 233_046_016
    assert shape.layer_weights == LAYERS == 6_525_288_448
    assert shape.n_parameters == LAYERS + 2 * OUTPUT == 7_615_283_200
    assert round(shape.weight_bytes() / 1e9, 1) == 15.2
    # Keys and values, 28 layers, 4 heads of 128 numbers of 2 bytes.
    assert shape.kv_bytes_per_token == 2 * 28 * 4 * 128 * 2 == 57_344


def test_operations_are_matrices_attention_and_the_output_where_it_is_asked_for() -> None:
    shape = read_shape("7b")
    one = shape.operations(Reading(0, 1, 0))
    # One token looks at itself: two products of 3584 numbers in 28 layers.
    assert one == 2 * LAYERS + 4 * 28 * 3584
    assert shape.operations(Reading(0, 1, 1)) - one == 2 * OUTPUT
    # 4 new behind 10: each sees 10 and itself and those before it: 40 + 1 + 2 + 3 + 4 pairs.
    assert shape.operations(Reading(10, 4, 0)) == 4 * 2 * LAYERS + 50 * 4 * 28 * 3584


def test_reading_in_two_parts_costs_what_reading_at_once_does() -> None:
    shape = read_shape("8b")
    parts = shape.operations(Reading(0, 700, 3)) + shape.operations(Reading(700, 324, 4))
    assert parts == shape.operations(Reading(0, 1024, 7))


@pytest.mark.parametrize("n_tokens", [37, 256])
def test_operations_are_those_of_the_built_in_model(n_tokens: int) -> None:
    """Torch counts every product of the real modules; attention as the whole square."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModelForCausalLM

    from asap.surprisal import find_model_folder

    folder, _ = find_model_folder("builtin")
    model = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=torch.float32, attn_implementation="eager"
    )
    shape = read_shape("builtin")
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(input_ids=torch.arange(n_tokens)[None] % 4096, use_cache=False)
    counts = {str(name): n for name, n in counter.get_flop_counts()["Global"].items()}
    by_bmm = sum(n for name, n in counts.items() if "bmm" in name)
    by_conv = sum(n for name, n in counts.items() if "conv" in name)
    by_matrices = sum(n for name, n in counts.items() if "mm" in name and "bmm" not in name)
    kernels = 2 * shape.n_conv_layers * shape.hidden * shape.conv_kernel * n_tokens
    rows = shape.operations(Reading(0, n_tokens, n_tokens))
    pairs = n_tokens * (n_tokens + 1) // 2
    assert by_matrices == rows - kernels - shape.operations_per_pair * pairs
    # The rotary angles are a product too: one frequency's, for half a head.
    assert 0 <= by_bmm - shape.operations_per_pair * n_tokens**2 <= 2 * 32 * n_tokens
    # The convolution runs over some padding as well.
    assert 0 <= by_conv - kernels <= kernels * 8 / n_tokens


def test_parameters_are_those_of_the_built_in_model() -> None:
    from safetensors import safe_open

    from asap.surprisal import find_model_folder

    folder, _ = find_model_folder("builtin")
    with safe_open(str(folder / "model.safetensors"), "numpy") as file:
        names = list(file.keys())
        sizes = {name: file.get_slice(name).get_shape() for name in names}
    n_weights = sum(_product(shape) for shape in sizes.values() if len(shape) > 1)
    assert read_shape("builtin").n_parameters == n_weights


def _product(shape: list[int]) -> int:
    result = 1
    for n in shape:
        result *= n
    return result


def test_a_folder_is_read_by_its_config(tmp_path: Path) -> None:
    config: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    config |= {"intermediate_size": 16, "vocab_size": 32, "max_position_embeddings": 64}
    (tmp_path / "config.json").write_text(json.dumps(config))
    shape = read_shape(str(tmp_path))
    # No key-value heads and no head width are named: as many heads, 8 / 2 wide; tied by default.
    assert shape.n_parameters == 2 * (4 * 8 * 8 + 3 * 8 * 16) + 8 * 32
    assert shape.window == 64


def test_an_encoder_has_no_gate() -> None:
    config: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config |= {"intermediate_size": 16, "vocab_size": 32, "max_position_embeddings": 66}
    assert shape_of("e", config | {"model_type": "xlm-roberta"}).mlp_weights == 2 * 8 * 16
    assert shape_of("d", config | {"model_type": "llama"}).mlp_weights == 3 * 8 * 16


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_experts": 8}, "mixture of experts"),
        ({"hidden_size": None}, "cannot be understood"),
        ({"vocab_size": "many"}, "cannot be understood"),
    ],
    ids=["experts", "no width", "words"],
)
def test_a_config_that_cannot_be_used_is_refused(change: dict[str, Any], words: str) -> None:
    config: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config |= {"intermediate_size": 16, "vocab_size": 32, "max_position_embeddings": 66}
    with pytest.raises(ModelError, match=words):
        shape_of("m", config | change)


def test_a_config_without_a_number_names_it() -> None:
    with pytest.raises(ModelError, match="does not say 'num_hidden_layers'"):
        shape_of("m", {"hidden_size": 8})
