"""The wording of planted passages: recaps, and how a wrong turn is taken back.

All sentences here are ours. Where a passage goes and what it repeats is decided in `planting`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from asap.rank.openers import strip_opener
from asap.rank.rewording import find_values, uncapitalise

_SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z'\"(\[])|\n")
_MIN_KEY = 20
_MAX_KEY = 140

_RECAPS = (
    "So far we have: {items}.",
    "So to sum up what is known by now: {items}.",
    "So, putting it together: {items}.",
    "Now we know this much: {items}.",
    "Let me sum up where this stands: {items}.",
)
_SLIPS = (
    "Wait, no, that's wrong. It can't be {value} there, so let me take that back.",
    "No, that can't be right. Nothing above gives {value}; scrap that.",
    "Hmm, no. I wrote {value} by mistake, so forget the last line and go on from before it.",
    "But that is not correct, is it? The {value} is a slip of mine. Let me redo this.",
    "Oh wait, I got that wrong, {value} doesn't fit at all. Back to where I was.",
)
_DETOURS = (
    "Wait, no, that's wrong. This is not what is asked here, so drop that thought.",
    "Hmm, no, that belongs to some other setting and doesn't help. Let me go back.",
    "But no, that has nothing to do with this problem. Scrap that and go on from before.",
    "No, that can't be right, none of this applies here. Let me return to the actual question.",
)


def write_recap(texts: Sequence[str], source: random.Random) -> str | None:
    """One sentence that repeats the key sentences of several steps; None if one has none."""
    keys = [_find_key(text) for text in texts]
    if None in keys:
        return None
    items = "; ".join(uncapitalise(key) for key in keys if key)
    return source.choice(_RECAPS).format(items=items)


def _find_key(text: str) -> str | None:
    """The sentence with the most values, the last of several; no question, of 20 to 140 signs."""
    sentences = [strip_opener(each.strip()).rstrip(" .;:") for each in _SENTENCE_END.split(text)]
    fit = [
        (find_values(each).total(), position, each)
        for position, each in enumerate(sentences)
        if _MIN_KEY <= len(each) <= _MAX_KEY and not each.endswith(("?", "!", ","))
    ]
    n_values, _, key = max(fit, default=(0, 0, ""))
    return key if n_values else None


def withdraw_slip(value: str, source: random.Random) -> str:
    """A step that takes back the step before it, in which `value` was wrong."""
    return source.choice(_SLIPS).format(value=value)


def withdraw_detour(source: random.Random) -> str:
    """A step that takes back a step that does not belong here."""
    return source.choice(_DETOURS)
