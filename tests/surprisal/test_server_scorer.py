"""A scorer behind a server: the same scores as the model on this machine, or an error by name."""

from __future__ import annotations

import asyncio
import math
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.chat import ChatLimits, Waiting
from asap.errors import KeyRefused, ModelError, RecipeError, RunStopped
from asap.surprisal import (
    ScoreRequest,
    ServerScorer,
    Statistic,
    load_scorer,
    open_server_scorer,
)
from asap.trace import Step

WANTED: frozenset[Statistic] = frozenset({"surprisal", "mean_nll", "sum_nll"})
QUICK = ChatLimits(attempts=2, timeout_s=20.0)
WAYS = [
    ("llama", "prompt_logprobs"),
    ("llama", "echo"),
    ("llama", "text"),
    ("qwen2", "prompt_logprobs"),
    ("qwen2", "echo"),
]


async def skip(seconds: float) -> None:
    await asyncio.sleep(0)


def open_scorer(server: Any, folder: Path, **options: Any) -> ServerScorer:
    options = {"limits": QUICK, "waiting": Waiting(sleep=skip)} | options
    return open_server_scorer(server.url, str(folder), **options)


@pytest.mark.parametrize(("kind", "dialect"), WAYS)
@pytest.mark.parametrize("window", [1024, 96])
def test_scores_are_those_of_the_model_itself(
    kind: str,
    dialect: str,
    window: int,
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    requests: list[ScoreRequest],
) -> None:
    folder = model_folder(kind)
    # One token of the context is for the one that a server must generate.
    scoring_server(folder, dialect, length=window + 1)
    local = load_scorer(str(folder), dtype="fp32", device="cpu", window=window)
    told = {} if dialect != "text" else {"window": window + 1}
    with open_scorer(fault_server, folder, **told) as scorer:
        assert scorer.window == window
        found = scorer.score(requests, WANTED)
    for scores, expected in zip(found, local.score(requests, WANTED), strict=True):
        assert scores.first_token_index == expected.first_token_index
        assert scores.first_token_id == expected.first_token_id
        assert scores.first_token == expected.first_token
        assert scores.n_tokens == expected.n_tokens
        for name in WANTED:
            values = list(getattr(scores, name))
            assert values == pytest.approx(list(getattr(expected, name)), abs=1e-3, rel=1e-5), name
        assert (scores.first_entropy, scores.sum_entropy) == ((), ())


@pytest.mark.parametrize(("kind", "dialect"), WAYS)
def test_tokens_are_those_of_the_model_itself(
    kind: str,
    dialect: str,
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
) -> None:
    folder = model_folder(kind)
    scoring_server(folder, dialect)
    texts = ["Let me check the first example.", "", "été 🙂 2 + 3"]
    local = load_scorer(str(folder), dtype="fp32", device="cpu").score_tokens(texts)
    with open_scorer(fault_server, folder) as scorer:
        found = scorer.score_tokens(texts)
    for scores, expected in zip(found, local, strict=True):
        assert (scores.starts, scores.ends) == (expected.starts, expected.ends)
        # A server that takes texts does not tell the first token's, even after a begin of text.
        assert scores.nll[1:] == pytest.approx(expected.nll[1:], abs=1e-3)
        if scores.nll and dialect != "text":
            assert scores.nll[0] == pytest.approx(expected.nll[0], abs=1e-3, nan_ok=True)
        elif scores.nll:
            assert math.isnan(scores.nll[0])


@pytest.mark.parametrize("suffix", [0, 12])
def test_leaving_a_step_out_is_two_readings(
    suffix: int,
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    requests: list[ScoreRequest],
) -> None:
    folder = model_folder("llama")
    scoring_server(folder, length=97)
    local = load_scorer(str(folder), dtype="fp32", device="cpu", window=96)
    with open_scorer(fault_server, folder) as scorer:
        found = scorer.score_left_out(requests, suffix)
    for rises, expected in zip(found, local.score_left_out(requests, suffix), strict=True):
        assert rises == pytest.approx(expected, abs=2e-3)


def test_leaving_a_step_out_needs_token_ids(
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    requests: list[ScoreRequest],
) -> None:
    scoring_server(model_folder("llama"), "text")
    with (
        open_scorer(fault_server, model_folder("llama")) as scorer,
        pytest.raises(ModelError, match="takes no token ids"),
    ):
        scorer.score_left_out(requests, 12)


def test_entropies_are_refused_before_anything_is_sent(
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    requests: list[ScoreRequest],
) -> None:
    scoring_server(model_folder("llama"))
    with open_scorer(fault_server, model_folder("llama")) as scorer:
        assert scorer.statistics == WANTED
        n_before = len(fault_server.requests)
        with pytest.raises(ModelError, match="tells no sum_entropy"):
            scorer.score(requests, frozenset({"surprisal", "sum_entropy"}))
        assert len(fault_server.requests) == n_before


def test_requests_are_under_way_together_and_results_in_order(
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    requests: list[ScoreRequest],
) -> None:
    folder = model_folder("llama")
    model = scoring_server(folder)
    with open_scorer(fault_server, folder) as scorer:
        expected = [scorer.score([request])[0] for request in requests]
        # Passes only if all texts are there at once.
        model.before = threading.Barrier(len(requests), timeout=15).wait
        assert scorer.score(requests) == expected


FAULTS: dict[str, tuple[Callable[[list[Any]], Any], str]] = {
    "short": (lambda values: values[:-3], r"log-probabilities for a prompt of .*caching"),
    "missing": (lambda values: [*values[:5], None, *values[6:]], "no log-probability for token 5"),
    "nan": (lambda values: [*values[:5], math.nan, *values[6:]], "token 5 of .* nan"),
    "infinite": (lambda values: [*values[:5], -math.inf, *values[6:]], "token 5 of .* -inf"),
    "positive": (lambda values: [*values[:5], 2.5, *values[6:]], "token 5 .* 2.5.*raw_logprobs"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("dialect", ["prompt_logprobs", "echo"])
def test_numbers_that_are_none_are_refused(
    fault: str,
    dialect: str,
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    requests: list[ScoreRequest],
) -> None:
    model = scoring_server(model_folder("llama"), dialect)
    with open_scorer(fault_server, model_folder("llama")) as scorer:
        model.twist, words = FAULTS[fault]
        with pytest.raises(ModelError, match=words):
            scorer.score(requests[:1])


def test_a_first_token_with_a_value_is_refused(
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    requests: list[ScoreRequest],
) -> None:
    model = scoring_server(model_folder("llama"), "echo")
    with open_scorer(fault_server, model_folder("llama")) as scorer:
        model.first = -1.0
        with pytest.raises(ModelError, match="nothing before it"):
            scorer.score(requests[:1])


def test_a_prompt_that_is_too_long_is_refused_with_what_the_server_said(
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    requests: list[ScoreRequest],
) -> None:
    folder = model_folder("llama")
    scoring_server(folder, "text", length=160)
    with open_scorer(fault_server, folder) as scorer:
        assert scorer.window == 4095
        with pytest.raises(ModelError, match=r"refuses .* 160 tokens.*; .*--scorer-window"):
            scorer.score(requests[:1])
    with open_scorer(fault_server, folder, window=160) as scorer:
        assert scorer.score(requests[:1])[0].surprisal


def test_what_fails_for_a_while_is_asked_again(
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    requests: list[ScoreRequest],
) -> None:
    scoring_server(model_folder("llama"))
    with open_scorer(fault_server, model_folder("llama")) as scorer:
        expected = scorer.score(requests[:1])
        fault_server.queue(fault_server.status(503))
        assert scorer.score(requests[:1]) == expected
        fault_server.queue(fault_server.body(b"<html>busy</html>", content_type="text/html"))
        assert scorer.score(requests[:1]) == expected


def test_a_server_that_goes_away_stops_the_run(
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    requests: list[ScoreRequest],
) -> None:
    scoring_server(model_folder("llama"))
    with open_scorer(fault_server, model_folder("llama")) as scorer:
        fault_server.queue(fault_server.drop(), fault_server.drop())
        with pytest.raises(RunStopped, match="the same command goes on"):
            scorer.score(requests[:1])
        fault_server.queue(fault_server.refuse_key())
        with pytest.raises(KeyRefused):
            scorer.score(requests[:1])


def test_nobody_there(model_folder: Callable[[str], Path]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match=r"cannot be used: .*--scorer-url"):
            open_server_scorer(
                url, str(model_folder("llama")), limits=QUICK, waiting=Waiting(sleep=skip)
            )


def test_an_address_that_is_none(model_folder: Callable[[str], Path]) -> None:
    with pytest.raises(RecipeError, match="http://localhost:8000/v1"):
        open_server_scorer("localhost:8000", str(model_folder("llama")))


@pytest.mark.parametrize("dialect", ["prompt_logprobs", "echo"])
@pytest.mark.parametrize("cache", ["short", "stale"])
def test_a_prefix_cache_is_found_out(
    cache: str,
    dialect: str,
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
) -> None:
    model = scoring_server(model_folder("llama"), dialect)
    model.cache = cache
    with pytest.raises(ModelError, match="prefix caching must be off"):
        open_scorer(fault_server, model_folder("llama"))


@pytest.mark.parametrize(("kind", "dialect"), WAYS)
def test_values_of_the_wrong_place_are_found_out(
    kind: str,
    dialect: str,
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
) -> None:
    scoring_server(model_folder(kind), dialect).is_shifted = True
    with pytest.raises(ModelError, match="of the wrong place"):
        open_scorer(fault_server, model_folder(kind))


def test_a_server_that_tells_nothing_about_prompts_is_refused(
    fault_server: Any, scoring_server: Callable[..., Any], model_folder: Callable[[str], Path]
) -> None:
    # As llama.cpp's own server does: the generated token alone.
    scoring_server(model_folder("llama"))
    alone = b'{"choices": [{"text": "x", "logprobs": {"tokens": ["x"], "token_logprobs": [-1.0]}}]}'
    fault_server.script(lambda body, n_times: fault_server.body(alone))
    with pytest.raises(ModelError, match="no log-probabilities of a prompt's tokens"):
        open_scorer(fault_server, model_folder("llama"))


@pytest.mark.parametrize("dialect", ["prompt_logprobs", "echo"])
def test_the_tokenizer_of_another_model_is_refused(
    dialect: str,
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    scoring_server(model_folder("llama"), dialect)
    tokenizer = (model_folder("llama") / "tokenizer.json").read_text("utf-8")
    # Two words change places.
    swapped = tokenizer.replace('"Ġthe":', '"@@":').replace('"Ġis":', '"Ġthe":')
    assert swapped != tokenizer
    (tmp_path / "tokenizer.json").write_text(swapped.replace('"@@":', '"Ġis":'), "utf-8")
    with pytest.raises(ModelError, match="folder or Hub id of the served model"):
        open_scorer(fault_server, tmp_path, window=4096)


def test_a_server_that_begins_a_text_otherwise_is_refused(
    fault_server: Any, scoring_server: Callable[..., Any], model_folder: Callable[[str], Path]
) -> None:
    # The same vocabulary, but its tokenizer asks for no begin of text.
    scoring_server(model_folder("llama"), "text")
    with pytest.raises(ModelError, match=r"what it puts in front|for a prompt of"):
        open_scorer(fault_server, model_folder("qwen2"))


def test_the_model_is_the_only_one_or_named(
    fault_server: Any, scoring_server: Callable[..., Any], model_folder: Callable[[str], Path]
) -> None:
    folder = model_folder("llama")
    scoring_server(folder)
    (only,) = fault_server.models
    with open_scorer(fault_server, folder) as scorer:
        assert scorer.name.startswith("served@")
        assert scorer.name.endswith(":server")
    assert {body["model"] for body in fault_server.requests} == {"served"}
    fault_server.models = [only, only | {"id": "adapter"}]
    with pytest.raises(ModelError, match=r"--scorer-model; .* lists: served, adapter"):
        open_scorer(fault_server, folder)
    with pytest.raises(ModelError, match="no model 'third'"):
        open_scorer(fault_server, folder, model="third")
    with open_scorer(fault_server, folder, model="adapter") as scorer:
        assert scorer.name.startswith("adapter@")
    assert fault_server.requests[-1]["model"] == "adapter"
    fault_server.models = None
    with pytest.raises(ModelError, match="--scorer-model"):
        open_scorer(fault_server, folder)
    with open_scorer(fault_server, folder, model="served") as scorer:
        assert scorer.name.startswith("served@")


def test_the_name_changes_with_what_the_server_tells_of_its_model(
    fault_server: Any, scoring_server: Callable[..., Any], model_folder: Callable[[str], Path]
) -> None:
    folder = model_folder("llama")
    scoring_server(folder)
    (only,) = fault_server.models
    names = []
    for change in ({}, {"created": 2, "permission": [{"id": "drawn"}]}, {"root": "/other"}):
        fault_server.models = [only | change]
        with open_scorer(fault_server, folder) as scorer:
            names.append(scorer.name)
    assert names[0] == names[1] != names[2]


def test_how_much_is_read_at_once(
    fault_server: Any, scoring_server: Callable[..., Any], model_folder: Callable[[str], Path]
) -> None:
    folder = model_folder("llama")
    scoring_server(folder, length=512)
    with open_scorer(fault_server, folder) as scorer:
        assert scorer.window == 511
    with open_scorer(fault_server, folder, window=256) as scorer:
        assert scorer.window == 255
    with pytest.raises(ModelError, match="--scorer-window is 1024, but the server reads 512"):
        open_scorer(fault_server, folder, window=1024)
    del fault_server.models[0]["max_model_len"]
    with open_scorer(fault_server, folder) as scorer:
        assert scorer.window == 4095


def test_no_torch_and_no_weights_are_wanted(
    fault_server: Any,
    scoring_server: Callable[..., Any],
    model_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    scoring_server(model_folder("llama"))
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (tmp_path / name).write_bytes((model_folder("llama") / name).read_bytes())
    program = (
        "import sys\nfrom asap.surprisal import ScoreRequest, open_server_scorer\n"
        "from asap.trace import Step\n"
        "with open_server_scorer(sys.argv[1], sys.argv[2]) as scorer:\n"
        "    request = ScoreRequest('Why?', 'Let me check.', (Step(0, 13),))\n"
        "    print(scorer.score([request])[0].surprisal[0])\n"
        "print('torch' in sys.modules)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, fault_server.url, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    value, has_torch = found.stdout.split()
    local = load_scorer(str(model_folder("llama")), dtype="fp32", device="cpu")
    (expected,) = local.score([ScoreRequest("Why?", "Let me check.", (Step(0, 13),))])
    assert float(value) == pytest.approx(expected.surprisal[0], abs=1e-3)
    assert has_torch == "False"
