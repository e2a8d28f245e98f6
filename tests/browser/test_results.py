"""Results in the browser: tables and plots of evaluations, and problem by problem."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def address(evaluations: list[Path], serve: Callable[..., str]) -> str:
    return serve(*evaluations)


def read_rows(page: Any) -> list[list[str]]:
    rows = page.locator("table.rows tbody tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


def test_tables_and_plots_of_two_models(address: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{address}#/results")
    table = page.locator("section.table:visible").first
    assert "Pass@1" in table.inner_text()
    assert all(name in table.inner_text() for name in ("first", "second"))
    assert page.locator("figure.plot img").count() >= 2
    page.get_by_role("checkbox", name="second").uncheck()
    page.locator("#live", has_text="Results of first").wait_for(state="attached")
    assert "second" not in page.locator("section.table:visible").first.inner_text()
    assert "runs=0" in page.url


def test_problems_on_which_two_models_differ(address: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{address}#/results")
    assert read_rows(page) == [
        ["HumanEval/1", "humaneval", "passed", "55", "wrong answer", "55"],
        ["HumanEval/2", "humaneval", "wrong answer", "50", "passed", "50"],
    ]
    page.get_by_label("show").select_option("both_wrong")
    page.locator(".differences .pager", has_text="1–1 of 1 problems").wait_for()
    assert [row[0] for row in read_rows(page)] == ["HumanEval/3"]
    page.get_by_label("show").select_option("all")
    page.get_by_label("benchmark").select_option("cruxeval")
    page.locator(".differences .pager", has_text="of 3 problems").wait_for()
    address = page.url
    again = open_page(address)
    again.locator(".differences .pager", has_text="of 3 problems").wait_for()


def test_both_answers_to_a_problem(address: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{address}#/results")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="humaneval HumanEval/1").wait_for()
    sides = page.locator(".answers section")
    texts = [text.replace("\u2007", " ") for text in sides.all_inner_texts()]
    assert "passed" in texts[0]
    assert "wrong answer" in texts[1]
    assert all("Done." in text for text in texts)
    page.get_by_role("link", name="20", exact=True).click()
    page.locator(".answers", has_text="15 tokens").wait_for()
    assert page.locator(".answers .is-failed").count() == 2
    page.keyboard.press("Escape")
    page.locator(".differences").wait_for()


def test_problems_of_one_model(address: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{address}#/run/0")
    page.get_by_role("link", name="Problems").click()
    page.locator(".pager", has_text="of 11 problems").wait_for()
    page.get_by_label("verdict").select_option("wrong_answer")
    page.locator(".pager", has_text="of 6 problems").wait_for()
    page.get_by_label("id").fill("eval/3")
    page.locator(".pager", has_text="of 2 problems").wait_for()
    assert {row[0] for row in read_rows(page)} == {"HumanEval/3"}
    assert "id=eval%2F3" in page.url


def test_a_problem_knows_its_list(address: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{address}#/run/0/problems?verdict=passed&benchmark=humaneval")
    page.locator(".pager", has_text="of 2 problems").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="humaneval HumanEval/0").wait_for()
    assert "1 of 2" in page.locator(".actions").inner_text()
    assert page.locator(".question .text").inner_text() == "Solve number 0 <b>now</b>."
    page.keyboard.press("n")
    page.get_by_role("heading", name="humaneval HumanEval/1").wait_for()
    # Another budget is the same place of the list.
    page.get_by_role("link", name="20", exact=True).click()
    page.locator(".answers", has_text="15 tokens").wait_for()
    page.get_by_role("link", name="Previous").click()
    page.get_by_role("heading", name="humaneval HumanEval/0").wait_for()
    page.get_by_role("link", name="List").click()
    page.locator(".pager", has_text="of 2 problems").wait_for()
    assert page.get_by_label("verdict").input_value() == "passed"


def test_a_problem_of_two_models_knows_its_list(
    address: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{address}#/results?only=differ&a=1&b=0")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="humaneval HumanEval/1").wait_for()
    page.keyboard.press("n")
    page.get_by_role("heading", name="humaneval HumanEval/2").wait_for()
    assert "2 of 2" in page.locator(".actions").inner_text()
    page.keyboard.press("n")  # there is none
    page.keyboard.press("Escape")
    page.locator(".differences .pager", has_text="of 2 problems").wait_for()
    assert page.get_by_label("model A").input_value() == "1"


def test_a_question_that_is_not_there_is_named(address: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{address}#/problem/cruxeval/sample_1?a=0")
    assert "The question is sample_1 of cruxeval." in page.locator("main").inner_text()
    assert page.locator(".question").count() == 0
