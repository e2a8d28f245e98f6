"""`asap prune` as a user meets it: exit codes, one clear line, nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

Done = subprocess.CompletedProcess[str]
Asap = Callable[..., Done]


@pytest.fixture
def quick(tiny_model: Path) -> list[str]:
    """Flags of a run that needs no model, only a tokenizer."""
    return ["--stage2", "none", "--scorer", str(tiny_model), "--max-excluded", "0.5"]


def refusal(done: Done) -> str:
    """The one line of an error that the user can mend."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("asap: ")
    return line


def test_a_run_says_what_it_read_and_what_it_did(pruned: tuple[Path, Done]) -> None:
    run, done = pruned
    assert done.stderr.splitlines() == [
        "input: Layout prompt+generation: question from 'prompt', thinking and answer from the "
        "tagged text of 'generation', ids from 'id'."
    ]
    words = done.stdout.split()
    assert "12" in words
    assert "10" in words
    assert "83.3%" in words
    assert done.stdout.count("excluded: 1 × ") == 2
    for what in ("steps", "tokens", "time:", "stage 1", "stage 2", "asap show", "load_dataset"):
        assert what in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    data = pq.ParquetFile(run / "data" / "000000.parquet").read().to_pylist()
    assert len(data) == 10
    assert all(row["tokens_after"] <= row["tokens_before"] // 2 for row in data)
    traces = pq.ParquetFile(run / "traces" / "000000.parquet").read().to_pylist()
    scored = [s for row in traces for s in row["steps"] or () if s["surprisal"] is not None]
    assert len(scored) > 30
    assert all(step["surprisal"] >= 0 and step["first_token"] for step in scored)


def test_the_same_command_again_goes_on(asap: Asap, source: Path, quick: list[str]) -> None:
    first = asap("prune", source, "-o", "run", *quick)
    again = asap("prune", source, "-o", "run", *quick)
    assert again.returncode == 0
    assert "this run was begun before: what is finished stays" in again.stderr
    assert "going on" not in first.stderr
    assert again.stdout.partition("time:")[0] == first.stdout.partition("time:")[0]


def test_another_run_s_folder_is_refused_before_a_model_is_loaded(
    pruned: tuple[Path, Done], asap: Asap, source: Path
) -> None:
    run, _ = pruned
    line = refusal(asap("prune", source, "-o", run, "--scorer", "./no-such-model"))
    assert "recipe.scorer is" in line
    before = sorted(run.rglob("*"))
    line = refusal(asap("prune", source, "-o", run, "--ratio", "0.3"))
    assert "recipe." in line
    assert sorted(run.rglob("*")) == before


def test_json(asap: Asap, source: Path, quick: list[str]) -> None:
    done = asap("prune", source, "-o", "run", "--json", *quick)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    summary = json.loads(line)
    assert (summary["rows_in"], summary["rows_out"], summary["rows_excluded"]) == (12, 10, 2)
    assert summary["output"] == "run"


def test_quiet(asap: Asap, source: Path, quick: list[str]) -> None:
    done = asap("-q", "prune", source, "-o", "run", "--limit", "2", *quick)
    assert (done.returncode, done.stderr) == (0, "")


def test_flags_go_over_the_recipe_s_file(
    asap: Asap, source: Path, quick: list[str], tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("ratio: 0.4\nties: earlier\n", encoding="utf-8")
    done = asap(
        "prune", source, "-o", "run", "-r", "mine.yaml", "--budget-tokens", "70", *quick,
        "--no-keep-headers", "--keep-columns", "generation", "--limit", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    recipe = (tmp_path / "run" / "recipe.yaml").read_text("utf-8")
    for line in ("budget_tokens: 70", "ties: earlier", "keep_headers: false"):
        assert f"{line}\n" in recipe
    assert "\nratio:" not in recipe
    again = asap("prune", source, "-o", "run2", "-r", "run/recipe.yaml", "--limit", "2")
    assert again.returncode == 0, again.stderr
    table = pq.ParquetFile(tmp_path / "run" / "data" / "000000.parquet").read()
    assert "generation" in table.column_names


def test_recorded_replies_stand_in_for_an_llm(
    asap: Asap, quick: list[str], source: Path, tmp_path: Path
) -> None:
    replies = [
        {"id": f"t-{row}", "purpose": purpose, "text": text}
        for row in range(10)
        for purpose, text in (("anchor", "Add."), ("select", '{"keep": [[0, 4]]}'))
    ]
    lines = "".join(json.dumps(reply) + "\n" for reply in replies[:-1])
    (tmp_path / "replies.jsonl").write_text(lines, encoding="utf-8")
    done = asap(
        "prune", source, "-o", "run", *quick,
        "--stage1", "select", "--llm-url", "replay:replies.jsonl",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "rows fell back to extract after stage 1 failed: 1\n" in done.stdout
    assert "LLM: 0 requests, 19 replies at hand" in done.stdout


BAD = {
    "missing file": (["none.jsonl"], "none.jsonl does not exist"),
    "unknown suffix": (["notes.txt"], "no known suffix"),
    "binary file": (["binary.jsonl"], "binary.jsonl"),
    "broken parquet": (["broken.parquet"], "broken.parquet"),
    "broken gzip": (["broken.jsonl.gz"], "broken.jsonl.gz"),
    "empty file": (["empty.jsonl"], "empty"),
    "blank lines": (["blank.jsonl"], "blank.jsonl"),
    "no row": (["prose.jsonl"], "prose.jsonl"),
    "no layout": (["other.jsonl"], "cannot tell which columns"),
    "unknown column": (["in.jsonl", "--question-column", "nope"], "no column 'nope'"),
    "unknown column in a template": (["in.jsonl", "--question-template", "{no}"], "'no'"),
    "unknown column to keep": (["in.jsonl", "--keep-columns", "id2"], "no column 'id2'"),
    "budget of 0": (["in.jsonl", "--budget-tokens", "0"], "budget_tokens"),
    "ratio of 0": (["in.jsonl", "--ratio", "0"], "ratio"),
    "ratio above 1": (["in.jsonl", "--ratio", "1.5"], "ratio"),
    "two budgets": (["in.jsonl", "--ratio", "0.5", "--budget-tokens", "9"], "exclude each other"),
    "unknown recipe": (["in.jsonl", "--recipe", "defualt"], "no recipe 'defualt'"),
    "unknown recipe key": (["in.jsonl", "--recipe", "bad.yaml"], "unknown field 'budget'"),
    "unknown method": (["in.jsonl", "--method", "magic"], "magic"),
    "wording without rewrite": (["in.jsonl", "--wording", "reply"], "rewrite"),
    "no such model": (["in.jsonl", "--scorer", "./none"], "none"),
    "no LLM": (["in.jsonl", "--stage1", "select"], "--llm MODEL"),
    "no recording": (["in.jsonl", "--stage1", "select", "--llm-url", "replay:no"], "no"),
    "an output that would be gone": (["in.jsonl", "-o", "memory://run"], "gone with it"),
    "no server address": (
        ["in.jsonl", "--stage1", "select", "--llm", "m", "--llm-url", "localhost"],
        "http://",
    ),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=BAD)
def test_bad_input_gets_one_line_and_leaves_nothing_behind(
    asap: Asap, source: Path, tiny_model: Path, tmp_path: Path, arguments: list[str], named: str
) -> None:
    (tmp_path / "in.jsonl").write_bytes(source.read_bytes())
    (tmp_path / "notes.txt").write_text("notes", encoding="utf-8")
    (tmp_path / "binary.jsonl").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "broken.jsonl.gz").write_bytes(b"\x1f\x8b no")
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "blank.jsonl").write_bytes(b"\n\n  \n")
    (tmp_path / "prose.jsonl").write_text("once\nupon\n", encoding="utf-8")
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("budget: 3\n", encoding="utf-8")
    there = sorted(tmp_path.iterdir())
    scorer = [] if "--scorer" in arguments else ["--scorer", str(tiny_model)]
    output = [] if "-o" in arguments else ["-o", "run"]
    done = asap("prune", *arguments, *output, *scorer)
    assert named in refusal(done)
    assert sorted(tmp_path.iterdir()) == there


@pytest.mark.parametrize(
    "arguments", [["--no-such-flag"], ["--limit", "0"], ["--segment", "word"], ["--rounds", "x"]]
)
def test_a_wrong_flag_is_a_usage_error(
    asap: Asap, source: Path, tmp_path: Path, arguments: list[str]
) -> None:
    done = asap("prune", source, "-o", "run", *arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_malformed_row_is_excluded_with_its_line(pruned: tuple[Path, Done]) -> None:
    run, _ = pruned
    lines = (run / "excluded.jsonl").read_text("utf-8").splitlines()
    first = json.loads(lines[0])
    assert first["row"] == 2
    assert "in.jsonl, line 3" in first["detail"]
    assert first["reason"]


def test_too_many_excluded_rows_exit_1(
    asap: Asap, source: Path, tiny_model: Path, tmp_path: Path
) -> None:
    done = asap("prune", source, "-o", "run", "--stage2", "none", "--scorer", tiny_model)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("asap: 2 of 12 rows were excluded")
    assert "--max-excluded 0.1" in last
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "excluded.jsonl").read_text("utf-8").count("\n") == 2
    assert json.loads((tmp_path / "run/report.json").read_text("utf-8"))["status"] == "finished"


def llm_flags(server: Any) -> list[str]:
    return ["--stage1", "select", "--llm", "served", "--llm-url", server.url]


def answer(body: dict[str, Any], n_times: int) -> str:
    is_anchor = "Write the direct solution" in body["messages"][-1]["content"]
    return "Add the numbers." if is_anchor else '{"keep": [[0, 3]]}'


def test_a_refused_key_exits_1_and_the_key_is_nowhere(
    asap: Asap, source: Path, quick: list[str], tmp_path: Path, fault_server: Any
) -> None:
    key = "sk-do-not-tell-0123456789"
    fault_server.script(lambda body, n: fault_server.refuse_key(f"Incorrect API key: {key}"))
    variables = {"ASAP_API_KEY": key, "ASAP_CACHE": str(tmp_path / "cache")}
    command = ["prune", str(source), "-o", "run", *quick, *llm_flags(fault_server)]
    refused = asap("-vv", *command, **variables)
    assert refused.returncode == 1
    assert "refused ASAP_API_KEY" in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr
    fault_server.script(answer)
    resumed = asap("-vv", *command, **variables)
    assert resumed.returncode == 0, resumed.stderr
    for done in (refused, resumed):
        assert key not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes(), path


def test_a_spending_limit_exits_1_and_the_run_goes_on(
    asap: Asap, source: Path, quick: list[str], tmp_path: Path, fault_server: Any
) -> None:
    fault_server.script(answer)
    command = ["prune", str(source), "-o", "run", *quick, *llm_flags(fault_server)]
    variables = {"ASAP_CACHE": str(tmp_path / "cache")}
    limits = ["--llm-token-limit", "60", "--llm-concurrency", "1"]
    done = asap(*command, *limits, **variables)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("asap: the limit of 60 LLM tokens is reached")
    assert "Traceback" not in done.stderr
    assert len(fault_server.requests) == 4  # 15 tokens each
    done = asap(*command, **variables)
    assert done.returncode == 0, done.stderr
    assert len(fault_server.requests) == 20
    assert set(fault_server.counts.values()) == {1}


def test_an_interrupt_exits_130_with_one_line_and_the_run_goes_on(
    asap: Asap,
    environment: dict[str, str],
    source: Path,
    quick: list[str],
    tmp_path: Path,
    fault_server: Any,
) -> None:
    fault_server.script(lambda body, n: fault_server.stall())
    command = ["prune", str(source), "-o", "run", *quick, *llm_flags(fault_server)]
    with subprocess.Popen(
        [sys.executable, "-m", "asap.cli.main", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
        # Whoever runs the tests in the background has it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert fault_server.arrived.acquire(timeout=30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[1:] == ["asap: interrupted; the same command goes on from here"]
    fault_server.script(answer)
    assert asap(*command).returncode == 0
