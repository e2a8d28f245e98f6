"""`asap eval`: from a server to a table, through a kill, and one clear line for what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.errors import SandboxError
from asap.judge import Judge

Asap = Callable[..., subprocess.CompletedProcess[str]]
N = 4


@pytest.fixture(scope="session", autouse=True)
def _sandbox() -> None:
    try:
        with Judge():
            pass
    except SandboxError as error:
        pytest.skip(str(error))


def problem(number: int) -> dict[str, Any]:
    """In HumanEval's format: a function that returns its problem's number."""
    return {
        "task_id": f"HumanEval/{number}",
        "prompt": f'def number_{number}():\n    """ Which? """\n',
        "entry_point": f"number_{number}",
        "canonical_solution": f"    return {number}\n",
        "test": f"def check(candidate):\n    assert candidate() == {number}\n",
    }


def solve(prompt: str) -> str:
    number = prompt.partition("number_")[2].partition("(")[0]
    return f"first\n</think>\n```python\ndef number_{number}():\n    return {number}\n```\n"


@pytest.fixture
def words(
    fault_server: Any, tiny_model: Path, tmp_path: Path, write_jsonl: Callable[..., Path]
) -> list[str]:
    """A command line that measures the server's model on four problems."""
    write_jsonl(tmp_path / "problems.jsonl", [problem(n) for n in range(N)])
    line = "eval --model served --benchmark humaneval --data humaneval=problems.jsonl -o run"
    server = ["--url", fault_server.url, "--tokenizer", str(tiny_model)]
    return [*line.split(), *server, "--budgets", "10,1k", "--concurrency", "1"]


def test_a_model_that_answers_right_scores_100_percent_and_can_be_compared(
    asap: Asap, words: list[str], scripted_model: Any, tiny_model: Path
) -> None:
    model = scripted_model(tiny_model, solve)
    done = asap(*words, COLUMNS="140")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    (whole,) = [line for line in lines if line[:1] == ["1,024"]]
    (cut,) = [line for line in lines if line[:1] == ["10"]]
    assert whole[1] == "100.0"
    assert cut[1:4] == ["0.0", "[0.0,", "49.0]"]  # Wilson's interval of 0 of 4
    assert "ceiling: 4 of 4 canonical solutions pass here" in done.stdout
    assert len(model.asked) == N
    again = asap(*words, "--label", "twin", "--json")
    report = json.loads(again.stdout)
    assert report["benchmarks"]["humaneval"]["budgets"]["1024"]["metrics"]["n_samples"] == N
    assert len(model.asked) == N
    table = asap("compare", "one=run", "--table", "main", COLUMNS="140")
    assert table.returncode == 0, table.stderr
    assert "100.0" in table.stdout


def test_killed_in_the_middle_it_asks_for_the_rest(
    asap: Asap,
    words: list[str],
    scripted_model: Any,
    tiny_model: Path,
    fault_server: Any,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    model = scripted_model(tiny_model, solve)
    never, third = threading.Event(), threading.Event()

    def hold_the_third(body: dict[str, Any], n_times: int) -> Any:
        if len(model.asked) == 3 and not third.is_set():
            third.set()
            return fault_server.reply("never", wait_for=never)
        return model.reply(body, n_times)

    fault_server.script(hold_the_third)
    command = [sys.executable, "-m", "asap.cli.main", *words]
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert third.wait(50)
        process.kill()
    never.set()
    assert json.loads((tmp_path / "run" / "report.json").read_text())["status"] == "unfinished"
    done = asap(*words)
    assert done.returncode == 0, done.stderr
    assert "begun before" in done.stderr
    assert len(model.asked) == N + 1  # the two that had arrived were not asked for again


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--budgets", "1k,many"], "'many' is no number of tokens"),
        (["--budgets", "0"], "'0' is no number of tokens"),
        (["--benchmark", "humanity"], "there is no benchmark 'humanity'"),
        (["--data", "humaneval"], "write NAME=PATH"),
        (["--tokenizer", "nowhere"], "--tokenizer"),
        (["--engine", "vllm"], "--url"),
    ],
)
def test_what_is_wrong_gets_one_line(
    asap: Asap, words: list[str], extra: list[str], said: str
) -> None:
    if "--data" in extra:
        at = words.index("--data")
        words = [*words[:at], *words[at + 2 :]]
    done = asap(*words, *extra)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout


def test_a_dead_server_stops_the_run(asap: Asap, words: list[str], fault_server: Any) -> None:
    fault_server.script(lambda body, n_times: fault_server.status(400, message="not today"))
    done = asap(*words)
    assert done.returncode == 1
    assert "not today" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_server_that_ships_with_transformers_is_started_asked_and_stopped(
    asap: Asap, tiny_model: Path, tmp_path: Path, write_jsonl: Callable[..., Path]
) -> None:
    write_jsonl(tmp_path / "problems.jsonl", [problem(0), problem(1)])
    line = "--benchmark humaneval --data humaneval=problems.jsonl -o run --budgets 4,8 --json"
    model = ["--model", str(tiny_model), "--engine", "transformers"]
    done = asap("eval", *model, *line.split())
    assert done.returncode == 0, done.stderr
    part = json.loads(done.stdout)["benchmarks"]["humaneval"]["budgets"]
    assert part["8"]["metrics"]["outcomes"] == {"no_answer": 2}
    # A random model repeats itself: nothing ends, so the small budget is asked for as well.
    assert part["4"]["metrics"]["tokens"]["estimate"] == 4
    assert part["4"]["latency"]["median_s"] > 0
    long = asap("eval", *model, *line.split(), "--budgets", "2k", "-o", "long")
    assert long.returncode == 2
    assert "the model reads 1,024 tokens" in long.stderr
