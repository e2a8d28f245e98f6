"""Looking at runs: a page in the browser, the same page as one file, plots as files. Reads
run folders only.
"""

from asap.view.eval_tables import (
    lay_out_charts,
    lay_out_details,
    lay_out_differences,
    lay_out_main,
    lay_out_points,
    lay_out_sweeps,
)
from asap.view.launch import serve_runs, write_plots, write_report_page
from asap.view.run_folder import RunFolder, open_run_folders

__all__ = [
    "RunFolder",
    "lay_out_charts",
    "lay_out_details",
    "lay_out_differences",
    "lay_out_main",
    "lay_out_points",
    "lay_out_sweeps",
    "open_run_folders",
    "serve_runs",
    "write_plots",
    "write_report_page",
]
