"""Check a prune run against its input without any code of asap: counts, wording, order, code.

    python tools/verify_run.py RUN INPUT.jsonl.gz TOKENIZER.json

Written against the run folder's description only, so that a mistake in asap cannot hide itself.
"""

from __future__ import annotations

import ast
import gzip
import itertools
import json
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from tokenizers import Tokenizer

FENCED = re.compile(r"^[ \t]*```[^\n`]*\n.*?^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)


def read_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """All rows of a folder of Parquet files."""
    for path in sorted(folder.glob("*.parquet")):
        yield from pq.read_table(path).to_pylist()


def is_python(text: str) -> bool:
    """Whether a text parses as a program."""
    try:
        ast.parse(textwrap.dedent(text.expandtabs(4)))
    except (SyntaxError, ValueError):
        return False
    return True


def find_wholes(thinking: str) -> Iterator[tuple[int, int]]:
    """Spans that must go or stay as one: fenced blocks, and a block header with its indented body.

    The second kind is two paragraphs in a row, the first ending in a line that opens a block, the
    second indented deeper, which together parse as Python and apart do not.
    """
    fenced = [match.span() for match in FENCED.finditer(thinking)]
    yield from fenced
    paragraphs = [
        (m.start(), m.end())
        for m in re.finditer(r"[^\n]*\S[^\n]*(?:\n[^\n]*\S[^\n]*)*", thinking)
        if not any(start <= m.start() < end for start, end in fenced)
    ]
    for (start, end), (next_start, next_end) in itertools.pairwise(paragraphs):
        header = thinking[start:end].splitlines()[-1]
        body = thinking[next_start:next_end]
        depth, next_depth = (len(t) - len(t.lstrip(" \t")) for t in (header, body))
        if not header.rstrip().endswith(":") or next_depth <= depth:
            continue
        line_start = end - len(header)
        opener = header.strip()
        if is_python(opener + " pass") and is_python(f"{opener}\n{textwrap.indent(body, ' ')}"):
            yield line_start, next_end


def check_row(
    data: dict[str, Any], trace: dict[str, Any], limit: int, tokenizer: Tokenizer
) -> Iterator[str]:
    """Names of what is wrong with one row."""
    thinking, steps = trace["thinking"], trace["steps"]
    opening, closing = "<think>\n", "\n</think>\n"
    completion = data["completion"]
    if not (completion.startswith(opening) and completion.endswith(closing + trace["answer"])):
        yield "completion is not tag, thinking, tag, answer"
    kept_text = completion[len(opening) : len(completion) - len(closing + trace["answer"])]
    n_tokens = len(tokenizer.encode(kept_text, add_special_tokens=False).ids)
    if n_tokens != data["tokens_after"]:
        yield "tokens_after is not the text's count"
    if n_tokens > limit:
        yield "over budget"
    if len(tokenizer.encode(thinking, add_special_tokens=False).ids) != data["tokens_before"]:
        yield "tokens_before is not the thinking's count"
    kept = [thinking[s["start"] : s["end"]].strip() for s in steps if s["fate"] == "kept"]
    position = 0
    for text in kept:
        found = kept_text.find(text, position)
        # Nothing but white space stands between two kept steps.
        if found < 0 or kept_text[position:found].strip():
            yield "the text is not the kept steps, verbatim and in order"
            break
        position = found + len(text)
    if kept_text[position:].strip():
        yield "text follows the last kept step"
    if any(cuts(steps, start, end) for start, end in find_wholes(thinking)):
        yield "a code block is cut in two"


def cuts(steps: list[dict[str, Any]], start: int, end: int) -> bool:
    """Whether a span is partly kept and partly dropped."""
    touched = {s["fate"] == "kept" for s in steps if s["start"] < end and start < s["end"]}
    return len(touched) > 1


def main() -> None:
    """Check every row; exit 1 where anything is wrong."""
    run, source, tokenizer_path = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    tokenizer = Tokenizer.from_file(tokenizer_path)
    recipe = yaml.safe_load((run / "recipe.yaml").read_text("utf-8"))
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        n_in = sum(1 for _ in lines)
    excluded = [json.loads(line) for line in (run / "excluded.jsonl").open(encoding="utf-8")]
    data = {row["row"]: row for row in read_rows(run / "data")}
    wrong: Counter[str] = Counter()
    for trace in read_rows(run / "traces"):
        if trace["row"] not in data:
            continue
        row = data[trace["row"]]
        limit = recipe.get("budget_tokens") or int(recipe["ratio"] * row["tokens_before"] + 1e-9)
        wrong.update(set(check_row(row, trace, limit, tokenizer)))
    if n_in != len(data) + len(excluded):
        wrong["rows in are not rows out + rows excluded"] += 1
    reasons = Counter(row["reason"] for row in excluded)
    print(f"{n_in} rows in, {len(data)} out, {len(excluded)} excluded {dict(reasons)}")
    print("\n".join(f"{count} rows: {what}" for what, count in wrong.items()) or "nothing wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
