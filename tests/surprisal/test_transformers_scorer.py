"""Scores of the transformers scorer against independent code: one plain forward pass per window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from threading import Thread

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from asap.errors import ModelError
from asap.surprisal import ScoreRequest, StepScores, load_counter, load_scorer
from asap.surprisal.output_layer import score_hidden
from asap.surprisal.scorer import Statistic
from asap.surprisal.tokenizer import load_tokenizer
from asap.surprisal.transformers_scorer import TransformersScorer
from asap.trace import Step, segment_thinking

EVERYTHING: frozenset[Statistic] = frozenset(
    {"surprisal", "mean_nll", "sum_nll", "first_entropy", "sum_entropy"}
)
KINDS = ["llama", "qwen2", "gpt2", "gemma2", "lfm2"]


@cache
def load_plainly(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    # Not AutoTokenizer: for some architectures it normalises although `tokenizer.json` does not.
    return model, PreTrainedTokenizerFast.from_pretrained(folder)


def plain_scores(folder: Path, request: ScoreRequest, window: int) -> dict[str, list[float]]:
    """Written afresh: the model's own tokenizer and logits, one window at a time."""
    model, tokenizer = load_plainly(folder)
    context = (request.question + "\n" if request.question else "") + "<think>\n"
    encoded = tokenizer(context + request.thinking, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    n_prefix = sum(offset == (0, 0) for offset in offsets)
    n_head = sum(1 for start, end in offsets if end == 0 or start < len(context))
    body = ids[n_head:]
    head = ids[:n_head]
    if len(ids) > window:
        head = ids[:n_prefix] + ids[n_prefix:n_head][-(window // 4 - n_prefix) :]
    nll: dict[int, float] = {}
    entropy: dict[int, float] = {}
    start = 0
    while True:
        part = head + body[start : start + window - len(head)]
        with torch.no_grad():
            log_p = model(input_ids=torch.tensor([part])).logits[0].double().log_softmax(-1)
        log_p = log_p[len(head) - 1 : -1]
        chosen = log_p.gather(1, torch.tensor(part[len(head) :]).unsqueeze(1)).squeeze(1)
        entropies = -(log_p.exp() * log_p).sum(-1)
        for place, values in enumerate(zip(chosen.tolist(), entropies.tolist(), strict=True)):
            nll.setdefault(place + start, -values[0])
            entropy.setdefault(place + start, values[1])
        if len(nll) == len(body):
            break
        start += window // 2
    result: dict[str, list[float]] = {name: [] for name in EVERYTHING}
    spans = offsets[n_head:]
    owner: dict[int, int] = {}
    for token, (begin, end) in enumerate(spans):
        for character in range(begin, end):
            owner.setdefault(character, token)
    for step in request.steps:
        characters = range(step.start, step.end)
        letter = next(i for i in characters if not request.thinking[i].isspace()) + len(context)
        first = last = owner[letter]
        while last < len(body) and spans[last][0] < step.end + len(context):
            last += 1
        tokens = range(first, last)
        result["surprisal"].append(nll[first])
        result["sum_nll"].append(sum(nll[i] for i in tokens))
        result["mean_nll"].append(sum(nll[i] for i in tokens) / len(tokens))
        result["first_entropy"].append(entropy[first])
        result["sum_entropy"].append(sum(entropy[i] for i in tokens))
    return result


def check(found: StepScores, expected: dict[str, list[float]], statistics: Sequence[str]) -> None:
    for name in statistics:
        assert list(getattr(found, name)) == pytest.approx(expected[name], abs=1e-3, rel=1e-5), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [4096, 64])
def test_equals_a_plain_forward_pass(
    kind: str, window: int, model_folder: Callable[[str], Path], requests: list[ScoreRequest]
) -> None:
    scorer = load_scorer(str(model_folder(kind)), dtype="fp32", device="cpu", window=window)
    found = scorer.score(requests, EVERYTHING)
    assert max(found[0].surprisal) - min(found[0].surprisal) > 0.5
    for request, scores in zip(requests, found, strict=True):
        check(scores, plain_scores(model_folder(kind), request, window), sorted(EVERYTHING))


def test_only_what_is_asked_for(
    model_folder: Callable[[str], Path], requests: list[ScoreRequest]
) -> None:
    scorer = load_scorer(str(model_folder("llama")), dtype="fp32", device="cpu")
    plain = scorer.score(requests)
    assert plain[0].mean_nll == plain[0].sum_nll == plain[0].first_entropy == ()
    everything = scorer.score(requests, EVERYTHING)
    for few, many in zip(plain, everything, strict=True):
        assert few.surprisal == pytest.approx(many.surprisal, abs=1e-4)
    only = scorer.score(requests, frozenset({"first_entropy"}))
    assert only[0].first_entropy == pytest.approx(everything[0].first_entropy, abs=1e-4)
    assert only[0].sum_entropy == ()


def test_a_clipped_question_keeps_the_begin(
    model_folder: Callable[[str], Path], requests: list[ScoreRequest]
) -> None:
    question = "Count the pairs, and do not forget that zero is a number. " * 5
    request = ScoreRequest(question, requests[0].thinking, requests[0].steps)
    scorer = load_scorer(str(model_folder("llama")), dtype="fp32", device="cpu", window=64)
    assert isinstance(scorer, TransformersScorer)
    (scores,) = scorer.score([request])
    check(scores, plain_scores(model_folder("llama"), request, 64), ["surprisal"])


def test_order_batch_and_threads_make_no_difference(
    model_folder: Callable[[str], Path], requests: list[ScoreRequest]
) -> None:
    folder = model_folder("llama")
    scorer = load_scorer(str(folder), dtype="fp32", device="cpu", window=128)
    together = scorer.score(requests)
    backwards = scorer.score(requests[::-1])[::-1]
    alone = [scorer.score([request])[0] for request in requests]
    results: list[list[StepScores]] = []
    threads = [Thread(target=lambda: results.append(scorer.score(requests))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for others in [backwards, alone, *results]:
        for one, other in zip(together, others, strict=True):
            assert one.first_token_index == other.first_token_index
            assert one.surprisal == pytest.approx(other.surprisal, abs=1e-3)
    assert results[0] == results[1] == together


def test_many_small_chunks_come_back_in_order(
    model_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asap.surprisal.transformers_scorer._CHUNK_CHARACTERS", 40)
    scorer = load_scorer(str(model_folder("qwen2")), dtype="fp32", device="cpu")
    thinkings = [f"Step {i}.\n\n" + "Wait. " * (i % 5) + "ok" for i in range(30)]
    made = [ScoreRequest("", text, segment_thinking(text, "paragraph")) for text in thinkings]
    found = scorer.score(made)
    assert [scores.surprisal for scores in found] == [
        pytest.approx(scorer.score([request])[0].surprisal, abs=1e-3) for request in made
    ]


def test_texts_of_many_lengths_reach_the_model_in_few_shapes(
    model_folder: Callable[[str], Path],
) -> None:
    # On a CPU every new length costs compiled kernels that are kept: memory grew with the rows.
    scorer = load_scorer(str(model_folder("qwen2")), dtype="fp32", device="cpu", window=512)
    lengths: set[int] = set()

    def note_length(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, torch.nn.Embedding):
            lengths.add(inputs[0].shape[1])

    with torch.nn.modules.module.register_module_forward_pre_hook(note_length):
        for n_words in range(20, 400, 13):
            thinking = "ok " * n_words + "\n\nso"
            steps = segment_thinking(thinking, "paragraph")
            scorer.score([ScoreRequest("", thinking, steps)])
    assert {length for length in lengths if length > 128} == {256, 384, 512}
    assert {length for length in lengths if length <= 128} <= set(range(16, 129, 16))


def test_nothing_to_score(model_folder: Callable[[str], Path]) -> None:
    assert load_scorer(str(model_folder("gpt2")), dtype="fp32", device="cpu").score([]) == []


def test_trap_20_bf16_scores_do_not_tie(
    model_folder: Callable[[str], Path], requests: list[ScoreRequest]
) -> None:
    """The paper's code takes the logits in bf16: surprisals are multiples of 1/16 nat, and tie."""
    folder = model_folder("llama")
    steps = tuple(Step(i, i + 1) for i in range(0, 200) if requests[0].thinking[i].strip())
    request = ScoreRequest("", requests[0].thinking, steps)
    (ours,) = load_scorer(str(folder), dtype="bf16", device="cpu").score([request])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("<think>\n" + request.thinking, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        rounded = model(input_ids=ids).logits[0].log_softmax(-1)
    firsts = sorted(set(ours.first_token_index))
    theirs = {rounded[first - 1, ids[0, first]].item() for first in firsts}
    assert len(set(ours.surprisal)) == len(firsts)
    assert len(theirs) < len(firsts) * 0.9
    assert any(value * 256 % 1 for value in ours.surprisal)


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_bf16_is_near_fp32(
    kind: str, model_folder: Callable[[str], Path], requests: list[ScoreRequest]
) -> None:
    # Weights are rounded too, so only the paths' agreement is looked at: capped logits stay capped.
    exact = load_scorer(str(model_folder(kind)), dtype="fp32", device="cpu").score(requests)
    rough = load_scorer(str(model_folder(kind)), dtype="bf16", device="cpu").score(requests)
    for one, other in zip(exact, rough, strict=True):
        assert one.surprisal == pytest.approx(other.surprisal, abs=0.5)


@pytest.mark.parametrize("with_entropy", [True, False])
def test_output_layer_in_chunks(with_entropy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asap.surprisal.output_layer._CHUNK_ROWS", 3)
    monkeypatch.setattr("asap.surprisal.output_layer._CHUNK_VOCABULARY", 5)
    torch.manual_seed(1)
    hidden, weight, bias = torch.randn(8, 4) * 3, torch.randn(17, 4) * 3, torch.randn(17)
    targets = torch.tensor([0, 4, 5, 9, 10, 15, 16, 3])
    log_p = (hidden.double() @ weight.double().T + bias.double()).log_softmax(-1)
    scores = score_hidden(hidden, targets, weight, bias, with_entropy=with_entropy)
    expected = -log_p[torch.arange(8), targets]
    assert scores.nll.tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    if with_entropy:
        assert scores.entropy is not None
        entropy = -(log_p.exp() * log_p).sum(-1)
        assert scores.entropy.tolist() == pytest.approx(entropy.tolist(), abs=1e-4)
    else:
        assert scores.entropy is None


def test_a_uniform_model_is_surprised_by_log_v(
    model_folder: Callable[[str], Path], requests: list[ScoreRequest]
) -> None:
    folder = model_folder("qwen2")
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
    scorer = TransformersScorer(model.eval(), load_tokenizer(str(folder)), name="uniform")
    (scores,) = scorer.score(requests[:1], EVERYTHING)
    n_vocabulary = model.config.vocab_size
    assert scores.surprisal == pytest.approx([math.log(n_vocabulary)] * len(scores.surprisal))
    assert scores.first_entropy == pytest.approx(scores.surprisal)


def test_first_tokens_are_those_of_the_text(
    model_folder: Callable[[str], Path], requests: list[ScoreRequest]
) -> None:
    for kind, n_prefix in (("llama", 1), ("qwen2", 0)):
        folder = model_folder(kind)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        (scores,) = load_scorer(str(folder), dtype="fp32", device="cpu").score(requests[:1])
        context = requests[0].question + "\n<think>\n"
        ids = tokenizer(context + requests[0].thinking)["input_ids"]
        assert [ids[i] for i in scores.first_token_index] == list(scores.first_token_id)
        assert scores.first_token_index[0] == n_prefix + len(
            tokenizer(context, add_special_tokens=False)["input_ids"]
        )
        for step, token in zip(requests[0].steps, scores.first_token, strict=True):
            stripped = requests[0].thinking[step.start : step.end].lstrip()
            assert stripped.startswith(token.strip())


def test_a_window_out_of_range(model_folder: Callable[[str], Path]) -> None:
    with pytest.raises(ModelError, match="must be from 16 to 4096"):
        load_scorer(str(model_folder("gpt2")), device="cpu", window=8192)


def check_real(folder: Path, requests: list[ScoreRequest]) -> None:
    """Half of them fit the window of 2,048 tokens, the others go through it in parts."""
    scorer = load_scorer(str(folder), dtype="fp32", device="cpu", window=2048)
    counts = load_counter(str(folder)).count([request.thinking for request in requests])
    assert min(counts) < 1500 < 2048 < max(counts)
    for request, scores in zip(requests, scorer.score(requests, EVERYTHING), strict=True):
        check(scores, plain_scores(folder, request, 2048), sorted(EVERYTHING))


@pytest.mark.real
def test_real_traces_equal_plain_passes(
    model_folder: Callable[[str], Path],
    real_requests: Callable[[int | None], list[ScoreRequest]],
) -> None:
    requests = sorted(real_requests(20), key=lambda request: len(request.thinking))
    check_real(model_folder("llama"), requests[:9])


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_many_real_traces_equal_plain_passes(
    kind: str,
    model_folder: Callable[[str], Path],
    real_requests: Callable[[int | None], list[ScoreRequest]],
) -> None:
    check_real(model_folder(kind), real_requests(None)[::20])
