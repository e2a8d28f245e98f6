"""What is forecast for a recipe, beside what the run of that recipe does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.chat import ScriptedChat
from asap.corpus import Corpus, open_corpus
from asap.errors import InputError, ModelError, RecipeError, RunFolderError
from asap.plan import (
    Forecast,
    Price,
    Range,
    Wishes,
    compare_forecast,
    load_gpus,
    load_prices,
    make_forecast,
    read_facts,
    read_forecast,
    read_history,
    read_shape,
    train_operations,
)
from asap.prune import METHODS, Tools
from asap.run import Recipe, load_recipe, open_tools, prune_corpus
from asap.surprisal import load_counter, load_scorer
from asap.trace import OPENING, Trace, count_tokens, segment_trace

Make = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, make_rows: Make, write_jsonl: Write) -> Path:
    rows: list[Any] = make_rows(9, n_steps=12)
    rows.insert(4, {"id": "open", "prompt": "Q", "generation": "<think>\nnever closed"})
    return write_jsonl(tmp_path_factory.mktemp("plan") / "in.jsonl", rows)


@pytest.fixture(scope="module")
def corpus(source: Path) -> Corpus:
    return open_corpus([str(source)])


def forecast(corpus: Corpus, recipe: Recipe, **wishes: Any) -> Forecast:
    """On an accelerator, so that no model is loaded for a measurement."""
    return make_forecast(corpus, recipe, Wishes(**{"gpu": load_gpus()["l4"], **wishes}))


def traces_of(corpus: Corpus) -> list[Trace]:
    return [row.outcome for row in corpus.rows() if isinstance(row.outcome, Trace)]


def test_tokens_are_those_that_the_run_has(
    corpus: Corpus, tiny_model: Path, tmp_path: Path
) -> None:
    recipe = load_recipe("default", {"scorer": str(tiny_model), "stage1_ratio": 0.7})
    tokens = forecast(corpus, recipe).tokens
    with open_tools(recipe) as tools:
        summary = prune_corpus(corpus, tmp_path / "run", recipe, tools, max_excluded=1.0).summary
    assert tokens.rows == Range(10, 10, 10)
    assert tokens.rows_excluded == Range(1, 1, 1)
    assert list(tokens.excluded_by_reason) == list(summary.excluded_by_reason)
    assert tokens.before.likely == pytest.approx(summary.tokens_before)
    assert tokens.after_stage1.likely == pytest.approx(summary.tokens_after_stage1)
    # Which steps go hangs on the model; how many tokens they have, on the budget.
    assert tokens.after.likely == pytest.approx(summary.tokens_after, rel=0.05)


def test_the_scorer_reads_question_tag_and_what_stage_1_leaves(
    corpus: Corpus, tiny_model: Path
) -> None:
    recipe = load_recipe("default", {"scorer": str(tiny_model), "stage1": "none"})
    tokens = forecast(corpus, recipe).tokens
    counter = load_counter(str(tiny_model))
    traces = traces_of(corpus)
    contexts = sum(counter.count([f"{trace.question}\n{OPENING}" for trace in traces]))
    thinking = sum(counter.count([trace.thinking for trace in traces]))
    assert tokens.context.likely == pytest.approx(contexts)
    # All of them fit the window of 1,024 tokens.
    assert tokens.scored.likely == pytest.approx(contexts + thinking)


def test_windows_overlap_and_rounds_read_again(
    tiny_model: Path, tmp_path: Path, make_rows: Make, write_jsonl: Write
) -> None:
    """What goes through the real model, padding aside, is what was counted."""
    corpus = open_corpus([str(write_jsonl(tmp_path / "l.jsonl", make_rows(3, n_steps=60)))])
    recipe = load_recipe("default", {"scorer": str(tiny_model), "stage1": "none"})
    once = forecast(corpus, recipe).tokens.scored.likely
    twice = forecast(corpus, recipe.model_copy(update={"rounds": 2})).tokens.scored.likely
    thinking = forecast(corpus, recipe).tokens.thinking.likely
    assert thinking > 3 * 1024
    assert 1.5 * thinking < once < 2.2 * thinking
    # The second round begins at the geometric mean of the whole and the half.
    assert once * 1.4 < twice < once * 1.9
    shapes: list[Any] = []

    def note(values: Any) -> None:
        shapes.append(values["input_ids"].shape)

    scorer = load_scorer(str(tiny_model))
    counter = load_counter(str(tiny_model))
    segmented = [segment_trace(trace, "block") for trace in traces_of(corpus)]
    undo = _hook(note)
    try:
        METHODS["asap"](recipe.options).prune(
            count_tokens(segmented, counter), recipe.budget, Tools(counter, scorer)
        )
    finally:
        undo()
    n_read = sum(shape[0] * shape[1] for shape in shapes)
    assert once * 0.95 < n_read < once * 1.3


def _hook(note: Callable[[Any], None]) -> Callable[[], None]:
    """Notes what every Llama is called with until the returned function is called."""
    from transformers.models.llama.modeling_llama import LlamaModel

    forward = LlamaModel.forward

    def noted(self: Any, *arguments: Any, **values: Any) -> Any:
        note(values)
        return forward(self, *arguments, **values)

    LlamaModel.forward = noted

    def undo() -> None:
        LlamaModel.forward = forward

    return undo


LLM_RECIPES = {
    "select": ({"stage1": "select"}, ["anchor", "select"]),
    "rewrite": ({"stage1": "rewrite", "wording": "reply"}, ["anchor", "rewrite"]),
    "c3ot": ({"method": "c3ot"}, ["compress"]),
    "dap": ({"method": "dap"}, ["dap", "dap-check"]),
}


@pytest.mark.parametrize("name", LLM_RECIPES)
def test_prompts_are_those_that_an_llm_would_get(
    name: str, corpus: Corpus, tiny_model: Path
) -> None:
    """An LLM of the test's own, with other words than the forecast's stand-in, is really asked."""
    changes, purposes = LLM_RECIPES[name]
    recipe = load_recipe("default", {"scorer": str(tiny_model), **changes})
    llm = forecast(corpus, recipe).llm
    assert llm is not None
    assert list(llm.requests_by_purpose) == purposes
    assert {each.low for each in llm.requests_by_purpose.values()} == {9.0}

    by_id = {trace.id: segment_trace(trace, "block") for trace in traces_of(corpus)}
    with ScriptedChat(lambda request: answer(request.purpose, by_id[request.id])) as chat:
        tools = Tools(load_counter(str(tiny_model)), load_scorer(str(tiny_model)), chat)
        traces = count_tokens(list(by_id.values()), tools.counter)
        outcomes = METHODS[recipe.method](recipe.options).prune(traces, recipe.budget, tools)
        n_characters = sum(len(m.content) for r in chat.requests for m in r.messages)
        assert len(chat.requests) == 9 * len(purposes)
    assert not any(getattr(outcome, "reason", None) for outcome in outcomes)
    assert llm.prompt_tokens.low * 3.8 < n_characters < llm.prompt_tokens.high * 2.9
    # Attempts and vocabulary aside, the prompts are of the length that was said.
    attempts = llm.requests.likely / llm.requests.low
    assert llm.prompt_tokens.likely * 3.3 / attempts == pytest.approx(n_characters, rel=0.35)


def answer(purpose: str, trace: Trace) -> str:
    if purpose == "select":
        return '{"keep": [[0, 4]]}'
    if purpose == "rewrite":
        return "\n\n".join(trace.text(i) for i in range(4))
    if purpose == "dap":
        rewritten = trace.thinking[: len(trace.thinking) // 4]
        return json.dumps({"difficulty": "easy", "rewritten": rewritten, "answer": "a sum"})
    if purpose == "dap-check":
        return '{"same": true}'
    if purpose == "compress":
        return "Sum the list."
    return "Sum the list. " * 60


def test_the_price_is_tokens_times_the_table(corpus: Corpus, tiny_model: Path) -> None:
    recipe = load_recipe(
        "default", {"scorer": str(tiny_model), "stage1": "select", "llm": "some-llm"}
    )
    price = Price.model_validate(
        {"input": 2.0, "cached": 0.5, "output": 10.0, "as_of": "2026-01-31"}
    )
    llm = forecast(corpus, recipe, prices={"some-llm": price}).llm
    assert llm is not None
    assert llm.dollars is not None
    assert llm.price_as_of == "2026-01-31"
    likely = llm.prompt_tokens.likely * 2.0 + llm.completion_tokens.likely * 10.0
    assert llm.dollars.likely == pytest.approx(likely / 1e6)
    assert llm.dollars.low < llm.dollars.likely < llm.dollars.high
    unpriced = forecast(corpus, recipe)
    assert unpriced.llm is not None
    assert unpriced.llm.dollars is None
    assert any("'some-llm'" in note and "--prices" in note for note in unpriced.notes)


def test_every_price_that_ships_is_dated_and_cheaper_when_cached() -> None:
    prices = load_prices()
    assert prices
    assert all(0 < p.cached <= p.input < p.output for p in prices.values())


@pytest.mark.parametrize(
    "text",
    ["a: {input: 1, cached: 1, output: 1}", "a: {input: -1}", "- 1", "a: [", "a: {as_of: soon}"],
    ids=["no date", "below zero", "a list", "no yaml", "no date at all"],
)
def test_a_table_of_prices_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"p\.yaml is n"):
        load_prices(path)


def test_a_finished_run_says_how_often_its_llm_is_asked(
    corpus: Corpus, tiny_model: Path, tmp_path: Path
) -> None:
    recipe = load_recipe("default", {"scorer": str(tiny_model), "stage1": "select"})
    n_asked: dict[str, int] = {}

    def script(request: Any) -> str:
        n_asked[request.id] = n_asked.get(request.id, 0) + 1
        # Every selection fails twice: with the anchor four requests a row.
        return (
            "no"
            if request.purpose == "select" and request.attempt < 3
            else answer(request.purpose, segment_trace(by_id[request.id], "block"))
        )

    by_id = {trace.id: trace for trace in traces_of(corpus)}
    with ScriptedChat(script) as chat:
        tools = Tools(load_counter(str(tiny_model)), load_scorer(str(tiny_model)), chat)
        prune_corpus(corpus, tmp_path / "run", recipe, tools, max_excluded=1.0)
        usage = chat.usage
    history = read_history(tmp_path / "run")
    assert history.replies_per_row == 4.0
    assert history.completion_tokens == usage.completion_tokens / 36
    llm = forecast(corpus, recipe, history=history).llm
    assert llm is not None
    assert llm.requests == Range(pytest.approx(32.4), 36.0, pytest.approx(41.4))
    assert llm.completion_tokens.likely == pytest.approx(usage.completion_tokens)
    with pytest.raises(RunFolderError, match="no run folder"):
        read_history(tmp_path)


def test_training_saves_what_the_tokens_say(corpus: Corpus, tiny_model: Path) -> None:
    recipe = load_recipe("default", {"scorer": str(tiny_model)})
    shape, gpu = read_shape("7b"), load_gpus()["h100"]
    training = forecast(corpus, recipe, train_shape=shape, train_gpu=gpu).training
    counter = load_counter(str(tiny_model))
    texts = [f"{t.question}<think>\n{t.thinking}\n</think>\n{t.answer}" for t in traces_of(corpus)]
    lengths = counter.count(texts)
    # Ten epochs are the recipe's, and it computes activations again.
    assert training.before.tokens.likely == pytest.approx(10 * sum(lengths))
    hours = sum(train_operations(shape, n, True) for n in lengths) * 10 / (989e12 * 0.38 * 3600)
    assert training.before.gpu_hours is not None
    assert training.before.gpu_hours.likely == pytest.approx(hours)
    assert 0.4 < training.after.tokens.likely / training.before.tokens.likely < 0.7
    # 6 for every weight and token, 8 with recomputing: embedding aside, attention next to nothing.
    n_weights = shape.n_parameters - shape.output_weights
    assert train_operations(shape, 10, False) == pytest.approx(6 * n_weights * 10, rel=1e-3)
    assert train_operations(shape, 10, True) == pytest.approx(8 * n_weights * 10, rel=1e-3)


def test_two_rows_of_one_are_both_trained_on(corpus: Corpus, tiny_model: Path) -> None:
    recipe = load_recipe("default", {"scorer": str(tiny_model), "method": "c3ot"})
    training = forecast(corpus, recipe).training
    assert training.before.rows.likely == 9
    assert training.after.rows.likely == 18
    assert training.after.tokens.likely > training.before.tokens.likely


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "spirit"},
        {"method": "step-entropy"},
        {"method": "selective-context", "unit": "sentence"},
        {"method": "random"},
        {"method": "original"},
        {"rounds": 3},
    ],
    ids=lambda changes: "-".join(str(value) for value in changes.values()),
)
def test_every_kind_of_method_can_be_forecast(
    changes: dict[str, Any], corpus: Corpus, tiny_model: Path
) -> None:
    recipe = load_recipe("default", {"scorer": str(tiny_model), **changes})
    made = forecast(corpus, recipe)
    assert made.tokens.after.likely > 0
    assert (made.scoring is not None) == ("scorer" in recipe.needs)
    assert made.time.seconds.low > 0
    assert made.time.seconds.low <= made.time.seconds.likely <= made.time.seconds.high
    if made.scoring is not None:
        assert made.tokens.scored.likely > 0
        assert made.scoring.gpu_hours is not None
        assert made.scoring.gpu_hours.low < made.scoring.gpu_hours.high


def test_leaving_out_every_step_reads_many_times_over(corpus: Corpus, tiny_model: Path) -> None:
    whole = load_recipe("default", {"scorer": str(tiny_model), "method": "spirit-fast"})
    without = whole.model_copy(update={"method": "spirit", "suffix_tokens": 0})
    once = forecast(corpus, whole).tokens.scored.likely
    # With n steps of like length, what stands behind each of them: some n / 2 times the whole.
    assert 6 * once < forecast(corpus, without).tokens.scored.likely < 10 * once


def test_a_classifier_reads_in_chunks(corpus: Corpus, tiny_model: Path) -> None:
    recipe = load_recipe(
        "default",
        {"scorer": str(tiny_model), "method": "llmlingua2", "classifier": str(tiny_model)},
    )
    made = forecast(corpus, recipe)
    assert made.scoring is not None
    assert made.tokens.scored.likely == pytest.approx(made.tokens.thinking.likely, rel=0.05)
    with pytest.raises(RecipeError, match="--classifier"):
        forecast(corpus, recipe.model_copy(update={"classifier": None}))


def test_methods_of_the_lab_and_unknown_models_are_refused(
    corpus: Corpus, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("default", {"scorer": str(tiny_model)})
    with pytest.raises(RecipeError, match="asap lab"):
        forecast(corpus, recipe.model_copy(update={"method": "oracle"}))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", _offline)
    with pytest.raises(ModelError, match="none of the models known here"):
        forecast(corpus, recipe.model_copy(update={"scorer": "nobody/nothing"}))


def test_the_paper_s_scorer_needs_no_download_to_plan_with(
    corpus: Corpus, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", _offline)
    recipe = load_recipe(
        "paper", {"tokenizer": str(tiny_model), "llm": "deepseek-chat", "budget_tokens": 200}
    )
    made = forecast(corpus, recipe, prices=load_prices())
    assert made.scoring is not None
    assert made.scoring.weights_gb == pytest.approx(15.2, abs=0.05)
    assert made.scoring.memory is not None
    assert made.scoring.memory.fits
    assert made.llm is not None
    assert made.llm.dollars is not None
    assert any("tokenizer of deepseek-ai" in note for note in made.notes)


def _offline(*_: Any, **__: Any) -> str:
    raise OSError("no network")


def test_a_forecast_is_saved_and_set_against_its_run_alone(
    corpus: Corpus, tiny_model: Path, tmp_path: Path
) -> None:
    recipe = load_recipe("default", {"scorer": str(tiny_model), "stage1": "none"})
    made = forecast(corpus, recipe)
    path = tmp_path / "f.json"
    path.write_text(json.dumps(made.to_dict()))
    assert read_forecast(path) == made
    with open_tools(recipe) as tools:
        prune_corpus(corpus, tmp_path / "run", recipe, tools, max_excluded=1.0)
    facts = read_facts(tmp_path / "run")
    found = {each.name: each for each in compare_forecast(read_forecast(path), facts)}
    before = found["thinking tokens before"]
    assert before.ratio == pytest.approx(1.0)
    assert before.is_inside
    assert found["seconds"].fact > 0
    other = forecast(corpus, recipe.model_copy(update={"ratio": 0.3}))
    with pytest.raises(RunFolderError, match=r"ratio is 0\.3 in the forecast and 0\.5 in the run"):
        compare_forecast(other, facts)
    for text, words in (
        ("{}", "no forecast"),
        ('{"kind": "plan", "format_version": 99}', "format version 99"),
        ('{"kind": "plan", "format_version": 1}', "is no forecast: "),
        ("[", "cannot read"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            read_forecast(path)
