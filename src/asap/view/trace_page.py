"""One trace as the page shows it: its texts as pieces, what became of each step, the slider."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from asap.trace import StepReason
from asap.view.excluded import explain_exclusion
from asap.view.highlight import Highlighter
from asap.view.markup import describe_text
from asap.view.slider import describe_slider
from asap.view.stage import list_stages
from asap.view.subject import is_reply_subject
from asap.view.visible import show_controls

_SURPRISAL = "surprisal, nats"


def describe_trace(
    record: Mapping[str, Any], identity: Mapping[str, Any], *, is_full: bool = False
) -> dict[str, Any]:
    """A row of `traces/` as JSON.

    Args:
        record: the row.
        identity: what the run is, as its report says.
        is_full: long texts are not cut.
    """
    is_reply = is_reply_subject(record, identity)
    describe = partial(describe_text, is_full=is_full, highlighter=Highlighter())
    slider, slider_why = describe_slider(record, identity)
    texts = {
        name: None if record[name] is None else describe(record[name])
        for name in ("question", "answer", "anchor", "reply", "rewritten")
    }
    stage1 = record["stage1"]
    return {
        **{name: record[name] for name in ("row", "outcome", "reason")},
        "id": show_controls(record["id"]),
        "detail": show_controls(record["detail"] or ""),
        "explanation": explain_exclusion(record["reason"]),
        **texts,
        # Where there are no steps to read it from, or where they are the reply's.
        "thinking": describe(record["thinking"])
        if record["thinking"] is not None and (is_reply or record["steps"] is None)
        else None,
        "stages": list_stages(record, identity),
        "stage1": stage1 and {**stage1, "failure": show_controls(stage1["failure"] or "") or None},
        "score_name": record["score_name"],
        "score_label": record["score_name"] or _SURPRISAL,
        **{name: record[name] for name in _COUNTS},
        "is_reply_subject": is_reply,
        "slider": slider,
        "slider_why": slider_why,
        "steps": _describe_steps(record, is_reply, describe),
    }


_COUNTS = ("tokens_before", "tokens_after_stage1", "tokens_after", "steps_before", "steps_after")


def _describe_steps(
    record: Mapping[str, Any], is_reply: bool, describe: Callable[[str], dict[str, Any]]
) -> list[dict[str, Any]]:
    subject = record["reply"] if is_reply else record["thinking"]
    return [
        {
            "index": index,
            **describe(subject[step["start"] : step["end"]]),
            "n_chars": step["end"] - step["start"],
            "n_tokens": step["n_tokens"],
            "fate": step["fate"],
            **{name: _keep_finite(step[name]) for name in ("surprisal", "score", "match")},
            "first_token": _show_token(step["first_token"]),
            "probability": _find_probability(step["surprisal"]),
            "why": _explain(step),
        }
        for index, step in enumerate(record["steps"] or ())
    ]


def _explain(step: Mapping[str, Any]) -> str | None:
    """Why stage 1 drops the step; runs of earlier versions do not say."""
    name = step.get("reason")
    return name and show_controls(StepReason(name, step["reason_step"]).explain())


def _keep_finite(value: float | None) -> float | None:
    """JSON has no infinity, which some scores of a lone step are."""
    return value if value is not None and math.isfinite(value) else None


def _find_probability(surprisal: float | None) -> float | None:
    return None if surprisal is None or math.isnan(surprisal) else math.exp(-surprisal)


def _show_token(token: str | None) -> str | None:
    """A token's line breaks and tabs are what it is about, so they are made visible too."""
    if token is None:
        return None
    return show_controls(token).replace("\n", "\u240a").replace("\t", "\u2409")
