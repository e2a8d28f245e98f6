"""The data set card of a run folder: what the rows are, where from, and how they were made."""

from __future__ import annotations

import yaml

from asap.corpus import Corpus
from asap.run.ledger import Ledger
from asap.run.recipe import Recipe
from asap.run.summary import Summary


def write_card(ledger: Ledger, corpus: Corpus, recipe: Recipe, summary: Summary) -> None:
    """Write `README.md`, with the front matter by which `datasets.load_dataset` finds the rows."""
    head = {
        "license": corpus.licence or "unknown",
        "tags": ["reasoning", "chain-of-thought", "asap"],
        "configs": [{"config_name": "default", "data_files": "data/*.parquet"}],
    }
    excluded = "\n".join(
        f"| {name} | {count:,} |" for name, count in summary.excluded_by_reason.items()
    )
    text = f"""---
{yaml.safe_dump(head, sort_keys=False)}---
# Pruned reasoning traces

Made by `asap prune` from {_sources(corpus)}.
Licence: passed on from the input's card where it has one; yours to check.

| | before | after stage 1 | after |
|---|---:|---:|---:|
| rows | {summary.rows_in:,} | | {summary.rows_out:,} |
{_counts(summary)}

Tokens and steps are those of the rows that were kept.{_fallbacks(summary)}

| excluded because | rows |
|---|---:|
{excluded or "| (none) | 0 |"}

`data/` holds the rows to train on (`prompt`, `completion`), `traces/` the evidence for each: every
step's span, fate and surprisal, and the order in which steps would go at smaller budgets. The
recipe:

```yaml
{recipe.to_yaml()}```
"""
    ledger.write_text("README.md", text)


def _fallbacks(summary: Summary) -> str:
    """A sentence where stage 1's LLM failed for some rows; nothing where it did not."""
    n_rows = summary.rows_stage1_fell_back
    if not n_rows:
        return ""
    return f" Stage 1's LLM failed for {n_rows:,} of them: they were pruned by `extract`."


def _counts(summary: Summary) -> str:
    """Two rows of the table."""
    s = summary
    rows = (
        ("tokens of thinking", s.tokens_before, s.tokens_after_stage1, s.tokens_after),
        ("steps", s.steps_before, s.steps_after_stage1, s.steps_after),
    )
    return "\n".join(f"| {name} | {a:,} | {b:,} | {c:,} |" for name, a, b, c in rows)


def _sources(corpus: Corpus) -> str:
    """The first few inputs by name."""
    names = ", ".join(f"`{name}`" for name in corpus.files[:5])
    return names + (" and more" if len(corpus.files) > 5 else "")
