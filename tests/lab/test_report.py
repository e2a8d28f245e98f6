"""The report and its files, from a made-up experiment small enough to know every answer."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from asap.bench import Completion, Graded
from asap.errors import InputError
from asap.judge import Verdict
from asap.lab import (
    FIRST_TOKEN_SCORE,
    ArmData,
    Findings,
    GatedBase,
    GateTrial,
    ScoreAuc,
    StudentRun,
    TrainingFigures,
    measure_lab,
    render_report,
    write_report,
)
from asap.report import read_page
from asap.statistics import Interval

CAP = 120
N = 40
SOLVED = {
    "zero-shot": 24,
    "original": 26,
    "oracle": 32,
    "anti-oracle": 8,
    "random": 18,
    "spirit-fast": 20,
    "selective-context": 10,
    "asap": 30,
    "asap-no-stage1": 22,
    "asap-no-stage2": 24,
}
TOKENS = {"zero-shot": 80, "original": 80}


def student(arm, n_solved, n_cut=0, student="llama", regime="shared", seed=0):
    tokens = TOKENS.get(arm, 40)
    answers = []
    for n in range(N):
        is_cut = n >= N - n_cut
        completion = Completion(
            benchmark="lab",
            id=f"p{n:02}",
            sample=0,
            budget_tokens=CAP,
            prompt_ids=None,
            completion_ids=None,
            text="",
            n_tokens=CAP if is_cut else tokens,
            finish_reason="length" if is_cut else "stop",
            first_token_s=None,
            total_s=None,
        )
        outcome = "no_answer" if is_cut else "passed" if n < n_solved else "wrong_answer"
        answers.append(Graded(completion, Verdict(outcome, None, "", 0.0)))
    is_either = arm in ("zero-shot", "original")
    training = None if arm == "zero-shot" else TrainingFigures(300, 20, 150.5, 0.25, 5.0, 700.0)
    protocol = None if is_either else "matched"
    return StudentRun(regime, protocol, student, arm, seed, tuple(answers), 2.0, training)


def find(solved=SOLVED, extra=()):
    return Findings(
        size="tiny",
        command="asap lab --size tiny --output DIR",
        settings={"epochs": "2"},
        budgets=(20, 60, CAP),
        runs=(*(student(arm, n) for arm, n in solved.items()), *extra),
        data=tuple(
            ArmData("shared", "matched", arm, 300, 200.0, 100.0, 0.75, 0.05)
            for arm in ("oracle", "anti-oracle", "random")
        ),
        separability=(
            ScoreAuc("shared", FIRST_TOKEN_SCORE, Interval(0.61, 0.6, 0.62), 900),
            ScoreAuc("distinct", FIRST_TOKEN_SCORE, Interval(0.41, 0.4, 0.42), 900),
            ScoreAuc("shared", "length", Interval(0.5, 0.49, 0.51), 900),
        ),
        bases=(
            GatedBase(
                "shared",
                "llama",
                Interval(0.7, 0.65, 0.75),
                0.01,
                200,
                (GateTrial("12 statements", 0.3, 200), GateTrial("8 statements", 0.7, 200)),
            ),
        ),
    )


@pytest.fixture(scope="module")
def report():
    findings = find()
    return render_report(findings, measure_lab(findings))


def cells(report, title, arm):
    """A table's row of an arm, without the marks of Markdown."""
    _, _, rest = report.partition(f"**{title}")
    row = next(line for line in rest.split("\n") if line.startswith(f"| {arm} |"))
    return [cell.strip().replace("\\", "") for cell in row.strip("|").split("|")][1:]


def test_it_opens_with_what_it_is_evidence_of(report):
    title, evidence, rule = report.split("\n\n")[:3]
    assert title == "# The lab: what training does given a ranking (size tiny)"
    assert "no evidence that R1's own redundancy is unsurprising" in evidence
    assert rule.startswith(
        "**Regime shared, protocol matched, student llama: the lab can tell rankings apart.** "
        "`oracle` is above `random` in accuracy: +35.0 points ["
    )
    assert "training tokens differ by 0.0 %" in rule


def test_a_void_lab_says_so_in_its_first_lines():
    findings = find(SOLVED | {"oracle": 18})
    lines = render_report(findings, measure_lab(findings)).split("\n\n")
    assert lines[2] == (
        "**Regime shared, protocol matched, student llama: VOID FOR RANKING.** `oracle` does not "
        "beat `random`: +0.0 points [+0.0, +0.0]."
    )
    assert sum("void for ranking here" in line for line in "\n".join(lines).split("\n")) == 2


def test_tables_hold_what_was_measured(report):
    assert cells(report, "Table 1.", "asap") == [
        *("75.0 [59.8, 85.8]", "1", "75.0", "0.0", "-", "40 [40, 40]", "50.0"),
    ]
    assert cells(report, "Differences to original", "asap")[0].startswith("+10.0 [")
    assert cells(report, "Differences to original", "asap")[4] == "-40 [-40, -40]"
    assert cells(report, "Differences to random", "oracle")[0].startswith("+35.0 [")
    assert cells(report, "Table 2.", "asap-no-stage1")[2].startswith("+20.0 [")
    assert cells(report, "What the arms were trained on", "oracle") == [
        *("300", "200.0", "100.0", "50.0", "75.0", "5.0"),
    ]
    assert cells(report, "Table 3.", "asap") == ["300", "150.5", "20", "0.250", "700", "5.0"]
    assert "| zero-shot |" not in report.partition("**Table 3.")[2].partition("![")[0]
    assert [each.split()[0] for each in cells(report, "Accuracy % over budgets", "asap")] == [
        *("0.0", "75.0", "75.0"),
    ]
    assert [each.split()[0] for each in cells(report, "Accuracy % over budgets", "original")] == [
        *("0.0", "0.0", "65.0"),
    ]
    assert cells(report, "Accuracy as a function of the AUC", "shared")[1] == "0.610 [0.600, 0.620]"
    assert cells(report, "Without training", "shared")[1] == "0.610 [0.600, 0.620]"


def test_what_was_known_before_training_is_said_in_words(report):
    assert "In the regime shared, first-token surprisal has redundant steps below" in report
    assert "In the regime distinct, first-token surprisal has redundant steps **above**" in report
    assert "solves 70.0 [65.0, 75.0] % of 200 validation problems: the gate" in report
    assert "| 12 statements | 30.0 | 200 |" in report


def test_each_claim_is_read_once(report):
    reading = report.partition("## What the intervals say")[2].partition("\n## ")[0]
    rulings = re.findall(r"^- .*?: \*\*([a-z ]+)\*\*\. ", reading, re.MULTILINE)
    assert rulings == ["reproduced"] * 4


def test_a_cap_that_cuts_off_too_much_is_said():
    findings = find(extra=[student("step-entropy", 10, n_cut=4)])
    report = render_report(findings, measure_lab(findings))
    assert "10.0 % of step-entropy (regime shared, protocol matched, student llama)." in report
    assert "at most" not in report.partition("## Before training")[0]
    assert cells(report, "Table 1.", "step-entropy")[2:4] == ["27.8", "10.0"]


def test_the_cap_that_suffices_is_said_too(report):
    assert "The cap cuts off at most 0.0 % of any arm's answers." in report


def test_table_4_is_there_for_a_second_student_alone(report):
    assert "Table 4" not in report
    others = [student(arm, SOLVED[arm], student="qwen2") for arm in ("random", "asap")]
    findings = find(extra=others)
    with_other = render_report(findings, measure_lab(findings))
    row = cells(with_other, "Table 4.", "asap")
    assert row[0] == "75.0 [59.8, 85.8]"
    assert row[3].startswith("+30.0 [")
    assert row[4] == "-"
    assert with_other.count("**Table 1.") == 1


def test_the_folder_holds_the_report_its_pictures_and_every_number(tmp_path):
    findings = find()
    all_results = write_report(findings, tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text == render_report(findings, all_results)
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert len(pictures) == 2
    assert {each.name for each in tmp_path.iterdir()} == {
        *("report.md", "results.json", "page.json", *pictures)
    }
    for name in pictures:
        assert "</svg>" in (tmp_path / name).read_text(encoding="utf-8")
    content = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    (results,) = content["results"]
    assert results["setting"] == {"regime": "shared", "protocol": "matched", "student": "llama"}
    assert results["void_rule"]["state"] == "passed"
    asap = next(each for each in results["scores"] if each["arm"] == "asap")
    assert asap["accuracy"]["estimate"] == 0.75
    assert asap["accuracy_at"]["60"]["estimate"] == 0.75
    assert [each["ruling"] for each in results["readings"]] == ["reproduced"] * 4
    assert content["bases"][0]["trials"][0] == {
        "setting": "12 statements",
        "accuracy": 0.3,
        "n_problems": 200,
    }


def test_the_page_holds_the_same_for_the_view(tmp_path):
    write_report(find(), tmp_path)
    page = read_page(tmp_path, "asap lab")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert page.title == "The lab: what training does given a ranking (size tiny)"
    titles = [table.title for table in page.tables]
    assert titles == re.findall(r"^\*\*(.*)\*\*$", text, re.MULTILINE)[-len(titles) :]
    assert [f"{name}.svg" for name in page.plots] == re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert any("the lab can tell rankings apart" in note for note in page.notes)
    assert sum(": reproduced. " in note for note in page.notes) == 4
    assert not any(mark in note for note in page.notes for mark in ("**", "`", "\n", "##"))
    over_budgets = page.plots["figure3-shared-matched-llama"]
    (asap,) = (line for line in over_budgets.lines if line.name == "asap")
    assert [(point.x, point.y) for point in asap.points] == [(20, 0), (60, 75), (CAP, 75)]
    (asap,) = (
        line for line in page.plots["tokens-shared-matched-llama"].lines if line.name == "asap"
    )
    assert [(point.x, point.y) for point in asap.points] == [(40, 75)]


def test_what_is_not_finite_is_null(tmp_path):
    findings = find()
    few = tuple(replace(run, graded=run.graded[:3]) for run in findings.runs)
    write_report(replace(findings, runs=few), tmp_path)
    content = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    pair = content["results"][0]["differences"][0]
    assert pair["smallest_accuracy"] is None


def test_the_same_findings_give_the_same_files(tmp_path):
    texts = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_report(find(), tmp_path / name)
        texts.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert texts[0] == texts[1]


def test_nothing_to_report_is_refused(tmp_path):
    with pytest.raises(InputError, match="no student has answered"):
        write_report(find({}), tmp_path)
    assert list(tmp_path.iterdir()) == []
