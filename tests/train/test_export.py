"""What each trainer reads, read back by others than the writer; files whole or not at all."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from asap.corpus import open_corpus
from asap.errors import InputError
from asap.trace import Trace
from asap.train import (
    TRAINERS,
    Trainer,
    TrainRow,
    check_export_file,
    describe_dataset,
    export_rows,
    read_rows,
    register_dataset,
    write_rows,
)

THINKING = 'Let\'s see: "été" is 3 letters.\n\n\u2028Line\tseparator, emoji 🦊, <|im_end|>.\n'
ROWS = [
    {
        "row": 3,
        "id": "a",
        "variant": "",
        "prompt": "Why?\n",
        "completion": "<think>\nx\n</think>\ny",
    },
    {
        "row": 7,
        "id": "b",
        "variant": "short",
        "prompt": "How long is 'été'?",
        "completion": f"<think>\n{THINKING}\n</think>\n\n```python\nprint(3)\n```",
    },
]
MESSAGES = {"axolotl", "openai"}


@pytest.fixture
def source(tmp_path: Path, write_jsonl: Callable[..., Path]) -> str:
    return str(write_jsonl(tmp_path / "rows.jsonl", ROWS))


def read_back(path: Path, trainer: str) -> list[tuple[str, str]]:
    """Prompts and completions, by the trainers' own conventions."""
    from datasets import load_dataset

    rows = load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(path.parent / "cache")
    )
    pairs = []
    for row in rows:
        if trainer in MESSAGES:
            assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
            pairs.append(tuple(turn["content"] for turn in row["messages"]))
        else:
            assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"]
            pairs.append(tuple(turn["value"] for turn in row["conversations"]))
    return pairs


@pytest.mark.parametrize("trainer", get_args(Trainer))
def test_rows_are_read_back_character_for_character(
    source: str, tmp_path: Path, trainer: Trainer
) -> None:
    output = tmp_path / "out.jsonl"
    exported = export_rows(source, trainer, output)
    assert (exported.n_rows, exported.n_empty_prompts) == (2, 0)
    assert read_back(output, trainer) == [(row["prompt"], row["completion"]) for row in ROWS]


@pytest.mark.parametrize("trainer", get_args(Trainer))
def test_a_row_is_a_line_and_its_name_goes_along_where_it_may(
    source: str, tmp_path: Path, trainer: Trainer
) -> None:
    output = tmp_path / "out.jsonl"
    export_rows(source, trainer, output)
    text = output.read_bytes().decode()
    assert text.endswith("}\n")
    rows = [json.loads(line) for line in text[:-1].split("\n")]
    turns = "messages" if trainer in MESSAGES else "conversations"
    if trainer == "openai":
        assert [set(row) for row in rows] == [{"messages"}] * 2
    else:
        assert [set(row) for row in rows] == [{turns, "row", "id", "variant"}] * 2
        assert [(row["row"], row["id"], row["variant"]) for row in rows] == [
            (3, "a", ""),
            (7, "b", "short"),
        ]


@pytest.mark.parametrize("trainer", get_args(Trainer))
def test_what_was_written_can_be_pruned_again(
    source: str, tmp_path: Path, trainer: Trainer
) -> None:
    output = tmp_path / "out.jsonl"
    export_rows(source, trainer, output)
    traces = [row.outcome for row in open_corpus([str(output)]).rows()]
    assert all(isinstance(trace, Trace) for trace in traces)
    assert traces[1].question == ROWS[1]["prompt"]
    assert traces[1].thinking.strip() == THINKING.strip()
    assert traces[1].answer.strip() == "```python\nprint(3)\n```"


def read_settings(trainer: Trainer, path: str = "some folder/my-data.jsonl") -> Any:
    return yaml.safe_load(TRAINERS[trainer].write_settings(Path(path)))


def test_axolotl_is_told_to_train_on_the_completion_with_its_reasoning() -> None:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    settings = read_settings("axolotl")
    assert settings["train_on_inputs"] is False
    (data,) = settings["datasets"]
    assert (data["path"], data["type"]) == ("some folder/my-data.jsonl", "chat_template")
    assert (data["field_messages"], data["roles_to_train"]) == ("messages", ["assistant"])
    assert settings["chat_template"] == "jinja"
    template = ImmutableSandboxedEnvironment().from_string(settings["chat_template_jinja"])
    tokens = {"bos_token": "[BOS]", "eos_token": "[EOS]"}
    messages = TRAINERS["axolotl"].write_row(TrainRow(0, "a", "", "Q", "<think>\nT\n</think>\nA"))[
        "messages"
    ]
    prompt = template.render(messages=messages[:1], add_generation_prompt=True, **tokens)
    assert prompt == "[BOS]<｜User｜>Q<｜Assistant｜>"
    # The mask is found by the prompt's being the head of the whole.
    whole = template.render(messages=messages, add_generation_prompt=False, **tokens)
    assert whole == prompt + "<think>\nT\n</think>\nA[EOS]"


def test_the_share_gpt_settings_name_the_keys_of_its_turns() -> None:
    (data,) = read_settings("sharegpt")["datasets"]
    row = TRAINERS["sharegpt"].write_row(TrainRow(0, "a", "", "Q", "A"))
    for turn in row[data["field_messages"]]:
        assert set(turn) == set(data["message_property_mappings"].values())


def test_llamafactory_finds_the_file_by_its_settings(tmp_path: Path, source: str) -> None:
    """As it does: the data set's name, looked up in the folder's `dataset_info.json`."""
    output = tmp_path / "my-data.jsonl"
    export_rows(source, "llamafactory", output)
    assert register_dataset(output)
    settings = read_settings("llamafactory", str(output))
    folder = Path(settings["dataset_dir"])
    entry = json.loads((folder / "dataset_info.json").read_text("utf-8"))[settings["dataset"]]
    assert entry["formatting"] == "sharegpt"
    first = json.loads((folder / entry["file_name"]).read_text("utf-8").splitlines()[0])
    assert first[entry["columns"]["messages"]] == [
        {"from": "human", "value": ROWS[0]["prompt"]},
        {"from": "gpt", "value": ROWS[0]["completion"]},
    ]
    # Its defaults cut the reasoning off, or would train on the question.
    assert settings["cutoff_len"] > 2048
    assert settings["train_on_prompt"] is False


def test_the_settings_of_openai_are_python() -> None:
    text = TRAINERS["openai"].write_settings(Path('it\'s/a "file".jsonl'))
    compile(text, "settings", "exec")
    assert "fine-tune" in text


@pytest.mark.parametrize("trainer", get_args(Trainer))
def test_each_is_warned_of_the_template_that_drops_the_reasoning(trainer: Trainer) -> None:
    text = " ".join(TRAINERS[trainer].write_settings(Path("a.jsonl")).replace("#", " ").split())
    assert "R1-Distill" in text
    assert "<think>" in text
    assert "drops" in text


def test_a_list_of_data_sets_that_is_there_stays(tmp_path: Path) -> None:
    info = tmp_path / "dataset_info.json"
    info.write_text('{"mine": {"file_name": "mine.json"}}', encoding="utf-8")
    output = tmp_path / "ours.jsonl"
    assert not register_dataset(output)
    assert info.read_text("utf-8") == '{"mine": {"file_name": "mine.json"}}'
    # With the lines it is told to add, the user has it.
    info.write_text(f'{{"mine": {{}},\n{describe_dataset(output)}}}', encoding="utf-8")
    assert register_dataset(output)


@pytest.mark.parametrize("text", ["{", "[]", '"ours"', "\udcff"])
def test_a_damaged_list_of_data_sets_is_not_touched(tmp_path: Path, text: str) -> None:
    info = tmp_path / "dataset_info.json"
    info.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert not register_dataset(tmp_path / "ours.jsonl")
    assert info.read_bytes() == text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_prompt_is_left_out_or_counted(prompt: str) -> None:
    rows = [TrainRow(0, "a", "", "Q", "A"), TrainRow(1, "b", "", prompt, "A")]
    with pytest.raises(InputError, match=r"all 1 prompts are empty.*--allow-empty-prompts"):
        write_rows(rows[1:], "openai", io.BytesIO())
    stream = io.BytesIO()
    exported = write_rows(rows, "openai", stream)
    assert (exported.n_rows, exported.n_empty_prompts) == (1, 1)
    assert len(stream.getvalue().splitlines()) == 1
    stream = io.BytesIO()
    exported = write_rows(rows, "openai", stream, allow_empty_prompts=True)
    assert (exported.n_rows, exported.n_empty_prompts) == (2, 1)
    assert json.loads(stream.getvalue().splitlines()[1])["messages"][0]["content"] == prompt


def test_rows_are_written_one_by_one() -> None:
    stream = io.BytesIO()

    def read() -> Iterator[TrainRow]:
        for number in range(4):
            assert stream.getvalue().count(b"\n") == number
            yield TrainRow(number, str(number), "", "Q", "A")

    assert write_rows(read(), "sharegpt", stream).n_rows == 4


def test_a_failure_leaves_what_was_there(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    source = write_jsonl(tmp_path / "rows.jsonl", [ROWS[0], {**ROWS[1], "completion": ""}])
    output = tmp_path / "out.jsonl"
    output.write_text("before", encoding="utf-8")
    with pytest.raises(InputError, match="has no completion"):
        export_rows(str(source), "openai", output)
    assert output.read_text("utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "rows.jsonl"]


def test_a_file_that_is_there_is_replaced(source: str, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    export_rows(source, "axolotl", output)
    export_rows(source, "openai", output)
    assert len(read_back(output, "openai")) == 2
    assert "variant" not in output.read_text("utf-8")


@pytest.mark.parametrize("name", ["out.json", "out", "no/such/out.jsonl", "folder.jsonl"])
def test_a_place_that_cannot_be_written_to_is_refused(
    source: str, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(InputError, match="--output"):
        export_rows(source, "openai", tmp_path / name)


def test_the_input_is_not_written_over(source: str) -> None:
    with pytest.raises(InputError, match="the input itself"):
        check_export_file(Path(source), source)
    assert len(list(read_rows(source))) == 2
