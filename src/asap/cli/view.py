"""`asap view`: open the runs, serve the page, open the browser."""

from __future__ import annotations

import threading
import webbrowser
from typing import Annotated

import typer

from asap.cli.terminal import Terminal
from asap.view import open_run_folders, serve_runs


def view(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN…", help="Run folders; NAME=RUN gives one another name."),
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any that is free.")
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Look at runs in the browser: what was pruned and why, trace by trace.

    Served to this machine alone; Ctrl-C ends it. Folders of prune, eval, rank and lab.

    Examples:
      asap view pruned

      asap view before=pruned-a after=pruned-b --port 8400 --no-browser
    """
    terminal = Terminal()

    def say(address: str) -> None:
        terminal.say(f"{address}  (Ctrl-C ends it)")
        if browser:
            threading.Thread(target=_open_browser, args=(address,), daemon=True).start()

    serve_runs(open_run_folders(runs), port=port, on_ready=say)


def _open_browser(address: str) -> None:
    """A browser of the terminal would take the terminal from the server."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    is_of_terminal = isinstance(found, webbrowser.GenericBrowser) and not isinstance(
        found, webbrowser.BackgroundBrowser
    )
    if not is_of_terminal:
        found.open(address)
