"""A prune run as the page asks for it: one function per path, each returns plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

from asap.errors import InputError
from asap.view.figure import Figure
from asap.view.index import TraceIndex
from asap.view.listing import TraceQuery, describe_filters, find_rows, list_traces
from asap.view.overview import describe_counts, describe_settings
from asap.view.prune_figure import draw_up_figures, read_sample
from asap.view.run_folder import RunFolder
from asap.view.search import MOST_CHARACTERS, SearchQuery, search_traces
from asap.view.trace_page import describe_trace


class PruneRun:
    """A run of kind prune. Every function may be called from several threads at once.

    Args:
        folder: the opened folder.

    Raises:
        RunFolderError: a shard cannot be read.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.identity: dict[str, Any] = folder.report.get("identity") or {}
        has_matches = self.identity.get("recipe.stage1") in ("select", "rewrite")
        self.index = TraceIndex(folder.path, has_matches=has_matches)
        self._lock = Lock()
        self._figures: list[Figure] | None = None
        self._filters: dict[str, Any] | None = None

    @property
    def n_rows(self) -> int:
        """Traces in it, excluded ones among them."""
        return len(self.index)

    def overview(self) -> dict[str, Any]:
        """What was done to all traces together, without the figures."""
        return {
            **describe_counts(self.folder, self.index),
            **describe_settings(self.folder),
            "tables": [],
            "notes": self._list_notes(),
        }

    def figures(self) -> list[Figure]:
        """What can be drawn of the run; worked out at the first call."""
        with self._lock:
            if self._figures is None:
                self._figures = draw_up_figures(self.index, read_sample(self.index, self.identity))
            return self._figures

    def traces(self, query: TraceQuery) -> dict[str, Any]:
        """A page of the list, with what can be filtered by."""
        with self._lock:
            if self._filters is None:
                self._filters = describe_filters(self.index)
        return {**list_traces(self.index, query), **self._filters}

    def list_rows(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """The lines of the list for some rows, ascending."""
        return find_rows(self.index, rows)

    def search(self, query: SearchQuery) -> dict[str, Any]:
        """The next hits of a text in the traces that pass the filters.

        Raises:
            InputError: there is no text, it is too long, or the cursor is none of ours.
            RunFolderError: a shard cannot be read.
        """
        if not query.q or len(query.q) > MOST_CHARACTERS:
            raise InputError(f"give a text of 1 to {MOST_CHARACTERS} characters")
        start = int(query.cursor or 0)
        if start > self.n_rows:
            raise InputError("the cursor is not one that a search gave")
        found = search_traces(self.index, query.q, start, query.limit, wanted=query)
        return {
            "hits": [hit.to_json() for hit in found.hits],
            "cursor": None if found.is_done else str(found.n_searched),
            "n_searched": found.n_searched,
            "n_rows": found.n_rows,
        }

    def trace(self, row: int, *, is_full: bool = False) -> dict[str, Any] | None:
        """One trace; None where there is no such row."""
        record = self.index.read_trace(row)
        if record is None:
            return None
        return describe_trace(record, self.identity, is_full=is_full)

    def _list_notes(self) -> list[str]:
        notes = []
        if self.folder.status != "finished":
            notes.append(
                f"The run is {self.folder.status}: {self.n_rows:,} traces are finished. "
                "The same 'asap prune' goes on; open it again to see more."
            )
        return notes
