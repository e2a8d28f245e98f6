"""From hidden states to nats: the output layer in fp32, over rows and vocabulary in chunks.

A bf16 output layer rounds surprisals to 1/16 nat, so that steps tie that do not; and its logits for
every position of a long trace fill gigabytes. Here no tensor is ever larger than `_CHUNK_ROWS` x
`_CHUNK_VOCABULARY`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_CHUNK_ROWS = 1024
_CHUNK_VOCABULARY = 16_384


@dataclass(frozen=True, slots=True)
class RowScores:
    """One value per row, fp32, on the device that the rows were on."""

    nll: Tensor
    """-log p of the row's target, in nats."""
    entropy: Tensor | None
    """Of the row's whole distribution, in nats; None unless asked for."""


def score_hidden(
    hidden: Tensor, targets: Tensor, weight: Tensor, bias: Tensor | None, *, with_entropy: bool
) -> RowScores:
    """Scores from the hidden states before the output layer.

    Args:
        hidden: (rows, width), of any float type.
        targets: (rows,) ids of the tokens that came.
        weight: (vocabulary, width) of the output layer.
        bias: (vocabulary,), or None.
        with_entropy: whether entropies are wanted.
    """
    chunks = [
        _score_rows(
            hidden[i : i + _CHUNK_ROWS].float(),
            targets[i : i + _CHUNK_ROWS],
            weight,
            bias,
            with_entropy,
        )
        for i in range(0, len(hidden), _CHUNK_ROWS)
    ]
    return RowScores(
        torch.cat([nll for nll, _ in chunks]),
        torch.cat([entropy for _, entropy in chunks]) if with_entropy else None,
    )


def _score_rows(
    hidden: Tensor, targets: Tensor, weight: Tensor, bias: Tensor | None, with_entropy: bool
) -> tuple[Tensor, Tensor]:
    """(nll, entropy) of some rows; the vocabulary goes by in chunks, with running sums."""
    peak = hidden.new_full((len(hidden),), float("-inf"))
    mass = hidden.new_zeros(len(hidden))  # sum of exp(logit - peak)
    moment = hidden.new_zeros(len(hidden))  # sum of exp(logit - peak) * (logit - peak)
    chosen = hidden.new_zeros(len(hidden))
    for start in range(0, len(weight), _CHUNK_VOCABULARY):
        stop = min(start + _CHUNK_VOCABULARY, len(weight))
        logits = functional.linear(
            hidden, weight[start:stop].float(), None if bias is None else bias[start:stop].float()
        )
        inside = (targets >= start) & (targets < stop)
        picked = logits.gather(
            1, (targets - start).clamp(0, stop - start - 1).unsqueeze(1)
        ).squeeze(1)
        chosen = torch.where(inside, picked, chosen)
        new_peak = torch.maximum(peak, logits.amax(dim=1))
        shift = peak - new_peak  # -inf before the first chunk, whose sums are still 0
        logits -= new_peak.unsqueeze(1)
        if with_entropy:
            powers = logits.exp()
            carried = torch.where(
                mass > 0, shift.exp() * (moment + mass * shift), torch.zeros_like(mass)
            )
            moment = carried + (powers * logits).sum(dim=1)
            mass = mass * shift.exp() + powers.sum(dim=1)
        else:
            mass = mass * shift.exp() + logits.exp_().sum(dim=1)
        peak = new_peak
    log_mass = mass.log()
    return peak + log_mass - chosen, log_mass - moment / mass


def score_logits(logits: Tensor, targets: Tensor, *, with_entropy: bool) -> RowScores:
    """The same from ready logits (rows, vocabulary)."""
    log_p = functional.log_softmax(logits.float(), dim=-1)
    nll = -log_p.gather(1, targets.unsqueeze(1)).squeeze(1)
    entropy = -(log_p.exp() * log_p).sum(dim=-1) if with_entropy else None
    return RowScores(nll, entropy)
