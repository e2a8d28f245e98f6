"""The page as one file: the answers that the page would ask for stand in it, of traces a sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asap.errors import InputError
from asap.view.api import Api
from asap.view.listing import TraceQuery
from asap.view.page import write_data_url, write_single_page
from asap.view.prune_run import PruneRun
from asap.view.run_folder import RunFolder

MOST_BYTES = 5_000_000
"""The file is smaller, unless the page without a single trace is not."""


def write_single_file(folders: Sequence[RunFolder], output: Path, n_traces: int) -> list[str]:
    """Write the file; see `write_report_page` of the room's door.

    Where the traces do not fit, each run has fewer of them.
    """
    api = Api(folders, is_static=True)
    n_taken = n_traces
    known: dict[str, Any] = {}
    while True:
        page = write_single_page(_gather_answers(api, n_taken, known))
        if len(page.encode()) < MOST_BYTES or n_taken == 0:
            break
        n_taken //= 2
    try:
        output.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror}") from None
    return _say(api, output, len(page.encode()), n_traces, n_taken)


def _gather_answers(api: Api, n_traces: int, known: dict[str, Any]) -> dict[str, Any]:
    """The answers by path, pictures within them; traces once read are kept in `known`."""
    answers: dict[str, Any] = {"/api/runs": api.get("/api/runs")}
    for positions in _list_views(api):
        answers[f"/api/overview?runs={positions}"] = _embed_plots(
            api, api.get("/api/overview", {"runs": positions})
        )
    for n, run in enumerate(api.runs):
        path = f"/api/runs/{n}"
        overview = _embed_plots(api, api.get(f"{path}/overview"))
        if isinstance(run, PruneRun):
            overview["notes"] = [f"This file holds {_count(run, n_traces)}.", *overview["notes"]]
            answers |= _gather_traces(run, path, n_traces, known)
        answers[f"{path}/overview"] = overview
    return answers


def _list_views(api: Api) -> list[str]:
    """The runs that stand together in a view: the pruned ones, and those with results."""
    kinds = [run.folder.kind for run in api.runs]
    pruned = [n for n, kind in enumerate(kinds) if kind == "prune"]
    results = [n for n, kind in enumerate(kinds) if kind not in ("prune", "train")]
    views = [",".join(map(str, chosen)) for chosen in (pruned, results)]
    return [positions for positions in dict.fromkeys(views) if positions]


def _choose_rows(run: PruneRun, n_traces: int) -> list[int]:
    """Rows spread evenly over a run, the first one among them."""
    n_rows = run.n_rows
    n_chosen = min(n_traces, n_rows)
    rows = [row for (row,) in run.index.query("SELECT row FROM traces ORDER BY row")]
    return [rows[k * n_rows // n_chosen] for k in range(n_chosen)]


def _gather_traces(
    run: PruneRun, path: str, n_traces: int, known: dict[str, Any]
) -> dict[str, Any]:
    rows = _choose_rows(run, n_traces)
    for row in rows:
        if f"{path}/traces/{row}" not in known:
            known[f"{path}/traces/{row}"] = run.trace(row)
    answers = {f"{path}/traces/{row}": known[f"{path}/traces/{row}"] for row in rows}
    page = run.traces(TraceQuery(limit=1))
    lines = run.list_rows(rows)
    answers[f"{path}/traces"] = {**page, "total": len(lines), "rows": lines}
    return answers


def _embed_plots(api: Api, answer: Any) -> Any:
    """The answer with its pictures as data: URLs."""
    return {**answer, "plots": [_embed_plot(api, plot) for plot in answer["plots"]]}


def _embed_plot(api: Api, plot: dict[str, Any]) -> dict[str, Any]:
    return {**plot, "url": write_data_url(api.draw(plot["url"]) or b"", "image/svg+xml")}


def _count(run: PruneRun, n_traces: int) -> str:
    if n_traces >= run.n_rows:
        return f"all {run.n_rows:,} traces"
    return f"{n_traces:,} of {run.n_rows:,} traces, spread evenly over the run"


def _say(api: Api, output: Path, n_bytes: int, n_asked: int, n_taken: int) -> list[str]:
    lines = [f"written: {output} ({n_bytes / 1e6:.1f} MB)"]
    for run in api.runs:
        if isinstance(run, PruneRun):
            lines.append(f"{run.folder.name}: {_count(run, n_taken)}")
    if n_taken < n_asked:
        lines.append(f"fewer traces than asked for, to stay under {MOST_BYTES / 1e6:.0f} MB")
    return lines
