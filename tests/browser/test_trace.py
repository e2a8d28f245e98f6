"""A trace in the browser: what it shows is what the run's files say, at any budget."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ROWS = range(4)
EXAMPLES = Path(__file__).parents[2] / "examples" / "traces.jsonl"


def find_fates(page: Any, column: int = 0) -> list[str]:
    """The fates that the blocks show, of one of the runs beside each other."""
    script = """(column) => {
      const pairs = [...document.querySelectorAll(".steps > .pair")];
      const blocks = pairs.length
        ? pairs.map((pair) => pair.children[column])
        : [...document.querySelectorAll(".step")];
      return blocks.map((block) => [block.dataset.fate, block.querySelector(".word").textContent]);
    }"""
    shown = page.evaluate(script, column)
    words = {"kept": {"kept"}, "stage1": {"stage 1"}, "stage2": {"stage 2", "dropped"}}
    assert all(word in words[fate] for fate, word in shown)
    return [fate for fate, _ in shown]


def set_budget(page: Any, limit: int) -> None:
    page.get_by_label("Budget, tokens").fill(str(limit))


@pytest.mark.parametrize("row", ROWS)
def test_the_slider_keeps_what_pruning_at_that_budget_keeps(
    row: int,
    examples: str,
    runs: dict[str, Path],
    open_page: Callable[..., Any],
    read_fates: Callable[[Path, int], list[str]],
) -> None:
    page = open_page(f"{examples}#/run/0/trace/{row}")
    assert find_fates(page) == read_fates(runs["half"], row)
    for name, limit in (("small", 400), ("large", 1300)):
        assert read_fates(runs[name], row) != read_fates(runs["half"], row)
        set_budget(page, limit)
        assert find_fates(page) == read_fates(runs[name], row)
        kept = read_fates(runs[name], row).count("kept")
        assert page.locator(".kept-steps").inner_text() == str(kept)
        most = int(page.get_by_role("slider", name="Budget").get_attribute("max"))
        assert page.url.endswith(f"budget={min(limit, most)}")
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    assert find_fates(page) == read_fates(runs["half"], row)


def test_the_slider_itself_moves_and_its_keys_too(
    examples: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{examples}#/run/0/trace/0")
    before = find_fates(page).count("kept")
    slider = page.get_by_role("slider", name="Budget")
    slider.focus()
    page.keyboard.press("Home")
    assert find_fates(page).count("kept") == 1
    page.keyboard.press("End")
    assert set(find_fates(page)) == {"kept"}
    assert "38 of 38 steps kept" in slider.get_attribute("aria-valuetext")
    page.get_by_role("button", name="Reset").click()
    assert find_fates(page).count("kept") == before
    page.keyboard.press("[")
    fewer = find_fates(page).count("kept")
    assert fewer < before
    page.keyboard.press("]")
    page.keyboard.press("]")
    assert find_fates(page).count("kept") > fewer


def test_a_step_shows_the_numbers_of_the_run(
    examples: str, runs: dict[str, Path], open_page: Callable[..., Any]
) -> None:
    traces = pyarrow.dataset.dataset(runs["half"] / "traces", format="parquet").to_table()
    record = traces.to_pylist()[0]
    page = open_page(f"{examples}#/run/0/trace/0")
    blocks = page.locator(".step").all_text_contents()
    assert len(blocks) == len(record["steps"])
    for block, step in zip(blocks, record["steps"], strict=True):
        assert f"{step['n_tokens']} tok" in block
        first_words = record["thinking"][step["start"] : step["end"]].split()[:3]
        assert all(word.strip("`*") in block for word in first_words)
        if step["surprisal"] is not None:
            assert f"{step['surprisal']:.2f}" in block
            assert step["first_token"].strip() in block
    assert page.locator(".question").inner_text().count("wave") > 3
    assert "def main" in page.locator(".panel.answer").inner_text()


def test_only_the_kept_steps(examples: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{examples}#/run/0/trace/1")
    n_kept = find_fates(page).count("kept")
    page.get_by_label("Only kept").check()
    assert page.locator(".step:visible").count() == n_kept
    page.keyboard.press("o")
    assert page.locator(".step:visible").count() == len(find_fates(page))


def test_two_runs_side_by_side(
    examples: str,
    runs: dict[str, Path],
    open_page: Callable[..., Any],
    read_fates: Callable[[Path, int], list[str]],
) -> None:
    page = open_page(f"{examples}#/run/0/trace/2")
    page.get_by_label("Beside it").select_option(label="small")
    page.wait_for_selector(".steps > .pair")
    assert "with=1" in page.url
    left, right = read_fates(runs["half"], 2), read_fates(runs["small"], 2)
    assert find_fates(page, 0) == left
    assert find_fates(page, 1) == right
    n_both = sum(a == b == "kept" for a, b in zip(left, right, strict=True))
    n_left = left.count("kept") - n_both
    said = page.locator(".difference").inner_text()
    n_right = right.count("kept") - n_both
    assert said == f"Both keep {n_both} steps; only half {n_left}, only small {n_right}."
    page.get_by_label("Only differences").check()
    assert page.locator(".steps > .pair:visible").count() == n_left + n_right
    # One budget for both: the same model and the same stages keep the same.
    set_budget(page, 550)
    assert find_fates(page, 0) == find_fates(page, 1) != left


def test_an_address_brings_everything_back(
    examples: str,
    runs: dict[str, Path],
    open_page: Callable[..., Any],
    read_fates: Callable[[Path, int], list[str]],
) -> None:
    page = open_page(f"{examples}#/run/0/trace/3?budget=400&with=2&sort=tokens_before&desc=1&at=0")
    assert find_fates(page, 0) == read_fates(runs["small"], 3)
    assert page.get_by_label("Beside it").input_value() == "2"
    assert page.title() == f"{page.locator('h1').inner_text()} · asap"
    page.reload()
    page.wait_for_selector(".step")
    assert page.get_by_label("Budget, tokens").input_value() == "400"
    assert find_fates(page, 0) == read_fates(runs["small"], 3)


def test_switches_and_the_step_are_part_of_the_address(
    examples: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{examples}#/run/0/trace/1?with=1")
    page.get_by_label("Only kept").check()
    page.get_by_label("Only differences").check()
    n_shown = page.locator(".steps > .pair:visible").count()
    page.get_by_label("Only kept").focus()
    page.keyboard.press("j")
    step = page.evaluate("document.activeElement.dataset.step")
    page.reload()
    page.wait_for_selector(".step", state="attached")
    assert page.get_by_label("Only kept").is_checked()
    assert page.get_by_label("Only differences").is_checked()
    assert page.locator(".steps > .pair:visible").count() == n_shown
    page.wait_for_function("document.activeElement.dataset.step !== undefined")
    assert page.evaluate("document.activeElement.dataset.step") == step
    # The next trace is shown alike, from its beginning.
    page.get_by_role("link", name="Next").click()
    page.wait_for_function("location.hash.includes('trace/2')")
    assert "step=" not in page.url
    assert page.get_by_label("Only differences").is_checked()


def test_the_slider_s_keys_go_by_steps_and_by_a_twentieth(
    examples: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{examples}#/run/0/trace/0")
    slider = page.get_by_role("slider", name="Budget")
    low, high = (int(slider.get_attribute(end)) for end in ("min", "max"))
    slider.focus()
    kept = find_fates(page).count("kept")
    page.keyboard.press("ArrowRight")
    assert find_fates(page).count("kept") == kept + 1
    page.keyboard.press("ArrowLeft")
    assert find_fates(page).count("kept") == kept
    page.keyboard.press("Home")
    stride = round((high - low) / 20)
    page.keyboard.press("PageUp")
    page.keyboard.press("Shift+ArrowRight")
    assert abs(int(slider.input_value()) - (low + 2 * stride)) <= 2
    page.keyboard.press("PageDown")
    assert abs(int(slider.input_value()) - (low + stride)) <= 1


def test_a_budget_beyond_the_ends_is_the_end(examples: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{examples}#/run/0/trace/0?budget=99999")
    slider, number = page.get_by_role("slider", name="Budget"), page.get_by_label("Budget, tokens")
    assert number.input_value() == slider.input_value() == slider.get_attribute("max")
    number.fill("-3")
    number.blur()
    assert number.input_value() == slider.input_value() == slider.get_attribute("min")
    assert f"budget={slider.get_attribute('min')}" in page.url


def test_a_thousand_steps_open_at_once(
    many: Path, serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{serve(many)}#/run/0/traces?id=long")
    page.locator("a.open").wait_for()
    took_ms = page.evaluate(
        """async () => {
          const before = performance.now();
          document.querySelector("a.open").click();
          while (!document.querySelector(".step")) await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          return performance.now() - before;
        }"""
    )
    page.locator(".step").nth(1000).wait_for(state="attached")
    # Well below 200 ms on an idle machine; the tests' own may be a busy one.
    assert took_ms < 2000
    before = find_fates(page)
    page.keyboard.press("[")
    assert find_fates(page) != before


def test_a_method_without_stages_speaks_of_none(
    many: Path,
    serve: Callable[..., str],
    open_page: Callable[..., Any],
    read_fates: Callable[[Path, int], list[str]],
) -> None:
    page = open_page(f"{serve(many)}#/run/0/trace/0")
    words = page.locator(".step .word").all_text_contents()
    said = {"kept": "kept", "stage2": "dropped"}
    assert words == [said[fate] for fate in read_fates(many, 0)]
    assert page.locator(".legend .word").all_text_contents() == ["kept", "dropped"]
    assert page.locator(".legend .score").inner_text() == "random number"
    assert page.locator(".step .unit").all_text_contents() == ["random number"] * len(words)
    assert "stage" not in page.locator("main").inner_text()
    page.keyboard.press("[")
    assert set(page.locator(".step .word").all_text_contents()) == {"kept", "dropped"}
    page.goto(f"{serve(many)}#/run/0/traces")
    page.locator("a.open").first.wait_for()
    assert "stage 1" not in page.locator("table").inner_text()


def test_beside_two_stages_one_stage_keeps_its_word(
    runs: dict[str, Path], serve: Callable[..., str], prune: Any, open_page: Callable[..., Any]
) -> None:
    other = prune("tail", EXAMPLES, "--limit", "4", "--method", "tail", "--ratio", "0.5")
    page = open_page(f"{serve(runs['small'], other)}#/run/0/trace/0?with=1")
    words = page.locator(".legend .word").all_text_contents()
    assert words == ["kept", "stage 1", "stage 2 / dropped"]
    columns = [page.locator(f".pair > .step:nth-child({n}) .word") for n in (1, 2)]
    left, right = (set(column.all_text_contents()) for column in columns)
    assert left == {"kept", "stage 1", "stage 2"}
    assert right == {"kept", "dropped"}


def test_a_step_that_stage_1_drops_says_why_in_words(
    examples: str, runs: dict[str, Path], open_page: Callable[..., Any]
) -> None:
    traces = pyarrow.dataset.dataset(runs["half"] / "traces", format="parquet").to_table()
    steps = traces.to_pylist()[0]["steps"]
    page = open_page(f"{examples}#/run/0/trace/0")
    said = page.evaluate(
        "[...document.querySelectorAll('.step')].map((step) => {"
        " const why = step.querySelector('.why');"
        " return why && why.checkVisibility() ? why.textContent : null; })"
    )
    assert [bool(why) for why in said] == [step["fate"] == "stage1" for step in steps]
    drafts = [n for n, step in enumerate(steps) if step["reason"] == "draft"]
    assert drafts
    for n in drafts:
        assert said[n] == "Why it goes: a draft: its lines stand in the answer, or in the question"
    # A budget that has room for all undoes stage 1's drops: nothing is left to explain.
    page.get_by_role("slider", name="Budget").focus()
    page.keyboard.press("End")
    assert page.locator(".why:visible").count() == 0


RAW = [
    "So  $x^2$ is\tfour, and `x`  is 2:",
    "\\[ \\frac{a}{b} \\] and \\(c\\) and $$d$$ with\n  an indented line",
    "```python\nif  x:\n    print(x)\n```",
    "The zero\u200bwidth end.",
]


def test_raw_text_is_the_text_as_it_stands(
    prune: Any, serve: Callable[..., str], open_page: Callable[..., Any], tmp_path: Path
) -> None:
    generation = "<think>\n" + "\n\n".join(RAW) + "\n</think>\n\nIt is $2$."
    row = {"id": "raw", "prompt": "What is $x$?", "generation": generation}
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(row) + "\n", encoding="utf-8")
    run = prune("raw", source, "--method", "head", "--ratio", "0.9")
    page = open_page(f"{serve(run)}#/run/0/trace/0")
    texts = page.locator(".step .text")
    page.locator(".step math").first.wait_for()
    page.get_by_label("Raw text").check()
    assert page.url.endswith("raw=1")
    wanted = [text.replace("\u200b", "<U+200B>") for text in RAW]
    assert texts.all_text_contents() == wanted
    assert page.locator(".step .control").inner_text() == "<U+200B>"
    assert page.locator(".step .text").first.evaluate("e => getComputedStyle(e).whiteSpace") in (
        "pre-wrap",
        "break-spaces",
    )
    assert page.locator(".panel.answer .text").text_content() == "It is $2$."
    assert page.locator("math, .token-k").count() == 0
    page.reload()
    page.wait_for_selector(".step")
    assert texts.all_text_contents() == wanted
    assert page.get_by_label("Raw text").is_checked()
    page.keyboard.press("Escape")
    page.goto(f"{serve(run)}#/run/0/trace/0?raw=1")
    page.locator(".step").first.wait_for()
    page.keyboard.press("r")
    page.locator(".step math").first.wait_for()
    assert "raw" not in page.url


def test_an_excluded_row_explains_its_reason(
    many: Path, serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{serve(many)}#/run/0/trace/247")
    said = page.locator(".exclusion").inner_text()
    assert "the last step, or unit of a token-level method, is over the budget" in said
    assert "What helps: a larger budget, or --on-step-over-budget keep." in said
    assert "tokens, the budget is" in said
    assert "docs/excluded.md, step_over_budget" in said


def test_what_is_not_there_is_said(examples: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{examples}#/nowhere")
    assert re.search("no such view", page.locator("main").inner_text())
