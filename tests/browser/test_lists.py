"""Runs, overview and lists in the browser: filters, order, pages, search, keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def read_column(page: Any, name: str) -> list[str]:
    """A column of the list by its name."""
    script = """(name) => {
      const heads = [...document.querySelectorAll("table.traces thead th")];
      const at = heads.findIndex((head) => head.dataset.column === name);
      const rows = [...document.querySelectorAll("table.traces tbody tr")];
      return rows.map((row) => row.children[at].innerText.trim());
    }"""
    found: list[str] = page.evaluate(script, name)
    return found


def read_numbers(page: Any, name: str) -> list[int]:
    return [int(text.replace(",", "")) for text in read_column(page, name)]


def wait_for_rows(page: Any, said: str) -> None:
    page.locator(".pager", has_text=said).wait_for()


@pytest.fixture(scope="session")
def many_rows(many: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        pyarrow.dataset.dataset(many / "traces", format="parquet").to_table().to_pylist()
    )
    return sorted(rows, key=lambda row: row["row"])


def test_several_runs_stand_side_by_side(examples: str, open_page: Callable[..., Any]) -> None:
    page = open_page(examples)
    assert page.locator("main a.open").all_inner_texts() == ["half", "small", "large"]
    table = page.locator("section.table").nth(1).inner_text()
    assert all(name in table for name in ("half", "small", "large"))
    page.get_by_role("link", name="small").click()
    page.get_by_role("heading", name="small", level=1).wait_for()
    assert page.url.endswith("#/run/1")


def test_one_run_opens_at_its_overview(
    runs: dict[str, Path], serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    page = open_page(serve(runs["half"]))
    assert page.url.endswith("#/run/0")
    text = page.locator("main").inner_text()
    assert "What each stage left" in text
    assert "asap-cot" in text
    assert page.locator("figure.plot").count() >= 3
    page.locator("figure.plot summary").first.click()
    assert page.locator("figure.plot table").first.is_visible()
    # Every picture is there and has its words.
    n_drawn = page.evaluate(
        """async () => {
          const images = [...document.images];
          for (const image of images) image.loading = "eager";
          await Promise.all(images.map((image) => image.decode()));
          return images.filter((image) => image.alt).length;
        }"""
    )
    assert n_drawn == page.locator("figure.plot img").count() >= 3


def test_pages_of_a_long_list(
    many: Path, serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{serve(many)}#/run/0/traces")
    wait_for_rows(page, "1–100 of 250 rows")
    assert read_numbers(page, "row") == list(range(100))
    page.get_by_role("button", name="Next").click()
    wait_for_rows(page, "101–200 of 250 rows")
    assert read_numbers(page, "row") == list(range(100, 200))
    assert "offset=100" in page.url
    page.get_by_role("button", name="Next").click()
    wait_for_rows(page, "201–250 of 250 rows")
    assert page.get_by_role("button", name="Next").is_disabled()


def test_filters_and_order(
    many: Path,
    many_rows: list[dict[str, Any]],
    serve: Callable[..., str],
    open_page: Callable[..., Any],
) -> None:
    page = open_page(f"{serve(many)}#/run/0/traces")
    limit = sorted(len(row["steps"] or ()) for row in many_rows)[-20]
    wanted = [row for row in many_rows if len(row["steps"] or ()) >= limit]
    page.get_by_label("Steps before, min").fill(str(limit))
    wait_for_rows(page, f"of {len(wanted)} rows")
    assert read_numbers(page, "row") == [row["row"] for row in wanted]
    page.get_by_role("button", name="steps before").click()
    page.locator("th[data-column=steps_before][aria-sort=descending]").wait_for()
    counts = sorted((len(row["steps"]) for row in wanted), reverse=True)
    assert read_numbers(page, "steps_before") == counts
    page.get_by_role("button", name="steps before").click()
    page.locator("th[data-column=steps_before][aria-sort=ascending]").wait_for()
    assert read_numbers(page, "steps_before") == counts[::-1]
    address = page.url
    page.get_by_role("button", name="Clear").click()
    wait_for_rows(page, "of 250 rows")
    # The address alone brings the list back.
    again = open_page(address)
    wait_for_rows(again, f"of {len(wanted)} rows")
    assert read_numbers(again, "steps_before") == counts[::-1]
    assert again.get_by_label("Steps before, min").input_value() == str(limit)


def test_excluded_rows_by_their_reason(
    many: Path, serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{serve(many)}#/run/0")
    page.get_by_role("link", name="step_over_budget").click()
    wait_for_rows(page, "of 3 rows")
    assert read_column(page, "id") == ["lump-0", "lump-1", "lump-2"]
    assert set(read_column(page, "outcome")) == {"excluded: step_over_budget"}
    page.locator("a.open").first.click()
    page.get_by_role("heading", name="lump-0").wait_for()
    assert "tokens, the budget is" in page.locator(".banner").inner_text()
    assert page.get_by_role("slider").count() == 0


def test_search_in_text(examples: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{examples}#/run/0/traces")
    page.keyboard.press("/")
    page.keyboard.type("Strength")
    page.locator(".pager", has_text="hits in 4 rows").wait_for()
    assert page.url.endswith("q=Strength")
    hits = page.locator(".hits li")
    assert hits.count() >= 3
    marks = page.locator(".hits mark").all_inner_texts()
    assert {text.lower() for text in marks} == {"strength"}
    page.get_by_role("link", name="stone-waves").nth(1).click()
    page.locator(".step").first.wait_for()
    focused = page.evaluate("document.activeElement.innerText")
    assert re.search("strength", focused, re.IGNORECASE)
    page.keyboard.press("Escape")
    page.locator(".hits li").first.wait_for()


def read_hits(page: Any) -> list[tuple[str, str]]:
    """Of each hit the row's id and the field."""
    lines = page.locator(".hits li").all()
    return [(line.locator("a").inner_text(), line.locator(".where").inner_text()) for line in lines]


def test_next_and_previous_walk_the_hits(examples: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{examples}#/run/0/traces?q=strength")
    page.locator(".pager", has_text="hits in 4 rows").wait_for()
    hits = read_hits(page)
    assert len(hits) >= 3
    page.locator(".hits a").first.click()
    for n, (name, where) in enumerate(hits, start=1):
        page.locator(".turns", has_text=f"hit {n} of {len(hits)}").wait_for()
        assert page.locator("h1").inner_text() == name
        assert f"where={where}" in page.url
        marked = page.evaluate("[...CSS.highlights.get('found')].map((range) => range.toString())")
        assert {text.lower() for text in marked} == {"strength"}
        in_panel = page.evaluate("document.activeElement.closest('.panel')?.className ?? ''")
        assert (where in in_panel) == (where != "thinking")
        page.keyboard.press("n")
    assert page.get_by_role("link", name="Next").get_attribute("aria-disabled") == "true"
    address = page.url
    page.keyboard.press("p")
    page.locator(".turns", has_text=f"hit {len(hits) - 1} of").wait_for()
    page.keyboard.press("Escape")
    page.locator(".hits li").first.wait_for()
    assert read_hits(page) == hits
    # The address of a hit alone knows its place too.
    again = open_page(address)
    again.locator(".turns", has_text=f"hit {len(hits)} of {len(hits)}").wait_for()


def test_a_search_within_the_filters(
    many: Path,
    many_rows: list[dict[str, Any]],
    serve: Callable[..., str],
    open_page: Callable[..., Any],
) -> None:
    limit = sorted(len(row["steps"] or ()) for row in many_rows)[-20]
    page = open_page(f"{serve(many)}#/run/0/traces")
    page.get_by_label("Search in text").press_sequentially("TOTAL_")
    page.locator(".pager", has_text="hits").wait_for()
    page.get_by_label("Search in text").press_sequentially("2")
    page.get_by_label("Steps before, min").fill(str(limit))
    fields = ("question", "thinking", "answer")
    expected = [
        (row["id"], field)
        for row in many_rows
        for field in fields
        if len(row["steps"] or ()) >= limit and "total_2" in (row[field] or "").lower()
    ]
    n_rows = sum(len(row["steps"] or ()) >= limit for row in many_rows)
    assert len(expected) > 3
    said = f"{len(expected)} hits in {n_rows} rows that pass the filters"
    page.locator(".pager", has_text=said).wait_for()
    assert read_hits(page) == expected
    assert f"min_steps_before={limit}" in page.url
    assert "q=TOTAL_2" in page.url
    page.locator(".hits a").nth(1).click()
    page.locator(".turns", has_text=f"hit 2 of {len(expected)}").wait_for()
    page.keyboard.press("n")
    page.locator(".turns", has_text=f"hit 3 of {len(expected)}").wait_for()
    assert page.locator("h1").inner_text() == expected[2][0]
    page.keyboard.press("Escape")
    page.locator(".pager", has_text=said).wait_for()
    page.get_by_role("button", name="Clear search and filters").click()
    wait_for_rows(page, "of 250 rows")


def test_budget_and_switches_go_along(examples: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{examples}#/run/0/trace/1")
    page.locator(".turns a").first.wait_for()
    page.get_by_label("Budget, tokens").fill("400")
    page.get_by_label("Only kept").check()
    page.get_by_role("link", name="Next").click()
    for row in (2, 3):
        page.locator(".title", has_text=f"row {row}").wait_for()
        assert page.get_by_label("Budget, tokens").input_value() == "400"
        assert page.get_by_label("Only kept").is_checked()
        n_kept = int(page.locator(".kept-steps").inner_text())
        assert page.locator(".step:visible").count() == n_kept
        assert "budget=400" in page.url
        page.keyboard.press("n")
    page.keyboard.press("o")
    page.keyboard.press("0")
    page.keyboard.press("p")
    page.locator(".title", has_text="row 2").wait_for()
    assert not page.get_by_label("Only kept").is_checked()
    assert page.url.endswith("#/run/0/trace/2?at=2")


def test_by_keyboard_alone(examples: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{examples}#/run/0")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
    page.get_by_role("link", name="Traces").focus()
    page.keyboard.press("Enter")
    page.locator("table.traces").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.closest('tr').firstChild.innerText") == "1"
    page.keyboard.press("Enter")
    page.locator(".step").first.wait_for()
    assert "/trace/1" in page.url
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.dataset.step") == "1"
    page.keyboard.press("n")
    page.locator(".title", has_text="row 2").wait_for()
    assert "/trace/2" in page.url
    page.keyboard.press("p")
    page.locator(".title", has_text="row 1").wait_for()
    page.keyboard.press("Escape")
    page.locator("table.traces").wait_for()
    page.keyboard.press("f")
    assert page.evaluate("document.activeElement.name") == "outcome"


def test_next_and_previous_follow_the_list_they_came_from(
    many: Path,
    many_rows: list[dict[str, Any]],
    serve: Callable[..., str],
    open_page: Callable[..., Any],
) -> None:
    page = open_page(f"{serve(many)}#/run/0/traces?sort=steps_before&desc=1&outcome=kept")
    wait_for_rows(page, "of 247 rows")
    order = read_numbers(page, "row")
    assert many_rows[order[0]]["id"] == "long"
    page.locator("a.open").nth(1).click()
    page.locator(".step").first.wait_for()
    page.locator(".turns", has_text="2 of 247").wait_for()
    page.keyboard.press("n")
    page.locator(".title", has_text=f"row {order[2]}").wait_for()
    page.keyboard.press("Escape")
    wait_for_rows(page, "of 247 rows")
    assert page.locator("th[data-column=steps_before]").get_attribute("aria-sort") == "descending"


def test_light_and_dark_are_remembered(examples: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{examples}#/run/0", color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_label("Theme").select_option("dark")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    page.wait_for_selector("main h1")
    assert page.evaluate(ground) == dark
