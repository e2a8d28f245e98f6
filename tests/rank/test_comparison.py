"""A comparison from traces to values: through `rank_corpus`, with fakes for models."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from asap.corpus import Corpus, Row, open_corpus
from asap.errors import InputError, RecipeError, RunFolderError
from asap.judge import Judge
from asap.prune import Tools
from asap.rank import (
    AnswerChecker,
    Begun,
    ForcedAnswer,
    Forcing,
    RankFolder,
    Settings,
    build_arms,
    list_free_methods,
    rank_corpus,
    summarise_values,
)
from asap.surprisal import FakeCounter, FakeScorer
from asap.trace import Trace

ANSWER = (
    "So:\n\n```python\ntotal_pairs = 0\nfor heap_size in range(17):\n"
    "    total_pairs += heap_size\n```"
)
STEPS = [
    "Okay, the task asks for the number of pairs among seventeen heaps of stones.",
    "The variable total_pairs starts at 0 because nothing has been counted so far.",
    "Perhaps sorting helps here, since sorted heaps could be walked from both ends.",
    "Each heap_size from 0 to 16 adds as many pairs as there were heaps before it.",
    "Checking with 3 heaps gives 0 + 1 + 2, which is 3, and that matches by hand.",
    "Another thought is a closed form: 17 times 16 divided by 2 makes exactly 136.",
    "The loop is simple enough though, so there is no need for a formula this time.",
    "Therefore the program only needs one loop over range(17) that adds heap_size.",
]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    rows = []
    for n in range(5):
        steps = STEPS[n:] + STEPS[:n]
        thinking = "\n\n".join(f"{step} Seen {n * 10 + k} times." for k, step in enumerate(steps))
        rows.append({"id": f"t{n}", "prompt": "How many?", "reasoning": thinking, "answer": ANSWER})
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_corpus([str(path)])


def tools() -> Tools:
    return Tools(FakeCounter(), FakeScorer())


def texts(row: Row) -> list[str]:
    assert isinstance(row.outcome, Trace)
    return row.outcome.thinking.strip().split("\n\n")


METHODS = ["asap", "random", "tail", "asap-no-stage2", "original"]


def test_every_arm_has_values_for_every_trace_at_the_same_tokens(
    corpus: Corpus, tmp_path: Path
) -> None:
    folder = rank_corpus(corpus, tmp_path / "out", build_arms(METHODS), tools())
    assert folder.arm_names() == METHODS
    for name in METHODS[:3]:
        for values in folder.values(name):
            assert list(values.targets) == ["0.75", "0.5", "0.25", "as asap-no-stage2"]
            for target, at in values.targets.items():
                # A token more or less: the final text is counted on itself.
                assert at.tokens == pytest.approx(at.wanted, abs=1.5), target
    assert {values.row for values in folder.values("asap")} == set(range(5))


def test_the_whole_thinking_has_the_best_values_there_are(corpus: Corpus, tmp_path: Path) -> None:
    folder = rank_corpus(corpus, tmp_path / "out", build_arms(METHODS), tools())
    for values in folder.values("original"):
        at = values.targets["as original"]
        assert at.tokens == at.whole
        assert at.values["dangling_rate"] == 0.0
        assert at.values["conclusion_kept"] == 1.0
        assert at.values["answer_support"] == 0.0
    # And it sets no target for the others.
    assert all("as original" not in values.targets for values in folder.values("asap"))


def test_a_method_that_takes_plants_first_has_an_auc_of_one(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It knows the steps of each trace; whatever is planted is not among them but for verbatim
    # repeats, of which it sees that they come for the second time.
    from asap.prune import METHODS as TABLE
    from asap.prune import StepLevel

    known = {
        n: {text for row in corpus.rows() if row.row == n for text in texts(row)} for n in range(5)
    }

    def score(batch: Any, *_: Any) -> list[list[float]]:
        scores = []
        for trace in batch:
            seen: set[str] = set()
            values = []
            for i in range(len(trace.steps)):
                text = trace.text(i)
                values.append(1.0 if text in known[trace.row] - seen else 0.0)
                seen.add(text)
            scores.append(values)
        return scores

    monkeypatch.setitem(TABLE, "knows", lambda options: StepLevel(options, "known", score))
    arms = build_arms(["knows", "random"], "default", {"keep_headers": False})
    folder = rank_corpus(
        corpus, tmp_path / "out", arms, tools(), Settings(ratios=(0.75,), has_support=False)
    )
    n_planted = 0
    for values in folder.values("knows"):
        if "redundant" in values.auc:
            n_planted += 1
            assert values.auc["redundant"] == 1.0
            assert values.planted["0.75"].values["redundant"] == 1.0
    assert n_planted >= 3


def test_values_stand_and_arms_are_added(corpus: Corpus, tmp_path: Path) -> None:
    output = tmp_path / "out"
    rank_corpus(corpus, output, build_arms(["random"]), tools(), Settings((0.5,)))
    before = (output / "values" / "random.jsonl").read_bytes()
    # A kill in the middle of a line: it is taken off, and that trace alone is measured again.
    (output / "values" / "random.jsonl").write_bytes(before[:-30])
    seen: list[tuple[str, int, int]] = []
    rank_corpus(
        corpus,
        output,
        build_arms(["random", "tail"]),
        tools(),
        Settings((0.5,)),
        on_progress=lambda *step: seen.append(step),
    )
    assert (output / "values" / "random.jsonl").read_bytes() == before
    assert seen[0] == ("random", 4, 5)
    assert ("tail", 5, 5) in seen


def test_an_arm_that_sets_a_target_later_has_the_others_measured_there_too(
    corpus: Corpus, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    rank_corpus(corpus, output, build_arms(["random"]), tools(), Settings((0.5,)))
    folder = rank_corpus(
        corpus, output, build_arms(["random", "asap-no-stage2"]), tools(), Settings((0.5,))
    )
    values = list(folder.values("random"))
    assert [each.row for each in values] == list(range(5))
    for each in values:
        assert list(each.targets) == ["0.5", "as asap-no-stage2"]
    n_lines = len((output / "values" / "random.jsonl").read_text("utf-8").splitlines())
    rank_corpus(corpus, output, build_arms(["random", "asap-no-stage2"]), tools(), Settings((0.5,)))
    again = (output / "values" / "random.jsonl").read_text("utf-8").splitlines()
    assert len(again) == n_lines


def test_a_folder_begun_without_a_model_takes_arms_that_need_one(
    corpus: Corpus, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    settings = Settings((0.5,), has_support=False)
    rank_corpus(corpus, output, build_arms(["random"]), Tools(FakeCounter()), settings)
    folder = rank_corpus(corpus, output, build_arms(["asap"]), tools(), settings)
    rank_corpus(corpus, output, build_arms(["tail"]), Tools(FakeCounter()), settings)
    assert folder.arm_names() == ["random", "asap", "tail"]
    assert folder.report()["identity"]["scorer weights"] == "fake-scorer"
    other = Tools(FakeCounter(), FakeScorer(name="another"))
    with pytest.raises(RunFolderError, match="scorer weights is fake-scorer there"):
        rank_corpus(corpus, output, build_arms(["asap"]), other, settings)


def test_an_id_may_hold_what_ends_a_line_elsewhere(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    row = {"id": "a\u2028b\x85c", "prompt": "Q", "reasoning": "\n\n".join(STEPS), "answer": ANSWER}
    path.write_text(json.dumps(row) + "\n")
    for _ in range(2):  # the second time the values are read back
        folder = rank_corpus(
            open_corpus([str(path)]), tmp_path / "out", build_arms(["random"]), tools()
        )
    assert [values.id for values in folder.values("random")] == ["a\u2028b\x85c"]


def test_a_folder_left_by_a_kill_at_the_very_beginning_is_taken(
    corpus: Corpus, tmp_path: Path
) -> None:
    (tmp_path / "out" / "values").mkdir(parents=True)
    (tmp_path / "out" / "report.tmp").touch()
    folder = rank_corpus(corpus, tmp_path / "out", build_arms(["random"]), tools())
    assert folder.report()["status"] == "finished"


def test_another_comparison_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    output = tmp_path / "out"
    rank_corpus(corpus, output, build_arms(["random"]), tools(), Settings((0.5,)))
    with pytest.raises(RunFolderError, match=r"ratios is \[0.5\] there and \[0.25\] here"):
        rank_corpus(corpus, output, build_arms(["random"]), tools(), Settings((0.25,)))
    with pytest.raises(RunFolderError, match="the arm random ran with another seed"):
        rank_corpus(
            corpus,
            output,
            build_arms(["random"], "default", {"seed": 1}),
            tools(),
            Settings((0.5,)),
        )
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(RunFolderError, match="no run folder"):
        rank_corpus(corpus, tmp_path / "other", build_arms(["random"]), tools())


def test_arms_must_share_their_model() -> None:
    with pytest.raises(RecipeError, match=r"tokenizer is deepseek-ai.* give one for all"):
        build_arms(["asap", "paper-original"])
    with pytest.raises(RecipeError, match="twice"):
        build_arms(["asap", "asap"])
    with pytest.raises(RecipeError, match=r"'rnadom' is no method.* did you mean random\?"):
        build_arms(["rnadom"])
    names = [arm.name for arm in build_arms(["asap", "paper-original"], changes={"tokenizer": "x"})]
    assert names == ["asap", "paper-original"]


def test_free_methods_need_no_llm_and_no_classifier() -> None:
    free = list_free_methods()
    assert free[0] == "asap"
    assert {"random", "spirit", "original", "step-entropy"} <= set(free)
    # A scorer behind a server tells no entropies.
    assert list_free_methods(False) == [name for name in free if name != "step-entropy"]
    assert not {"c3ot", "dap", "llmlingua2", "tokenskip"} & set(free)


def test_an_input_without_a_usable_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"prompt": "Q", "generation": "<think>never closed"}\n')
    with pytest.raises(InputError, match=r"no usable trace in the input \(no_closing_tag 1\)"):
        rank_corpus(open_corpus([str(path)]), tmp_path / "out", build_arms(["random"]), tools())


def write_values(folder: Path, arm: str, rows: list[tuple[float, float | None]]) -> None:
    """Tokens (of 10 asked for) and the metric's value, per row."""
    lines = [json.dumps({"arm": arm, "recipe": {}})]
    for row, (tokens, value) in enumerate(rows):
        at = {"whole": 20, "wanted": 10, "tokens": tokens, "values": {"m": value, "n": None}}
        lines.append(json.dumps({"row": row, "id": "", "targets": {"0.5": at}, "planted": {}}))
    (folder / "values").mkdir(parents=True, exist_ok=True)
    (folder / "values" / f"{arm}.jsonl").write_text("\n".join(lines) + "\n")


def test_differences_are_paired_and_only_given_at_equal_tokens(tmp_path: Path) -> None:
    values = [n / 10 for n in range(10)]
    write_values(tmp_path, "a", [(10, value + 0.1) for value in values])
    write_values(tmp_path, "b", [(10, value) for value in values])
    # 7 of 10 tokens in one row of ten: 3 % in the mean.
    write_values(tmp_path, "c", [(7 if n == 0 else 10, value) for n, value in enumerate(values)])
    results = summarise_values(RankFolder(tmp_path), ["a", "b", "c"], "a")
    b, c = results.measured["0.5", "b", "m"], results.measured["0.5", "c", "m"]
    assert b.mean == pytest.approx(0.45)
    assert b.difference is not None
    # Every pair differs by 0.1, so every resample does.
    assert b.difference.estimate == pytest.approx(-0.1)
    assert (b.difference.low, b.difference.high) == pytest.approx((-0.1, -0.1))
    assert c.difference is None
    assert results.matches["0.5", "c"].mean == pytest.approx(0.03)
    assert results.matches["0.5", "c"].largest == pytest.approx(0.3)
    assert results.metrics == ("m",)


def test_means_are_over_the_traces_that_every_arm_has(tmp_path: Path) -> None:
    write_values(tmp_path, "a", [(10, 0.5)] * 10 + [(10, 5.0), (10, None)])
    write_values(tmp_path, "b", [(10, 0.4)] * 10 + [(10, None), (10, 9.0)])
    write_values(tmp_path, "silent", [(10, None)] * 12)
    results = summarise_values(RankFolder(tmp_path), ["a", "b", "silent"], "a")
    a, b = results.measured["0.5", "a", "m"], results.measured["0.5", "b", "m"]
    assert (a.mean, a.n) == (pytest.approx(0.5), 10)
    assert (b.mean, b.n, b.n_both) == (pytest.approx(0.4), 10, 10)
    assert ("0.5", "silent", "m") not in results.measured


def test_nine_pairs_are_too_few_for_an_interval(tmp_path: Path) -> None:
    for arm in "ab":
        write_values(tmp_path, arm, [(10, 0.5)] * 9)
    measured = summarise_values(RankFolder(tmp_path), ["b"], "a").measured["0.5", "b", "m"]
    assert (measured.difference, measured.n_both) == (None, 9)


class Reader:
    """Answers what the last number word of a thinking says: a model behind a server, in short."""

    name = "reader"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, wanted: Sequence[Begun], _: Any = None) -> list[ForcedAnswer | None]:
        self.asked += [begun.thinking for begun in wanted]
        return [ForcedAnswer("5" if "five" in each.thinking else "0", False) for each in wanted]


def test_forced_answers_are_held_against_the_rows_own(tmp_path: Path) -> None:
    filler = "\n\n".join(f"Something else is said here, number {n}." for n in range(6))
    rows = [
        {"id": "a", "prompt": "Which?", "reasoning": f"It is five.\n\n{filler}", "answer": "5"},
        {"id": "b", "prompt": "Which?", "reasoning": f"{filler}\n\nIt is five.", "answer": "5"},
        {"id": "c", "prompt": "Which?", "reasoning": filler, "answer": "Prose that is no value."},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reader: Any = Reader()
    settings = Settings(ratios=(0.5,), has_planted=False, has_support=False)
    with AnswerChecker(Judge()) as checker:
        folder = rank_corpus(
            open_corpus([str(path)]),
            tmp_path / "out",
            build_arms(["head", "tail"]),
            tools(),
            settings,
            forcing=Forcing(reader, checker),
        )
    reached = {
        name: [v.targets[target].values["forced_answer"] for v in folder.values(name)]
        for name, target in [
            ("head", "0.5"),
            ("tail", "0.5"),
            ("whole", "as whole"),
            ("nothing", "as nothing"),
        ]
    }
    assert reached == {
        "head": [1.0, 0.0, None],
        "tail": [0.0, 1.0, None],
        "whole": [1.0, 1.0, None],
        "nothing": [0.0, 0.0, None],
    }
    # The row whose answer is no value and no program was never asked about.
    assert filler not in reader.asked


def test_backends_that_a_method_does_not_use_are_no_part_of_its_arm() -> None:
    changes = {"classifier": "folder", "llm": "name"}
    by_name = {arm.name: arm.recipe for arm in build_arms(["asap", "llmlingua2"], changes=changes)}
    assert by_name["asap"].classifier is None
    assert by_name["llmlingua2"].classifier == "folder"
    assert by_name["llmlingua2"].llm is None


@pytest.mark.real
def test_real_traces_are_matched_within_the_limit(
    real_data: Path, tmp_path: Path, write_jsonl: Callable[..., Path]
) -> None:
    import gzip

    with gzip.open(real_data / "cruxeval-o-r1" / "traces.jsonl.gz", "rt") as lines:
        rows = [json.loads(next(lines)) for _ in range(20)]
    corpus = open_corpus([str(write_jsonl(tmp_path / "in.jsonl", rows))])
    arms = build_arms(["random", "head", "tail", "longest-first"])
    folder = rank_corpus(corpus, tmp_path / "out", arms, tools(), Settings(has_support=False))
    results = summarise_values(folder, [arm.name for arm in arms], "random")
    assert all(match.is_close for match in results.matches.values())
