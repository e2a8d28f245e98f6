"""The arithmetic behind the model card's tables: AUC, planted repeats, the 5-gram model."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from asap.surprisal import FakeScorer
from asap.surprisal.window import cut_windows
from asap.trace import Trace, classify_paragraph, parse_trace, segment_trace

ROOT = Path(__file__).parents[2]


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "evaluate_builtin", ROOT / "tools" / "evaluate_builtin.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


tool: Any = load_tool()


def load_examples() -> list[Trace]:
    traces = []
    lines = (ROOT / "examples" / "traces.jsonl").read_text(encoding="utf-8").splitlines()
    for row, line in enumerate(lines):
        values = json.loads(line)
        trace = parse_trace(row, values["id"], values["prompt"], response=values["generation"])
        assert isinstance(trace, Trace)
        traces.append(segment_trace(trace))
    return traces


def test_auc_of_a_hand_made_example() -> None:
    # Pairs (1,2) (1,3) (2,3) are in order, (2,2) is a tie: 3.5 of 4.
    assert tool.auc([1.0, 2.0], [3.0, 2.0]) == 3.5 / 4


@pytest.mark.parametrize(
    ("lower", "higher", "expected"),
    [([1.0, 2.0], [3.0, 4.0], 1.0), ([3.0], [1.0, 2.0], 0.0), ([5.0, 5.0], [5.0], 0.5)],
)
def test_auc_at_its_ends_and_at_chance(
    lower: list[float], higher: list[float], expected: float
) -> None:
    assert tool.auc(lower, higher) == expected


def test_auc_of_nothing_is_no_number() -> None:
    assert math.isnan(tool.auc([], [1.0]))


@pytest.mark.parametrize("seed", range(5))
def test_planted_steps_are_verbatim_later_and_counted_apart(seed: int) -> None:
    rng = random.Random(seed)
    n_copies = 0
    for trace in load_examples():
        planted = tool.plant(trace, rng)
        text = planted.trace.text
        n_copies += len(planted.copies)
        for copy in planted.copies:
            assert copy.source_index < copy.step_index
            assert text(copy.source_index) == text(copy.step_index)
        copied = {
            index for copy in planted.copies for index in (copy.step_index, copy.source_index)
        }
        assert copied.isdisjoint(planted.unique)
        everything = [text(i) for i in range(len(planted.trace.steps))]
        assert all(everything.count(text(i)) == 1 for i in planted.unique)
        assert all(classify_paragraph(text(i)) == "prose" for i in planted.unique)
    assert n_copies > 13


def test_planting_leaves_the_rest_of_the_trace_in_order() -> None:
    for trace in load_examples():
        planted = tool.plant(trace, random.Random(1))
        copies = {copy.step_index for copy in planted.copies}
        steps = range(len(planted.trace.steps))
        rest = [planted.trace.text(i) for i in steps if i not in copies]
        assert rest == [trace.text(i) for i in range(len(trace.steps))]


def test_a_passage_stays_together_at_both_places() -> None:
    passages = 0
    for trace in load_examples():
        copies = tool.plant(trace, random.Random(2)).copies
        for before, copy in itertools.pairwise(copies):
            if copy.place:
                passages += 1
                assert copy.place == before.place + 1
                assert copy.step_index == before.step_index + 1
                assert copy.source_index == before.source_index + 1
    assert passages > 0


def test_a_scorer_that_knows_repeats_from_news_gets_full_marks() -> None:
    traces = load_examples()
    rng = random.Random(0)
    sources = set()
    for trace in traces:
        planted = tool.plant(trace, rng)
        sources |= {planted.trace.text(copy.source_index) for copy in planted.copies}
    knowing = FakeScorer(lambda text: 1.0 if text in sources else 2.0)
    rankings = tool.measure_ranking(traces, knowing, n_head=1, window=10**6)
    near = [r for r in rankings if r.distance == "within"]
    assert [r.kind for r in near] == list(tool.KINDS)
    assert all(r.repeats > 0 and r.surprisal == 1.0 for r in near)
    assert all(r.repeats == 0 for r in rankings if r.distance == "beyond")


def test_a_window_begins_where_the_scorer_lets_it_begin() -> None:
    """A head of 2, windows of 10: bodies [0, 8), [5, 13), [10, 18). So tokens up to 9 see all,
    those up to 14 what begins at body token 5, and so on.
    """
    starts = [tool.find_window_start(token, 2, 10) for token in range(2, 20)]
    assert starts == [2] * 8 + [7] * 5 + [12] * 5
    bodies = [(window.start, window.fresh, window.stop) for window in cut_windows(2, 18, 10)]
    assert bodies == [(0, 0, 8), (5, 8, 13), (10, 13, 18)]


def make_words() -> Tokenizer:
    words = ["<|endoftext|>", "a", "b", "c", "d", "<", ">", "think"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "d"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def test_five_gram_probabilities_add_up_to_one_and_prefer_what_was_seen() -> None:
    model = tool.KneserNey(make_words(), ["a b c a b c a b c a b d", "b c d a", "c a b a"])
    width = 3
    for history in ([1, 2, 3, 1], [2, 2, 2, 2], [0, 0, 0, 0], [4, 4, 1, 2]):
        packed = 0
        for token in history:
            packed = packed << width | token
        grams = np.array([packed << width | token for token in range(8)], dtype=np.uint64)
        probabilities = model.probabilities(grams)
        assert probabilities.sum() == pytest.approx(1.0)
        assert (probabilities > 0).all()
    # After "a b" (with "b c a" before it) comes "c" twice and "d" once.
    after = np.array([((((2 << 3 | 3) << 3 | 1) << 3 | 2) << 3) | t for t in (3, 4, 1)])
    c, d, a = model.probabilities(after.astype(np.uint64))
    assert c > d > a


def test_the_context_is_read_but_not_paid_for() -> None:
    model = tool.KneserNey(make_words(), ["< think > a b c a b c", "a b < think > a b c"])
    assert 0 < model.bits("", "a b c") < model.bits("", "a b c a b c")
    assert model.bits("a b", "a b c") < 3 * model.bits("", "a b c")


def test_a_text_that_repeats_itself_costs_zstd_little() -> None:
    news = " ".join(str(n * n) for n in range(2_000))
    assert tool.zstd_bits([news + news]) < 1.1 * tool.zstd_bits([news])
    assert tool.zstd_bits([news, news]) == 2 * tool.zstd_bits([news])


def test_the_card_takes_tables_between_its_marks(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("before\n<!-- tables -->\nold\n<!-- /tables -->\nafter\n", encoding="utf-8")
    log = [
        {"parameters": 7, "settings": {"minutes": "2.0"}},
        {"step": 20, "tokens": 1000},
        {"step": 30, "dev_bits_per_character": 1.5},
        {"parameters": 7, "settings": {"minutes": "1.0", "start_from": "the first"}},
        {"step": 10, "tokens": 500},
        {"step": 12, "dev_bits_per_character": 1.25},
    ]
    (tmp_path / "training-log.jsonl").write_text("\n".join(map(json.dumps, log)), encoding="utf-8")
    bits = [tool.Bits("codeforces", 3, 1000, 1.1, 1.5, 1.6, 2.0)]
    rankings = [
        tool.Ranking("unique steps", "", 50, 0.5, 0.5),
        tool.Ranking("lone step", "within", 9, 0.25, 0.75),
    ]
    tool.write_card(tmp_path, tool.write_tables(bits, rankings, 4096), tool.read_training(tmp_path))
    text = card.read_text(encoding="utf-8")
    assert text.startswith(
        "before\n<!-- tables -->\nTraining: 7 parameters, 3 minutes, 42 steps, 1,500"
    )
    assert "| codeforces | 3 | 1,000 | **1.100** | 1.500 | 1.600 | 2.000 |" in text
    assert "| lone step | within the window of 4,096 tokens | 9 | 0.250 | 0.750 |" in text
    assert "old" not in text
    assert text.endswith("<!-- /tables -->\nafter\n")
