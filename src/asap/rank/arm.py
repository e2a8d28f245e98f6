"""What is compared: methods by name, each with the recipe that it runs under.

An arm is a method's name (then the common recipe holds, with that method), a shipped recipe's name
or a recipe file. All arms score with one model and count with one tokenizer, or the comparison
would be one of models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from asap.errors import RecipeError
from asap.prune import METHODS, Method, Need, list_methods
from asap.run import Recipe, load_recipe, shipped_recipes

_SHARED = ("scorer", "scorer_url", "scorer_model", "scorer_window", "dtype", "context", "tokenizer")
_BACKENDS: Mapping[Need, tuple[str, ...]] = {
    "classifier": ("classifier",),
    "chat": ("llm", "llm_url", "llm_max_tokens"),
}
"""Fields of backends that only some methods need: no part of what the others ran under."""


@dataclass(frozen=True)
class Arm:
    """One of the methods that are compared."""

    name: str
    recipe: Recipe

    @property
    def method(self) -> Method:
        """The method, under the arm's options."""
        return METHODS[self.recipe.method](self.recipe.options)


def list_free_methods(has_entropies: bool = True) -> list[str]:
    """Methods that need nothing but a scorer: no LLM, no classifier, no download.

    Args:
        has_entropies: whether the scorer tells entropies; one behind a server does not.
    """
    recipe = load_recipe("default")
    there: frozenset[Need] = frozenset({"scorer", "entropies"} if has_entropies else {"scorer"})
    return [
        name for name in list_methods() if recipe.model_copy(update={"method": name}).needs <= there
    ]


def build_arms(
    names: Sequence[str], recipe: str = "default", changes: Mapping[str, Any] | None = None
) -> list[Arm]:
    """Arms from their names.

    Args:
        names: methods, shipped recipes, or recipe files.
        recipe: the recipe that arms named by a method run under.
        changes: recipe fields that hold for every arm.

    Raises:
        RecipeError: an unknown name, one that comes twice, or arms that differ in the model that
            scores, the tokenizer or the classifier.
    """
    fields = dict(changes or {})
    # A row whose last step is over the budget stays, so that every arm has a value for every trace.
    fields["on_step_over_budget"] = "keep"
    arms = [
        Arm(name, _load(recipe, {**fields, "method": name}))
        if name in METHODS
        else Arm(name.removesuffix(".yaml").rpartition("/")[2], _load(name, fields))
        for name in names
    ]
    seen: set[str] = set()
    for arm in arms:
        if arm.name in seen:
            raise RecipeError(f"the arm {arm.name} comes twice")
        seen.add(arm.name)
        for field in _SHARED:
            ours, first = getattr(arm.recipe, field), getattr(arms[0].recipe, field)
            if ours != first:
                raise RecipeError(
                    f"{field} is {ours} for {arm.name} and {first} for {arms[0].name}: give one "
                    f"for all, --{field.replace('_', '-')} {first}"
                )
    return arms


def _load(name: str, fields: Mapping[str, Any]) -> Recipe:
    if name not in shipped_recipes() and not name.endswith((".yaml", ".yml")):
        near = get_close_matches(name, [*list_methods(), *shipped_recipes()], n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise RecipeError(
            f"'{name}' is no method, no shipped recipe and no .yaml file; {hint}methods: "
            f"{', '.join(list_methods())}"
        )
    recipe = load_recipe(name, fields)
    unused = [
        field
        for need, backend in _BACKENDS.items()
        if need not in recipe.needs
        for field in backend
    ]
    return recipe.model_copy(update=dict.fromkeys(unused))
