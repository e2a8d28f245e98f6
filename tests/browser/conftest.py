"""The real page in a real Chromium, on runs that the real command pruned, from the real server.

Where there is no Chromium the tests skip; with ASAP_REQUIRE_BROWSER=1 that is a failure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "traces.jsonl"
N_EXAMPLES = 4
COMMAND = [sys.executable, "-m", "asap.cli.main"]

Serve = Callable[..., str]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's executable."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        reason = "there is no Chromium on the path (Debian: apt-get install chromium)"
        if os.environ.get("ASAP_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # The tests may run as root in a container, where Chromium has no sandbox.
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a window of its own and waits for the view; keywords are the window's.

    Whatever goes wrong on a page fails the test: an error on the console, an exception, a request
    that fails or goes elsewhere, a dialog.
    """
    wrong: list[str] = []
    with ExitStack() as windows:

        def open_address(address: str, **window: Any) -> Any:
            context = windows.enter_context(browser.new_context(**window))
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.on("console", lambda said: _note_message(said, wrong))
            page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
            page.on("requestfailed", lambda request: _note_failure(request, wrong))
            page.on("request", lambda request: _note_request(request, address, wrong))
            page.on("dialog", lambda dialog: _note_dialog(dialog, wrong))
            page.goto(address)
            page.wait_for_selector("main h1")
            return page

        yield open_address
    assert wrong == []


def _note_message(said: Any, wrong: list[str]) -> None:
    if said.type in ("error", "warning"):
        wrong.append(f"console: {said.text}")


def _note_failure(request: Any, wrong: list[str]) -> None:
    # A view that is left stops its own requests.
    if request.failure != "net::ERR_ABORTED":
        wrong.append(f"failed: {request.url} {request.failure}")


def _note_request(request: Any, address: str, wrong: list[str]) -> None:
    origin = "/".join(address.split("/", 3)[:3])
    if not request.url.startswith((origin, "data:")):
        wrong.append(f"request to {request.url}")


def _note_dialog(dialog: Any, wrong: list[str]) -> None:
    wrong.append(f"dialog: {dialog.message}")
    dialog.dismiss()


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Nothing of the person who runs the tests."""
    home = str(tmp_path_factory.mktemp("home"))
    kept = ("PATH", "PYTHONPATH", "LANG", "TMPDIR", "VIRTUAL_ENV")
    mine = {name: os.environ[name] for name in kept if name in os.environ}
    more = {"HOME": home, "ASAP_CACHE": home, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return {**mine, **more, "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="session")
def prune(
    chromium: str, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Prunes a file by the real command into a run of a name: `(name, source, *flags)`."""
    folder = tmp_path_factory.mktemp("runs")

    def run(name: str, source: Path, *flags: str) -> Path:
        command = [*COMMAND, "prune", str(source), "--output", str(folder / name), *flags]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return folder / name

    return run


@pytest.fixture(scope="session")
def runs(prune: Callable[..., Path]) -> dict[str, Path]:
    """The examples at three budgets, pruned with the built-in model."""
    budgets = {"half": ("--ratio", "0.5"), "small": ("--budget-tokens", "400")}
    # More than stage 1 leaves of the longest: its last drops are undone.
    budgets["large"] = ("--budget-tokens", "1300")
    limit = ("--limit", str(N_EXAMPLES))
    return {name: prune(name, EXAMPLES, *limit, *flags) for name, flags in budgets.items()}


@pytest.fixture(scope="session")
def read_fates() -> Callable[[Path, int], list[str]]:
    """The fates of a row's steps, by what the run's own files say."""

    def read(run: Path, row: int) -> list[str]:
        traces = pyarrow.dataset.dataset(run / "traces", format="parquet").to_table().to_pylist()
        (record,) = (trace for trace in traces if trace["row"] == row)
        return [step["fate"] for step in record["steps"]]

    return read


@contextmanager
def _serving(folders: tuple[Path, ...], environment: dict[str, str]) -> Iterator[str]:
    command = [*COMMAND, "view", *map(str, folders), "--no-browser"]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=environment, **pipe) as server:
        said = ""
        for line in server.stdout:
            said += line
            if address := re.search(r"http://127\.0\.0\.1:\d+/", line):
                yield address[0]
                break
        else:
            pytest.fail(f"asap view has ended: {said}")
        server.terminate()
        server.stdout.read()


@pytest.fixture(scope="session")
def serve(environment: dict[str, str]) -> Iterator[Serve]:
    """Opens runs by the real command until the end of the tests: `(*folders) -> address`."""
    with ExitStack() as servers:
        known: dict[tuple[Path, ...], str] = {}

        def start(*folders: Path) -> str:
            if folders not in known:
                known[folders] = servers.enter_context(_serving(folders, environment))
            return known[folders]

        yield start


@pytest.fixture(scope="session")
def examples(runs: dict[str, Path], serve: Serve) -> str:
    """The address of the three runs of the examples: half, small, large."""
    return serve(runs["half"], runs["small"], runs["large"])


@pytest.fixture(scope="session")
def many(
    prune: Callable[..., Path],
    make_rows: Callable[..., list[dict[str, Any]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A run of 250 rows: three of one step and too long, one of a thousand steps."""
    rows = make_rows(246)
    long = make_rows(1, seed=1, n_steps=1000)[0]
    lumps = [{"id": f"lump-{n}", "prompt": "Q", "generation": _lump(n)} for n in range(3)]
    source = tmp_path_factory.mktemp("many") / "many.jsonl"
    text = "".join(json.dumps(row) + "\n" for row in [*rows, {**long, "id": "long"}, *lumps])
    source.write_text(text, encoding="utf-8")
    return prune("many", source, "--method", "random", "--ratio", "0.4")


def _lump(n: int) -> str:
    return f"<think>\n{'so ' * 50}{n}\n</think>\n\nDone."


@pytest.fixture(scope="session")
def evaluations(
    chromium: str, write_eval_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Two evaluations of the same problems: on HumanEval/1 and /2 they differ, /3 both fail. The
    first has what was asked of HumanEval, not of CRUXEval.
    """
    from asap.bench import Question, write_questions

    folder = tmp_path_factory.mktemp("evaluations")
    passed = {"first": (True, True, False, False), "second": (True, False, True, False)}
    results = {
        name: {
            "humaneval": {
                budget: [
                    (f"HumanEval/{n}", is_passed and budget > 20, budget - 5 * n, 1.0 + n)
                    for n, is_passed in enumerate(each)
                ]
                for budget in (20, 60)
            },
            "cruxeval": {60: [(f"sample_{n}", True, 30, 1.0) for n in range(3)]},
        }
        for name, each in passed.items()
    }
    written = [write_eval_run(folder / name, name, results[name]) for name in results]
    asked = [
        Question(f"HumanEval/{n}", f"Solve number {n} <b>now</b>.", "", None) for n in range(4)
    ]
    write_questions(written[0], {"humaneval": asked})
    return written


@pytest.fixture(scope="session")
def single_file(
    runs: dict[str, Path], environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The address of one file about two of the runs, with three traces of each."""
    path = tmp_path_factory.mktemp("file") / "report.html"
    folders = [str(runs["half"]), str(runs["small"])]
    command = [*COMMAND, "report", *folders, "--output", str(path), "--traces", "3"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path.as_uri()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as a package of the index bundles it."""
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
