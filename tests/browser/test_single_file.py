"""The report as one file, opened from the disk: the same views over what it carries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def find_kept(page: Any) -> list[int]:
    script = "[...document.querySelectorAll('.step[data-fate=kept]')].map((s) => +s.dataset.step)"
    found: list[int] = page.evaluate(script)
    return found


def test_overview_and_plots(single_file: str, open_page: Callable[..., Any]) -> None:
    page = open_page(single_file)
    assert page.locator("main a.open").all_inner_texts() == ["half", "small"]
    page.get_by_role("link", name="half").click()
    page.get_by_role("heading", name="half", level=1).wait_for()
    widths = """async () => {
      const images = [...document.images];
      for (const image of images) image.loading = "eager";
      await Promise.all(images.map((image) => image.decode()));
      return images.map((image) => image.naturalWidth);
    }"""
    shown = page.evaluate(widths)
    assert len(shown) >= 3
    assert all(width > 0 for width in shown)


def test_list_trace_and_slider(
    single_file: str,
    runs: dict[str, Path],
    open_page: Callable[..., Any],
    read_fates: Callable[[Path, int], list[str]],
) -> None:
    page = open_page(f"{single_file}#/run/0/traces")
    assert page.locator("table.traces tbody tr").count() == 3
    assert page.get_by_label("Search in text").count() == 0
    page.get_by_role("button", name="tokens before").click()
    page.locator("th[aria-sort=descending]").wait_for()
    cells = page.locator("table.traces tbody td:nth-child(5)").all_inner_texts()
    counts = [int(text.replace(",", "")) for text in cells]
    assert counts == sorted(counts, reverse=True)
    page.get_by_label("Tokens before, min").fill(str(counts[0]))
    page.locator(".pager", has_text="1–1 of 1 rows").wait_for()
    page.get_by_role("button", name="Clear").click()
    page.locator(".pager", has_text="of 3 rows").wait_for()
    page.locator("a.open").first.click()
    page.locator(".step").first.wait_for()
    fates = read_fates(runs["half"], 0)
    assert find_kept(page) == [index for index, fate in enumerate(fates) if fate == "kept"]
    page.get_by_label("Budget, tokens").fill("400")
    fates = read_fates(runs["small"], 0)
    assert find_kept(page) == [index for index, fate in enumerate(fates) if fate == "kept"]
    page.get_by_label("Beside it").select_option(label="small")
    page.locator(".steps > .pair").first.wait_for()


def test_what_the_file_does_not_carry_is_said(
    single_file: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{single_file}#/run/0/trace/99")
    assert "not in the file" in page.locator("main").inner_text()
