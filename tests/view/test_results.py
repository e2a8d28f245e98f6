"""Evaluations in the view, on folders small enough to know every answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from asap.bench import Completion, Graded, Question, write_graded, write_questions
from asap.judge import Verdict

LCB = "livecodebench:v4_v5"
HOSTILE = (
    "<script>alert(1)</script>\u202e\x00 then `code` and\n</think>\n```python\nprint(1)\n```\n"
)
# id -> (tokens under 200, verdict under 200, verdict under 100)
PLAIN = {
    "HumanEval/0": (100, "passed", "passed"),
    "HumanEval/2": (200, "wrong_answer", "no_answer"),
    "HumanEval/10": (120, "timed_out", "no_answer"),
    "HumanEval/3": (80, "passed", "passed"),
}
SHORT = {
    "HumanEval/0": (40, "passed", "passed"),
    "HumanEval/2": (50, "passed", "passed"),
    "HumanEval/10": (60, "wrong_answer", "wrong_answer"),
    "HumanEval/3": (30, "wrong_answer", "wrong_answer"),
}


def grade(benchmark: str, id: str, budget: int, n_tokens: int, verdict: Any, text: str) -> Graded:
    is_cut = n_tokens > budget
    completion = Completion(
        *(benchmark, id, 0, budget, None, None, text, min(n_tokens, budget)),
        *("length" if is_cut else "stop", None, None),
    )
    return Graded(completion, Verdict(verdict, 1, f"{verdict} in {id}\x1b[31m", 0.1))


def write_run(folder: Path, graded: list[Graded], budgets: dict[str, tuple[int, ...]]) -> Path:
    folder.mkdir()
    write_graded(folder, graded)
    benchmarks = {
        name: {
            "ceiling": {"n_problems": 4, "n_passed": 4, "failed": {}},
            "budgets": {str(budget): {"metrics": {}, "latency": None} for budget in own},
        }
        for name, own in budgets.items()
    }
    report = {
        "kind": "eval",
        "format_version": 1,
        "status": "finished",
        "label": folder.name,
        "model": "m",
        "seed": 0,
        "identity": {"data": {"humaneval": ["digest"]}, "temperature": 0.0},
        "benchmarks": benchmarks,
        "versions": {"python": "3.11"},
        "timings": {"generating_s": 12.5},
    }
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def list_graded(answers: dict[str, tuple[int, Any, Any]], text: str) -> list[Graded]:
    return [
        grade("humaneval", id, budget, n_tokens, verdicts[n], f"{id} under {budget}: {text}")
        for n, budget in enumerate((200, 100))
        for id, (n_tokens, *verdicts) in answers.items()
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    home = tmp_path_factory.mktemp("eval")
    plain = [*list_graded(PLAIN, "So."), grade(LCB, "a b/ü?", 50, 20, "passed", "x" * 20_001)]
    return [
        write_run(home / "plain", plain, {"humaneval": (100, 200), LCB: (50,)}),
        write_run(home / "short", list_graded(SHORT, HOSTILE), {"humaneval": (100, 200)}),
    ]


@pytest.fixture(scope="module")
def evaluated(folders: list[Path], serve: Callable[..., Any]) -> Iterator[Any]:
    with serve(*folders) as client:
        yield client


def find_table(answer: Any, title: str) -> dict[str, list[str]]:
    """The cells of a table's rows by their first cell."""
    table = next(table for table in answer["tables"] if table["title"].startswith(title))
    return {row[0]["text"]: [cell["text"] for cell in row[1:]] for row in table["rows"]}


def test_one_run_at_a_glance(evaluated: Any) -> None:
    overview = evaluated.json("/api/runs/0/overview")
    assert dict(overview["summary"]) == {
        "model": "plain",
        "Pass@1 (humaneval, 200)": "50.0%",
        # 100, 200, 120, 80.
        "tokens per answer": "125",
        "cut off by the budget": "0.0%",
        "problems": "4",
        "answers, all budgets": "9",
    }
    main = find_table(overview, "Pass@1, tokens and latency")
    assert main["plain"] == ["50.0", "125", "-", "100.0", "20", "-"]
    assert ["generating_s", "12.5"] in overview["timings"]
    assert overview["recipe"] == [["data.humaneval", "digest"], ["temperature", "0"]]
    assert [plot["name"] for plot in overview["plots"]] == [
        *("accuracy-humaneval", "accuracy-livecodebench-v4-v5"),
    ]
    runs = evaluated.json("/api/runs")["runs"]
    assert [(run["kind"], run["rows"], run["is_comparable"]) for run in runs] == [
        ("eval", 9, True),
        ("eval", 8, True),
    ]


def test_runs_side_by_side(evaluated: Any) -> None:
    answer = evaluated.json("/api/overview?runs=0,1")
    main = find_table(answer, "Pass@1, tokens and latency")
    # 40, 50, 60 and 30 tokens against 100, 200, 120 and 80.
    assert main["short"][:2] == ["50.0", "45"]
    assert find_table(answer, "Differences to plain")["short"][1].startswith("-80 [")
    assert find_table(answer, "humaneval over budgets")["plain"][:4] == ["50.0", "95", "-", "50.0"]
    (plot,) = (plot for plot in answer["plots"] if plot["name"] == "accuracy-humaneval")
    assert plot["alt"] == (
        "Pass@1, % against budget, tokens: plain from 50 at 100 to 50 at 200; "
        "short from 50 at 100 to 50 at 200."
    )
    points = [[cell["text"] for cell in row] for row in plot["table"]["rows"]]
    # Wilson's interval of 2 of 4.
    assert points[0] == ["plain", "100", "50.0 [15.0, 85.0]"]
    (plot,) = (plot for plot in answer["plots"] if plot["name"] == "tokens-humaneval")
    name, tokens, accuracy = plot["table"]["rows"][1]
    assert (name["text"], tokens["value"], accuracy["value"]) == ("short", 45, 50)
    assert tokens["low"] < 45 < tokens["high"]
    picture = evaluated.get(plot["url"])
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert b">short</text>" in picture.body
    assert any(table["notes"] for table in answer["tables"])


def test_runs_of_one_given_name_are_seeds(folders: list[Path], serve: Callable[..., Any]) -> None:
    with serve(f"both={folders[0]}", f"both={folders[1]}") as client:
        answer = client.json("/api/overview?runs=0,1")
        assert [run["name"] for run in client.json("/api/runs")["runs"]] == ["both", "both (2)"]
    details = find_table(answer, "humaneval over budgets")
    # Half right in each; 125 and 45 tokens.
    assert list(details) == ["both"]
    assert details["both"][3:5] == ["50.0", "85"]


def test_runs_about_other_problems_are_not_compared(
    folders: list[Path], tmp_path: Path, serve: Callable[..., Any]
) -> None:
    few = [grade("humaneval", "HumanEval/0", 200, 9, "passed", "")]
    other = write_run(tmp_path / "few", few, {"humaneval": (200,)})
    with serve(folders[0], other) as client:
        answer = client.json("/api/overview?runs=0,1")
        assert (answer["tables"], answer["plots"]) == ([], [])
        (note,) = answer["notes"]
        assert note.startswith("These runs cannot be compared: humaneval under 200 tokens: ")
        assert len(client.json("/api/overview?runs=1")["tables"]) > 0


def list_ids(evaluated: Any, query: str) -> list[tuple[str, int]]:
    answer = evaluated.json(f"/api/runs/0/problems?{query}")
    return [(row["id"], row["budget"]) for row in answer["rows"]]


def test_problems_are_listed_by_their_numbers(evaluated: Any) -> None:
    answer = evaluated.json("/api/runs/0/problems?limit=3&offset=2")
    assert (answer["total"], answer["offset"]) == (9, 2)
    assert answer["rows"][0] == {
        "benchmark": "humaneval",
        "id": "HumanEval/2",
        "sample": 0,
        "budget": 200,
        "verdict": "wrong_answer",
        "n_tokens": 200,
        "is_cut": False,
    }
    assert answer["rows"][1]["is_cut"]
    ids = [f"HumanEval/{n}" for n in (0, 2, 3, 10)]
    assert list_ids(evaluated, "benchmark=humaneval&budget=200") == [(id, 200) for id in ids]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("verdict=timed_out", [("HumanEval/10", 200)]),
        ("verdict=passed&budget=100", [("HumanEval/0", 100), ("HumanEval/3", 100)]),
        ("id=eval/1", [("HumanEval/10", 200), ("HumanEval/10", 100)]),
        (f"benchmark={LCB}", [("a b/ü?", 50)]),
        ("benchmark=none", []),
        ("benchmark=&verdict=&limit=1", [("HumanEval/0", 200)]),
    ],
    ids=range(6),
)
def test_problems_are_filtered(evaluated: Any, query: str, ids: list[Any]) -> None:
    assert list_ids(evaluated, query) == ids


@pytest.mark.parametrize(
    ("only", "numbers"),
    [
        ("differ", [2, 3]),
        ("all", [0, 2, 3, 10]),
        ("both_wrong", [10]),
        ("both_passed", [0]),
        ("a_only", [3]),
        ("b_only", [2]),
    ],
)
def test_problems_of_two_runs(evaluated: Any, only: str, numbers: list[int]) -> None:
    answer = evaluated.json(f"/api/problems?a=0&b=1&only={only}")
    assert [row["id"] for row in answer["rows"]] == [f"HumanEval/{n}" for n in numbers]
    assert answer["total"] == len(numbers)
    page = evaluated.json(f"/api/problems?a=0&b=1&only={only}&limit=1&offset=1")
    assert [row["id"] for row in page["rows"]] == [f"HumanEval/{n}" for n in numbers[1:2]]


def test_a_pair_is_about_one_budget(evaluated: Any) -> None:
    query = "/api/problems?a=0&b=1&benchmark=humaneval"
    (row, _) = evaluated.json(query)["rows"]
    assert row == {
        "benchmark": "humaneval",
        "id": "HumanEval/2",
        "sample": 0,
        "budget": 200,
        "a": "wrong_answer",
        "b": "passed",
        "a_tokens": 200,
        "b_tokens": 50,
    }
    (row, _) = evaluated.json(f"{query}&budget=100")["rows"]
    assert (row["budget"], row["a"], row["a_tokens"]) == (100, "no_answer", 100)
    assert evaluated.json(f"{query}&budget=7")["total"] == 0


def test_one_problem_with_both_answers(evaluated: Any) -> None:
    answer = evaluated.json(f"/api/problems/humaneval/{quote('HumanEval/2', safe='')}?a=0&b=1")
    assert (answer["id"], answer["budget"], answer["budgets"]) == ("HumanEval/2", 200, [100, 200])
    a, b = answer["a"], answer["b"]
    assert (a["verdict"], a["n_tokens"], a["is_cut"]) == ("wrong_answer", 200, False)
    assert a["message"] == "wrong_answer in HumanEval/2␛[31m"
    assert a["text"] == {"pieces": [["text", "HumanEval/2 under 200: So."]], "cut": None}
    kinds = [piece[0] for piece in b["text"]["pieces"]]
    assert kinds == ["text", "control", "text", "code", "text", "fence", "block", "fence", "text"]
    assert b["text"]["pieces"][1] == ["control", "<U+202E>␀"]
    assert b["text"]["pieces"][0] == ["text", "HumanEval/2 under 200: <script>alert(1)</script>"]
    alone = evaluated.json(f"/api/problems/humaneval/{quote('HumanEval/2')}?a=1&budget=100")
    assert (alone["b"], alone["a"]["verdict"]) == (None, "passed")


def test_the_question_is_shown_where_the_folder_holds_it(
    tmp_path: Path, serve: Callable[..., Any]
) -> None:
    ids = ["HumanEval/0", "HumanEval/2"]
    graded = [grade("humaneval", id, 10, 5, "passed", "Yes.") for id in ids]
    older = write_run(tmp_path / "older", graded, {"humaneval": (10,)})
    report = json.loads((older / "report.json").read_text("utf-8"))
    report["benchmarks"]["humaneval"]["files"] = [{"name": "HumanEval.jsonl", "sha256": "ab"}]
    (older / "report.json").write_text(json.dumps(report), encoding="utf-8")
    newer = write_run(tmp_path / "newer", graded, {"humaneval": (10,)})
    asked = [Question(id, f"Solve {id}.\u202e" + "x" * 20_000, "", None) for id in ids]
    write_questions(newer, {"humaneval": asked})
    path = f"/api/problems/humaneval/{quote('HumanEval/2', safe='')}"
    with serve(older, newer) as client:
        without = client.json(f"{path}?a=0")
        assert (without["question"], without["files"]) == (None, ["HumanEval.jsonl"])
        question = client.json(f"{path}?a=1")["question"]
        assert question["pieces"][:2] == [["text", "Solve HumanEval/2."], ["control", "<U+202E>"]]
        assert question["cut"] == 20_019
        # Beside another run, either one's will do.
        assert client.json(f"{path}?a=0&b=1")["question"] == question
        assert client.json(f"{path}?a=0&b=1&full=1")["question"]["cut"] is None


def test_a_long_answer_is_cut_and_shown_whole_on_request(evaluated: Any) -> None:
    path = f"/api/problems/{quote(LCB)}/{quote('a b/ü?', safe='')}?a=0&b=1"
    answer = evaluated.json(path)
    assert answer["b"] is None
    assert answer["a"]["text"]["cut"] == 20_001
    assert len(answer["a"]["text"]["pieces"][0][1]) == 20_000
    assert evaluated.json(f"{path}&full=1")["a"]["text"]["cut"] is None


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/problems/humaneval/nothing?a=0", 404, "no such"),
        ("/api/problems/humaneval/HumanEval/0?a=0&budget=7", 404, "no such"),
        ("/api/problems/humaneval/HumanEval/0?a=7", 400, "a and b: runs of kind eval"),
        ("/api/problems/humaneval/HumanEval/0", 400, "a: Field required"),
        ("/api/problems?a=0&b=9", 400, "a and b: two runs of kind eval"),
        ("/api/problems?a=0&b=1&only=some", 400, "only: Input should be"),
        ("/api/runs/0/problems?limit=5000", 400, "limit: Input should be"),
        ("/api/runs/7/problems", 404, "no such"),
        ("/api/runs/0/traces", 404, "no such"),
    ],
    ids=range(9),
)
def test_what_is_not_there_is_said(evaluated: Any, path: str, status: int, said: str) -> None:
    answer = evaluated.get(path)
    assert answer.status == status
    assert said in answer.json["error"]


def test_an_answer_is_read_from_its_own_row_group(
    tmp_path: Path, serve: Callable[..., Any]
) -> None:
    graded = [grade("humaneval", f"p{n}", 10, 5, "passed", f"text of {n}") for n in range(300)]
    run = write_run(tmp_path / "run", graded, {"humaneval": (10,)})
    path = run / "completions.parquet"
    with pq.ParquetFile(path) as file:
        assert file.num_row_groups == 2
        column = file.metadata.schema.names.index("text")
        chunk = file.metadata.row_group(0).column(column)
    with path.open("r+b") as damaged:
        damaged.seek(chunk.dictionary_page_offset or chunk.data_page_offset)
        damaged.write(b"\xff" * chunk.total_compressed_size)
    with serve(run) as client:
        # The first group's texts are gone; nothing but they would notice.
        last = client.json("/api/problems/humaneval/p299?a=0")
        assert last["a"]["text"]["pieces"] == [["text", "text of 299"]]
        assert client.json("/api/runs/0/problems?id=p7&limit=1")["total"] == 11
        assert client.get("/api/problems/humaneval/p0?a=0").status == 500


def test_a_run_that_is_not_finished_is_shown_as_far_as_it_is(
    folders: list[Path], tmp_path: Path, serve: Callable[..., Any]
) -> None:
    report = json.loads((folders[0] / "report.json").read_text("utf-8"))
    report |= {"status": "unfinished", "benchmarks": {}}
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "report.json").write_text(json.dumps(report), encoding="utf-8")
    with serve(tmp_path / "half", folders[1]) as client:
        overview = client.json("/api/runs/0/overview")
        assert overview["notes"] == ["The run is unfinished. The same `asap eval` goes on."]
        assert overview["tables"] == overview["plots"] == []
        assert client.json("/api/runs/0/problems")["total"] == 0
        both = client.json("/api/overview?runs=0,1")
        assert both["notes"] == ["half is unfinished"]
        assert "short" in find_table(both, "Pass@1, tokens and latency")
