"""Looking at runs: a page in the browser, and the same page as one file. Reads run folders only."""

from asap.view.launch import serve_runs, write_report_page
from asap.view.run_folder import RunFolder, open_run_folders

__all__ = ["RunFolder", "open_run_folders", "serve_runs", "write_report_page"]
