"""One student: fine-tuned on an arm's rows, then asked every test question. Both are left in its
folder, so that neither is done twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asap.bench import Completion
from asap.lab.findings import TrainingFigures
from asap.lab.generation import Generation, generate_greedy
from asap.train import TrainRecipe, TrainRequest, train_model

_ANSWERS = "answers.jsonl"


def train_student(
    rows: Path,
    other_arms: Sequence[Path],
    base: Path,
    recipe: TrainRecipe,
    folder: Path,
    device: str,
) -> None:
    """Fine-tune a student.

    Args:
        rows: the arm's run folder.
        other_arms: the run folders of all other arms: what is not in each of them is trained on in
            none.
        base: whose weights it begins with.
        recipe: how, with the student's seed.
        folder: for the model.
        device: `cpu` leaves a GPU alone.
    """
    request = TrainRequest(str(rows), str(base), recipe, tuple(map(str, other_arms)))
    train_model(request, folder, device="cpu" if device == "cpu" else "auto")


def read_training(folder: Path) -> TrainingFigures:
    """What training took, from the folder's report."""
    report: Mapping[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    data, training = report["data"], report["training"]
    return TrainingFigures(
        n_rows=data["rows"],
        n_steps=training["n_steps"],
        tokens_per_sample=data["tokens_per_sample"],
        # One that was stopped near its end has no step of its own to be timed by.
        seconds_per_step=training["seconds_per_step"] or training["seconds"] / training["n_steps"],
        seconds=training["seconds"],
        peak_memory_mib=training["peak_memory_mib"],
    )


def answer(
    model: Path, questions: Mapping[str, str], max_tokens: int, folder: Path, device: str
) -> None:
    """Have a model answer, and keep what it wrote; nothing where that is there already.

    Args:
        model: a folder.
        questions: by id.
        max_tokens: the cap.
        folder: exists or is made.
        device: where it runs.
    """
    path = folder / _ANSWERS
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    generation = generate_greedy(model, questions, max_tokens, device=device)
    lines = [{"seconds": generation.seconds}, *map(asdict, generation.completions)]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    os.replace(temporary, path)


def train_and_answer(
    training: tuple[Any, ...], questions: Mapping[str, str], max_tokens: int
) -> None:
    """`train_student` and then `answer`, as one job.

    Args:
        training: the arguments of `train_student`.
        questions: by id.
        max_tokens: the cap.
    """
    train_student(*training)
    *_, folder, device = training
    answer(folder, questions, max_tokens, folder, device)


def read_answers(folder: Path) -> Generation:
    """What `answer` kept."""
    lines = (folder / _ANSWERS).read_text("utf-8").splitlines()
    first, *rest = map(json.loads, lines)
    return Generation(
        tuple(
            Completion(**line | {key: tuple(line[key]) for key in ("prompt_ids", "completion_ids")})
            for line in rest
        ),
        first["seconds"],
    )
