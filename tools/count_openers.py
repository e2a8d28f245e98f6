"""Count the first words of R1's steps, as the lab's openers are fitted to them.

    python tools/count_openers.py "$ASAP_REAL_DATA"

Prints the words that `asap.lab` has a phrase for, with their counts, in the order of its table; and
how many steps there are in all. It reads the train split of the CRUXEval traces only.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter
from pathlib import Path

from asap.lab import OPENER_COUNTS
from asap.trace import segment_thinking

FIRST_WORD = re.compile(r"\s*([A-Za-z']+)")


def count_first_words(path: Path) -> Counter[str]:
    """First words of all steps of the train split; a step that begins with none counts as ''."""
    counts: Counter[str] = Counter()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["split"] != "train":
                continue
            thinking: str = row["reasoning"]
            for step in segment_thinking(thinking, "block"):
                word = FIRST_WORD.match(thinking, step.start, step.end)
                counts[word[1] if word else ""] += 1
    return counts


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="the folder with the real traces")
    counts = count_first_words(parser.parse_args().data / "cruxeval-o-r1" / "traces.jsonl.gz")
    for word in sorted(OPENER_COUNTS, key=lambda word: -counts[word]):
        print(f"{word}\t{counts[word]}")
    print(f"{counts.total()} steps in all")


if __name__ == "__main__":
    main()
