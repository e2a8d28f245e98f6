"""The same road without files: traces in, outcomes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asap.prune import METHODS, Tools
from asap.run.backends import open_tools
from asap.run.recipe import Recipe, load_recipe
from asap.trace import Outcome, Trace, count_tokens, segment_trace


def prune_traces(
    traces: Sequence[Trace],
    recipe: Recipe | str = "default",
    tools: Tools | None = None,
    **changes: Any,
) -> list[Outcome]:
    """Prune traces in memory: what `asap prune` does with each shard, without files.

    Args:
        traces: parsed traces (see `parse_trace`).
        recipe: a recipe, or the name of one.
        tools: the backends; by default those that the recipe names are opened and closed again.
        **changes: recipe fields that override the recipe's.

    Returns:
        One outcome per trace, in order.

    Raises:
        UserError: the recipe or a backend that it names is not usable.
    """
    if isinstance(recipe, str):
        chosen = load_recipe(recipe, changes)
    else:
        chosen = Recipe.model_validate({**recipe.model_dump(), **changes})
    if tools is None:
        with open_tools(chosen) as opened:
            return prune_traces(traces, chosen, opened)
    segmented = [segment_trace(trace, chosen.segment) for trace in traces]
    counted = count_tokens(segmented, tools.counter)
    return METHODS[chosen.method](chosen.options).prune(counted, chosen.budget, tools)
