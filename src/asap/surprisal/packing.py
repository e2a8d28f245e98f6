"""Texts in one row, one behind the other, each seeing itself alone: no padding, and no mask.

For models whose tokens meet in attention over the whole text and nowhere else. Which models those
are is not read off a list: a packed reading is compared with plain ones when the model is loaded.
Convolutions, states and windows of attention are found out that way, and read with padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_ATTENTION = "asap_packed"
_BOUNDS: ContextVar[tuple[int, ...] | None] = ContextVar("bounds", default=None)
"""Where the texts of the row that is read begin, and where the last ends; None for a plain reading.
Not every architecture hands arguments of `forward` down to its attention.
"""
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.02, torch.bfloat16: 0.1}
"""How far a token's hidden state may be from that of a plain reading, as a share of its length:
rounding hangs on shapes. A text that sees its neighbour is off by about its whole length at its
first token.
"""


def read_packed(model: PreTrainedModel, ids: Tensor, lengths: Sequence[int]) -> Tensor:
    """Hidden states before the output layer, of a model that `allow_packing` has let through.

    Args:
        model: the model.
        ids: (tokens,), the texts one behind the other.
        lengths: tokens of each text; they add up to `ids`.

    Returns:
        (tokens, width).
    """
    ends = list(accumulate(lengths))
    positions = torch.cat([torch.arange(n) for n in lengths]).to(ids.device, non_blocking=True)
    with _bounds((0, *ends)):
        out = model.base_model(
            input_ids=ids.unsqueeze(0), position_ids=positions.unsqueeze(0), use_cache=False
        )
    hidden: Tensor = out.last_hidden_state[0]
    return hidden


@torch.inference_mode()
def allow_packing(model: PreTrainedModel, ids: Sequence[int]) -> bool:
    """Prepare a model for `read_packed`, if that gives what plain readings give.

    Args:
        model: in evaluation mode, on its device; on True its attention is exchanged for one that
            equals it in plain readings. On False it is as it was.
        ids: of any short text, to try it on.
    """
    if not _attends_to_everything(model) or model.config._attn_implementation != "sdpa":
        return False
    texts = [list(ids), list(ids[: len(ids) // 2]), list(ids[3:])]
    device = model.device
    plain = [
        model.base_model(input_ids=torch.tensor([text], device=device), use_cache=False)
        for text in texts
    ]
    expected = torch.cat([out.last_hidden_state[0] for out in plain]).float()
    model.set_attn_implementation(_ATTENTION)
    try:
        row = torch.tensor([i for text in texts for i in text], device=device)
        found = read_packed(model, row, [len(text) for text in texts]).float()
        off = (found - expected).norm(dim=-1) / expected.norm(dim=-1)
        is_equal = bool((off <= _TOLERANCE[model.dtype]).all())
    except (TypeError, ValueError, RuntimeError, KeyError):
        is_equal = False  # an attention with something of its own, which does not take slices
    if not is_equal:
        model.set_attn_implementation("sdpa")
    return is_equal


def _attends_to_everything(model: PreTrainedModel) -> bool:
    """No layer looks back over a limited distance, which texts that are tried are too short for."""
    config = model.config.get_text_config()
    layers = getattr(config, "layer_types", None)
    if layers:
        return set(layers) == {"full_attention"}
    return getattr(config, "sliding_window", None) is None


@contextmanager
def _bounds(bounds: tuple[int, ...]) -> Iterator[None]:
    token = _BOUNDS.set(bounds)
    try:
        yield
    finally:
        _BOUNDS.reset(token)


def _attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Each text's own causal attention; tensors are (1, heads, tokens, width of a head)."""
    bounds = _BOUNDS.get()
    if bounds is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **more)
    parts = []
    for start, end in pairwise(bounds):
        q, k, v = (tensor[:, :, start:end] for tensor in (query, key, value))
        parts.append(sdpa_attention_forward(module, q, k, v, None, **more)[0])
    return torch.cat(parts, dim=1), None


def _mask(*args: Any, **more: Any) -> Tensor | None:
    """None while texts are packed: a mask over all of them would be the square of the row."""
    return None if _BOUNDS.get() is not None else sdpa_mask(*args, **more)


AttentionInterface.register(_ATTENTION, _attend)
AttentionMaskInterface.register(_ATTENTION, _mask)
