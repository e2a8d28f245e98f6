"""The page on excluded rows names every reason there is."""

from __future__ import annotations

import re
from pathlib import Path

from asap.corpus.record import ROW_REASONS
from asap.rank import VERIFY_REASONS
from asap.trace import REASONS
from asap.train import TRAIN_REASONS
from asap.view.excluded import EXPLANATIONS

PAGE = Path(__file__).parents[2] / "docs" / "excluded.md"


def read_page() -> dict[str, tuple[str, str]]:
    """The page's tables: reason, meaning, what to do."""
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+?) \| ([^|]+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    return {reason: (meaning, remedy) for reason, meaning, remedy in rows}


def test_every_reason_stands_on_the_page_with_its_meaning() -> None:
    rows = {reason: meaning for reason, (meaning, _) in read_page().items()}
    explained = {**ROW_REASONS, **REASONS, **VERIFY_REASONS, **TRAIN_REASONS}
    assert set(rows) == {*explained, "step_over_budget", "stage1_failed", "no_usable_reply"}
    for reason, meaning in explained.items():
        # The page may shorten what follows a comma, and say which flag asks for it.
        assert rows[reason].startswith(meaning.partition(",")[0])


def test_the_view_explains_them_in_the_same_words() -> None:
    rows = {
        reason: (meaning, "" if remedy == "–" else remedy)
        for reason, (meaning, remedy) in read_page().items()
        if reason not in TRAIN_REASONS
    }
    assert rows == EXPLANATIONS
