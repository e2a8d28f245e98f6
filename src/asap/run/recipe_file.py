"""Reads recipes, those of `asap prune` and those of `asap train`: shipped ones by name, others by
file. What their fields mean is the business of the models that check them.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ValidationError

from asap.errors import RecipeError
from asap.place import find_place, guard_store

RecipeKind = Literal["prune", "train"]


def list_recipes(kind: RecipeKind) -> list[str]:
    """Names of the recipes of a kind that come with asap."""
    names = (entry.name for entry in (resources.files("asap.recipes") / kind).iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def read_recipe(kind: RecipeKind, name: str) -> dict[str, Any]:
    """The fields of a recipe, unchecked.

    Args:
        kind: whose recipe it is.
        name: a shipped recipe's name, or a YAML file.

    Raises:
        RecipeError: no such recipe, or not a list of fields.
    """
    if name in list_recipes(kind):
        text = (resources.files("asap.recipes") / kind / f"{name}.yaml").read_text("utf-8")
    elif name.endswith((".yaml", ".yml")) or Path(name).is_file():
        path = find_place(name)
        try:
            with guard_store(path):
                text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"cannot read the recipe {name}: {error}") from None
    else:
        raise RecipeError(
            f"there is no recipe '{name}'; shipped: {', '.join(list_recipes(kind))}; "
            "or give a .yaml file"
        )
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"recipe '{name}' is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise RecipeError(f"recipe '{name}' must be a list of 'field: value' lines")
    return data


def describe_first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing wrong with a recipe's fields, as one line."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown field '{field}'; fields are: {', '.join(model.model_fields)}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message} (given: {first['input']!r})" if field else message
