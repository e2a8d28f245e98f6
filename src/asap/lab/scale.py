"""How big a lab is, and everything else that is fixed before any arm runs: models, rows, recipes,
arms, budgets, and the settings of the difficulty that were tried for the base.

Only the difficulty may move, and of each regime only until its base is through the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from asap.lab.findings import GateTrial
from asap.lab.openers import Regime
from asap.lab.program import Difficulty
from asap.lab.task import GPU, SMALL, TINY, SizeName, Task
from asap.train import TrainRecipe

Student = Literal["llama", "qwen2"]

GATE = (0.6, 0.9)
"""Greedy accuracy of the base on validation, untruncated: below, it has not learned the language;
above, no arm could be better than it.
"""
MATCHED_RATIO = 0.5
"""Share of its thinking tokens that every arm keeps of every trace, as the paper's baselines do."""
STAGE1_RATIO = 0.7
"""ASAP's stage 1 and stage 2 each go half of the way to `MATCHED_RATIO`, in log length. (With the
shipped default, 0.5, stage 1 would leave stage 2 nothing to do.)
"""
PAPER_BUDGET_SHARE = 4096 / 13_023
"""The paper's budget over the mean tokens of its traces: of our train split's mean it makes
`budget_tokens` of the protocol `paper`.
"""
TINY_ARMS = (
    "original",
    "oracle",
    "anti-oracle",
    "random",
    "spirit-fast",
    "step-entropy",
    "selective-context",
    "asap",
    "asap-no-stage1",
    "asap-no-stage2",
)
CEILING = "clean-anchor"
"""The two stages with an anchor made from the clean execution: a ceiling, not ASAP."""
ALL_ARMS = (*TINY_ARMS, "spirit", "head", "tail", "longest-first", CEILING)
BUDGETED_ARMS = ("asap", "asap-no-stage1")
"""Those with a budget of their own in the protocol `paper`; without stage 2 there is none."""


@dataclass(frozen=True, slots=True)
class Network:
    """The shape of a model trained from scratch."""

    hidden: int
    layers: int
    heads: int
    intermediate: int


@dataclass(frozen=True, slots=True)
class Scale:
    """One size of the lab."""

    task: Task
    network: Network
    n_base: int
    """Long traces that a base is trained on, each once."""
    n_train: int
    """Rows of every arm."""
    n_validation: int
    """For the gate, and for the table without training."""
    n_test: int
    base: TrainRecipe
    student: TrainRecipe
    """Its seed is replaced by the student's."""
    budgets: tuple[int, ...]
    """Tokens of a completion, ascending; the last is the cap."""
    arms: tuple[str, ...] = TINY_ARMS
    seeds: tuple[int, ...] = (1, 2, 3)
    students: tuple[Student, ...] = ("llama",)
    """Architectures; the first one's base scores for every arm."""
    has_paper_protocol: bool = False
    own_difficulty: Mapping[Regime, Difficulty] = field(default_factory=dict)
    """Of regimes whose base was not through the gate with the task's."""
    trials: Mapping[Regime, tuple[GateTrial, ...]] = field(default_factory=dict)
    """Settings of the difficulty that were given up, with what the base reached."""

    def task_of(self, regime: Regime) -> Task:
        """What is drawn in a regime."""
        difficulty = self.own_difficulty.get(regime, self.task.difficulty)
        return replace(self.task, difficulty=difficulty)

    @property
    def cap(self) -> int:
        """Most tokens that a student may write."""
        return self.budgets[-1]


_BASE = TrainRecipe(
    optimizer="muon",
    learning_rate=4e-3,
    epochs=1.0,
    max_length=1024,
    batch_size=16,
    accumulation=1,
    lr_schedule="cosine-with-min",
    min_lr_ratio=0.1,
    warmup_ratio=0.03,
    clip_norm=1.0,
    weight_decay=0.01,
    adam_beta2=0.95,
    dtype="bf16",
    gradient_checkpointing=False,
    group_by_length=True,
    template="deepseek-r1",
    save_steps=250,
    log_steps=25,
    seed=0,
)
_STUDENT = _BASE.model_copy(update={"learning_rate": 5e-4, "adam_beta2": 0.99})

SCALES: dict[SizeName, Scale] = {
    "tiny": Scale(
        task=TINY,
        network=Network(hidden=192, layers=4, heads=4, intermediate=512),
        n_base=24_000,
        n_train=2_000,
        n_validation=400,
        n_test=1_000,
        base=_BASE,
        student=_STUDENT,
        budgets=(64, 96, 128, 192, 256, 384, 512),
        own_difficulty={"distinct": Difficulty(executed=(8, 10), for_weight=0.6)},
        trials={"distinct": (GateTrial(repr(Difficulty()), 0.925, 400),)},
    ),
    "small": Scale(
        task=SMALL,
        network=Network(hidden=256, layers=6, heads=4, intermediate=704),
        n_base=100_000,
        n_train=4_000,
        n_validation=400,
        n_test=1_000,
        base=_BASE,
        student=_STUDENT,
        budgets=(96, 128, 192, 256, 384, 512, 768),
        arms=ALL_ARMS,
        students=("llama", "qwen2"),
        has_paper_protocol=True,
    ),
    "gpu": Scale(
        task=GPU,
        network=Network(hidden=768, layers=12, heads=12, intermediate=2048),
        n_base=400_000,
        n_train=10_000,
        n_validation=500,
        n_test=2_000,
        base=_BASE.model_copy(
            update={"learning_rate": 2e-3, "batch_size": 128, "max_length": 1536}
        ),
        student=_STUDENT.model_copy(
            update={"learning_rate": 1e-4, "batch_size": 64, "max_length": 1536}
        ),
        budgets=(128, 192, 256, 384, 512, 768, 1024, 1280),
        arms=ALL_ARMS,
        students=("llama", "qwen2"),
        has_paper_protocol=True,
    ),
}
"""Every size by its name. `small` and `gpu` have not been run."""
