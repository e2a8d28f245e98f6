"""Which text the steps of a row are spans of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_reply_subject(record: Mapping[str, Any], identity: Mapping[str, Any]) -> bool:
    """Whether spans index the reply: its wording is used, and stage 1 has not fallen back.

    Args:
        record: a row of `traces/` with `steps` and `stage1`.
        identity: what the run is, as its report says.
    """
    has_wording = identity.get("recipe.wording") == "reply"
    stage1 = record["stage1"]
    return bool(has_wording and record["steps"] and stage1 and stage1["mode"] == "rewrite")
