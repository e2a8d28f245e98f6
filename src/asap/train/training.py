"""A training from rows to a model: what is trained on, the hand-over, the report. `data` chooses
rows, `template` writes them, `sft` trains.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from asap.errors import RunFolderError
from asap.run import find_versions, read_report, say_now
from asap.surprisal import digest_weights, find_model_folder, find_window
from asap.train.data import DataPlan, Mix, TrainData, write_data
from asap.train.decontaminate import Overlap, ProblemIndex, find_overlaps
from asap.train.recipe import TrainRecipe
from asap.train.rows import fingerprint_rows, read_rows
from asap.train.sft import Tracker, check_training, fit, only_first_process
from asap.train.template import Template, load_tokenizer
from asap.train.train_folder import TrainFolder

_NOT_IDENTITY = {"save_steps", "log_steps"}
"""Fields that change nothing of what is learned."""


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What is to be trained, on what."""

    source: str
    """A run folder, or a data set with prompts and completions."""
    model: str
    """`builtin`, a folder or a Hub id."""
    recipe: TrainRecipe
    same_rows: tuple[str, ...] = ()
    """Run folders of the other arms of a comparison."""
    mix: Mix | None = None
    allow_empty_prompts: bool = False
    problems: ProblemIndex | None = None
    """Rows that share long n-grams with these are listed; they are trained on all the same."""

    def plan(self, window: int | None) -> DataPlan:
        """The part that chooses rows.

        Args:
            window: tokens that the model reads; rows beyond it are too long, whatever the recipe
                says.
        """
        return DataPlan(
            self.source,
            min(self.recipe.max_length, window or self.recipe.max_length),
            self.same_rows,
            self.mix,
            self.recipe.eval_share,
            self.allow_empty_prompts,
            self.recipe.seed,
        )


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What `train_model` gives back."""

    folder: Path
    report: Mapping[str, Any]
    """As in `report.json`."""
    is_resumed: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be seen before the training begins."""

    template: str
    data: TrainData
    masked_text: str
    """Of the first row, decoded with its special tokens: what is masked,"""
    trained_text: str
    """and what is trained on."""
    overlaps: tuple[Overlap, ...] | None
    """Rows that hold a part of a benchmark's problem; None where they were not looked for."""
    max_length: int
    """Most tokens of a row: the recipe's, or the model's window where that is smaller."""


def preview(request: TrainRequest) -> Shown:
    """What would be trained on; leaves nothing behind.

    Raises:
        InputError: the rows cannot be trained on.
        ModelError, MissingExtraError: model or installation are at fault.
    """
    _check_arms(request)
    path, _ = find_model_folder(request.model)
    tokenizer = load_tokenizer(str(path))
    template = Template(tokenizer, request.recipe.template)
    plan = request.plan(find_window(request.model))
    with TemporaryDirectory() as folder:
        data = write_data(plan, template, Path(folder))
    return _show(data, plan, template, tokenizer, _find_overlaps(request))


def train_model(
    request: TrainRequest,
    output: Path,
    *,
    device: Literal["auto", "cpu"] = "auto",
    track: Tracker | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
    on_data: Callable[[Shown, bool], None] = lambda *_: None,
    on_log: Callable[[Mapping[str, Any], int], None] = lambda *_: None,
) -> TrainResult:
    """Fine-tune a model, or go on with a training that was interrupted.

    Args:
        request: what is to be trained, on what and how.
        output: the folder for the model; one with the same training unfinished in it is finished.
        device: `cpu` leaves a GPU alone.
        track: also log there.
        on_rows: called with the number of rows read since the last call.
        on_data: called once the rows are chosen, with whether the training was begun before.
        on_log: gets each line of the log and the number of steps in all.

    Raises:
        InputError: the rows cannot be trained on.
        RecipeError, ModelError, MissingExtraError: recipe, model or installation are at fault.
        RunFolderError: the folder holds something else.
    """
    check_training(request.recipe, track)
    path, label = find_model_folder(request.model)
    _check_arms(request)
    folder = TrainFolder(output)
    identity = _identify(request, f"{label}@{digest_weights(path)}")
    tokenizer = load_tokenizer(str(path))
    template = Template(tokenizer, request.recipe.template)
    started = time.perf_counter()
    begun: dict[str, Any] = {
        "identity": identity,
        "versions": find_versions("trl", "peft", "accelerate"),
        "started": say_now(),
    }
    with only_first_process(device) as is_first:
        # The other processes look once the first has written, and find the same training.
        report = folder.check(identity) or {}
        if report.get("status") == "finished":
            return TrainResult(output, report, is_resumed=True)
        begun |= {"started": report["started"]} if report else {}
        if is_first:
            plan = request.plan(find_window(request.model))
            data = _prepare(folder, plan, request.recipe, template, on_rows)
            overlaps = _find_overlaps(request)
            if overlaps is not None:
                folder.write_lines("contaminated.jsonl", map(asdict, overlaps))
            begun |= {"data": _report_data(data, overlaps)}
            folder.write_report({"status": "unfinished", **begun})
            on_data(_show(data, plan, template, tokenizer, overlaps), bool(report))
    efficiency = fit(
        str(path),
        request.recipe,
        template,
        tokenizer,
        folder,
        device=device,
        track=track,
        on_log=on_log,
    )
    if is_first:
        figures = {**asdict(efficiency), "seconds": round(time.perf_counter() - started, 1)}
        begun |= {"finished": say_now(), "training": figures, "log": folder.read_losses()}
        begun = folder.write_report({"status": "finished", **begun})
        folder.clean_up()
    return TrainResult(output, begun, bool(report))


def _check_arms(request: TrainRequest) -> None:
    """Rows are the same ones only where all arms are runs on one input."""
    if not request.same_rows:
        return
    inputs = {
        source: read_report(source, kind="prune").get("identity", {}).get("input")
        for source in (request.source, *request.same_rows)
    }
    other = next(
        (name for name, digest in inputs.items() if digest != inputs[request.source]), None
    )
    if other is not None:
        raise RunFolderError(
            f"{other} was pruned from another input than {request.source}, so their rows are not "
            "the same ones; --same-rows compares runs on one input"
        )


def _identify(request: TrainRequest, model: str) -> dict[str, Any]:
    """What makes it another training if it changes; the order of `--same-rows` does not."""
    mix = request.mix
    recipe = request.recipe.model_dump(exclude_none=True)
    return {
        "model": model,
        "rows": fingerprint_rows(request.source),
        "same_rows": sorted(map(fingerprint_rows, request.same_rows)),
        "mix": None if mix is None else f"{mix.share} of {fingerprint_rows(mix.source)}",
        "allow_empty_prompts": request.allow_empty_prompts,
        **{key: value for key, value in recipe.items() if key not in _NOT_IDENTITY},
    }


def _prepare(
    folder: TrainFolder,
    plan: DataPlan,
    recipe: TrainRecipe,
    template: Template,
    on_rows: Callable[[int], None],
) -> TrainData:
    """Write the rows as ids, anew on each start: a killed start may have left half of them."""
    shutil.rmtree(folder.data, ignore_errors=True)
    is_new = not folder.path.exists()
    folder.data.mkdir(parents=True)
    try:
        data = write_data(plan, template, folder.data, on_rows)
    except BaseException:
        shutil.rmtree(folder.path if is_new else folder.data)
        raise
    (folder.data / "excluded.jsonl").replace(folder.path / "excluded.jsonl")
    (folder.path / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    return data


def _find_overlaps(request: TrainRequest) -> tuple[Overlap, ...] | None:
    if request.problems is None:
        return None
    sources = (request.source, *([request.mix.source] if request.mix else []))
    rows = chain.from_iterable(map(read_rows, sources))
    return tuple(find_overlaps(rows, request.problems))


def _show(
    data: TrainData,
    plan: DataPlan,
    template: Template,
    tokenizer: Any,
    overlaps: tuple[Overlap, ...] | None,
) -> Shown:
    assert data.example is not None
    ids, n_prompt = data.example.input_ids, data.example.n_prompt
    masked, trained = tokenizer.decode(ids[:n_prompt]), tokenizer.decode(ids[n_prompt:])
    return Shown(template.name, data, masked, trained, overlaps, plan.max_length)


def _report_data(data: TrainData, overlaps: tuple[Overlap, ...] | None) -> dict[str, Any]:
    found = {} if overlaps is None else {"overlaps_with_benchmarks": len(overlaps)}
    return {
        "rows": data.n_rows,
        "rows_held_out": data.n_eval,
        "rows_mixed_in": data.n_mixed,
        "rows_left_out": dict(data.left_out),
        "masked_tokens": data.masked_tokens,
        "trained_tokens": data.trained_tokens,
        "tokens_per_sample": round(data.tokens_per_sample, 1),
        **found,
    }
