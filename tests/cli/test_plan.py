"""`asap plan` as a user meets it: tables, JSON, what is written, refusals in one line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Done = subprocess.CompletedProcess[str]
Asap = Callable[..., Done]
EXAMPLES = Path(__file__).parents[2] / "examples"


def refusal(done: Done) -> str:
    """The one line of an error that the user can mend."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("asap: ")
    return line


def test_a_plan_says_tokens_time_and_training_and_writes_nothing(
    asap: Asap, source: Path, tiny_model: Path, tmp_path: Path
) -> None:
    done = asap("plan", source, "--scorer", tiny_model, "--gpu", "cpu")
    assert done.returncode == 0, done.stderr
    for what in (
        "12 rows",
        "rows excluded",
        "thinking tokens in",
        "the run",
        "epochs",
        "kB of keys",
    ):
        assert what in done.stdout
    assert "measured here: 10 rows" in done.stdout
    assert "input: Layout prompt+generation" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_json_holds_ranges_in_order(asap: Asap, source: Path, tiny_model: Path) -> None:
    command = ["plan", source, "--scorer", tiny_model, "--gpu", "a100", "--train-model", "8b"]
    done = asap("-q", *command, "--json")
    assert done.stderr == ""
    data = json.loads(done.stdout)
    assert (data["kind"], data["n_rows"], data["device"]) == ("plan", 12, "a100")
    ranges = list(find_ranges(data))
    assert len(ranges) > 15
    assert all(each["low"] <= each["likely"] <= each["high"] for each in ranges)
    # Its 65 norms are left out.
    assert data["training"]["n_parameters"] == 8_030_261_248 - 65 * 4096
    assert data["scoring"]["memory"]["batch_tokens"] == 32_768


def find_ranges(value: Any) -> Any:
    """All ranges, however deep."""
    if isinstance(value, dict):
        if set(value) == {"low", "likely", "high"}:
            yield value
        for inner in value.values():
            yield from find_ranges(inner)


def test_the_replayed_examples_are_forecast(asap: Asap) -> None:
    """13 rows, an anchor and a selection for each; one selection of the recording is faulty."""
    flags = ["--stage1", "select", "--llm-url", f"replay:{EXAMPLES / 'replies.jsonl'}"]
    flags += ["--stage2", "none"]
    planned = asap("plan", EXAMPLES / "traces.jsonl", *flags, "--save", "f.json")
    assert planned.returncode == 0, planned.stderr
    assert "no LLM is named (--llm)" in planned.stdout
    run = asap("prune", EXAMPLES / "traces.jsonl", *flags, "-o", "run")
    assert run.returncode == 0, run.stderr
    checked = asap("plan", "--check", "run", "--forecast", "f.json", "--json")
    assert checked.returncode == 0, checked.stderr
    facts = {each["name"]: each for each in json.loads(checked.stdout)["check"]}
    assert facts["LLM replies"]["fact"] == 27
    assert facts["LLM replies"]["forecast"]["low"] == 26
    assert facts["LLM replies"]["is_inside"]
    assert facts["rows"]["ratio"] == 1.0
    # A recording costs nothing, so there are no billed tokens to compare with.
    assert "LLM prompt tokens" not in facts


def test_requests_and_prompt_tokens_of_a_server(
    asap: Asap, source: Path, tiny_model: Path, fault_server: Any
) -> None:
    """A server that counts a token for every 3.3 characters of what it reads, as we assume."""

    def script(body: dict[str, Any], n_times: int) -> Any:
        content = "".join(message["content"] for message in body["messages"])
        is_selection = '{"keep"' in content
        text = '{"keep": [[0, 3]]}' if is_selection else "Sum it up, step by step. " * 40
        n_prompt, n_reply = round(len(content) / 3.3), len(text) // 4
        return fault_server.reply(text, prompt_tokens=n_prompt, completion_tokens=n_reply)

    fault_server.script(script)
    flags = ["--stage1", "select", "--scorer", tiny_model, "--llm", "m"]
    flags += ["--llm-url", fault_server.url]
    planned = asap("plan", source, *flags, "--gpu", "l4", "--save", "f.json")
    assert planned.returncode == 0, planned.stderr
    assert fault_server.requests == []
    assert "add a line 'm: {input" in planned.stdout
    assert asap("prune", source, *flags, "-o", "run", "--max-excluded", "0.5").returncode == 0
    checked = asap("plan", "--check", "run", "--forecast", "f.json", "--json")
    facts = {each["name"]: each for each in json.loads(checked.stdout)["check"]}
    assert facts["LLM replies"]["fact"] == 20
    assert facts["LLM replies"]["is_inside"]
    assert facts["LLM prompt tokens"]["is_inside"]
    assert 0.8 < facts["LLM prompt tokens"]["ratio"] < 1.1


@pytest.mark.slow
def test_check_makes_the_forecast_anew_from_the_input(
    asap: Asap, pruned: tuple[Path, Done], source: Path
) -> None:
    run, _ = pruned
    done = asap("plan", source, "--check", run)
    assert done.returncode == 0, done.stderr
    for what in ("fact / likely", "thinking tokens", "seconds", "range"):
        assert what in done.stdout
    facts = json.loads(asap("plan", source, "--check", run, "--json").stdout)["check"]
    by_name = {each["name"]: each for each in facts}
    assert by_name["rows excluded"]["fact"] == 2
    assert by_name["thinking tokens before"]["ratio"] == pytest.approx(1.0)
    assert 0.8 < by_name["thinking tokens after"]["ratio"] < 1.2


def test_check_asks_for_what_it_lacks(
    asap: Asap,
    pruned: tuple[Path, Done],
    source: Path,
    tmp_path: Path,
    make_rows: Any,
    write_jsonl: Any,
) -> None:
    run, _ = pruned
    assert "name it as INPUT (it was in.jsonl)" in refusal(asap("plan", "--check", run))
    other = write_jsonl(tmp_path / "other.jsonl", make_rows(3))
    assert "not what the run read" in refusal(asap("plan", other, "--check", run))
    line = refusal(asap("plan", source, "--check", run, "--ratio", "0.2"))
    assert "leave out --ratio" in line
    (tmp_path / "half").mkdir()
    report = {"kind": "prune", "format_version": 1, "status": "unfinished", "identity": {}}
    (tmp_path / "half" / "report.json").write_text(json.dumps(report))
    assert "is not finished" in refusal(asap("plan", source, "--check", "half"))
    assert "goes with --check" in refusal(asap("plan", source, "--forecast", "f.json"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no input given"),
        (["nowhere.jsonl"], "does not exist"),
        (["IN", "--gpu", "b200"], "no accelerator 'b200'"),
        (["IN", "--ratio", "2"], "ratio"),
        (["IN", "--recipe", "nothing"], "no recipe 'nothing'"),
        (["IN", "--train-model", "nobody/nothing"], "models known here"),
        (["IN", "--train-recipe", "nothing"], "no recipe 'nothing'"),
        (["IN", "--prices", "none.yaml"], "cannot read none.yaml"),
        (["IN", "--llm-history", "."], "no run folder"),
        (["IN", "--save", "no/such/folder.json", "--gpu", "l4"], "cannot write"),
    ],
    ids=lambda value: "-".join(value) or "nothing" if isinstance(value, list) else None,
)
def test_what_the_user_can_mend_is_one_line(
    arguments: list[str], words: str, asap: Asap, source: Path
) -> None:
    assert words in refusal(
        asap("-q", "plan", *(str(source) if a == "IN" else a for a in arguments))
    )
