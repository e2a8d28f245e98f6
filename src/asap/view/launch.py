"""What the command line calls. What the extra `view` brings is imported when it is used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from asap.errors import AsapError, MissingExtraError
from asap.report import PlotFormat
from asap.view.run_folder import RunFolder

if TYPE_CHECKING:
    from asap.view.api import Api

_EXTRA = {"anyio", "duckdb", "matplotlib", "starlette", "uvicorn"}


def serve_runs(
    folders: Sequence[RunFolder], *, port: int = 0, on_ready: Callable[[str], None]
) -> None:
    """Serve the page about some runs until an interrupt.

    Args:
        folders: the opened folders.
        port: on 127.0.0.1; 0 for any that is free.
        on_ready: called with the page's address once it can be opened.

    Raises:
        InputError: the port cannot be had.
        KeyboardInterrupt: the interrupt that ended it.
        MissingExtraError: the extra `view` is not installed.
        RunFolderError: a file of a run cannot be read.
    """
    with _needing_extra("asap view"):
        from asap.view.api import Api
        from asap.view.server import listen, make_app, make_server
    with listen(port) as listener:
        api = Api(folders)
        server = make_server(make_app(api))
        threading.Thread(target=_prepare, args=(api,), daemon=True).start()
        on_ready(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        server.run(sockets=[listener])
    # The server takes the signal for itself and hands it on; in the background it may be ignored.
    raise KeyboardInterrupt


def _prepare(api: Api) -> None:
    """What goes wrong here is said again when the figure is asked for."""
    with suppress(AsapError):
        api.prepare()


def write_report_page(folders: Sequence[RunFolder], output: Path, n_traces: int) -> list[str]:
    """Write one HTML file that needs nothing else.

    Args:
        folders: the opened folders.
        output: the file.
        n_traces: traces of each run to take in, spread evenly.

    Returns:
        What is in it, as lines for the terminal.

    Raises:
        InputError: the file cannot be written.
        MissingExtraError: the extra `view` is not installed.
        RunFolderError: a file of a run cannot be read.
    """
    with _needing_extra("asap report"):
        from asap.view.single_file import write_single_file
    return write_single_file(folders, output, n_traces)


def write_plots(
    folders: Sequence[RunFolder], output: Path, format: PlotFormat
) -> tuple[list[Path], list[str]]:
    """Write every plot that the page shows of some runs as a file of its own.

    Args:
        folders: the opened folders.
        output: the folder for the files; made if it is not there.
        format: of the files.

    Returns:
        The files, and why there is nothing of some runs.

    Raises:
        InputError: nothing can be plotted, or a file cannot be written.
        MissingExtraError: the extra `view` is not installed.
        RunFolderError: a file of a run cannot be read.
    """
    with _needing_extra("asap plot"):
        from asap.view.plot_files import write_plot_files
    return write_plot_files(folders, output, format)


@contextmanager
def _needing_extra(command: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in _EXTRA:
            raise MissingExtraError(command, "view") from error
        raise
