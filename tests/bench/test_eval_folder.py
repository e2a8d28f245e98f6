"""What is written comes back; what is damaged or something else is refused in one line."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from asap.bench import (
    COMPLETIONS,
    QUESTIONS,
    VERDICTS,
    Completion,
    Graded,
    Question,
    open_eval_run,
    write_graded,
    write_questions,
)
from asap.errors import RunFolderError
from asap.judge import Verdict


def graded(id="a", sample=0, budget=6144, benchmark="humaneval", **changes):
    values = {
        "prompt_ids": (1, 2),
        "completion_ids": (3, 4, 5),
        "text": "Hm — λ\n",
        "n_tokens": 3,
        "finish_reason": "stop",
        "first_token_s": 0.5,
        "total_s": 2.5,
    }
    completion = Completion(benchmark, id, sample, budget, **(values | changes))
    return Graded(completion, Verdict("wrong_answer", 2, "assert 1 == 2", 0.25))


WHOLE = [
    graded(),
    graded(sample=1, prompt_ids=None, completion_ids=None, first_token_s=None),
    graded("b", finish_reason="length", completion_ids=()),
]
CUT = [graded(budget=2, n_tokens=2, first_token_s=None, total_s=None, finish_reason="length")]
OTHER = [graded(benchmark="livecodebench:v4_v5")]
PROBLEMS = [("a", True, 3, 1.0), ("b", False, 4, 2.0)]


@pytest.fixture
def folder(tmp_path, write_eval_run):
    return write_eval_run(tmp_path / "run", "mine", {"humaneval": {6144: PROBLEMS, 2: []}})


def test_what_is_written_comes_back(folder):
    write_graded(folder, iter([*WHOLE, *CUT, *OTHER]))
    run = open_eval_run(folder)
    assert run.graded("humaneval", 6144) == WHOLE
    assert run.graded("humaneval", 2) == CUT
    assert run.graded("livecodebench:v4_v5", 6144) == OTHER
    assert {path.name for path in folder.iterdir()} == {
        "report.json",
        "completions.parquet",
        "verdicts.parquet",
    }


def test_the_columns_on_disk(folder):
    write_graded(folder, [graded(str(n)) for n in range(600)])
    completions = pq.ParquetFile(folder / "completions.parquet")
    assert completions.schema_arrow.equals(COMPLETIONS)
    # 600 rows are more than one group: memory need not hold them all.
    assert completions.num_row_groups == 3
    table = pq.read_table(folder / "verdicts.parquet")
    assert table.schema.equals(VERDICTS)
    assert table.slice(599).to_pylist() == [
        {
            "benchmark": "humaneval",
            "id": "599",
            "sample": 0,
            "budget_tokens": 6144,
            "verdict": "wrong_answer",
            "test_index": 2,
            "message": "assert 1 == 2",
            "cpu_s": 0.25,
        }
    ]


def test_the_questions_of_all_benchmarks_in_one_file(folder):
    write_questions(folder, {"old": [Question("1", "Gone?", "", None)]})
    questions = [Question("a", "Which?\n", "", "x", has_erratum=True), Question("b", "", "", None)]
    write_questions(folder, {"humaneval": questions, "cruxeval:test": questions[:1]})
    table = pq.read_table(folder / "questions.parquet")
    assert table.schema.equals(QUESTIONS)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("humaneval", "a", "Which?\n"),
        ("humaneval", "b", ""),
        ("cruxeval:test", "a", "Which?\n"),
    ]


def test_a_writing_that_fails_leaves_what_was_there(folder):
    before = (folder / "completions.parquet").read_bytes()

    def break_off():
        yield graded()
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_graded(folder, break_off())
    assert (folder / "completions.parquet").read_bytes() == before
    assert not list(folder.glob("*.tmp"))


def test_what_the_report_says(folder):
    run = open_eval_run(folder)
    assert run.label == "mine"
    assert run.budgets() == {"humaneval": (2, 6144)}
    assert run.latency("humaneval", 6144).amortised_s == 1.5
    ceiling = run.ceiling("humaneval")
    assert (ceiling.n_passed, ceiling.n_problems) == (3, 4)


def test_without_a_label_the_model_names_the_run(tmp_path, write_eval_run):
    run = open_eval_run(write_eval_run(tmp_path / "run", None, {}, model="some/model"))
    assert run.label == "some/model"


def keep_rows(path, ids):
    table = pq.read_table(path)
    wanted = [n for n, id in enumerate(table["id"].to_pylist()) if id in ids]
    pq.write_table(table.take(wanted), path)


@pytest.mark.parametrize(
    ("name", "missing"), [("verdicts", "verdict"), ("completions", "completion")]
)
def test_a_row_without_its_other_half_is_refused(folder, name, missing):
    keep_rows(folder / f"{name}.parquet", ["a"])
    with pytest.raises(RunFolderError, match=f"sample 0 of b has no {missing}"):
        open_eval_run(folder).graded("humaneval", 6144)


def test_joined_by_key_not_by_position(folder):
    write_graded(folder, WHOLE)
    table = pq.read_table(folder / "verdicts.parquet")
    outcomes = table.set_column(4, "verdict", [["passed", "timed_out", "memory"]])
    pq.write_table(outcomes.take([2, 0, 1]), folder / "verdicts.parquet")
    joined = open_eval_run(folder).graded("humaneval", 6144)
    assert [(each.completion.id, each.completion.sample) for each in joined] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
    ]
    assert [each.verdict.outcome for each in joined] == ["passed", "timed_out", "memory"]


def test_files_that_are_not_what_they_should_be(folder):
    run = open_eval_run(folder)
    with pytest.raises(RunFolderError, match="holds nothing of cruxeval under 6144 tokens"):
        run.graded("cruxeval", 6144)
    write_graded(folder, [graded(), graded()])
    with pytest.raises(RunFolderError, match="more than once"):
        run.graded("humaneval", 6144)
    (folder / "completions.parquet").write_bytes(b"no parquet")
    with pytest.raises(RunFolderError, match=r"cannot read .*completions\.parquet"):
        run.graded("humaneval", 6144)
    (folder / "completions.parquet").unlink()
    with pytest.raises(RunFolderError, match=r"cannot read .*completions\.parquet"):
        run.graded("humaneval", 6144)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "prune"}, "is a run of kind 'prune', not 'eval'"),
        ({"format_version": 7}, "has format version 7; this asap reads 1"),
        ({"status": "unfinished"}, "run the same `asap eval` command to finish it"),
        ({"seed": "x"}, "is damaged: seed: "),
        (
            {"benchmarks": {"h": {"ceiling": None, "budgets": {"6k": {}}}}},
            "is damaged: benchmarks.h",
        ),
    ],
)
def test_reports_that_are_refused(folder, changes, said):
    report = json.loads((folder / "report.json").read_text("utf-8"))
    (folder / "report.json").write_text(json.dumps(report | changes), encoding="utf-8")
    with pytest.raises(RunFolderError) as refused:
        open_eval_run(folder)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(RunFolderError, match="there is no folder"):
        open_eval_run(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"it has no report\.json"):
        open_eval_run(tmp_path)
    for text, said in [("{", "cannot read"), ("[]", "is not a report of asap")]:
        (tmp_path / "report.json").write_text(text, encoding="utf-8")
        with pytest.raises(RunFolderError, match=said):
            open_eval_run(tmp_path)
