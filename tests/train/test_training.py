"""Training itself, on models of ten thousand parameters: the loss against one worked out by hand, a
training that is stopped and goes on, what the saved folder holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from asap.bench import ModelTokenizer
from asap.errors import RunFolderError
from asap.train import (
    Template,
    TrainRecipe,
    TrainRequest,
    TrainResult,
    load_tokenizer,
    read_rows,
    train_model,
)

FAST: dict[str, Any] = {
    "learning_rate": 0.02,
    "epochs": 2.0,
    "max_length": 200,
    "batch_size": 2,
    "accumulation": 2,
    "clip_norm": 1.0,
    "dtype": "fp32",
    "gradient_checkpointing": False,
    "group_by_length": True,
    "save_steps": 2,
    "log_steps": 1,
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def run(
    source: Path, model: Path, output: Path, on_log: Any = lambda *_: None, **changes: Any
) -> TrainResult:
    recipe = TrainRecipe(**FAST | changes)
    request = TrainRequest(str(source), str(model), recipe)
    return train_model(request, output, device="cpu", on_log=on_log)


def read_weights(folder: Path) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def find_nll(folder: Path, source: Path) -> float:
    """Mean negative log-likelihood of the completions' tokens, from the model's logits alone."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    template = Template(load_tokenizer(str(folder)), "deepseek-r1")
    total, n_tokens = 0.0, 0
    pairs = [(row.prompt, row.completion) for row in read_rows(str(source))]
    for example in template.encode(pairs):
        with torch.no_grad():
            logits = model(torch.tensor([example.input_ids])).logits[0].double().numpy()
        for at in range(example.n_prompt, len(example.input_ids)):
            before = logits[at - 1]
            total += np.log(np.exp(before - before.max()).sum()) + before.max()
            total -= before[example.input_ids[at]]
            n_tokens += 1
    return float(total / n_tokens)


@pytest.mark.parametrize(
    "changes",
    [{}, {"packing": True, "batch_size": 1, "accumulation": 4, "group_by_length": False}],
    ids=["padded", "packed"],
)
def test_the_loss_is_that_of_the_completions_tokens(
    r1_model: Path, make_run: Callable[..., Path], tmp_path: Path, changes: dict[str, Any]
) -> None:
    source = make_run(tmp_path / "run", 4)  # one step sees all four rows
    result = run(source, r1_model, tmp_path / "out", epochs=1.0, max_length=60, **changes)
    (line,) = (line for line in result.report["log"] if "loss" in line)
    assert line["loss"] == pytest.approx(find_nll(r1_model, source), abs=2e-4)


def test_the_loss_falls_and_the_folder_is_a_model(
    r1_model: Path, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    source, output = make_run(tmp_path / "run", 20), tmp_path / "out"
    result = run(source, r1_model, output, epochs=8.0, eval_share=0.2)
    losses = [line["loss"] for line in result.report["log"] if "loss" in line]
    assert losses[-1] < losses[0] - 1
    assert find_nll(output, source) < find_nll(r1_model, source) - 1
    held_out = [line["eval_loss"] for line in result.report["log"] if "eval_loss" in line]
    assert len(held_out) == 8
    assert held_out[-1] < held_out[0]
    names = {path.name for path in output.iterdir()}
    assert names == {
        *("config.json", "generation_config.json", "model.safetensors", "report.json"),
        *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
        *("excluded.jsonl", "log.jsonl", "recipe.yaml"),  # and no pickle
    }
    model = AutoModelForCausalLM.from_pretrained(output)
    assert model.generation_config.eos_token_id == load_tokenizer(str(output)).eos_token_id
    assert (
        ModelTokenizer(str(output)).write("1+1?").endswith("<｜User｜>1+1?<｜Assistant｜><think>\n")
    )
    report = json.loads((output / "report.json").read_text("utf-8"))
    assert (report["kind"], report["status"]) == ("train", "finished")
    rows, held = report["data"]["rows"], report["data"]["rows_held_out"]
    assert rows + held == 20
    assert report["training"]["n_steps"] == 8 * -(-rows // 4)
    assert report["training"]["seconds_per_step"] > 0
    assert report["training"]["peak_memory_mib"] > 10


class Killed(Exception):
    """What stops the training in the middle of an epoch."""


@pytest.mark.parametrize(
    "changes",
    [{"group_by_length": True, "optimizer": "muon"}, {"group_by_length": False}],
    ids=["grouped, Muon", "shuffled"],
)
def test_a_stopped_training_goes_on_as_if_it_had_not_been(
    r1_model: Path, make_run: Callable[..., Path], tmp_path: Path, changes: dict[str, Any]
) -> None:
    source = make_run(tmp_path / "run", 14)
    whole = run(source, r1_model, tmp_path / "whole", **changes)

    def stop(line: Mapping[str, Any], n_steps: int) -> None:
        if line["step"] == 6:
            raise Killed

    output = tmp_path / "stopped"
    with pytest.raises(Killed):
        run(source, r1_model, output, stop, **changes)
    # A kill in the middle of writing leaves a checkpoint without its last file.
    (output / "checkpoints" / "checkpoint-5").mkdir()
    (output / "rows" / "train.arrow").write_bytes(b"half")
    seen: list[int] = []
    result = run(source, r1_model, output, lambda line, _: seen.append(line["step"]), **changes)
    assert result.is_resumed
    assert seen == [5, 6, 7, 8]
    logs = [
        [(line["step"], line["loss"]) for line in each.report["log"] if "loss" in line]
        for each in (whole, result)
    ]
    assert logs[0] == logs[1]
    assert len(logs[0]) == 8
    first, second = read_weights(tmp_path / "whole"), read_weights(output)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    again = run(source, r1_model, output, lambda *_: pytest.fail("trained again"), **changes)
    assert again.report == result.report


def test_a_mean_loss_begins_at_a_checkpoint_and_the_last_one_is_logged(
    r1_model: Path, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_run(tmp_path / "run", 14)
    steps = {"save_steps": 3, "log_steps": 5}
    whole = run(source, r1_model, tmp_path / "whole", **steps)

    def stop(line: Mapping[str, Any], n_steps: int) -> None:
        if line["step"] == 5:
            raise Killed

    output = tmp_path / "stopped"
    with pytest.raises(Killed):
        run(source, r1_model, output, stop, **steps)
    result = run(source, r1_model, output, **steps)
    logs = [
        [(line["step"], line["loss"]) for line in each.report["log"]] for each in (whole, result)
    ]
    assert logs[0] == logs[1]
    assert [step for step, _ in logs[0]] == [1, 3, 5, 6, 8]


def test_a_folder_of_another_training_is_refused(
    r1_model: Path, chatml_model: Path, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    source, output = make_run(tmp_path / "run"), tmp_path / "out"

    def stop(line: Mapping[str, Any], n_steps: int) -> None:
        if line["step"] == 3:
            raise Killed

    with pytest.raises(Killed):
        run(source, r1_model, output, stop)
    for model, changes, message in (
        (chatml_model, {}, r'model is "r1@\w+" there and "chatml@\w+" here'),
        (r1_model, {"epochs": 3.0}, "epochs is 2.0 there and 3.0 here"),
        (r1_model, {"lora_rank": 2}, "lora_rank is not set there and 2 here"),
    ):
        with pytest.raises(RunFolderError, match=message):
            run(source, model, output, **changes)
    with pytest.raises(RunFolderError, match=r"rows is .* there"):
        run(make_run(tmp_path / "other", 5), r1_model, output)
    with pytest.raises(RunFolderError, match="is no training"):
        run(source, r1_model, tmp_path / "run" / "data")


def test_no_row_is_longer_than_the_models_window(
    r1_model: Path, write_run: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [(n, "?", f"<think>\n{'a' * (510 * n)}\n</think>\n0") for n in range(3)]
    source = write_run(tmp_path / "run", rows, "x")  # the model reads 512 tokens
    result = run(source, r1_model, tmp_path / "out", max_length=10_000)
    assert result.report["data"]["rows_left_out"] == {"over_max_length": 2}


def test_adapters_are_merged_into_a_model_that_needs_no_peft(
    r1_model: Path, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    source, output = make_run(tmp_path / "run"), tmp_path / "out"
    run(source, r1_model, output, lora_rank=2, epochs=4.0)
    before, after = read_weights(r1_model), read_weights(output)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert all(name.endswith("_proj.weight") for name in changed)
    assert find_nll(output, source) < find_nll(r1_model, source) - 0.05
    assert (output / "adapter" / "adapter_config.json").exists()


def test_arms_of_other_inputs_have_no_rows_in_common(
    r1_model: Path, make_run: Callable[..., Path], write_run: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_run(tmp_path / "run")
    other = write_run(tmp_path / "other", [(0, "?", "!")], "something else")
    request = TrainRequest(str(source), str(r1_model), TrainRecipe(**FAST), same_rows=(str(other),))
    with pytest.raises(RunFolderError, match="pruned from another input"):
        train_model(request, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()
