"""Take the pictures of the view that the README shows, in Debian's Chromium.

python tools/take_screenshots.py docs/images demo-run other-run [more runs]

The first two runs are to be pruned from examples/traces.jsonl; a lab among the others gives the
picture of results.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1280, 800
SHOTS = {
    "view-overview": ("#/run/0", "light"),
    "view-traces": ("#/run/0/traces?sort=kept", "light"),
    "view-trace": ("#/run/0/trace/0", "light"),
    "view-trace-dark": ("#/run/0/trace/0", "dark"),
    "view-side-by-side": ("#/run/0/trace/0?with=1", "light"),
    "view-results": ("#/results?runs=2", "light"),
}
"""By file: the address, and which theme."""


def main(folder: Path, runs: list[str]) -> None:
    """Serve the runs and write one PNG per view."""
    with serve(runs) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, (route, theme) in SHOTS.items():
            if name == "view-results" and len(runs) < 3:
                continue
            context = browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT},
                color_scheme="dark" if theme == "dark" else "light",
            )
            page = context.new_page()
            page.goto(address + route)
            wait(page)
            page.screenshot(path=folder / f"{name}.png")
            context.close()
        browser.close()


def wait(page: Page) -> None:
    """Until the view stands and its pictures are there."""
    page.wait_for_selector("#main:not([aria-busy]) h1")
    page.wait_for_load_state("networkidle")


@contextmanager
def serve(runs: list[str]) -> Iterator[str]:
    """The address of a server of the runs."""
    command = [sys.executable, "-m", "asap.cli.main", "view", *runs, "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[0]
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
