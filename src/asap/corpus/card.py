"""The licence that a data card (README.md with a YAML head) names. It guesses nothing: no card, no
licence.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_FRONT_MATTER = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_MAX_CHARACTERS = 2**20


def find_licence(folder: Path) -> str | None:
    """The licence in the card of a folder, or of the one above it (cards stand above `data/`)."""
    import yaml

    for place in (folder, folder.absolute().parent):
        try:
            with open(place / "README.md", encoding="utf-8", errors="replace") as card:
                head = _FRONT_MATTER.match(card.read(_MAX_CHARACTERS))
            fields = yaml.safe_load(head[1]) if head else None
        except (OSError, yaml.YAMLError):
            continue
        if isinstance(fields, dict) and (licence := read_licence(fields)):
            return licence
    return None


def read_licence(fields: dict[str, Any]) -> str | None:
    """The licence among the fields of a card's head; `other` stands for the name after it."""
    licence = fields.get("license")
    if licence == "other":
        licence = fields.get("license_name") or licence
    if isinstance(licence, list):
        return ", ".join(str(part) for part in licence) or None
    return str(licence) if licence else None
