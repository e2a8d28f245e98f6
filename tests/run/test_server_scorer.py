"""A run whose scorer is behind a server: recipe, identity, keys, and what it cannot do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap import load_recipe, open_corpus, open_tools, prune_corpus
from asap.errors import RecipeError
from asap.run import read_report
from asap.surprisal import find_model_folder


@pytest.fixture
def served(fault_server: Any, scoring_server: Callable[..., Any]) -> Any:
    """The built-in model behind a server."""
    scoring_server(find_model_folder("builtin")[0])
    return fault_server


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scorer_url": "http://me:secret@host/v1"}, "scorer_url holds a password"),
        ({"scorer_model": "m"}, "belong to a scorer_url"),
        ({"scorer_window": 4096}, "belong to a scorer_url"),
        ({"scorer_url": "http://host/v1", "scorer_window": 8}, "scorer_window"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        load_recipe("default", fields)


def test_entropies_are_refused_before_the_server_is_asked(served: Any) -> None:
    recipe = load_recipe("default", {"method": "step-entropy", "scorer_url": served.url})
    with (
        pytest.raises(RecipeError, match=r"step-entropy.* needs entropies"),
        open_tools(recipe),
    ):
        pass
    assert served.requests == []


def test_a_run_is_that_of_the_model_on_this_machine(
    served: Any,
    tmp_path: Path,
    make_rows: Callable[..., Any],
    write_jsonl: Callable[..., Path],
    run_folder: Callable[[Path], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASAP_API_KEY", "sk-of-the-user")
    rows = write_jsonl(tmp_path / "in.jsonl", make_rows(3))
    fields = {"stage1": "none", "dtype": "fp32"}
    for name, more in (("local", {}), ("served", {"scorer_url": served.url})):
        recipe = load_recipe("default", fields | more)
        with open_tools(recipe, device="cpu") as tools:
            prune_corpus(open_corpus([str(rows)]), tmp_path / name, recipe, tools)
    local, remote = run_folder(tmp_path / "local"), run_folder(tmp_path / "served")
    assert [row["completion"] for row in remote.data] == [row["completion"] for row in local.data]
    for ours, theirs in zip(local.traces, remote.traces, strict=True):
        expected = [step["surprisal"] for step in ours["steps"]]
        assert [step["surprisal"] for step in theirs["steps"]] == pytest.approx(expected, abs=1e-3)
    identity = read_report(tmp_path / "served")["identity"]
    assert identity["recipe.scorer_url"] == served.url
    assert identity["scorer weights"].startswith("served@")
    assert {headers["authorization"] for headers in served.headers} == {"Bearer sk-of-the-user"}
    assert not any(b"sk-of-the-user" in content for content in remote.files().values())
