"""The lab's report: `report.md`, its pictures, `results.json` with every number in it, and
`page.json` for the view.

It opens with what the lab is evidence of and what not, and with whether it may speak about ranking
at all; then what was known before training, what the intervals say, and only then the tables.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from asap.lab.findings import FIRST_TOKEN_SCORE, Findings
from asap.lab.measure import BASELINES, ArmScore, Setting, SettingResults, measure_lab
from asap.lab.reading import Reading, find_sign, read_setting, say_pair
from asap.lab.report_tables import (
    HOW_TO_READ,
    lay_out_ablation,
    lay_out_by_auc,
    lay_out_data,
    lay_out_differences,
    lay_out_gate,
    lay_out_main,
    lay_out_other_student,
    lay_out_separability,
    lay_out_sweep,
    lay_out_training,
    say_setting,
    show_percent,
)
from asap.report import (
    Chart,
    Line,
    LinePlot,
    Page,
    Point,
    Series,
    Table,
    draw,
    render_chart,
    render_markdown,
    write_page,
)
from asap.statistics import Interval

REPORT = "report.md"
"""The page, in the folder of an experiment."""
RESULTS = "results.json"
"""Every number of it."""
_Block = str | Table
"""A paragraph in Markdown, or a table."""
_MOST_TRUNCATED = 0.02
_GATE = (0.6, 0.9)
_EVIDENCE = (
    "This lab shows what training does to a small model **given a ranking** of steps that were "
    "labelled redundant or essential when they were written. **It is no evidence that R1's own "
    "redundancy is unsurprising**: how surprising a redundant step is here was decided by the "
    "generator of the traces, and the two regimes are two such decisions."
)


def write_report(findings: Findings, folder: Path) -> tuple[SettingResults, ...]:
    """Measure, and write `report.md`, the pictures it shows, `results.json` and `page.json`.

    Args:
        findings: what the experiment left.
        folder: exists; files of an earlier report are written over.

    Returns:
        What was measured.

    Raises:
        InputError: there is nothing to report, or students do not fit together.
        MissingExtraError: matplotlib is not installed.
    """
    all_results = measure_lab(findings)
    page = _find_page(findings, all_results)
    for name, plot in page.plots.items():
        (folder / f"{name}.svg").write_bytes(draw(plot))
    write_page(folder, page)
    (folder / REPORT).write_text(render_report(findings, all_results), encoding="utf-8")
    (folder / RESULTS).write_text(render_results(findings, all_results), encoding="utf-8")
    return all_results


def render_report(findings: Findings, all_results: Sequence[SettingResults]) -> str:
    """The text of `report.md`."""
    return (
        "\n\n".join(_show(block).strip() for block in _gather_blocks(findings, all_results)) + "\n"
    )


def _gather_blocks(findings: Findings, all_results: Sequence[SettingResults]) -> Iterable[_Block]:
    first = _of_first_student(all_results)
    yield f"# {_say_title(findings)}"
    yield _EVIDENCE
    yield from _say_void_rules(all_results)
    yield from _say_truncation(all_results)
    yield "## Before training"
    yield from _say_aucs(findings)
    yield from _say_bases(findings)
    yield "## What the intervals say"
    yield (
        "A claim of the paper's is `reproduced` or `contradicted` only where the whole 95 % "
        "interval of a difference lies on one side of 0; `not shown` is neither. Where the lab is "
        "void for ranking, no claim about the ranking is read."
    )
    for results in all_results:
        yield from _say_readings(results)
    yield "## How to read the tables"
    yield from HOW_TO_READ
    for results in first:
        yield from _lay_out_setting(findings, results)
    others = [results for results in all_results if results not in first]
    if others:
        yield "## Another student"
        yield from map(lay_out_other_student, others)
    by_auc = lay_out_by_auc(findings, all_results)
    if by_auc is not None:
        yield "## Accuracy and the AUC of first-token surprisal"
        yield by_auc
    yield "## Settings"
    yield from _say_settings(findings)


def _find_page(findings: Findings, all_results: Sequence[SettingResults]) -> Page:
    """The same for the view: sentences without marks, tables and plots as values."""
    blocks = list(_gather_blocks(findings, all_results))
    sentences = [
        re.sub(r"\*\*|`|^- ", "", line)
        for block in (*blocks[: blocks.index("## How to read the tables")], *HOW_TO_READ)
        if isinstance(block, str) and not block.startswith("#")
        for line in block.split("\n")
    ]
    tables = tuple(block for block in blocks if isinstance(block, Table))
    plots = {
        name: plot
        for results in _of_first_student(all_results)
        for name, plot in _plot(results).items()
    }
    return Page(_say_title(findings), tuple(sentences), tables, plots)


def _say_title(findings: Findings) -> str:
    return f"The lab: what training does given a ranking (size {findings.size})"


def render_results(findings: Findings, all_results: Sequence[SettingResults]) -> str:
    """The text of `results.json`: every number of the report, unrounded."""
    content = {
        "size": findings.size,
        "command": findings.command,
        "settings": findings.settings,
        "budgets": findings.budgets,
        "separability": findings.separability,
        "bases": findings.bases,
        "data": findings.data,
        "results": [
            {**_to_fields(results), "readings": read_setting(results)} for results in all_results
        ],
    }
    return json.dumps(_to_plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _of_first_student(all_results: Sequence[SettingResults]) -> list[SettingResults]:
    student = all_results[0].setting.student
    return [results for results in all_results if results.setting.student == student]


def _say_void_rules(all_results: Sequence[SettingResults]) -> Iterable[str]:
    for results in all_results:
        rule = results.void_rule
        where = _capital(say_setting(results.setting))
        if rule is None:
            yield f"**{where}:** arms have unequal tokens; this is not about the ranking alone."
        elif rule.state == "void":
            yield f"**{where}: VOID FOR RANKING.** {'; '.join(rule.reasons)}."
        elif rule.state == "unknown":
            yield (
                f"**{where}: it is not known whether this may speak about ranking.** "
                f"{'; '.join(rule.reasons)}."
            )
        else:
            pairs = [results.difference("oracle", name) for name in ("random", "anti-oracle")]
            said = " ".join(say_pair(pair) for pair in pairs if pair is not None)
            yield f"**{where}: the lab can tell rankings apart.** {said}{_say_gap(rule.token_gap)}"


def _say_gap(gap: float | None) -> str:
    if gap is None:
        return ""
    return f" Their mean training tokens differ by {100 * gap:.1f} %."


def _say_truncation(all_results: Sequence[SettingResults]) -> Iterable[str]:
    cut = [
        f"{100 * score.truncation:.1f} % of {score.arm} ({say_setting(results.setting)})"
        for results in all_results
        for score in results.scores
        if score.truncation >= _MOST_TRUNCATED
    ]
    if cut:
        yield (
            "**The cap cuts off 2 % or more** of the answers of some arms, so that their accuracy "
            f"is not that of answers that could end: {'; '.join(cut)}."
        )
    else:
        highest = max(score.truncation for results in all_results for score in results.scores)
        yield f"The cap cuts off at most {100 * highest:.1f} % of any arm's answers."


def _say_aucs(findings: Findings) -> Iterable[_Block]:
    if not findings.separability:
        yield "The separability of the labels was not measured."
        return
    yield lay_out_separability(findings)
    for each in findings.separability:
        if each.score == FIRST_TOKEN_SCORE:
            centred = Interval(each.auc.estimate - 0.5, each.auc.low - 0.5, each.auc.high - 0.5)
            said = {
                "above": "has redundant steps below essential ones more often than chance",
                "below": "has redundant steps **above** essential ones more often than chance: "
                "dropping the unsurprising drops the essential",
                None: "is not distinguishable from chance",
            }[find_sign(centred)]
            yield f"In the regime {each.regime}, first-token surprisal {said}."


def _say_bases(findings: Findings) -> Iterable[_Block]:
    for base in findings.bases:
        is_through = _GATE[0] <= base.accuracy.estimate <= _GATE[1]
        yield (
            f"The base of regime {base.regime}, {base.student}, solves "
            f"{show_percent(base.accuracy)} % of {base.n_problems:,} validation problems: the gate "
            f"of 60 to 90 % is {'passed' if is_through else '**not passed**'}."
        )
        if base.trials:
            yield lay_out_gate(base)


def _say_readings(results: SettingResults) -> Iterable[str]:
    yield f"### {_capital(say_setting(results.setting))}"
    yield "\n".join(_say_reading(reading) for reading in read_setting(results))


def _say_reading(reading: Reading) -> str:
    return f"- {reading.claim}: **{reading.ruling}**. {' '.join(reading.sentences)}"


def _lay_out_setting(findings: Findings, results: SettingResults) -> Iterable[_Block]:
    setting = results.setting
    data = [
        each
        for each in findings.data
        if each.regime == setting.regime and each.protocol in (setting.protocol, None)
    ]
    yield f"## {_capital(say_setting(setting))}"
    tables = [
        lay_out_main(results),
        *(lay_out_differences(results, baseline) for baseline in BASELINES),
        lay_out_ablation(results),
        lay_out_data(setting, data),
        lay_out_training(results),
    ]
    yield from (table for table in tables if table is not None)
    for name, plot in _plot(results).items():
        yield f"![{plot.title}]({name}.svg)"
    yield f"```\n{render_chart(_chart(results))}\n```"
    yield lay_out_sweep(results)


def _say_settings(findings: Findings) -> Iterable[str]:
    yield f"To run it again:\n\n    {findings.command}"
    yield "\n".join(f"- {name}: {value}" for name, value in findings.settings.items())
    yield f"Every number of this page stands unrounded in `{RESULTS}`."


def _plot(results: SettingResults) -> dict[str, LinePlot]:
    """Figure 3 of the paper, and accuracy against tokens, by name."""
    where = say_setting(results.setting)
    over_budgets = LinePlot(
        f"Figure 3. Accuracy over budgets ({where})",
        "budget, tokens",
        "accuracy, %",
        tuple(
            Line(
                score.arm,
                tuple(
                    Point(budget, 100 * interval.estimate)
                    for budget, interval in score.accuracy_at.items()
                ),
            )
            for score in results.scores
        ),
        x_ticks=tuple(results.scores[0].accuracy_at),
        is_x_log=True,
    )
    against_tokens = LinePlot(
        f"Accuracy and tokens under the cap ({where})",
        "mean tokens of an answer",
        "accuracy, %",
        tuple(Line(score.arm, (_place(score),)) for score in results.scores),
    )
    return {
        f"figure3-{_slug(results.setting)}": over_budgets,
        f"tokens-{_slug(results.setting)}": against_tokens,
    }


def _place(score: ArmScore) -> Point:
    return Point(
        score.tokens.estimate,
        100 * score.accuracy.estimate,
        (100 * score.accuracy.low, 100 * score.accuracy.high),
        (score.tokens.low, score.tokens.high),
    )


def _chart(results: SettingResults) -> Chart:
    budgets = list(results.scores[0].accuracy_at)
    return Chart(
        f"Figure 3. Accuracy % over budgets in tokens ({say_setting(results.setting)})",
        tuple(f"{budget:,}" for budget in budgets),
        tuple(
            Series(score.arm, tuple(100 * score.accuracy_at[n].estimate for n in budgets))
            for score in results.scores
        ),
    )


def _slug(setting: Setting) -> str:
    words = f"{setting.regime}-{setting.protocol}-{setting.student}".lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")


def _show(block: _Block) -> str:
    return render_markdown(block) if isinstance(block, Table) else block


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _to_fields(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}


def _to_plain(value: Any) -> Any:
    """Values as JSON has them; what is no finite number becomes null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _to_plain(_to_fields(value))
    if isinstance(value, Mapping):
        return {str(key): _to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
