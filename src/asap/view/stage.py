"""Which stages drop steps in a run: a method that has one only speaks of no stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asap.trace import Fate

STAGE1_MODES = ("extract", "select", "rewrite")
"""The ways of a stage 1; methods that are something else as a whole have a mode of another name."""
_METHODS_WITHOUT_STAGE2 = ("asap-no-stage2", "original")


def has_stage2(identity: Mapping[str, Any]) -> bool:
    """Whether anything goes after stage 1, and so whether there is a budget.

    Args:
        identity: what the run is, as its report says.
    """
    method = identity.get("recipe.method")
    return identity.get("recipe.stage2") != "none" and method not in _METHODS_WITHOUT_STAGE2


def list_stages(record: Mapping[str, Any], identity: Mapping[str, Any]) -> list[Fate]:
    """The fates of dropped steps that a row can have: none where there are no steps to drop.

    Args:
        record: a row of `traces/` with `steps` and `stage1`.
        identity: what the run is, as its report says.
    """
    if not record["steps"]:
        return []
    stages: list[Fate] = ["stage1"] if record["stage1"]["mode"] in STAGE1_MODES else []
    return [*stages, "stage2"] if has_stage2(identity) else stages
