"""A text scored again while it shrinks: the same scores as each time afresh, for less reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from asap.surprisal import (
    FakeScorer,
    ScoreRequest,
    StepScorer,
    StepScores,
    load_scorer,
    score_rounds,
)
from asap.trace import segment_thinking

PARTS = [f"Step {i}: {'check the sum again, ' * (i % 4)}so it is {i * 7}." for i in range(12)]


def write(parts: list[str]) -> ScoreRequest:
    thinking = "\n\n".join(parts)
    return ScoreRequest("How many?", thinking, segment_thinking(thinking, "paragraph"))


def shrink_each_time(scorer: StepScorer, starts: list[list[str]]) -> list[list[tuple[float, ...]]]:
    """Each text loses every round its first, then its last, then its middle part, down to two."""
    left = [list(parts) for parts in starts]
    found: list[list[tuple[float, ...]]] = [[] for _ in starts]

    def shrink(index: int, scores: StepScores) -> ScoreRequest | None:
        parts = left[index]
        assert len(scores.surprisal) == len(parts)
        found[index].append(scores.surprisal)
        if len(parts) <= 2:
            return None
        del parts[(0, -1, len(parts) // 2)[len(found[index]) % 3]]
        return write(parts)

    score_rounds(scorer, [write(parts) for parts in starts], shrink, rounds=11)
    return found


class Afresh:
    """A scorer without a memory."""

    def __init__(self, scorer: StepScorer) -> None:
        self.score = scorer.score


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "gemma2", "lfm2"])
@pytest.mark.parametrize("window", [4096, 128])
def test_scores_are_those_of_texts_read_afresh(
    kind: str, window: int, model_folder: Callable[[str], Path]
) -> None:
    scorer = load_scorer(str(model_folder(kind)), dtype="fp32", device="cpu", window=window)
    starts = [PARTS, PARTS[3:9], PARTS[:1]]
    memory = shrink_each_time(scorer, starts)
    afresh = shrink_each_time(Afresh(scorer), starts)  # type: ignore[arg-type]
    assert [len(rounds) for rounds in memory] == [11, 5, 1]
    for one, other in zip(memory, afresh, strict=True):
        for found, expected in zip(one, other, strict=True):
            assert found == pytest.approx(expected, abs=1e-3)


def test_what_stands_before_the_first_change_is_read_once(
    model_folder: Callable[[str], Path],
) -> None:
    scorer = load_scorer(str(model_folder("qwen2")), dtype="fp32", device="cpu")
    read: list[int] = []

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, torch.nn.Embedding):
            read.append(inputs[0].numel())

    parts = list(PARTS)
    n_tokens: list[int] = []

    def drop_last_but_one(index: int, scores: StepScores) -> ScoreRequest | None:
        n_tokens.append(scores.first_token_index[-2])
        if len(parts) == 3:
            return None
        del parts[-2]
        return write(parts)

    with torch.nn.modules.module.register_module_forward_pre_hook(note):
        score_rounds(scorer, [write(parts)], drop_last_but_one, rounds=11)
    assert len(read) == len(n_tokens) == 10
    # Up to the last step's first token, which foretells nothing that is asked for.
    assert all(n < 0.35 * read[0] for n in read[1:])


def test_a_scorer_without_a_memory_gets_all_texts_of_a_round_together() -> None:
    asked: list[int] = []

    class Counting(FakeScorer):
        def score(self, requests, statistics=frozenset({"surprisal"})):  # type: ignore[no-untyped-def]
            asked.append(len(requests))
            return super().score(requests, statistics)

    shrink_each_time(Counting(), [PARTS[:4], PARTS[:3]])
    assert asked == [2, 2, 1]
