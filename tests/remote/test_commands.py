"""The commands on folders in a store; what stays on this machine says so."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.cli.main import main
from asap.run import Ledger

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["asap", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capfd.readouterr())

    return run


def test_prune_show_and_export(store: Any, command: Command, source: Path, tmp_path: Path) -> None:
    path = store.put("in/in.jsonl", source.read_bytes())
    words = ("prune", path, "-o", "s3://bucket/run", "--method", "random")
    code, out, err = command(*words)
    assert code == 0, err
    assert "botocore" not in err
    assert "asap show s3://bucket/run --row 0" in out
    assert "s3://bucket/run/data/*.parquet" in out
    assert "asap view" not in out
    code, out, _ = command(*words, "--json")
    assert json.loads(out)["output"] == "s3://bucket/run"
    code, out, _ = command("show", "s3://bucket/run")
    assert code == 0
    assert "t-14 " in out
    assert "row 3 · t-3" in command("show", "s3://bucket/run", "--row", "3")[1]
    assert "row 3 · t-3" in command("show", "s3://bucket/run", "t-3")[1]
    assert "has no row 99" in command("show", "s3://bucket/run", "--row", "99")[2]
    file = tmp_path / "out.jsonl"
    assert command("export", "s3://bucket/run", "--to", "openai", "-o", file)[0] == 0
    assert len(file.read_text("utf-8").splitlines()) == 15


def test_a_missing_bucket_ends_with_2_before_a_model_is_loaded(
    store: Any, command: Command, source: Path
) -> None:
    code, out, err = command("prune", source, "-o", "s3://nobody/run", "--scorer", "no/such-model")
    assert (code, out) == (2, "")
    assert err.startswith("asap: cannot use s3://nobody/run: The specified bucket does not exist")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["view", "s3://bucket/run", "--no-browser"],
        ["compare", "s3://bucket/run"],
        ["rank", "in.jsonl", "-o", "s3://bucket/run"],
        ["train", "in.jsonl", "--model", "builtin", "-o", "s3://bucket/run"],
        ["export", "run", "--to", "openai", "-o", "s3://bucket/out.jsonl"],
    ],
    ids=lambda words: words[0],
)
def test_what_stays_on_this_machine_says_so(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = command(*words)
    assert code == 2
    assert "copy the folder here first" in err
    assert list(tmp_path.iterdir()) == []


def test_a_session_token_is_in_no_log(
    store: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "tell-nobody")
    with caplog.at_level(logging.DEBUG):
        assert Ledger("s3://bucket/run").finished_shards() == []
    assert store.requests
    assert "tell-nobody" not in caplog.text
    assert "not-a-secret" not in caplog.text
