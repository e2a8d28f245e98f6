"""`asap verify`: from a run to a run again, through a kill, and one line for what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import asap as asap_library
from asap.errors import SandboxError
from asap.judge import Judge
from asap.prune import Tools
from asap.surprisal import FakeCounter, FakeScorer

Asap = Callable[..., subprocess.CompletedProcess[str]]
N = 6


@pytest.fixture(scope="session", autouse=True)
def _sandbox() -> None:
    try:
        with Judge():
            pass
    except SandboxError as error:
        pytest.skip(str(error))


def own_answer(number: int) -> str:
    """Even rows answer with a value, odd ones with a program."""
    return str(number) if number % 2 == 0 else f"```python\nprint({number})\n```"


def answer(prompt: str) -> str:
    number = int(prompt.partition("Question ")[2].partition("?")[0])
    return own_answer(number) if number < 4 else own_answer(number - 2)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, write_jsonl: Callable[..., Path]) -> Path:
    """A prune run of six rows, made with a fake scorer."""
    folder = tmp_path_factory.mktemp("verify")
    rows = [
        {
            "prompt": f"Question {n}?",
            "generation": f"<think>\nFirst.\n\nSecond.\n\nThird.\n</think>\n{own_answer(n)}",
            "examples": [{"input": "", "output": str(n)}],
        }
        for n in range(N)
    ]
    corpus = asap_library.open_corpus([str(write_jsonl(folder / "in.jsonl", rows))])
    tools = Tools(FakeCounter(), FakeScorer())
    recipe, output = asap_library.load_recipe(), folder / "run"
    asap_library.prune_corpus(corpus, output, recipe, tools, keep_columns=["examples"])
    return output


@pytest.fixture
def words(fault_server: Any, tiny_model: Path, run: Path) -> list[str]:
    """A command line that verifies it."""
    server = ["--url", fault_server.url, "--tokenizer", str(tiny_model), "--concurrency", "1"]
    return ["verify", str(run), "--output", "verified", "--model", "served", *server]


def test_the_rows_whose_answer_is_reached_are_left(
    asap: Asap, words: list[str], scripted_model: Any, tiny_model: Path, tmp_path: Path
) -> None:
    model = scripted_model(tiny_model, answer)
    done = asap(*words, ASAP_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["verified: 6 rows in, 4 out", "excluded: 2 × answer_not_reached"]
    assert len(model.asked) == N
    shown = asap("show", "verified", "--row", "5")
    assert "excluded: answer_not_reached (wrong_answer, test 0)" in shown.stdout
    again = asap(*words, "--json", ASAP_CACHE=str(tmp_path / "cache"))
    assert "begun before" in again.stderr
    summary = json.loads(again.stdout)
    assert (summary["rows_in"], summary["rows_out"], summary["output"]) == (6, 4, "verified")
    assert len(model.asked) == N


def test_killed_in_the_middle_it_asks_for_the_rest(
    asap: Asap,
    words: list[str],
    scripted_model: Any,
    tiny_model: Path,
    fault_server: Any,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    model = scripted_model(tiny_model, answer)
    never, third = threading.Event(), threading.Event()

    def hold_the_third(body: dict[str, Any], n_times: int) -> Any:
        if len(model.asked) == 3 and not third.is_set():
            third.set()
            return fault_server.reply("never", wait_for=never)
        return model.reply(body, n_times)

    fault_server.script(hold_the_third)
    own_cache = {"ASAP_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(
        [sys.executable, "-m", "asap.cli.main", *words],
        env=environment | own_cache,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert third.wait(50)
        process.kill()
    never.set()
    done = asap(*words, **own_cache)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("verified: 6 rows in, 4 out")
    assert len(model.asked) == N + 1  # the two that had arrived were not asked for again


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--engine", "vllm"], "--url"),
        (["--tokenizer", "nowhere"], "--tokenizer"),
        (["--output", "RUN"], "holds another run"),
    ],
)
def test_what_is_wrong_gets_one_line(
    asap: Asap, words: list[str], run: Path, extra: list[str], said: str
) -> None:
    done = asap(*words, *(str(run) if word == "RUN" else word for word in extra))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


def test_a_folder_that_is_no_run_is_refused(asap: Asap, words: list[str]) -> None:
    done = asap("verify", ".", *words[2:])
    assert done.returncode == 2
    assert "is no run folder" in done.stderr
