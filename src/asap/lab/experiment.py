"""The paper's experiment from the first drawn program to the report: rows, base, gate, the table
without training, arms, students, answers. Phase after phase, each job in a folder of its own that
is left alone once it is done; so a killed lab goes on with the same command.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from asap.errors import RunFolderError, RunStopped
from asap.lab.arms import (
    UNTRAINED,
    Arm,
    describe_arm,
    list_arms,
    prune_arm,
    write_clean_replies,
)
from asap.lab.findings import (
    Findings,
    GatedBase,
    GateTrial,
    ProtocolName,
    ScoreAuc,
    StudentRun,
    TrainingFigures,
)
from asap.lab.grade import grade
from asap.lab.measure import SettingResults
from asap.lab.openers import Regime
from asap.lab.pool import Job, run_jobs
from asap.lab.report import write_report
from asap.lab.scale import (
    BUDGETED_ARMS,
    GATE,
    MATCHED_RATIO,
    STAGE1_RATIO,
    Scale,
    Student,
)
from asap.lab.separability import Separation, measure_separability
from asap.lab.student import answer, read_answers, read_training, train_and_answer, train_student
from asap.lab.task import LabTrace, Split, Task, draw_traces
from asap.lab.untrained import write_untrained
from asap.report import check_drawing
from asap.run import FORMAT_VERSION, find_versions, read_report, say_now
from asap.statistics import Interval, wilson_interval
from asap.surprisal import load_counter, load_scorer
from asap.trace import render_completion

_SEED = 0
_SPLITS: tuple[Split, ...] = ("base", "train", "validation", "test")
_AUC = "separability.json"

OnProgress = Callable[[str, int, int], None]
"""Gets the phase, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class _Place:
    """The folder of one regime, and where things are in it."""

    folder: Path
    regime: Regime
    scale: Scale

    def rows(self, split: Split) -> Path:
        return self.folder / "rows" / f"{split}.jsonl"

    def untrained(self, student: Student) -> Path:
        return self.folder / "bases" / f"{student}-untrained"

    def base(self, student: Student) -> Path:
        return self.folder / "bases" / student

    def run(self, arm: Arm) -> Path:
        return self.folder / "runs" / arm.key

    def student(self, student: Student, arm: str, seed: int) -> Path:
        return self.folder / "students" / student / arm / f"seed-{seed}"

    def untrained_answers(self, student: Student) -> Path:
        return self.folder / "students" / student / UNTRAINED

    @property
    def task(self) -> Task:
        return self.scale.task_of(self.regime)

    @property
    def clean(self) -> Path:
        return self.folder / "rows" / "clean-replies.jsonl"

    @property
    def scorer(self) -> Path:
        return self.base(self.scale.students[0])

    def read(self, split: Split) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.rows(split).read_text("utf-8").splitlines()]

    @cached_property
    def labels(self) -> Mapping[int, Sequence[bool]]:
        """By row of the train split. For `oracle`, `anti-oracle` and the report."""
        rows = self.read("train")
        return {n: [habit is not None for habit in row["habits"]] for n, row in enumerate(rows)}

    def questions(self, split: Split) -> dict[str, str]:
        return {row["id"]: row["question"] for row in self.read(split)}

    def answers(self, split: Split) -> dict[str, str]:
        return {row["id"]: row["answer"] for row in self.read(split)}

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        counter = load_counter(str(self.scorer))
        counts = counter.count([row["reasoning"] for row in self.read("train")])
        return list_arms(self.scale, self.scorer, self.clean, fmean(counts))


def run_lab(
    scale: Scale,
    output: Path,
    regimes: Sequence[Regime],
    *,
    workers: int,
    device: str = "auto",
    command: str = "",
    on_progress: OnProgress = lambda *_: None,
) -> tuple[SettingResults, ...]:
    """Run the lab, or go on with one that was stopped.

    Args:
        scale: the size of the lab, and all that is fixed with it.
        output: its folder.
        regimes: which to run now; the report has those that are finished in the folder.
        workers: jobs at a time.
        device: where models run.
        command: how the user began it, for the report.
        on_progress: told how far each phase is.

    Raises:
        RunFolderError: the folder holds something else, or a lab of another size or version.
        RunStopped: a base is not through the gate.
        MissingExtraError: what training or the pictures need is not installed.
    """
    check_drawing()
    output = output.resolve()  # recipes name the scorer by its path, however this one is spelled
    _open_folder(output, scale)
    places = [_Place(output / regime, regime, scale) for regime in regimes]
    for n, place in enumerate(places):
        on_progress("rows", n, len(places))
        _write_rows(place)
    on_progress("rows", len(places), len(places))
    _train_bases(places, workers, device, on_progress)
    _pass_gate(places, workers, device, on_progress)
    for place in places:
        _measure_separability(place, device)
    _prune(places, workers, device, on_progress)
    _train_students(places, workers, device, on_progress)
    for place in places:
        _write_json(place.folder / "finished.json", {"finished": say_now()})
    finished = [
        place
        for regime in ("shared", "distinct")
        if (place := _Place(output / regime, regime, scale))
        .folder.joinpath("finished.json")
        .exists()
    ]
    results = write_report(_gather_findings(scale, finished, command), output)
    report = read_report(output, kind="lab")
    _write_json(output / "report.json", {**report, "status": "finished", "finished": say_now()})
    return results


def _gather_findings(scale: Scale, places: Sequence[_Place], command: str) -> Findings:
    """Everything that finished regimes have left, for the report."""
    return Findings(
        size=scale.task.size,
        command=command,
        settings=_describe(scale, [place.regime for place in places]),
        budgets=scale.budgets,
        runs=tuple(run for place in places for run in _read_students(place)),
        data=tuple(
            describe_arm(place.regime, arm, place.run(arm), place.labels)
            for place in places
            for arm in place.arms
        ),
        separability=tuple(auc for place in places for auc in _read_aucs(place)),
        bases=tuple(
            _describe_base(place, student) for place in places for student in scale.students
        ),
    )


def _open_folder(output: Path, scale: Scale) -> None:
    identity = json.loads(json.dumps(_to_plain(scale)))
    if (output / "report.json").exists():
        there = read_report(output, kind="lab").get("identity")
        if there != identity:
            raise RunFolderError(
                f"{output} holds a lab of another size or with other settings; name another "
                "--output"
            )
        return
    if output.exists() and any(output.iterdir()):
        raise RunFolderError(f"{output} exists and is no lab; name another --output")
    output.mkdir(parents=True, exist_ok=True)
    head = {"kind": "lab", "format_version": FORMAT_VERSION, "status": "unfinished"}
    about = {"identity": identity, "versions": find_versions(), "started": say_now()}
    _write_json(output / "report.json", {**head, **about})


def _to_plain(scale: Scale) -> dict[str, Any]:
    plain = asdict(scale)
    return {**plain, "base": scale.base.model_dump(), "student": scale.student.model_dump()}


def _write_rows(place: _Place) -> None:
    """The splits, each in its own file; `base` as prompts and completions, to be trained on."""
    sizes = {
        "base": place.scale.n_base,
        "train": place.scale.n_train,
        "validation": place.scale.n_validation,
        "test": place.scale.n_test,
    }
    for split in _SPLITS:
        path = place.rows(split)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        traces = draw_traces(place.task, place.regime, split, sizes[split], _SEED)
        temporary = path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            for trace in traces:
                line = _as_completion(trace) if split == "base" else _as_row(trace)
                file.write(json.dumps(line) + "\n")
        os.replace(temporary, path)
    if not place.clean.exists():
        write_clean_replies(place.clean, place.read("train"))


def _as_completion(trace: LabTrace) -> dict[str, str]:
    completion = render_completion(trace.thinking, trace.answer)
    return {"id": trace.id, "prompt": trace.question, "completion": completion}


def _as_row(trace: LabTrace) -> dict[str, Any]:
    return {
        "id": trace.id,
        "question": trace.question,
        "reasoning": trace.thinking,
        "answer": trace.answer,
        "habits": trace.habits,
        "clean": trace.clean,
    }


def _train_bases(
    places: Sequence[_Place], workers: int, device: str, on_progress: OnProgress
) -> None:
    jobs, folders = [], []
    for place in places:
        for n, student in enumerate(place.scale.students):
            untrained, folder = place.untrained(student), place.base(student)
            if not (untrained / "config.json").exists():
                write_untrained(untrained, place.scale.network, student, place.task, n)
            recipe = place.scale.base
            jobs.append(
                Job(train_student, (place.rows("base"), (), untrained, recipe, folder, device))
            )
            folders.append(folder)
    n_steps = sum(
        -(-place.scale.n_base // place.scale.base.batch_size) * len(place.scale.students)
        for place in places
    )
    run_jobs(jobs, workers, lambda _: on_progress("bases (steps)", _count_steps(folders), n_steps))


def _count_steps(folders: Iterable[Path]) -> int:
    """Steps done, by the last line of each log."""
    n_steps = 0
    for folder in folders:
        path = folder / "log.jsonl"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        n_steps += json.loads(lines[-1])["step"] if lines else 0
    return n_steps


def _pass_gate(
    places: Sequence[_Place], workers: int, device: str, on_progress: OnProgress
) -> None:
    """Raise RunStopped where a base has not learned the language, or too well to be improved."""
    jobs = [
        Job(
            answer,
            (
                place.base(student),
                place.questions("validation"),
                place.scale.cap,
                _gate_folder(place, student),
                device,
            ),
        )
        for place in places
        for student in place.scale.students
    ]
    run_jobs(jobs, workers, lambda n: on_progress("gate", n, len(jobs)))
    for place in places:
        for student in place.scale.students:
            accuracy = _describe_base(place, student).accuracy.estimate
            if not GATE[0] <= accuracy <= GATE[1]:
                raise RunStopped(
                    f"the base of regime '{place.regime}' ({student}) answers {accuracy:.1%} of "
                    f"the validation questions, outside {GATE[0]:.0%} to {GATE[1]:.0%}: no arm can "
                    "be told from another so. Move the task's difficulty, and nothing else, and "
                    "begin a new folder"
                )


def _gate_folder(place: _Place, student: Student) -> Path:
    return place.folder / "gate" / student


def _describe_base(place: _Place, student: Student) -> GatedBase:
    completions = read_answers(_gate_folder(place, student)).completions
    graded = grade(completions, place.answers("validation"))
    n_passed = sum(each.is_passed for each in graded)
    cut_off = sum(each.finish_reason == "length" for each in completions)
    accuracy = wilson_interval(n_passed, len(graded))
    return GatedBase(
        regime=place.regime,
        student=student,
        accuracy=accuracy,
        truncation=cut_off / len(graded),
        n_problems=len(graded),
        trials=(
            *place.scale.trials.get(place.regime, ()),
            GateTrial(repr(place.task.difficulty), accuracy.estimate, len(graded)),
        ),
    )


def _measure_separability(place: _Place, device: str) -> None:
    """The table without training, written before any arm runs."""
    path = place.folder / _AUC
    if path.exists():
        return
    task, n = place.task, place.scale.n_validation
    traces = list(draw_traces(task, place.regime, "validation", n, _SEED))
    scorer = load_scorer(str(place.scorer), dtype="fp32", device=device)
    found = measure_separability(traces, scorer, load_counter(str(place.scorer)))
    _write_json(path, [asdict(each) for each in found])


def _read_aucs(place: _Place) -> Iterator[ScoreAuc]:
    for line in json.loads((place.folder / _AUC).read_text("utf-8")):
        each = Separation(**{**line, "auc": Interval(**line["auc"])})
        yield ScoreAuc(place.regime, each.score, each.auc, each.n_traces)


def _prune(places: Sequence[_Place], workers: int, device: str, on_progress: OnProgress) -> None:
    jobs = [
        Job(prune_arm, (arm, place.rows("train"), place.run(arm), place.labels, device))
        for place in places
        for arm in place.arms
    ]
    run_jobs(jobs, workers, lambda n: on_progress("pruning (arms)", n, len(jobs)))


def _train_students(
    places: Sequence[_Place], workers: int, device: str, on_progress: OnProgress
) -> None:
    jobs = []
    for place in places:
        questions, cap = place.questions("test"), place.scale.cap
        for student in place.scale.students:
            base, folder = place.base(student), place.untrained_answers(student)
            jobs.append(Job(answer, (base, questions, cap, folder, device)))
            # A seed of every arm before the next seed, so that a stopped lab has whole seeds.
            for seed in place.scale.seeds:
                for arm in place.arms:
                    others = tuple(place.run(other) for other in place.arms if other != arm)
                    recipe = place.scale.student.model_copy(update={"seed": seed})
                    own = place.student(student, arm.key, seed)
                    training = (place.run(arm), others, base, recipe, own, device)
                    jobs.append(Job(train_and_answer, (training, questions, cap)))
    run_jobs(jobs, workers, lambda n: on_progress("students", n, len(jobs)))


def _read_students(place: _Place) -> Iterator[StudentRun]:
    expected = place.answers("test")
    for student in place.scale.students:
        untrained = place.untrained_answers(student)
        yield _read_student(place, student, UNTRAINED, 0, None, untrained, None, expected)
        for arm in place.arms:
            for seed in place.scale.seeds:
                folder = place.student(student, arm.key, seed)
                training = read_training(folder)
                for protocol in _list_protocols(place.scale, arm):
                    yield _read_student(
                        place, student, arm.name, seed, protocol, folder, training, expected
                    )


def _list_protocols(scale: Scale, arm: Arm) -> list[ProtocolName | None]:
    """Under which protocols an arm's students stand in the tables: in `paper` the baselines are
    those of `matched`, at half of the tokens.
    """
    if arm.protocol == "matched" and scale.has_paper_protocol and arm.name not in BUDGETED_ARMS:
        return ["matched", "paper"]
    return [arm.protocol]


def _read_student(
    place: _Place,
    student: Student,
    arm: str,
    seed: int,
    protocol: ProtocolName | None,
    folder: Path,
    training: TrainingFigures | None,
    expected: Mapping[str, str],
) -> StudentRun:
    written = read_answers(folder)
    return StudentRun(
        regime=place.regime,
        protocol=protocol,
        student=student,
        arm=arm,
        seed=seed,
        graded=tuple(grade(written.completions, expected)),
        seconds_generating=written.seconds,
        training=training,
    )


def _write_json(path: Path, content: Any) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def _describe(scale: Scale, regimes: Iterable[Regime]) -> dict[str, str]:
    """What was fixed, by name, for the report."""
    network, base, student = scale.network, scale.base, scale.student
    return {
        **{f"task, {each}": repr(scale.task_of(each).difficulty) for each in regimes},
        "habits": repr(scale.task.rates),
        "tokens of a trace": f"{scale.task.tokens[0]} to {scale.task.tokens[1]}",
        "model": (
            f"{network.layers} layers, width {network.hidden}, {network.heads} heads, "
            f"{network.intermediate} inside; {', '.join(scale.students)}"
        ),
        "base": (
            f"{scale.n_base:,} traces once, batches of {base.batch_size}, {base.optimizer}, peak "
            f"rate {base.learning_rate}"
        ),
        "students": (
            f"{scale.n_train:,} rows × {student.epochs:g}, batches of {student.batch_size}, "
            f"{student.optimizer}, peak rate {student.learning_rate}, seeds "
            f"{', '.join(map(str, scale.seeds))}"
        ),
        "test": f"{scale.n_test:,} programs, greedy, at most {scale.cap} tokens",
        "matched": f"every arm keeps {MATCHED_RATIO:.0%} of each trace's tokens",
        "asap": f"stage 1 is extract, down to {STAGE1_RATIO:.0%} of the tokens; no labels",
    }
