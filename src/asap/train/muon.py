"""Muon for the hidden matrices and AdamW for the rest, as one optimizer: a small model from scratch
learns as much from about half the tokens. The paper fine-tunes with AdamW; so do our recipes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class MuonWithAdamW(torch.optim.Optimizer):
    """torch's two optimizers behind one face. Muon's updates are scaled to the size of AdamW's, so
    that one learning rate serves both.

    Args:
        model: embeddings, output layer and vectors go to AdamW, all other matrices to Muon.
        learning_rate: the peak; a schedule may change the groups' `lr`.
        beta2: AdamW's decay of the second moment.
        weight_decay: of both.
    """

    def __init__(
        self, model: nn.Module, learning_rate: float, beta2: float, weight_decay: float
    ) -> None:
        matrices: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            is_hidden = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
            (matrices if is_hidden else rest).append(parameter)
        self._parts: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(
                matrices,
                lr=learning_rate,
                weight_decay=weight_decay,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(
                rest, lr=learning_rate, betas=(0.9, beta2), weight_decay=weight_decay
            ),
        )
        super().__init__([group for part in self._parts for group in part.param_groups], {})
        self._share_groups()

    def step(self, closure: Callable[[], float] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step of both."""
        for part in self._parts:
            part.step()
        return None

    def state_dict(self) -> dict[str, Any]:
        """What both hold."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()

    def _share_groups(self) -> None:
        """A schedule that changes our groups changes theirs; loading makes them new ones."""
        self.param_groups = [group for part in self._parts for group in part.param_groups]
