"""What the page can ask, by path: the one table that the server and the single file share.

Answers are plain JSON values. Nothing here knows of HTTP or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from threading import Lock
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from asap.errors import InputError
from asap.view.comparison import Comparison, compare_all
from asap.view.eval_run import EvaluatedRun
from asap.view.figure import Figure
from asap.view.listing import TraceQuery
from asap.view.problems import (
    AnswerQuery,
    PairQuery,
    ProblemQuery,
    describe_problem,
    list_pairs,
)
from asap.view.prune_run import PruneRun
from asap.view.run import Run, open_run
from asap.view.run_folder import RunFolder
from asap.view.search import SearchQuery
from asap.view.table_value import describe_table
from asap.view.visible import show_controls

Query = Mapping[str, str]
"""Parameters of a path, as text."""


class Api:
    """All answers about some runs.

    Args:
        folders: the opened folders, in the order in which they stand side by side.
        is_static: whether the answers go into a file, so that nothing can be asked later.

    Raises:
        RunFolderError: a file of a run cannot be read.
    """

    def __init__(self, folders: Sequence[RunFolder], *, is_static: bool = False) -> None:
        self.runs = [open_run(folder) for folder in folders]
        self.is_static = is_static
        self._lock = Lock()
        self._compared: dict[tuple[int, ...], Comparison] = {}

    def get(self, path: str, query: Query | None = None) -> Any | None:
        """The answer to a path; None where there is no such thing.

        Raises:
            InputError: a parameter is wrong.
        """
        for pattern, answer in _ROUTES:
            if found := pattern.fullmatch(path):
                return answer(self, found.groups(), query or {})
        return None

    def draw(self, path: str) -> bytes | None:
        """The SVG that a figure's `url` names; None where there is none."""
        if found := _PLOT.fullmatch(path):
            run = self.find_run(found[1])
            return _draw(run.figures() if run else (), found[2])
        if found := _SHARED_PLOT.fullmatch(path):
            return _draw(self.compare(found[1]).figures, found[2])
        return None

    def prepare(self) -> None:
        """Work out and draw every run's figures, so that they are there when they are asked for."""
        for run in self.runs:
            for figure in run.figures():
                figure.draw()

    def list_runs(self) -> dict[str, Any]:
        """The runs that are open."""
        return {
            "version": version("asap-cot"),
            "is_static": self.is_static,
            "runs": [
                {
                    "n": n,
                    "name": run.folder.name,
                    "kind": run.folder.kind,
                    "status": run.folder.status,
                    "rows": run.n_rows,
                    "is_comparable": self._is_comparable(n),
                }
                for n, run in enumerate(self.runs)
            ],
        }

    def find_run(self, n: str) -> Run | None:
        """The run at a position, given as text."""
        return self.runs[int(n)] if int(n) < len(self.runs) else None

    def compare(self, positions: str) -> Comparison:
        """Several runs together; measured when they are first asked for.

        Args:
            positions: as in the path, with commas between.

        Raises:
            InputError: these are no positions of runs.
        """
        if not re.fullmatch(r"\d{1,4}(,\d{1,4})*", positions):
            raise InputError("runs: positions with commas between")
        chosen = tuple(dict.fromkeys(map(int, positions.split(","))))
        if max(chosen) >= len(self.runs):
            raise InputError("runs: there is no such run")
        with self._lock:
            if chosen not in self._compared:
                self._compared[chosen] = compare_all([self.runs[n] for n in chosen])
            return self._compared[chosen]

    def _is_comparable(self, n: int) -> bool:
        """Whether another run is about the same rows."""
        folder = self.runs[n].folder
        rows = _find_input(folder)
        return rows is not None and any(
            run.folder.kind == folder.kind and _find_input(run.folder) == rows
            for position, run in enumerate(self.runs)
            if position != n
        )


def _find_input(folder: RunFolder) -> Any:
    identity = folder.report.get("identity") or {}
    return identity.get("data" if folder.kind == "eval" else "input")


def _draw(figures: Sequence[Figure], name: str) -> bytes | None:
    return next((figure.draw() for figure in figures if figure.name == name), None)


def _answer_runs(api: Api, _: tuple[str, ...], __: Query) -> Any:
    return api.list_runs()


def _answer_overview(api: Api, groups: tuple[str, ...], _: Query) -> Any | None:
    run = api.find_run(groups[0])
    if run is None:
        return None
    folder = run.folder
    return {
        "name": folder.name,
        "kind": folder.kind,
        "status": folder.status,
        **run.overview(),
        "plots": [
            figure.to_json(f"/api/runs/{groups[0]}/plots/{figure.name}.svg")
            for figure in run.figures()
        ],
    }


def _answer_side_by_side(api: Api, _: tuple[str, ...], query: Query) -> Any:
    positions = query.get("runs", "")
    compared = api.compare(positions)
    return {
        "tables": [describe_table(table) for table in compared.tables],
        "plots": [
            figure.to_json(f"/api/plots/{positions}/{figure.name}.svg")
            for figure in compared.figures
        ],
        "notes": list(map(show_controls, compared.notes)),
    }


def _answer_traces(api: Api, groups: tuple[str, ...], query: Query) -> Any | None:
    run = api.find_run(groups[0])
    if not isinstance(run, PruneRun):
        return None
    return run.traces(_read_query(TraceQuery, query))


def _answer_search(api: Api, groups: tuple[str, ...], query: Query) -> Any | None:
    run = api.find_run(groups[0])
    if not isinstance(run, PruneRun):
        return None
    return run.search(_read_query(SearchQuery, query))


def _answer_trace(api: Api, groups: tuple[str, ...], query: Query) -> Any | None:
    run = api.find_run(groups[0])
    if not isinstance(run, PruneRun):
        return None
    return run.trace(int(groups[1]), is_full=query.get("full") == "1")


def _answer_problems(api: Api, groups: tuple[str, ...], query: Query) -> Any | None:
    run = api.find_run(groups[0])
    if not isinstance(run, EvaluatedRun):
        return None
    return run.problems(_read_query(ProblemQuery, query))


def _answer_pairs(api: Api, _: tuple[str, ...], query: Query) -> Any | None:
    wanted = _read_query(PairQuery, query)
    a, b = (api.find_run(str(n)) for n in (wanted.a, wanted.b))
    if not isinstance(a, EvaluatedRun) or not isinstance(b, EvaluatedRun):
        raise InputError("a and b: two runs of kind eval")
    return list_pairs(a.index, b.index, wanted)


def _answer_problem(api: Api, groups: tuple[str, ...], query: Query) -> Any | None:
    wanted = _read_query(AnswerQuery, query)
    a = api.find_run(str(wanted.a))
    b = None if wanted.b is None else api.find_run(str(wanted.b))
    if not isinstance(a, EvaluatedRun) or not isinstance(b, EvaluatedRun | None):
        raise InputError("a and b: runs of kind eval")
    problem = describe_problem(
        a.index, None if b is None else b.index, groups[0], groups[1], wanted
    )
    return None if problem is None else {**problem, "files": a.name_files(groups[0])}


_Asked = TypeVar("_Asked", bound=BaseModel)


def _read_query(model: type[_Asked], query: Query) -> _Asked:
    try:
        return model.model_validate(query)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{first['loc'][0]}: {first['msg']}") from None


_PLOT = re.compile(r"/api/runs/(\d{1,4})/plots/([a-z0-9-]{1,80})\.svg")
_SHARED_PLOT = re.compile(r"/api/plots/([\d,]{1,80})/([a-z0-9-]{1,80})\.svg")
_Answer = Callable[[Api, tuple[str, ...], Query], Any | None]
_ROUTES: tuple[tuple[re.Pattern[str], _Answer], ...] = (
    (re.compile(r"/api/runs"), _answer_runs),
    (re.compile(r"/api/overview"), _answer_side_by_side),
    (re.compile(r"/api/runs/(\d{1,4})/overview"), _answer_overview),
    (re.compile(r"/api/runs/(\d{1,4})/traces"), _answer_traces),
    (re.compile(r"/api/runs/(\d{1,4})/search"), _answer_search),
    (re.compile(r"/api/runs/(\d{1,4})/traces/(\d{1,18})"), _answer_trace),
    (re.compile(r"/api/runs/(\d{1,4})/problems"), _answer_problems),
    (re.compile(r"/api/problems"), _answer_pairs),
    (re.compile(r"/api/problems/([^/]+)/(.+)", re.DOTALL), _answer_problem),
)
