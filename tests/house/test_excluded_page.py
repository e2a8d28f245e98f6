"""The page on excluded rows names every reason there is."""

from __future__ import annotations

import re
from pathlib import Path

from asap.corpus.record import ROW_REASONS
from asap.rank import VERIFY_REASONS
from asap.trace import REASONS
from asap.train import TRAIN_REASONS

PAGE = Path(__file__).parents[2] / "docs" / "excluded.md"


def test_every_reason_stands_on_the_page_with_its_meaning() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", PAGE.read_text("utf-8"), re.MULTILINE))
    explained = {**ROW_REASONS, **REASONS, **VERIFY_REASONS, **TRAIN_REASONS}
    assert set(rows) == {*explained, "step_over_budget", "stage1_failed", "no_usable_reply"}
    for reason, meaning in explained.items():
        # The page may shorten what follows a comma, and say which flag asks for it.
        assert rows[reason].startswith(meaning.partition(",")[0])
