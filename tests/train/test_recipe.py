"""Train recipes: the shipped ones, and how a wrong one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from asap.errors import RecipeError
from asap.train import load_train_recipe, shipped_train_recipes


def test_shipped_recipes_give_themselves_back(tmp_path: Path) -> None:
    names = shipped_train_recipes()
    assert names == ["builtin-cpu", "lora-24gb", "paper-llama-8b", "paper-qwen-7b"]
    for name in names:
        recipe = load_train_recipe(name)
        path = tmp_path / f"{name}.yaml"
        path.write_text(recipe.to_yaml(), encoding="utf-8")
        assert load_train_recipe(str(path)) == recipe


def test_the_papers_settings() -> None:
    qwen, llama = (load_train_recipe(f"paper-{name}") for name in ("qwen-7b", "llama-8b"))
    expected = {
        **{"epochs": 10.0, "max_length": 16_384, "batch_size": 1, "accumulation": 16},
        **{"lr_schedule": "cosine-with-min", "min_lr_ratio": 0.1, "warmup_ratio": 0.03},
        **{"clip_norm": 0.2, "seed": 42, "packing": False, "optimizer": "adamw"},
        **{"lora_rank": None},
    }
    for recipe in (qwen, llama):
        assert {key: getattr(recipe, key) for key in expected} == expected
    # The released configuration has it; the paper's text has lost Llama's.
    assert (qwen.learning_rate, llama.learning_rate) == (2e-5, None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epoch": 3}, "unknown field 'epoch'"),
        ({"epochs": 0.0}, "epochs: .*greater than 0"),
        ({"packing": True, "batch_size": 4}, "leave batch_size at 1"),
        ({"packing": True, "group_by_length": True}, "exclude each other"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path: Path, fields: dict[str, object], message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        load_train_recipe(str(path))


def test_flags_go_before_the_file() -> None:
    changed = load_train_recipe("paper-llama-8b", {"learning_rate": 1e-5, "epochs": None})
    assert (changed.learning_rate, changed.epochs) == (1e-5, 10.0)
