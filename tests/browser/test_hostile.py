"""Traces are hostile text: none of it runs, and none of it breaks the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

RUNS = "window.hacked = true"
TEXTS = {
    "script": f"<script>{RUNS}</script>",
    "script-end": f"</script><script>{RUNS}</script>",
    "events": f'<img src=x onerror="{RUNS}"><svg onload="{RUNS}"></svg><body onload="{RUNS}">',
    "links": f'<a href="javascript:{RUNS}">here</a> [here](javascript:{RUNS})',
    "frames": f'<iframe srcdoc="<script>parent.{RUNS}</script>"></iframe><object data=x>',
    "styles": '<style>* { display: none }</style><link rel=stylesheet href="//example.org/x">',
    "heads": '<base href="//example.org/"><meta http-equiv=refresh content="0;//example.org">',
    "broken": "</div></main></body></html><!-- <![CDATA[ ]]> <h1>Another</h1",
    "template": "${window.hacked = true} {{constructor.constructor('hacked')()}}",
    "code": f"```html\n<script>{RUNS}</script>\n```",
    "ansi": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "bidi": "\u202eevil\u202c \u2066x\u2069 \u200b\u2028 \u061c",
    "nul": "a\x00b \x7f \x08",
    "math": r"$\href{javascript:hacked}{x}$ and \(\includegraphics{//example.org/x.png}\)",
    "macro": r"$\def\x{\x\x}\x$ and $$\rule{99999em}{99999em}$$ and $\frac{$ and \[\begin{x}\]",
    "math-html": rf'$\htmlData{{x="{RUNS}"}}{{y}}$ and $x^2 + \text{{<img src=x>}}$',
}
LONG = "word " * 400_000


def make_rows() -> Iterator[dict[str, str]]:
    for name, text in TEXTS.items():
        steps = [f"First, a step of {name}.", text, f"A second time: {text}", "The end of it."]
        generation = "<think>\n" + "\n\n".join(steps) + f"\n</think>\n\nThe answer: {text}"
        yield {"id": f"{name} {text}", "prompt": f"What is {text}?", "generation": generation}
    generation = f"<think>\nA step.\n\n{LONG}\n\nThe end.\n</think>\n\nDone."
    yield {"id": "long", "prompt": LONG, "generation": generation}


@pytest.fixture(scope="session")
def hostile(
    prune: Callable[..., Path],
    serve: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The address of a run of such rows, in a folder of such a name."""
    source = tmp_path_factory.mktemp("hostile") / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in make_rows()), encoding="utf-8")
    flags = ("--method", "longest-first", "--ratio", "0.9")
    run = prune("<img src=x onerror=hacked>", source, *flags)
    return serve(run)


def check(page: Any) -> None:
    """The page stands as it was made, and shows no sign that has no shape."""
    found = page.evaluate(
        """() => ({
          hacked: window.hacked === undefined,
          mains: document.querySelectorAll("main").length,
          heads: document.querySelectorAll("#top, h1").length,
          made: document.querySelectorAll(
            "main :is(script, iframe, object, style, link, base, meta, a[href^=java], [onload])"
          ).length,
          foreign: [...document.images].filter((image) => !image.src.includes("/plots/")).length,
          text: document.body.textContent,
        })"""
    )
    text = found.pop("text")
    assert found == {"hacked": True, "mains": 1, "heads": 2, "made": 0, "foreign": 0}
    assert not set(text) & set("\x00\x07\x08\x1b\x7f\x9b\u202e\u2066\u200b\u2028\u061c")


def test_the_overview_and_the_list(hostile: str, open_page: Callable[..., Any]) -> None:
    page = open_page(hostile)
    page.wait_for_load_state("networkidle")
    assert page.locator("h1").inner_text() == "<img src=x onerror=hacked>"
    check(page)
    page.get_by_role("link", name="Traces").click()
    page.locator("table.traces").wait_for()
    assert page.locator("a.open").first.inner_text() == f"script {TEXTS['script']}"
    check(page)


def test_hits_of_a_search(hostile: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{hostile}#/run/0/traces?q=%3Cscript%3E")
    page.locator(".pager", has_text="hits in 17 rows").wait_for()
    assert "<script>" in page.locator(".hits mark").all_inner_texts()
    check(page)


@pytest.mark.parametrize("row", range(len(TEXTS)), ids=TEXTS)
def test_a_trace_shows_its_text_as_text(
    row: int, hostile: str, open_page: Callable[..., Any]
) -> None:
    name, text = list(TEXTS.items())[row]
    page = open_page(f"{hostile}#/run/0/trace/{row}")
    page.wait_for_load_state("networkidle")
    check(page)
    shown = page.locator(".step").nth(1).text_content()
    if name in ("ansi", "bidi", "nul"):
        marks = {"ansi": "␛[31mred␛[0m", "bidi": "<U+202E>evil<U+202C>", "nul": "a␀b ␡ ␈"}
        assert marks[name] in shown
    elif name == "code":
        assert RUNS in shown
    elif "math" not in name and name != "macro":
        assert text in shown
    assert page.locator(".step").count() == 4


def test_a_line_of_two_megabytes(hostile: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{hostile}#/run/0/trace/{len(TEXTS)}")
    check(page)
    step = page.locator(".step").nth(1)
    assert "2,000,000 characters in all" in step.inner_text().replace("1,999,999", "2,000,000")
    assert len(step.text_content()) < 25_000
    step.get_by_role("button", name="Show all").click()
    page.locator(".cut").first.wait_for(state="detached")
    assert len(page.locator(".step").nth(1).text_content()) > 1_999_000
    page.keyboard.press("Escape")
    page.locator("table.traces").wait_for()
