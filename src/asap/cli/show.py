"""`asap show`: one trace of a run in the terminal, with what became of every step."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from asap.cli import flags
from asap.cli.terminal import Terminal
from asap.errors import InputError
from asap.run import Ledger, read_report

# Sign, words and colour say the same, so that none of them is needed alone.
_FATES = {
    "kept": (" ", "kept", ""),
    "stage1": ("-", "dropped in stage 1", "yellow"),
    "stage2": ("~", "dropped in stage 2", "red"),
}


def show(
    run: flags.Run,
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The row's id.")] = None,
    row: Annotated[int | None, typer.Option(help="The row's position in the input.")] = None,
) -> None:
    """Show one trace of a run: what was kept, and what each stage dropped. Without ID or --row:
    list the rows.

    Examples:
      asap show pruned

      asap show pruned --row 3 | less -R
    """
    report = read_report(run, kind="prune")
    ledger = Ledger(run)
    if id is None and row is None:
        _list_rows(ledger)
        return
    has_reply_wording = report.get("identity", {}).get("recipe.wording") == "reply"
    shard_rows = report.get("identity", {}).get("shard_rows")
    _print_trace(find_row(ledger, id, row, shard_rows), has_reply_wording)


def find_row(
    ledger: Ledger, id: str | None, row: int | None, shard_rows: int | None = None
) -> dict[str, Any]:
    """The evidence of the first row with this id, or at this position.

    Args:
        ledger: the run.
        id: the row's id, if it has no position.
        row: its position in the input.
        shard_rows: rows per shard, where they are known: a row at a position is looked for in one.

    Raises:
        InputError: there is none.
    """
    for shard in ledger.finished_shards():
        if row is not None and shard_rows and shard != row // shard_rows:
            continue
        keys = ledger.read_traces(shard, ["row", "id"]).to_pylist()
        for position, key in enumerate(keys):
            if key["row"] == row or (row is None and key["id"] == id):
                found: dict[str, Any] = ledger.read_traces(shard).slice(position, 1).to_pylist()[0]
                return found
    what = f"row {row}" if row is not None else f"id '{id}'"
    raise InputError(f"{ledger.folder} has no {what}; 'asap show {ledger.folder}' lists the rows")


def _list_rows(ledger: Ledger) -> None:
    console = Terminal()
    table = Table()
    for heading in ("row", "id", "outcome", "tokens before", "after"):
        table.add_column(heading, justify="left" if heading in ("id", "outcome") else "right")
    columns = ["row", "id", "outcome", "reason", "tokens_before", "tokens_after"]
    for record in ledger.traces(columns):
        outcome = record["outcome"] + (f": {record['reason']}" if record["reason"] else "")
        counts = [_count(record["tokens_before"]), _count(record["tokens_after"])]
        table.add_row(str(record["row"]), Text(record["id"]), outcome, *counts)
    console.print(table)


def _print_trace(record: dict[str, Any], has_reply_wording: bool) -> None:
    console = Terminal()
    console.rule(Text(f"row {record['row']} · {record['id']}"))
    if record["question"]:
        console.print(Text(record["question"].strip()), style="dim")
        console.rule("thinking")
    if record["steps"] is not None:
        console.print(_steps(record, has_reply_wording))
    elif record["thinking"] is not None:
        console.print(Text(record["rewritten"] or record["thinking"]))
    if record["answer"] is not None:
        console.rule("answer")
        console.print(Text(record["answer"]))
        console.rule()
    console.print(_verdict(record))


def _verdict(record: dict[str, Any]) -> Text:
    """The lines at the end: what happened to the row."""
    if record["outcome"] == "excluded":
        detail = f" ({record['detail']})" if record["detail"] else ""
        return Text(f"excluded: {record['reason']}{detail}")
    stage1 = record["stage1"]
    if record["score_name"]:
        return _legend(record).append(f"; score: {record['score_name']}, the lowest went first")
    how = f"stage 1: {stage1['mode']}"
    if stage1["failure"]:
        how += f", because the LLM's pruning failed ({stage1['failure']})"
    elif stage1["prompt_version"]:
        how += f", attempt {stage1['attempts']}, prompt {stage1['prompt_version']}"
    return _legend(record).append(f"; {how}")


def _steps(record: dict[str, Any], has_reply_wording: bool) -> Table:
    subject = _subject(record, has_reply_wording)
    table = Table(box=None, show_header=True, padding=(0, 1), expand=True)
    table.add_column("")
    table.add_column("step", justify="right")
    table.add_column("score" if record["score_name"] else "nats", justify="right")
    table.add_column("text", ratio=1)
    for step_index, step in enumerate(record["steps"]):
        sign, _, style = _FATES[step["fate"]]
        value = step["score"] if record["score_name"] else step["surprisal"]
        shown = "" if value is None else f"{value:.2f}"
        text = subject[step["start"] : step["end"]].strip("\n")
        table.add_row(sign, str(step_index), shown, Text(text), style=style)
    return table


def _subject(record: dict[str, Any], has_reply_wording: bool) -> str:
    """What the spans index: the reply where its wording is used, unless stage 1 fell back."""
    is_reply = has_reply_wording and record["stage1"]["mode"] == "rewrite"
    return str(record["reply"] if is_reply else record["thinking"])


def _legend(record: dict[str, Any]) -> Text:
    before, after = _count(record["tokens_before"]), _count(record["tokens_after"])
    steps = record["steps"]
    if steps is None:
        return Text(f"new text, tokens {before} → {after}")
    legend = Text()
    stages = _list_stages(record)
    for fate, (sign, words, style) in _FATES.items():
        if fate != "kept" and fate not in stages:
            continue
        if len(stages) == 1:
            words = words.partition(" in stage")[0]
        count = sum(step["fate"] == fate for step in steps)
        legend.append(f"[{sign}] {count} {words}   ", style)
    return legend.append(f"\n{len(steps)} steps, tokens {before} → {after}")


def _list_stages(record: dict[str, Any]) -> list[str]:
    """The fates of dropped steps that the row can have: only what stage 2 scores can it drop."""
    has_stage1 = record["stage1"]["mode"] in ("extract", "select", "rewrite")
    scores = [(step["surprisal"], step["score"]) for step in record["steps"]]
    has_stage2 = any(pair != (None, None) for pair in scores)
    return ["stage1"] * has_stage1 + ["stage2"] * has_stage2


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
