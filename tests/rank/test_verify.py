"""Forced answers: what is asked, what an answer is held against, and the run that comes out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import asap
from asap.bench import Generator, ModelTokenizer, Sampling
from asap.chat import ChatLimits, OpenAICompletions, ReplyCache, ScriptedChat, Waiting
from asap.errors import RunFolderError, RunStopped, SandboxError
from asap.judge import Judge
from asap.place import find_place, write_whole
from asap.prune import LONG_CONDITION, SHORT_CONDITION, Tools
from asap.rank import (
    VERIFY_REASONS,
    AnswerChecker,
    Attempt,
    Begun,
    ForcedAnswers,
    VerifyResult,
    reach_answers,
    read_reference,
    verify_run,
)
from asap.run import Ledger, load_recipe, read_report
from asap.surprisal import FakeCounter, FakeScorer
from asap.trace import Trace

TWICE = "```python\nprint(2 * int(input()))\n```"
SQUARE = "```python\nprint(int(input()) ** 2)\n```"
TESTS = [{"input": "2", "output": "4"}, {"input": "3", "output": "6"}]
ODD = [{"input": "2", "output": "4"}, {"input": "3", "output": "9"}]

# answer, tests, true value; what becomes of the row if the model answers as the row does
ROWS: list[tuple[str, Any, str | None, str]] = [
    ("[1, 2]", None, "[1, 2]", ""),
    ("3", None, "4", ""),
    (TWICE, TESTS, None, ""),
    ("```python\nprint(0)\n```", TESTS, None, "answer_not_checkable"),
    (TWICE, None, None, "answer_not_checkable"),
    ("It arrives at ten.", None, None, "answer_not_checkable"),
    ("", None, None, "no_answer"),
    (TWICE, ODD, None, ""),
    ("'yes'", None, None, ""),
]


@pytest.fixture(scope="session", autouse=True)
def _sandbox() -> None:
    try:
        with Judge():
            pass
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture
def run(tmp_path: Path, write_jsonl: Callable[..., Path]) -> Path:
    """A prune run of the rows above in shards of four, one step in three kept."""
    rows = [
        {
            "id": f"id-{n}",
            "prompt": f"Question {n}?",
            "generation": f"<think>\nFirst of {n}.\n\nSecond.\n\nThird.\n</think>\n{answer}",
            "examples": tests,
            "expected_output": expected,
        }
        for n, (answer, tests, expected, _) in enumerate(ROWS)
    ]
    return prune(write_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "run")


def prune(source: Path, output: Path, chat: Any = None, **fields: Any) -> Path:
    recipe = asap.load_recipe("default", {"stage1": "none", **fields})
    corpus = asap.open_corpus([str(source)], None, recipe.require)
    tools = Tools(FakeCounter(), FakeScorer(), chat)
    columns = ["examples", "expected_output"]
    asap.prune_corpus(
        corpus, output, recipe, tools, keep_columns=columns, shard_rows=4, max_excluded=1.0
    )
    return output


def find_number(prompt: str) -> int:
    return int(prompt.partition("Question ")[2].partition("?")[0])


def own_answer(prompt: str) -> str:
    return ROWS[find_number(prompt)][0]


async def skip(seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture
def ask(
    scripted_model: Any, tiny_model: Path, tmp_path: Path
) -> Callable[..., tuple[Any, Callable[..., Any]]]:
    """A scripted model, and a function that opens `ForcedAnswers` on it."""

    def begin(answer: Callable[[str], Any], **more: Any) -> tuple[Any, Callable[..., Any]]:
        model = scripted_model(tiny_model, answer, **more)
        tokenizer = ModelTokenizer(str(tiny_model))

        @contextmanager
        def open_generator() -> Iterator[Generator]:
            limits = ChatLimits(attempts=1, timeout_s=20.0, concurrency=1)
            with OpenAICompletions(
                "served", base_url=model.server.url, limits=limits, waiting=Waiting(sleep=skip)
            ) as client:
                yield Generator(client, tokenizer, Sampling())

        @contextmanager
        def open_forced(max_tokens: int = 500, **settings: Any) -> Iterator[ForcedAnswers]:
            with (
                ReplyCache(tmp_path / "cache" / "replies.sqlite") as cache,
                ForcedAnswers(
                    *("served", tokenizer, open_generator, cache),
                    max_tokens=max_tokens,
                    **settings,
                ) as forced,
            ):
                yield forced

        return model, open_forced

    return begin


def verify(
    open_forced: Callable[..., Any], run: Path, output: Path, *, settings: Any = None, **more: Any
) -> VerifyResult:
    with open_forced(**settings or {}) as forced, AnswerChecker(Judge()) as checker:
        return verify_run(run, output, forced, checker, **more)


def reasons(folder: Path) -> dict[int, str]:
    lines = (folder / "excluded.jsonl").read_text("utf-8").splitlines()
    return {row["row"]: row["reason"] for row in map(json.loads, lines)}


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    files = sorted((folder / name).glob("*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def test_a_run_is_left_with_the_rows_whose_answer_is_reached(
    run: Path, ask: Any, tmp_path: Path
) -> None:
    model, forced = ask(own_answer)
    output = tmp_path / "verified"
    seen: list[int] = []
    result = verify(forced, run, output, on_progress=seen.append)
    assert reasons(output) == {n: row[3] for n, row in enumerate(ROWS) if row[3]}
    assert result.summary.rows_in == len(ROWS) == sum(seen)
    assert result.summary.rows_in == result.summary.rows_out + result.summary.rows_excluded
    # What is left is what prune wrote, unchanged.
    before = {row["row"]: row for row in read(run, "data")}
    assert read(output, "data") == [before[n] for n in (0, 1, 2, 7, 8)]
    assert [row["row"] for row in read(output, "traces")] == list(range(len(ROWS)))
    # Only rows that can be checked were asked about, and the prompt is the training row's.
    assert sorted(find_number(model.tokenizer.decode(body["prompt"])) for body in model.asked) == [
        *(0, 1, 2, 7, 8)
    ]
    first = next(row for row in read(run, "data") if row["row"] == 0)
    prompts = [model.tokenizer.decode(body["prompt"]) for body in model.asked]
    text = f"<|begin|>Question 0?\n{first['completion'].removesuffix('[1, 2]')}"
    assert text.removeprefix("<|begin|>") in [p.removeprefix("<|begin|>") for p in prompts]
    assert text.endswith("\n</think>\n")


def test_what_comes_out_is_a_prune_run_again(run: Path, ask: Any, tmp_path: Path) -> None:
    _, forced = ask(own_answer)
    output = tmp_path / "verified"
    verify(forced, run, output)
    report = read_report(output, kind="prune")
    assert (report["status"], report["verify"]["model"]) == ("finished", "served")
    assert load_recipe(str(output / "recipe.yaml")) == load_recipe(str(run / "recipe.yaml"))
    assert [row["row"] for row in Ledger(output).traces(["row"])] == list(range(len(ROWS)))
    card = (output / "README.md").read_text("utf-8")
    assert card.split("---\n")[1] == (run / "README.md").read_text("utf-8").split("---\n")[1]
    assert "9 in, 5 out" in card
    again = verify(forced, output, tmp_path / "twice")
    assert again.summary.rows_out == 5
    # The prune command of the first run must not go on in here.
    identity = read_report(run)["identity"]
    with pytest.raises(RunFolderError, match="holds another run"):
        Ledger(output).check(identity)


def test_a_run_in_a_store_is_verified_into_a_store(run: Path, ask: Any, tmp_path: Path) -> None:
    pytest.importorskip("upath")
    there, output = find_place("memory://verify/run"), find_place("memory://verify/out")
    for file in [path for path in run.rglob("*") if path.is_file()]:
        write_whole(there / file.relative_to(run).as_posix(), file.read_bytes())
    _, forced = ask(own_answer)
    verify(forced, there, output)
    verify(forced, run, tmp_path / "verified")
    for name in ("data/000000.parquet", "traces/000000.parquet", "excluded.jsonl", "README.md"):
        assert (output / name).read_bytes() == (tmp_path / "verified" / name).read_bytes()
    assert verify(forced, there, output).is_resumed


def test_answers_that_differ_exclude_their_rows(run: Path, ask: Any, tmp_path: Path) -> None:
    said = {
        0: "[2, 1]",  # another value
        1: "The result is `3`.",  # the row's own in other words, though it is wrong
        2: SQUARE,  # 4 passes, 9 instead of 6
        7: f"{SQUARE}",  # right where the row's own program is wrong: it passes the first test
        8: "I do not know.",
    }
    _, forced = ask(lambda prompt: said[find_number(prompt)])
    output = tmp_path / "verified"
    verify(forced, run, output)
    found = reasons(output)
    assert [n for n in said if found.get(n) == "answer_not_reached"] == [0, 2, 8]
    assert [row["row"] for row in read(output, "data")] == [1, 7]
    details = {row["row"]: row["detail"] for row in read(output, "traces")}
    assert details[0] == "another value"
    assert details[2] == "wrong_answer, test 1"
    forced_rows = {row["row"]: row for row in read(output, "forced")}
    assert (forced_rows[2]["answer"], forced_rows[2]["is_reached"]) == (SQUARE, False)
    assert (forced_rows[7]["is_reached"], forced_rows[4]["is_reached"]) == (True, None)
    assert forced_rows[4]["answer"] is None
    # The steps of what is excluded here can still be looked at.
    assert read(output, "traces")[0]["steps"] == read(run, "traces")[0]["steps"]


def test_a_program_must_pass_what_the_rows_own_passes(run: Path, ask: Any, tmp_path: Path) -> None:
    said = {2: "No program.", 7: "```python\nprint(0)\n```"}
    _, forced = ask(lambda prompt: said.get(find_number(prompt), own_answer(prompt)))
    output = tmp_path / "verified"
    verify(forced, run, output)
    assert reasons(output)[2] == reasons(output)[7] == "answer_not_reached"
    details = {row["row"]: row["detail"] for row in read(output, "traces")}
    assert (details[2], details[7]) == ("no program", "wrong_answer, test 0")


def test_require_passing_excludes_own_answers_that_fail(
    run: Path, ask: Any, tmp_path: Path
) -> None:
    model, forced = ask(own_answer)
    output = tmp_path / "verified"
    verify(forced, run, output, require_passing=True)
    found = reasons(output)
    # 1 is another value than the true one; 3 fails both tests, 7 the second.
    assert [n for n, reason in found.items() if reason == "tests_failed"] == [1, 3, 7]
    # 8 has no tests that could fail.
    assert [row["row"] for row in read(output, "data")] == [0, 2, 8]
    # Nothing was asked about rows whose fate was known.
    assert len(model.asked) == 3


def test_only_the_first_rows(run: Path, ask: Any, tmp_path: Path) -> None:
    _, forced = ask(own_answer)
    output = tmp_path / "verified"
    result = verify(forced, run, output, limit=6)
    assert (result.summary.rows_in, result.summary.rows_out) == (6, 3)
    assert [row["row"] for row in read(output, "traces")] == list(range(6))


def test_an_interrupted_verify_asks_for_the_rest_and_no_more(
    run: Path, ask: Any, tmp_path: Path, fault_server: Any
) -> None:
    broken = {1}  # in the first shard, where 0 and 2 are answered

    def answer(prompt: str) -> Any:
        if find_number(prompt) in broken:
            return fault_server.status(500)
        return own_answer(prompt)

    model, forced = ask(answer)
    output = tmp_path / "verified"
    with pytest.raises(RunStopped, match="row 1"):
        verify(forced, run, output)
    assert read_report(output)["status"] == "unfinished"
    n_asked = len(model.asked)
    broken.clear()
    result = verify(forced, run, output)
    assert result.is_resumed
    asked = [find_number(model.tokenizer.decode(body["prompt"])) for body in model.asked]
    assert sorted(asked[:n_asked]) == [0, 1, 2]
    assert asked[n_asked:] == [1, 7, 8]
    undisturbed = tmp_path / "undisturbed"
    verify(forced, run, undisturbed)
    assert len(model.asked) == n_asked + 3
    for name in ("data", "traces", "forced"):
        for path in (undisturbed / name).iterdir():
            assert (output / name / path.name).read_bytes() == path.read_bytes()
    assert (output / "excluded.jsonl").read_text() == (undisturbed / "excluded.jsonl").read_text()


def test_other_folders_are_refused(run: Path, ask: Any, tmp_path: Path) -> None:
    _, forced = ask(own_answer)
    output = tmp_path / "verified"
    verify(forced, run, output)
    with pytest.raises(RunFolderError, match="require_passing"):
        verify(forced, run, output, require_passing=True)
    with pytest.raises(RunFolderError, match="input"):
        verify(forced, run, run)
    report = json.loads((run / "report.json").read_text())
    (run / "report.json").write_text(json.dumps({**report, "status": "unfinished"}))
    with pytest.raises(RunFolderError, match="is not finished"):
        verify(forced, run, tmp_path / "other")


def test_what_does_not_fit_the_window_cannot_be_checked(
    run: Path, ask: Any, tmp_path: Path
) -> None:
    model, forced = ask(own_answer)
    output = tmp_path / "verified"
    verify(forced, run, output, settings={"max_tokens": 90, "window": 100})
    assert model.asked == []
    assert set(reasons(output).values()) == {"answer_not_checkable", "no_answer"}


def test_an_answer_that_is_cut_off_says_so(run: Path, ask: Any, tmp_path: Path) -> None:
    _, forced = ask(lambda prompt: "Well, " * 50)
    output = tmp_path / "verified"
    verify(forced, run, output, limit=1, settings={"max_tokens": 20})
    (row,) = read(output, "traces")
    assert row["detail"] == "another value; the answer was cut off at 20 tokens"
    assert read(output, "forced")[0]["is_cut"]


def test_a_server_without_ids_reads_the_same_prompt_as_text(
    run: Path, ask: Any, tmp_path: Path
) -> None:
    model, forced = ask(own_answer, has_ids=False)
    output = tmp_path / "verified"
    verify(forced, run, output, limit=1)
    assert [row["row"] for row in read(output, "data")] == [0]
    last = model.asked[-1]["prompt"]
    assert isinstance(last, str)
    assert last.startswith("Question 0?\n<think>\n")
    assert last.endswith("\n</think>\n")


def test_a_row_with_variants_goes_as_a_whole(
    ask: Any, tmp_path: Path, write_jsonl: Callable[..., Path]
) -> None:
    rows = [
        {
            "prompt": f"Question {n}?",
            "generation": "<think>\nOne of the ways.\n\nTwo.\n</think>\n'yes'",
            "examples": None,
            "expected_output": None,
        }
        for n in range(3)
    ]
    chat = ScriptedChat(lambda request: "Short.")
    source = write_jsonl(tmp_path / "c3ot.jsonl", rows)
    run = prune(source, tmp_path / "c3ot", chat, method="c3ot")

    def answer(prompt: str) -> str:
        has_failed = (find_number(prompt), SHORT_CONDITION in prompt) in ((0, True), (1, False))
        return "'no'" if has_failed else "'yes'"

    model, forced = ask(answer)
    output = tmp_path / "verified"
    verify(forced, run, output)
    assert [(row["row"], row["variant"]) for row in read(output, "data")] == [
        *((2, "short"), (2, "long"))
    ]
    assert reasons(output) == {0: "answer_not_reached", 1: "answer_not_reached"}
    assert any(LONG_CONDITION in model.tokenizer.decode(b["prompt"]) for b in model.asked)


def test_equal_prompts_are_asked_once_and_every_answer_comes_back(ask: Any) -> None:
    model, open_forced = ask(lambda prompt: prompt.partition("?")[0])
    begun = [Begun("a", "One?", "So."), Begun("b", "Two?", "So."), Begun("a", "One?", "So.")]
    seen: list[int] = []
    with open_forced() as forced:
        answers = forced.answer(begun, seen.append)
        assert forced.answer(begun[1:]) == answers[1:]
    assert [answer.text.strip()[-3:] for answer in answers] == ["One", "Two", "One"]
    assert sorted(seen) == [0, 1, 2]
    assert len(model.asked) == 2


def test_arms_are_compared_with_the_whole_and_with_no_thinking(ask: Any) -> None:
    # The model reads the answer off the thinking: where the number is gone, so is the answer.
    def answer(prompt: str) -> str:
        thinking = prompt.partition("<think>\n")[2]
        return "5" if "five" in thinking else "6" if "six" in thinking else "0"

    _, open_forced = ask(answer)
    traces = [
        Trace(0, "a", "Which?", "First five.\n\nThen more.", "5"),
        Trace(1, "b", "Which?", "First six.\n\nThen more.", "6"),
        Trace(2, "c", "Which?", "Nothing.", "0"),
        Trace(3, "d", "Which?", "Nothing.", "Some prose."),
    ]
    references = [read_reference(trace.id, trace.answer, {}) for trace in traces]
    kept = {"whole": [trace.thinking for trace in traces], "nothing": [""] * 4}
    kept |= {"tail": ["Then more."] * 3 + [""], "head": ["five.", "six.", "", ""]}
    reached = {}
    with open_forced() as forced, AnswerChecker(Judge()) as checker:
        owns = checker.judge_own(references)
        for arm, thinkings in kept.items():
            attempts = [
                Attempt(Begun(trace.id, trace.question, thinking), reference, own)
                for trace, thinking, reference, own in zip(
                    traces, thinkings, references, owns, strict=True
                )
            ]
            reached[arm] = reach_answers(attempts, forced, checker)
    assert reached == {
        "whole": [True, True, True, None],
        "nothing": [False, False, True, None],
        "tail": [False, False, True, None],
        "head": [True, True, True, None],
    }


@pytest.mark.parametrize(
    "examples",
    [None, "", "no JSON", "7", [], ["2"], [{"input": "2"}], [{"input": 2, "output": "4"}]],
)
def test_columns_without_tests_give_none(examples: Any) -> None:
    assert read_reference("a", TWICE, {"examples": examples}).tests == ()


def test_tests_are_read_as_json_or_as_they_are() -> None:
    for examples in (TESTS, json.dumps(TESTS)):
        reference = read_reference("a", TWICE, {"examples": examples})
        assert reference.tests == (("2", "4"), ("3", "6"))


def test_values_need_no_judge() -> None:
    references = [
        read_reference("a", "[1, 2]", {"expected_output": "[1,2]"}),
        read_reference("b", "[1, 2]", {"expected_output": "[2]"}),
        read_reference("c", "[1, 2]", {}),
    ]

    class NoJudge:
        def __enter__(self) -> None:
            raise AssertionError("entered")

    with AnswerChecker(NoJudge()) as checker:  # type: ignore[arg-type]
        owns = checker.judge_own(references)
        assert [(own.fault, own.passes) for own in owns] == [*(("", True), ("", False), ("", None))]
        found = checker.find_reached(
            [("`[1,2]`", references[0], owns[0]), ("(1, 2)", references[0], owns[0])]
        )
    assert found == [(True, ""), (False, "another value")]


def test_every_reason_is_one_that_is_explained(run: Path, ask: Any, tmp_path: Path) -> None:
    _, forced = ask(lambda prompt: "'no'")
    output = tmp_path / "verified"
    verify(forced, run, output, require_passing=True)
    assert set(reasons(output).values()) == {*VERIFY_REASONS, "no_answer"}
