"""Recipes: strict, flat, and the same in a file, in code and on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import asap
from asap.errors import RecipeError
from asap.run import Recipe, shipped_recipes


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(name: str, **changes: Any) -> str:
    """The message of a refused recipe: one line."""
    with pytest.raises(RecipeError) as caught:
        asap.load_recipe(name, changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_default_and_the_papers_are_shipped() -> None:
    assert {"default", "paper", "paper-c3ot", "paper-dap"} <= set(shipped_recipes())


@pytest.mark.parametrize(
    ("name", "needs"),
    [("selective-context", "scorer"), ("llmlingua2", "classifier"), ("tokenskip", "classifier")],
)
def test_the_paper_s_token_level_baselines(name: str, needs: str) -> None:
    recipe = asap.load_recipe(f"paper-{name}")
    assert (recipe.method, recipe.cut, recipe.preserve_whitespace) == (name, "percentile", False)
    assert recipe.scorer == asap.load_recipe("paper").scorer
    assert recipe.needs == {needs}
    assert (recipe.classifier is not None) == (needs == "classifier")
    assert (recipe.ratio, recipe.budget_tokens) == (0.5, None)
    assert (min(recipe.drawn_ratios), max(recipe.drawn_ratios)) == (0.5, 1.0)


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_comes_back_from_its_yaml(name: str, tmp_path: Path) -> None:
    recipe = asap.load_recipe(name)
    assert asap.load_recipe(write(tmp_path, recipe.to_yaml())) == recipe


def test_the_paper_s_settings() -> None:
    paper = asap.load_recipe("paper")
    assert (paper.segment, paper.stage1, paper.wording) == ("paragraph", "rewrite", "reply")
    assert (paper.similarity, paper.budget_tokens, paper.ratio) == (0.6, 4096, None)
    assert paper.scorer == "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
    assert (paper.rounds, paper.stage1_attempts) == (1, 8)
    assert (paper.ties, paper.render, paper.keep_headers) == ("earlier", "stripped", False)
    assert (paper.on_stage1_failure, paper.on_step_over_budget) == ("exclude", "keep")


def test_the_defaults() -> None:
    default = asap.load_recipe()
    assert default == Recipe()
    assert (default.segment, default.stage1, default.stage2) == ("block", "extract", "first-token")
    assert (default.ratio, default.budget_tokens, default.stage1_ratio) == (0.5, None, 0.5)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "segment": st.sampled_from(["block", "paragraph"]),
            "stage1": st.sampled_from(["extract", "select", "rewrite", "none"]),
            "stage2": st.sampled_from(["first-token", "none"]),
            "ratio": st.floats(0.01, 1.0),
            "rounds": st.integers(1, 1024),
            "keep_headers": st.booleans(),
            "scorer": st.text(min_size=1),
            "llm": st.text(),
            "similarity": st.floats(0.01, 1.0),
        },
    )
)
def test_any_recipe_comes_back_from_its_yaml(fields: dict[str, Any]) -> None:
    recipe = Recipe(**fields)
    assert Recipe.model_validate(yaml.safe_load(recipe.to_yaml())) == recipe


def test_an_unknown_field_is_named_with_the_known_ones(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "budget: 4096\n"))
    assert "unknown field 'budget'" in message
    assert "budget_tokens" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("budget_tokens", 0),
        ("budget_tokens", -5),
        ("budget_tokens", 10.5),
        ("ratio", 0),
        ("ratio", 1.5),
        ("ratio", float("nan")),
        ("stage1_ratio", 0.0),
        ("similarity", 1.01),
        ("rounds", 0),
        ("rounds", True),
        ("stage1_attempts", 0),
        ("segment", "sentence"),
        ("stage1", "magic"),
        ("keep_headers", "yes please"),
        ("method", "no-such-method"),
        ("scorer", 7),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any, tmp_path: Path) -> None:
    assert field in refusal("default", **{field: value})
    lines = yaml.safe_dump({field: value})
    assert field in refusal(write(tmp_path, lines))


def test_both_budgets_exclude_each_other(tmp_path: Path) -> None:
    name = write(tmp_path, "budget_tokens: 100\nratio: 0.5\n")
    assert "budget_tokens and ratio exclude each other" in refusal(name)
    assert "exclude each other" in refusal("default", budget_tokens=100, ratio=0.5)


def test_a_budget_that_is_named_replaces_the_other() -> None:
    tokens = asap.load_recipe("default", {"budget_tokens": 100})
    assert (tokens.budget_tokens, tokens.ratio) == (100, None)
    ratio = asap.load_recipe("paper", {"ratio": 0.25})
    assert (ratio.budget_tokens, ratio.ratio) == (None, 0.25)


def test_what_is_not_named_leaves_the_file_s_value(tmp_path: Path) -> None:
    name = write(tmp_path, "ratio: 0.3\nties: earlier\n")
    recipe = asap.load_recipe(name, {"ties": "later", "ratio": None, "rounds": None})
    assert (recipe.ratio, recipe.ties, recipe.rounds) == (0.3, "later", 1)


def test_the_reply_s_wording_needs_a_rewrite() -> None:
    assert "needs stage1 'rewrite'" in refusal("default", wording="reply")
    assert asap.load_recipe("default", {"wording": "reply", "stage1": "rewrite"}).wording == "reply"


def test_a_password_in_the_server_s_address_is_refused_and_not_repeated() -> None:
    message = refusal("default", llm_url="https://me:hunter2@llm.example/v1")
    assert "environment" in message
    assert "hunter2" not in message


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    message = refusal("defualt")
    assert "no recipe 'defualt'" in message
    assert "default, paper" in message


@pytest.mark.parametrize("text", ["a: [1\nb", "", "- method\n", "just words\n", "1: 2\n", "{[}"])
def test_a_file_that_is_no_recipe(text: str, tmp_path: Path) -> None:
    assert "mine.yaml" in refusal(write(tmp_path, text))


def test_a_recipe_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot read" in refusal(str(tmp_path / "none.yaml"))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    assert "binary.yaml" in refusal(str(tmp_path / "binary.yaml"))
