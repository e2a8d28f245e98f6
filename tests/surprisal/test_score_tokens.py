"""Every token of a text alone, against plain forward passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from asap.surprisal import StepScorer, TokenScores, load_scorer

TEXTS = [
    "Wait, let me check.",
    "",
    "    return n * solve(n - 1)",
    "🙂 So the answer for n = 4 is 10, and " * 12,
    "a",
]


def load(folder: Path, window: int | None = None) -> StepScorer:
    return load_scorer(str(folder), dtype="fp32", device="cpu", window=window)


def plain_nll(folder: Path, text: str, window: int) -> tuple[list[tuple[int, int]], list[float]]:
    """Token by token, each read behind all tokens before it in its window, one pass per token."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoding = tokenizer.encode(text, add_special_tokens=False)
    model = AutoModelForCausalLM.from_pretrained(str(folder)).eval()
    head = [0] if "llama" in folder.name else []  # the begin-of-text token
    values = []
    for i, token_id in enumerate(encoding.ids):
        # The first window that holds the token: they begin every half window.
        start = 0
        if len(head) + len(encoding.ids) > window:
            while i >= start + window - len(head):
                start += window // 2
        before = head + encoding.ids[start:i]
        if not before:
            values.append(math.nan)
            continue
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([before])).logits[0, -1]
        values.append(-float(logits.double().log_softmax(-1)[token_id]))
    return encoding.offsets, values


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("window", [4096, 32])
def test_equals_plain_forward_passes(
    kind: str, window: int, model_folder: Callable[[str], Path]
) -> None:
    folder = model_folder(kind)
    for text, found in zip(TEXTS, load(folder, window).score_tokens(TEXTS), strict=True):
        offsets, expected = plain_nll(folder, text, window)
        assert list(zip(found.starts, found.ends, strict=True)) == offsets
        assert found.nll == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_without_a_begin_the_very_first_token_is_unknown(
    model_folder: Callable[[str], Path],
) -> None:
    (found,) = load(model_folder("gpt2")).score_tokens(["Wait, no."])
    assert math.isnan(found.nll[0])
    assert not any(math.isnan(value) for value in found.nll[1:])


def test_order_and_company_make_no_difference(model_folder: Callable[[str], Path]) -> None:
    scorer = load(model_folder("llama"))
    alone = [scorer.score_tokens([text])[0] for text in TEXTS]
    together = scorer.score_tokens(TEXTS[::-1])[::-1]
    for one, other in zip(alone, together, strict=True):
        assert one.starts == other.starts
        assert one.nll == pytest.approx(other.nll, abs=1e-3)


def test_nothing_to_score(model_folder: Callable[[str], Path]) -> None:
    scorer = load(model_folder("llama"))
    assert scorer.score_tokens([]) == []
    assert scorer.score_tokens([""]) == [TokenScores((), (), ())]
