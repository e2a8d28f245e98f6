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
