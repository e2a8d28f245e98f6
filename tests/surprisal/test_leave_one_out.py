"""Leave-one-out: against plain passes without any cache, one per step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from asap.surprisal import ScoreRequest, load_scorer
from asap.trace import segment_thinking


def plain_rises(folder: Path, request: ScoreRequest, suffix: int, has_bos: bool) -> list[float]:
    """Each text read whole, by the model's own loss-like log-probabilities."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    context = f"{request.question}\n<think>\n" if request.question else "<think>\n"
    text = context + request.thinking
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    bos = [tokenizer.bos_token_id] if has_bos else []
    firsts = []
    for step in request.steps:
        start = step.start + len(context)
        visible = next(i for i in range(start, len(text)) if not text[i].isspace())
        firsts.append(next(n for n, (_, end) in enumerate(offsets) if end > visible))

    def nll(tokens: list[int], wanted: range) -> float:
        with torch.no_grad():
            logits = model(torch.tensor([bos + tokens])).logits[0].double()
        log_p = logits.log_softmax(-1)
        n = len(bos)
        return -sum(float(log_p[n + i - 1, tokens[i]]) for i in wanted)

    rises = []
    for a, b in zip(firsts, [*firsts[1:], len(ids)], strict=True):
        end = min(len(ids), b + suffix) if suffix else len(ids)
        without = nll(ids[:a] + ids[b:], range(a, a + end - b))
        rises.append(without - nll(ids, range(b, end)))
    return rises


@pytest.mark.parametrize("kind", ["llama", "qwen2", "lfm2", "gemma2"])
@pytest.mark.parametrize("suffix", [0, 12])
def test_rises_are_those_of_plain_passes(
    model_folder: Callable[[str], Path], requests: list[ScoreRequest], kind: str, suffix: int
) -> None:
    folder = model_folder(kind)
    rises = load_scorer(str(folder), dtype="fp32", device="cpu").score_left_out(requests, suffix)
    for request, measured in zip(requests, rises, strict=True):
        expected = plain_rises(folder, request, suffix, kind in ("llama", "gemma2"))
        assert measured == pytest.approx(expected, abs=2e-3)
        assert measured[-1] == 0.0


def test_a_copy_makes_its_second_appearance_cheaper_so_leaving_out_the_first_costs() -> None:
    thinking = (
        "The maximum distance from vertex 17 is 4251.\n\nLet me think about something else, "
        "such as a greedy choice.\n\nThe maximum distance from vertex 17 is 4251."
    )
    request = ScoreRequest("", thinking, segment_thinking(thinking, "paragraph"))
    ((first, aside, last),) = load_scorer("builtin", dtype="fp32").score_left_out([request], 512)
    assert first > aside
    assert last == 0.0


def test_a_long_text_goes_by_windows(model_folder: Callable[[str], Path]) -> None:
    folder = model_folder("llama")
    thinking = "\n\n".join(f"Step {n}: the sum of pairs is {n * n}." for n in range(40))
    request = ScoreRequest("How many?", thinking, segment_thinking(thinking, "paragraph"))
    whole = load_scorer(str(folder), dtype="fp32", device="cpu", window=4096)
    cut = load_scorer(str(folder), dtype="fp32", device="cpu", window=128)
    (expected,), (measured,) = (
        whole.score_left_out([request], 20),
        cut.score_left_out([request], 20),
    )
    # The first steps lie in the first window with all that is looked at: the same text is read.
    assert measured[:3] == pytest.approx(expected[:3], abs=2e-3)
    assert all(rise != 0.0 for rise in measured[:-1])
    assert measured[-1] == 0.0


def test_each_text_is_read_on_its_own(
    model_folder: Callable[[str], Path], requests: list[ScoreRequest]
) -> None:
    scorer: Any = load_scorer(str(model_folder("lfm2")), dtype="fp32", device="cpu")
    together = scorer.score_left_out(requests, 64)
    alone = [scorer.score_left_out([request], 64)[0] for request in reversed(requests)]
    assert together == alone[::-1]
