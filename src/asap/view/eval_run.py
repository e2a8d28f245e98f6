"""An evaluation as the page asks for it: the paper's tables and plots for it alone or beside
others, and its answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

from asap.bench import Results, compare_runs, gather_arms, open_eval_run, say_budget
from asap.report import Table, lay_out_plot
from asap.view.eval_index import EvalIndex
from asap.view.eval_plots import plot_results
from asap.view.eval_tables import (
    lay_out_details,
    lay_out_differences,
    lay_out_main,
    lay_out_sweeps,
)
from asap.view.figure import Figure
from asap.view.overview import describe_settings
from asap.view.problems import ProblemQuery, list_problems
from asap.view.run_folder import RunFolder
from asap.view.table_value import describe_table
from asap.view.visible import show_controls


class EvaluatedRun:
    """A run of kind eval. Every function may be called from several threads at once.

    Args:
        folder: the opened folder.

    Raises:
        RunFolderError: a file cannot be read.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.index = EvalIndex(folder.path)
        self._lock = Lock()
        self._results: Results | None = None

    @property
    def n_rows(self) -> int:
        """Answers in it."""
        return len(self.index)

    @property
    def is_finished(self) -> bool:
        """Whether there is something to measure."""
        return self.folder.status == "finished"

    def overview(self) -> dict[str, Any]:
        """What was measured, without the figures."""
        tables = lay_out_results(self._measure()) if self.is_finished else []
        return {
            "summary": self._summarise(),
            "funnel": [],
            "excluded": [],
            **describe_settings(self.folder),
            "tables": [describe_table(table) for table in tables],
            "notes": self._list_notes(),
        }

    def figures(self) -> list[Figure]:
        """What can be drawn of the run."""
        return draw_up_results(self._measure()) if self.is_finished else []

    def problems(self, query: ProblemQuery) -> dict[str, Any]:
        """A page of the list of answers."""
        return list_problems(self.index, query)

    def name_files(self, benchmark: str) -> list[str]:
        """The files that hold the benchmark's questions, as the report names them."""
        files = (self.folder.report.get("benchmarks") or {}).get(benchmark, {}).get("files") or []
        return [show_controls(str(file.get("name"))) for file in files]

    def _measure(self) -> Results:
        """Measured at the first call: it reads every answer."""
        with self._lock:
            if self._results is None:
                self._results = compare_evaluations([self])
            return self._results

    def _summarise(self) -> list[list[str]]:
        """Of the benchmark named first, under its largest budget."""
        report = self.folder.report
        pairs = [["model", show_controls(str(report.get("label") or report.get("model")))]]
        if not self.is_finished:
            return pairs
        results = self._measure()
        benchmark, budgets = next(iter(results.budgets.items()))
        score = results.scores[benchmark, budgets[-1], self.folder.arm]
        metrics = score.metrics
        where = f"{benchmark}, {say_budget(budgets[-1])}"
        return [
            *pairs,
            [f"Pass@1 ({where})", f"{metrics.pass_at_1.estimate:.1%}"],
            ["tokens per answer", f"{metrics.tokens.estimate:,.0f}"],
            ["cut off by the budget", f"{metrics.truncation_rate:.1%}"],
            ["problems", f"{metrics.n_problems:,}"],
            ["answers, all budgets", f"{self.n_rows:,}"],
        ]

    def _list_notes(self) -> list[str]:
        if self.is_finished:
            return []
        return [f"The run is {self.folder.status}. The same `asap eval` goes on."]


def compare_evaluations(runs: Sequence[EvaluatedRun]) -> Results:
    """Measure finished runs beside each other; those of one given name are one arm.

    Raises:
        InputError: they do not answer the same problems, or one stands twice under one name.
        RunFolderError: a run's files are not what its report says.
    """
    return compare_runs(
        gather_arms((run.folder.arm, open_eval_run(run.folder.path)) for run in runs)
    )


def lay_out_results(results: Results) -> list[Table]:
    """Every table of a comparison."""
    return [
        *lay_out_main(results),
        *lay_out_sweeps(results),
        *lay_out_differences(results),
        *lay_out_details(results),
    ]


def draw_up_results(results: Results) -> list[Figure]:
    """Every figure of a comparison."""
    return [Figure(name, plot, lay_out_plot(plot)) for name, plot in plot_results(results).items()]
