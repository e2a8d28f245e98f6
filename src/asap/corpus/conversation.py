"""Reads the turns of a conversation, in OpenAI's shape (`role`, `content`) and in ShareGPT's
(`from`, `value`).

The last assistant turn is what gets pruned; the question is every user turn before it. System turns
are left out: in reasoning data they say how to think and are the same in every row, and the model
is trained on the question alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
}
_REASONING = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn; `role` is `user`, `assistant` or what the data says."""

    role: str
    text: str
    reasoning: str | None = None


def read_turns(value: Any) -> list[Turn] | None:
    """The turns, or None where the value is no conversation."""
    if isinstance(value, Mapping):
        value = _unzip(value)
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        return None
    turns = [_read_turn(turn) for turn in value]
    return None if None in turns else [turn for turn in turns if turn is not None]


def _unzip(columns: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """A list of turns is stored as one list per field by older versions of `datasets`."""
    if not columns or not all(isinstance(values, list) for values in columns.values()):
        return None
    if len({len(values) for values in columns.values()}) != 1:
        return None
    return [dict(zip(columns, turn, strict=True)) for turn in zip(*columns.values(), strict=True)]


def _read_turn(turn: Any) -> Turn | None:
    if not isinstance(turn, Mapping):
        return None
    role = turn.get("role", turn.get("from"))
    content = turn.get("content", turn.get("value"))
    text = _read_content(content, ("text",))
    if not isinstance(role, str) or text is None:
        return None
    reasoning = next(
        (turn[key] for key in _REASONING if isinstance(turn.get(key), str) and turn[key]), None
    )
    if reasoning is None and isinstance(content, list):
        reasoning = _read_content(content, _REASONING) or None
    return Turn(_ROLES.get(role.lower(), role.lower()), text, reasoning)


def _read_content(content: Any, keys: tuple[str, ...]) -> str | None:
    """The text of a turn's content: a text itself, null, or parts of which those with one of `keys`
    count.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, Mapping) for part in content):
        return None
    found = (part.get(key) for part in content for key in keys)
    return "".join(text for text in found if isinstance(text, str))


def find_last_assistant(turns: Sequence[Turn]) -> int | None:
    """Position of the last assistant turn."""
    return next((i for i in reversed(range(len(turns))) if turns[i].role == "assistant"), None)


def join_user_turns(turns: Sequence[Turn]) -> str:
    """What the user said, turns separated by a blank line."""
    return "\n\n".join(turn.text for turn in turns if turn.role == "user")
