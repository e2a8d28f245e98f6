"""The hand-over to TRL's SFT trainer, and through it to accelerate, FSDP, DeepSpeed and PEFT.

Rows go in as ids with their mask; TRL templates, tokenizes and truncates nothing. What we add is
the order of rows of like length, the log, and the figures of the paper's Table 3.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from statistics import median
from typing import Any, Literal

import numpy as np

from asap.errors import MissingExtraError, ModelError, RecipeError
from asap.train.recipe import TrainRecipe
from asap.train.template import Template
from asap.train.train_folder import TrainFolder

Tracker = Literal["trackio", "wandb"]

_GROUP_BATCHES = 50
"""Rows of like length are looked for among this many batches at a time."""


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Figures of the paper's Table 3; tokens per sample stand with the data."""

    n_steps: int
    seconds_per_step: float | None
    """Median over the steps of this start, the first left out; None where there were fewer."""
    peak_memory_mib: float
    """Of the GPU where there is one, else of the process."""


def check_training(recipe: TrainRecipe, track: Tracker | None) -> None:
    """Refuse what cannot be trained, before anything is read.

    Raises:
        MissingExtraError: TRL or what it needs is not installed.
        RecipeError: there is no learning rate, or a package that was asked for is missing.
    """
    if recipe.learning_rate is None:
        raise RecipeError(
            "the recipe leaves the learning rate to you: give --learning-rate (the paper's text "
            "has lost the one for Llama; for Qwen its released configuration has 2e-5)"
        )
    if not all(map(find_spec, ("trl", "peft", "accelerate", "datasets"))):
        raise MissingExtraError("training", "train")
    for package in (track, "liger_kernel" if recipe.liger else None):
        if package is not None and find_spec(package) is None:
            name = package.replace("_", "-")
            raise RecipeError(f"this training needs the package {name}: pip install {name}")


def fit(
    model: str,
    recipe: TrainRecipe,
    template: Template,
    tokenizer: Any,
    folder: TrainFolder,
    *,
    device: Literal["auto", "cpu"] = "auto",
    track: Tracker | None = None,
    on_log: Callable[[Mapping[str, Any], int], None] = lambda *_: None,
) -> Efficiency:
    """Train, from the last checkpoint on where there is one, and save the model.

    Args:
        model: a folder or a Hub id.
        recipe: how; it has a learning rate.
        template: what the rows were written with.
        tokenizer: goes with the saved model, our template in it.
        folder: holds the rows; gets checkpoints, log and model.
        device: `cpu` leaves a GPU alone.
        track: also log there.
        on_log: gets each line of the log and the number of steps in all.

    Raises:
        ModelError: there is no such causal language model.
    """
    from datasets import Dataset
    from trl.trainer.sft_trainer import SFTTrainer

    rows = {
        name: Dataset.from_file(str(path))
        for name in ("train", "eval")
        if (path := folder.data / f"{name}.arrow").exists()
    }
    lengths = np.asarray(rows["train"].with_format("numpy")["length"])
    template.prepare_tokenizer()

    class Trainer(SFTTrainer):
        """TRL's, with our order of rows and Muon."""

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            if not recipe.group_by_length:
                return super()._get_train_sampler(train_dataset)
            n = recipe.batch_size * recipe.accumulation * self.args.world_size
            return LengthGrouped(lengths, n, recipe.seed)

        def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
            if recipe.optimizer == "muon" and self.optimizer is None:
                self.optimizer = _build_muon(self.model, recipe)
            return super().create_optimizer(*args, **kwargs)

    # TRL and PEFT still use names that transformers is about to change, and it says so.
    warnings.filterwarnings("ignore", "`.*` is deprecated and will be removed", FutureWarning)
    args = _build_args(recipe, template, folder, device, track, has_eval="eval" in rows)
    is_gpu = args.device.type == "cuda"
    trainer = Trainer(
        model=_load_model(model, recipe),
        args=args,
        train_dataset=rows["train"],
        eval_dataset=rows.get("eval"),
        processing_class=tokenizer,
        peft_config=_build_lora(recipe),
    )
    follower = _make_follower(folder, recipe, on_log, trainer.is_world_process_zero())
    _replace_printers(trainer, follower)
    checkpoint = folder.find_checkpoint()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    _save(trainer, recipe, folder)
    return Efficiency(trainer.state.global_step, follower.seconds_per_step, _peak_memory(is_gpu))


@contextmanager
def only_first_process(device: Literal["auto", "cpu"] = "auto") -> Iterator[bool]:
    """Whether this is the first of the processes that accelerate started; the others wait until
    its block is done.
    """
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    with state.main_process_first():
        yield state.is_main_process


class LengthGrouped:
    """An order of rows in which those of one batch are about as long: rows are shuffled, cut into
    blocks, sorted by length within each, and the batches shuffled again. The same for a seed and an
    epoch, whatever was drawn before, so that a resumed training sees what it would have seen.

    Args:
        lengths: tokens of each row.
        batch_rows: rows of a step.
        seed: of the order.
    """

    def __init__(self, lengths: Any, batch_rows: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch_rows = batch_rows
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        chance = np.random.default_rng([self._seed, self._epoch])
        order = chance.permutation(len(self._lengths))
        block = self._batch_rows * _GROUP_BATCHES
        blocks = [order[at : at + block] for at in range(0, len(order), block)]
        grouped = np.concatenate([b[np.argsort(-self._lengths[b], kind="stable")] for b in blocks])
        n_whole = len(grouped) // self._batch_rows
        # The rows that fill no batch stay last: elsewhere they would shift all batches behind them.
        batches = chance.permutation(n_whole)
        for batch in batches:
            yield from map(int, grouped[batch * self._batch_rows : (batch + 1) * self._batch_rows])
        yield from map(int, grouped[n_whole * self._batch_rows :])


def _build_args(
    recipe: TrainRecipe,
    template: Template,
    folder: TrainFolder,
    device: str,
    track: Tracker | None,
    *,
    has_eval: bool,
) -> Any:
    import torch
    from trl.trainer.sft_config import SFTConfig

    assert recipe.learning_rate is not None  # check_training saw to it
    use_cpu = device == "cpu" or not torch.cuda.is_available()
    wants_bf16 = recipe.dtype == "bf16" or (
        recipe.dtype == "auto" and not use_cpu and torch.cuda.is_bf16_supported()
    )
    schedules = {
        "cosine-with-min": ("cosine_with_min_lr", {"min_lr_rate": recipe.min_lr_ratio}),
        "linear": ("linear", {}),
        "constant": ("constant_with_warmup", {}),
    }
    schedule, schedule_kwargs = schedules[recipe.lr_schedule]
    return SFTConfig(
        output_dir=str(folder.checkpoints),
        use_cpu=use_cpu,
        bf16=wants_bf16,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=schedule,
        lr_scheduler_kwargs=schedule_kwargs,
        # Below 1 it is a share of the steps.
        warmup_steps=recipe.warmup_ratio,
        max_grad_norm=recipe.clip_norm,
        weight_decay=recipe.weight_decay,
        adam_beta2=recipe.adam_beta2,
        gradient_checkpointing=recipe.gradient_checkpointing,
        use_liger_kernel=recipe.liger,
        packing=recipe.packing,
        # Longer rows are left out already; without packing there is nothing to cut.
        max_length=recipe.max_length if recipe.packing else None,
        eos_token=template.end,
        eval_strategy="epoch" if has_eval else "no",
        save_steps=recipe.save_steps,
        save_total_limit=2,
        logging_steps=recipe.log_steps,
        logging_first_step=True,
        seed=recipe.seed,
        data_seed=recipe.seed,
        disable_tqdm=True,
        report_to=track or "none",
        run_name=folder.path.name,
        dataloader_pin_memory=not use_cpu,
    )


def _load_model(name: str, recipe: TrainRecipe) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if recipe.weights == "bf16" else torch.float32
    try:
        return AutoModelForCausalLM.from_pretrained(name, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{name} is no causal language model that transformers can load ({first_line}); "
            "name a folder or a Hub id with --model"
        ) from error


def _build_lora(recipe: TrainRecipe) -> Any:
    if recipe.lora_rank is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _build_muon(model: Any, recipe: TrainRecipe) -> Any:
    import torch

    if not hasattr(torch.optim, "Muon"):
        raise RecipeError("optimizer 'muon' needs torch 2.9 or later; use adamw")
    from asap.train.muon import MuonWithAdamW

    assert recipe.learning_rate is not None  # check_training saw to it
    return MuonWithAdamW(model, recipe.learning_rate, recipe.adam_beta2, recipe.weight_decay)


def _replace_printers(trainer: Any, follower: Any) -> None:
    """What transformers would print goes to our log and to whoever asked."""
    from transformers import PrinterCallback, ProgressCallback

    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(follower)


def _make_follower(
    folder: TrainFolder,
    recipe: TrainRecipe,
    on_log: Callable[[Mapping[str, Any], int], None],
    is_main: bool,
) -> Any:
    from transformers import TrainerCallback

    class Follower(TrainerCallback):
        """Times the steps, keeps the log."""

        def __init__(self) -> None:
            self._ends: list[float] = []

        @property
        def seconds_per_step(self) -> float | None:
            steps = [after - before for before, after in pairwise(self._ends)]
            return median(steps) if steps else None

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._ends.append(time.perf_counter())
            is_saved = state.global_step % recipe.save_steps == 0
            # The last loss is seen however few steps there are; and a mean over steps never begins
            # before a checkpoint, so that a resumed training logs what it would have logged.
            if is_saved or state.global_step == state.max_steps:
                control.should_log = True

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if is_main:  # what was logged after the checkpoint comes again
                folder.write_lines("log.jsonl", state.log_history)

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            line = state.log_history[-1]
            if is_main and line.keys() & {"loss", "eval_loss"}:
                folder.append_log(line)
                on_log(line, state.max_steps)

    return Follower()


def _peak_memory(is_gpu: bool) -> float:
    """In MiB."""
    if is_gpu:
        import torch

        return float(torch.cuda.max_memory_allocated() / 2**20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _save(trainer: Any, recipe: TrainRecipe, folder: TrainFolder) -> None:
    """The model in Hugging Face format, with its tokenizer; adapters merged, and by themselves."""
    if recipe.lora_rank is None:
        trainer.save_model(str(folder.path))
    else:
        trainer.save_model(str(folder.path / "adapter"))
    if not trainer.is_world_process_zero():
        return
    if recipe.lora_rank is not None:
        import torch
        from peft import AutoPeftModelForCausalLM

        dtype = torch.bfloat16 if recipe.weights == "bf16" else torch.float32
        adapted = AutoPeftModelForCausalLM.from_pretrained(folder.path / "adapter", dtype=dtype)
        merged = adapted.merge_and_unload()
        merged.generation_config = trainer.model.generation_config
        merged.save_pretrained(folder.path)
        trainer.processing_class.save_pretrained(folder.path)
    # A pickle, which says nothing that recipe.yaml does not.
    for path in folder.path.rglob("training_args.bin"):
        path.unlink()
    for path in folder.path.rglob("*.safetensors"):  # written for their owner alone
        shutil.copymode(folder.path / "config.json", path)
