"""axe-core finds no serious fault on any view, in light and in dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

VIEWS = {
    "runs": "#/",
    "overview": "#/run/0",
    "list": "#/run/3/traces",
    "filtered": "#/run/3/traces?outcome=excluded&min_steps_before=1&sort=tokens_before",
    "search": "#/run/0/traces?q=strength",
    "trace": "#/run/0/trace/0?budget=500",
    "side by side": "#/run/0/trace/0?with=1",
    "excluded": "#/run/3/trace/247",
    "results": "#/results?runs=4,5&only=all",
    "evaluation": "#/run/4",
    "problems": "#/run/4/problems",
    "problem": "#/problem/humaneval/HumanEval%2F1?a=4&b=5",
    "nowhere": "#/nowhere",
}


@pytest.fixture(scope="session")
def address(
    runs: dict[str, Path], many: Path, evaluations: list[Path], serve: Callable[..., str]
) -> str:
    """Runs of both kinds: three of the examples, the long one, two evaluations."""
    return serve(*runs.values(), many, *evaluations)


def find_faults(page: Any, axe: str) -> list[str]:
    """Serious and critical violations, one line each."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{fault['id']}: {fault['nodes'][0]['html'][:200]} {fault['nodes'][0]['failureSummary']}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_serious_fault(
    view: str, theme: str, address: str, axe: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(address + VIEWS[view], color_scheme=theme)
    page.wait_for_load_state("networkidle")
    assert find_faults(page, axe) == []
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    assert find_faults(page, axe) == []


def test_axe_would_find_a_fault(address: str, axe: str, open_page: Callable[..., Any]) -> None:
    page = open_page(address)
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert any("button-name" in fault for fault in find_faults(page, axe))


def test_a_wide_table_shows_that_there_is_more(address: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{address}#/results", viewport={"width": 390, "height": 800})
    boxes = page.locator(".scroll:has(> table)")
    for at in range(boxes.count()):
        box = boxes.nth(at)
        assert box.get_attribute("aria-label")
        assert (box.get_attribute("role"), box.get_attribute("tabindex")) == ("region", "0")
        # Two covers that move with the table, over two shadows that stay.
        style = "box => getComputedStyle(box).backgroundAttachment"
        assert box.evaluate(style) == "local, local, scroll, scroll"
    assert any(
        boxes.nth(at).evaluate("box => box.scrollWidth > box.clientWidth")
        for at in range(boxes.count())
    )


@pytest.mark.parametrize("width", [320, 800])
def test_a_narrow_window_needs_no_scrolling_sideways(
    width: int, address: str, open_page: Callable[..., Any]
) -> None:
    for path in VIEWS.values():
        page = open_page(address + path, viewport={"width": width, "height": 700})
        over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(over) <= 0, path
