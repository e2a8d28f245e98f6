"""Which rows are trained on, read off the Arrow files and the list of those left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asap.errors import InputError
from asap.train import DataPlan, Mix, Template, load_tokenizer, write_data


@pytest.fixture(scope="module")
def template(r1_model: Path) -> Template:
    return Template(load_tokenizer(str(r1_model)))


@pytest.fixture
def write(template: Template, tmp_path: Path) -> Callable[..., Any]:
    """Writes a plan's rows: counts, rows of `train` and `eval`, and what was left out."""

    def write(source: Path, max_length: int = 200, **plan: Any) -> Any:
        folder = tmp_path / "rows"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        data = write_data(DataPlan(str(source), max_length, **plan), template, folder)
        excluded = (folder / "excluded.jsonl").read_text("utf-8").splitlines()
        return (
            data,
            *(read_arrow(folder / f"{name}.arrow") for name in ("train", "eval")),
            [json.loads(line) for line in excluded],
        )

    return write


def read_arrow(path: Path) -> list[dict[str, Any]]:
    return pa.ipc.open_stream(path).read_all().to_pylist() if path.exists() else []


def texts(rows: list[dict[str, Any]], r1_model: Path) -> list[str]:
    tokenizer = load_tokenizer(str(r1_model))
    return [tokenizer.decode([i for i in row["labels"] if i != -100][:-1]) for row in rows]


ROWS = [
    (0, "a?", "<think>\none\n</think>\n1"),
    (1, "b?", "<think>\n" + "two " * 30 + "\n</think>\n2"),
    (2, "c?", "<think>\nthree\n</think>\n3"),
    (4, "e?", "<think>\nfive\n</think>\n5"),
]


def test_the_prompt_is_masked_and_tokens_are_counted(
    write: Callable[..., Any], write_run: Callable[..., Path], tmp_path: Path
) -> None:
    data, train, held_out, excluded = write(write_run(tmp_path / "run", ROWS, "x"))
    # Letters are tokens, and so are special tokens and tags: <bos><User>a?<Assistant>, then
    # <think> and line break, three letters, line break, </think>, line break, a digit, <eos>.
    assert train[0]["labels"][:5] == [-100] * 5
    assert train[0]["labels"][5:] == train[0]["input_ids"][5:]
    assert train[0]["length"] == len(train[0]["input_ids"]) == 5 + 2 + 3 + 3 + 2
    completions = [len("one") + 7, 120 + 7, len("three") + 7, len("five") + 7]
    assert (data.n_rows, data.masked_tokens, data.trained_tokens) == (4, 20, sum(completions))
    assert data.tokens_per_sample == (20 + sum(completions)) / 4
    assert (held_out, excluded) == ([], [])


def test_rows_over_max_length_are_listed(
    write: Callable[..., Any], write_run: Callable[..., Path], tmp_path: Path, r1_model: Path
) -> None:
    run = write_run(tmp_path / "run", ROWS, "x")
    data, train, _, excluded = write(run, max_length=50)
    assert texts(train, r1_model) == [completion for _, _, completion in (ROWS[0], *ROWS[2:])]
    said = {"row": 1, "id": "t-1", "variant": "", "reason": "over_max_length", "n_tokens": 132}
    assert excluded == [said]
    assert data.left_out == {"over_max_length": 1}
    with pytest.raises(InputError, match=r"no row is left.*4 × over_max_length.*has 15 tokens"):
        write(run, max_length=14)


def test_every_arm_is_trained_on_the_rows_that_all_hold(
    write: Callable[..., Any], write_run: Callable[..., Path], tmp_path: Path, r1_model: Path
) -> None:
    one = write_run(tmp_path / "one", ROWS, "x")  # row 1 is over 50 tokens here
    other = write_run(
        tmp_path / "other", [(n, "?", "<think>\n\n</think>\n0") for n in (0, 1, 2)], "x"
    )
    _, train, _, excluded = write(one, max_length=50, same_rows=(str(other),))
    assert texts(train, r1_model) == [ROWS[0][2], ROWS[2][2]]
    assert [(e["row"], e["reason"]) for e in excluded] == [
        (1, "over_max_length"),
        (4, "not_in_every_arm"),
    ]
    _, train, _, excluded = write(other, max_length=50, same_rows=(str(one),))
    assert len(train) == 2
    assert [(e["row"], e["reason"]) for e in excluded] == [(1, "not_in_every_arm")]


def test_a_row_of_several_variants_is_held_whole_or_not_at_all(
    write: Callable[..., Any], write_run: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [
        (0, "a long", ROWS[1][2], "long"),
        (0, "a short", ROWS[0][2], "short"),
        (1, "b long", ROWS[0][2], "long"),
        (1, "b short", ROWS[0][2], "short"),
    ]
    variants = write_run(tmp_path / "variants", rows, "x")
    plain = write_run(tmp_path / "plain", [ROWS[0], (1, *ROWS[2][1:])], "x")
    assert len(write(variants, max_length=50)[1]) == 3
    _, train, _, excluded = write(variants, max_length=50, same_rows=(str(plain),))
    assert len(train) == 2
    assert [(e["row"], e["variant"], e["reason"]) for e in excluded] == [
        (0, "long", "over_max_length"),
        (0, "short", "not_in_every_arm"),
    ]
    _, train, _, excluded = write(plain, max_length=50, same_rows=(str(variants),))
    assert len(train) == 1
    assert [(e["row"], e["reason"]) for e in excluded] == [(0, "not_in_every_arm")]


def test_the_same_rows_are_held_out_in_every_arm(
    write: Callable[..., Any], make_run: Callable[..., Path], write_run: Callable[..., Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    long = make_run(tmp_path / "long", 200)
    short = write_run(
        tmp_path / "short", [(n, f"{n}+{n}?", "<think>\n\n</think>\n0") for n in range(200)], "x"
    )
    prompts = []
    for run in (long, short):
        data, train, held_out, _ = write(run, eval_share=0.25, seed=1)
        assert (data.n_rows, data.n_eval) == (len(train), len(held_out))
        assert 30 <= len(held_out) <= 70
        prompts.append([row["input_ids"][:8] for row in held_out])
    assert prompts[0] == prompts[1]


def test_rows_are_mixed_in_up_to_their_share(
    write: Callable[..., Any], make_run: Callable[..., Path], tmp_path: Path, r1_model: Path
) -> None:
    run = make_run(tmp_path / "run", 30)
    more = tmp_path / "more.jsonl"
    lines = [json.dumps({"prompt": "?", "completion": f"plain {n}"}) for n in range(40)]
    more.write_text("\n".join(lines), encoding="utf-8")
    data, train, *_ = write(run, mix=Mix(str(more), 0.25))
    added = [text for text in texts(train, r1_model) if text.startswith("plain")]
    assert (data.n_mixed, data.n_rows, len(added), len(set(added))) == (10, 40, 10, 10)
    again = write(run, mix=Mix(str(more), 0.25))[1]
    assert again == train
    data, *_ = write(run, mix=Mix(str(more), 0.9))
    assert data.n_mixed == 40  # all there are


def test_an_empty_prompt_is_left_out_unless_it_is_wanted(
    write: Callable[..., Any], write_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run", [*ROWS, (5, " ", ROWS[0][2])], "x")
    data, *_ = write(run)
    assert (data.n_rows, dict(data.left_out)) == (4, {"empty_prompt": 1})
    data, *_ = write(run, allow_empty_prompts=True)
    assert (data.n_rows, dict(data.left_out)) == (5, {})
    silent = write_run(tmp_path / "silent", [(n, "", ROWS[0][2]) for n in range(3)], "x")
    with pytest.raises(InputError, match=r"3 × empty_prompt.*--allow-empty-prompts"):
        write(silent)


def test_rows_without_completions_are_refused(
    write: Callable[..., Any], tmp_path: Path, write_run: Callable[..., Path]
) -> None:
    path = tmp_path / "rows.jsonl"
    for line, message in (
        ({"prompt": "a", "text": "b"}, "completion"),
        ({"prompt": "a", "completion": ""}, "row 0 has no completion"),
        ({"prompt": [{"role": "user", "content": "a"}], "completion": "b"}, "'prompt' of row 0"),
    ):
        path.write_text(json.dumps(line), encoding="utf-8")
        with pytest.raises(InputError, match=message):
            write(path)
    empty = write_run(tmp_path / "run", ROWS, "x")
    (empty / "data" / "000000.parquet").unlink()
    with pytest.raises(InputError, match="folder without completions"):
        write(empty)
