"""What the reason of an excluded row means and what helps, in the words of `docs/excluded.md`: the
page works without a network, and a test holds the two against each other.
"""

from __future__ import annotations

from typing import Any

from asap.view.markup import split_markup

EXPLANATIONS: dict[str, tuple[str, str]] = {
    "malformed_json": ("the line is not JSON", "mend the file"),
    "not_an_object": ("the line is JSON, but not an object with columns", "one object a line"),
    "not_utf8": ("the text is not UTF-8", "convert the file"),
    "lone_surrogate": ("a text holds half a surrogate pair", "mend the text"),
    "line_too_long": ("the line is longer than 64 MiB", "split the file into rows"),
    "missing_column": (
        "the row lacks a column that the layout needs",
        "name other columns (`--response-column`, …)",
    ),
    "null_value": ("a column that the layout needs is null", ""),
    "wrong_type": ("a column holds another type than the layout needs", "name other columns"),
    "no_assistant_turn": ("no turn of the conversation is the assistant's", ""),
    "several_turns": (
        "the assistant spoke before: the user's turns alone are no question",
        "`--question-column`, or split the conversation",
    ),
    "no_tags": (
        "neither an opening nor a closing thinking tag",
        "is the column thinking alone? `--reasoning-column` and `--answer-column`",
    ),
    "no_closing_tag": (
        "the thinking is cut off before its closing tag",
        "generate with a larger budget",
    ),
    "tags_out_of_order": ("thinking tags are nested, repeated or stand inside the text", ""),
    "empty_thinking": ("there is nothing between the tags", ""),
    "no_answer": ("nothing follows the thinking", "`--require nothing` where no answer is needed"),
    "no_code_block": ("the answer holds no fenced code block (`--require code`)", ""),
    "step_over_budget": (
        "the last step, or unit of a token-level method, is over the budget",
        "a larger budget, or `--on-step-over-budget keep`",
    ),
    "stage1_failed": (
        "the LLM gave nothing usable (`--on-stage1-failure exclude`)",
        "`extract` instead of `exclude`",
    ),
    "no_usable_reply": (
        "the LLM gave nothing usable (`c3ot`, `dap`); the detail names the last attempt's fault",
        "more `--stage1-attempts`, a larger `--llm-max-tokens`, another LLM",
    ),
    "answer_not_reached": (
        "the answer forced from the kept thinking differs from the row's own",
        "a larger budget",
    ),
    "answer_not_checkable": (
        "no answer can be held against the row's own; the detail says why",
        "`--keep-columns examples`, a model with a larger window",
    ),
    "tests_failed": ("the row's own answer fails its tests (`--require-passing`)", ""),
}
"""By reason of a row of `traces/` its meaning and what to do; empty where nothing can be done."""


def explain_exclusion(reason: str | None) -> dict[str, Any] | None:
    """The explanation of a reason: `meaning` and `remedy` (None where there is none) as pieces.

    Args:
        reason: of a row; None where it was not excluded.

    Returns:
        None too for a reason that this version does not know.
    """
    if reason not in EXPLANATIONS:
        return None
    meaning, remedy = EXPLANATIONS[reason]
    return {"meaning": split_markup(meaning), "remedy": split_markup(remedy) if remedy else None}
