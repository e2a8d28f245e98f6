"""Completions and grades: against the library's own decoding, one question at a time."""

from __future__ import annotations

import json
import shutil

import pytest

from asap.bench import Completion, ModelTokenizer
from asap.errors import ModelError
from asap.lab import generate_greedy, grade

END = 0
WORDS = ["a", "bb", "ccc", "x", "=", "1", "+", "2", "return", "f", "(", ")", "the"]


def find_questions(n):
    """Of many lengths, so that batches need padding."""
    return {f"q{k}": " ".join(WORDS[k * j % len(WORDS)] for j in range(1, k + 2)) for k in range(n)}


def decode_alone(folder, prompt, max_tokens):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    output = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        max_new_tokens=max_tokens,
        pad_token_id=END,
    )
    return tuple(output[0, len(prompt) :].tolist())


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_a_batch_says_what_each_question_alone_gets(tiny_model, batch_size):
    questions = find_questions(24)
    found = generate_greedy(tiny_model, questions, 40, device="cpu", batch_size=batch_size)
    tokenizer = ModelTokenizer(str(tiny_model))
    assert [each.id for each in found.completions] == list(questions)
    for each in found.completions:
        alone = decode_alone(tiny_model, tokenizer.encode(questions[each.id]), 40)
        assert each.completion_ids == alone
        assert each.prompt_ids == tokenizer.encode(questions[each.id])
        assert each.n_tokens == len(alone)
        assert each.finish_reason == ("stop" if alone[-1] == END else "length")
        assert each.text == tokenizer.decode(alone)
        assert (each.benchmark, each.sample, each.budget_tokens) == ("lab", 0, 40)
        assert (each.first_token_s, each.total_s) == (None, None)
    assert found.seconds > 0


def test_the_test_above_sees_rows_end_at_different_times(tiny_model):
    found = generate_greedy(tiny_model, find_questions(24), 40, device="cpu")
    lengths = [each.n_tokens for each in found.completions]
    assert {each.finish_reason for each in found.completions} == {"stop", "length"}
    assert len(set(lengths)) > 4, lengths


def test_a_long_text_outgrows_the_room_of_the_cache(tiny_model):
    questions = find_questions(24)
    found = generate_greedy(tiny_model, questions, 400, device="cpu").completions
    longest = max(found, key=lambda each: each.n_tokens)
    prompt = ModelTokenizer(str(tiny_model)).encode(questions[longest.id])
    assert longest.n_tokens > 150
    assert longest.completion_ids == decode_alone(tiny_model, prompt, 400)


def test_progress_is_told_by_batch(tiny_model):
    calls = []
    generate_greedy(
        tiny_model,
        find_questions(5),
        3,
        device="cpu",
        batch_size=2,
        on_progress=lambda *done: calls.append(done),
    )
    assert calls == [(2, 5), (4, 5), (5, 5)]


def test_what_does_not_fit_into_the_window_is_refused(tiny_model):
    with pytest.raises(ModelError, match="reads 1024 tokens at once"):
        generate_greedy(tiny_model, {"q": "x"}, 1024, device="cpu")


def test_a_model_that_cannot_end_is_refused(tiny_model, tmp_path):
    folder = tmp_path / "endless"
    shutil.copytree(tiny_model, folder)
    for name in ("config.json", "generation_config.json"):
        content = json.loads((folder / name).read_text())
        content["eos_token_id"] = None
        (folder / name).write_text(json.dumps(content))
    with pytest.raises(ModelError, match="no end-of-text token"):
        generate_greedy(folder, {"q": "x"}, 3, device="cpu")


@pytest.mark.parametrize(
    ("folder", "device", "message"),
    [("nowhere", "cpu", "cannot be loaded"), (None, "nothing:7", "no device 'nothing:7'")],
)
def test_what_is_not_there_is_said(tiny_model, tmp_path, folder, device, message):
    where = tiny_model if folder is None else tmp_path / folder
    with pytest.raises(ModelError, match=message):
        generate_greedy(where, {"q": "x"}, 3, device=device)


@pytest.mark.parametrize(
    ("text", "reason", "expected", "outcome"),
    [
        ("x is 7\n</think>\n7", "stop", "7", "passed"),
        ("x is 7\n</think>\n 7 \n", "stop", "7", "passed"),
        ("</think>[1,2]", "stop", "[1, 2]", "passed"),
        ("x is 7\n</think>\n8", "stop", "7", "wrong_answer"),
        ("x is 7\n</think>\n", "stop", "7", "wrong_answer"),
        ("x is 7\n</think>\n7 or 8", "stop", "7", "wrong_answer"),
        ("the answer is 7", "stop", "7", "no_answer"),
        ("x is 7\n</think>\n7", "length", "7", "no_answer"),
    ],
)
def test_grades(text, reason, expected, outcome):
    completion = Completion("lab", "p", 0, 50, None, None, text, 50, reason, None, None)
    (graded,) = grade([completion], {"p": expected, "other": "1"})
    assert graded.verdict.outcome == outcome
    assert graded.is_passed == (outcome == "passed")
    assert bool(graded.verdict.message) != graded.is_passed
