"""The shape of a language model, read off its config.json: parameters, operations, bytes.

One operation is a multiplication or an addition; a matrix of P weights costs 2·P for every token.
Attention costs four operations for every pair of positions and every number of a head: once for
the products with keys, once for those with values. No weights are read and no torch is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from asap.errors import ModelError
from asap.surprisal import find_model_folder

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
_ENCODERS = {"bert", "roberta", "xlm-roberta", "electra"}


@dataclass(frozen=True, slots=True)
class Reading:
    """Tokens that go through a model at once, behind others whose keys and values it has."""

    n_past: int
    n_new: int
    n_out: int
    """How many of the new positions go through the output layer."""

    @property
    def n_pairs(self) -> float:
        """Pairs of a position and one that it looks at, itself included (causal)."""
        return self.n_past * self.n_new + self.n_new * (self.n_new + 1) / 2


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What of a model's config costs something."""

    name: str
    hidden: int
    n_attention_layers: int
    n_conv_layers: int
    n_heads: int
    n_kv_heads: int
    head_width: int
    intermediate: int
    vocabulary: int
    window: int
    is_tied: bool
    mlp_matrices: int = 3
    """Gate, up and down; encoders have no gate."""
    conv_kernel: int = 0

    @property
    def n_layers(self) -> int:
        """Of both kinds."""
        return self.n_attention_layers + self.n_conv_layers

    @property
    def attention_weights(self) -> int:
        """Of the four matrices of one attention layer."""
        width = self.n_heads * self.head_width
        return self.hidden * (2 * width + 2 * self.n_kv_heads * self.head_width)

    @property
    def conv_weights(self) -> int:
        """Of one convolution layer (LFM2): three in, one out, and the kernel of each channel."""
        return self.hidden * (4 * self.hidden + self.conv_kernel)

    @property
    def mlp_weights(self) -> int:
        """Of one layer's feed-forward part."""
        return self.mlp_matrices * self.hidden * self.intermediate

    @property
    def layer_weights(self) -> int:
        """Of all layers' matrices, embedding and output layer aside; norms and biases are left out:
        they are less than a thousandth.
        """
        return (
            self.n_attention_layers * self.attention_weights
            + self.n_conv_layers * self.conv_weights
            + self.n_layers * self.mlp_weights
        )

    @property
    def output_weights(self) -> int:
        """Of the output layer."""
        return self.hidden * self.vocabulary

    @property
    def n_parameters(self) -> int:
        """Layers, embedding and output layer; one matrix for both where they are tied."""
        return self.layer_weights + self.output_weights * (1 if self.is_tied else 2)

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values of one token in bf16."""
        return 2 * 2 * self.n_attention_layers * self.n_kv_heads * self.head_width

    @property
    def operations_per_pair(self) -> int:
        """Of attention, over all layers."""
        return 4 * self.n_attention_layers * self.n_heads * self.head_width

    def weight_bytes(self, bytes_per_weight: int = 2) -> int:
        """Memory that the weights take; by default in bf16."""
        return self.n_parameters * bytes_per_weight

    def operations(self, reading: Reading) -> float:
        """Of one reading: matrices, attention by its real length, output layer where asked for."""
        return (
            2.0 * self.layer_weights * reading.n_new
            + self.operations_per_pair * reading.n_pairs
            + 2.0 * self.output_weights * reading.n_out
        )


def read_shape(name: str) -> ModelShape:
    """The shape of a model. Of a model on the Hub nothing but the config is fetched.

    Args:
        name: `builtin`, a folder, a name in the table of known models, or a Hub id.

    Raises:
        ModelError: there is no such model, or its config is of a kind that is not known here.
    """
    known = _known_models()
    if name in known:
        return shape_of(name, known[name])
    if name == "builtin" or Path(name).expanduser().is_dir():
        folder, label = find_model_folder(name)
        path = folder / "config.json"
    else:
        label, path = name, _fetch_config(name, sorted(known))
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is no config that can be read: {error}") from None
    return shape_of(label, config)


def shape_of(name: str, config: Mapping[str, Any]) -> ModelShape:
    """The shape that a config in the words of `transformers` describes.

    Raises:
        ModelError: a number is missing, or the model is a mixture of experts.
    """
    text: Mapping[str, Any] = config.get("text_config") or config
    if any(text.get(key) for key in _EXPERTS):
        raise ModelError(
            f"{name} is a mixture of experts: asap plan knows no roofline for it (tokens are "
            "forecast with another --scorer of the same tokenizer)"
        )
    try:
        n_layers, n_heads = int(text["num_hidden_layers"]), int(text["num_attention_heads"])
        kinds = text.get("layer_types") or ["full_attention"] * n_layers
        n_conv = sum(kind == "conv" for kind in kinds)
        is_encoder = text.get("model_type") in _ENCODERS
        return ModelShape(
            name,
            hidden=int(text["hidden_size"]),
            n_attention_layers=n_layers - n_conv,
            n_conv_layers=n_conv,
            n_heads=n_heads,
            n_kv_heads=int(text.get("num_key_value_heads") or n_heads),
            head_width=int(text.get("head_dim") or text["hidden_size"] // n_heads),
            intermediate=_intermediate(text),
            vocabulary=int(text["vocab_size"]),
            window=int(text["max_position_embeddings"]),
            is_tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", True))),
            mlp_matrices=2 if is_encoder else 3,
            conv_kernel=int(text.get("conv_L_cache") or 0) if n_conv else 0,
        )
    except KeyError as error:
        raise ModelError(f"the config of {name} does not say {error}") from None
    except (TypeError, ValueError) as error:
        raise ModelError(f"the config of {name} cannot be understood: {error}") from None


def _intermediate(text: Mapping[str, Any]) -> int:
    """Width of the feed-forward part; LFM2 may say it before an adjustment of its own."""
    width = int(text["intermediate_size"])
    if text.get("model_type") != "lfm2" or not text.get("block_auto_adjust_ff_dim", True):
        return width
    width = int(2 * width / 3 * float(text.get("block_ffn_dim_multiplier") or 1.0))
    multiple = int(text.get("block_multiple_of") or 256)
    return -(-width // multiple) * multiple


def _known_models() -> dict[str, dict[str, Any]]:
    """Configs of the table, by every name that a model has there."""
    table = yaml.safe_load((resources.files("asap.plan") / "models.yaml").read_text("utf-8"))
    return {
        name: entry["config"]
        for full_name, entry in table.items()
        for name in (full_name, *entry["also"])
    }


def _fetch_config(hub_id: str, known: list[str]) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(hf_hub_download(hub_id, "config.json"))
    except (HFValidationError, HfHubHTTPError, OSError, ValueError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"no config of {hub_id!r}: no folder, the Hub does not give it ({first_line}), and it "
            f"is none of the models known here: {', '.join(known)}"
        ) from None
