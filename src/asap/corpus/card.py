"""The licence that a data card (README.md with a YAML head) names. It guesses nothing: no card, no
licence.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from asap.errors import StoreError
from asap.place import guard_store, is_remote, open_binary

_FRONT_MATTER = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_MAX_BYTES = 2**20


def find_licence(folder: Path) -> str | None:
    """The licence in the card of a folder, or of the one above it (cards stand above `data/`)."""
    return _ask_once(folder) if is_remote(folder) else _find(folder)


@lru_cache(64)
def _ask_once(folder: Path) -> str | None:
    """Remote files of one folder share a card, and each would ask for it."""
    return _find(folder)


def _find(folder: Path) -> str | None:
    import yaml

    for place in (folder, folder.absolute().parent):
        card = place / "README.md"
        try:
            with guard_store(card), open_binary(card) as file:
                text = file.read(_MAX_BYTES).decode("utf-8", errors="replace")
            head = _FRONT_MATTER.match(text.replace("\r\n", "\n"))
            fields = yaml.safe_load(head[1]) if head else None
        except (OSError, StoreError, yaml.YAMLError):
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
