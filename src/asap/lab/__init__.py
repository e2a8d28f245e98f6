"""The paper's experiment at one machine's size: a made-up language of small programs, traces with
labelled habits, every method's training data, students, tables. What it shows is what training does
given a ranking, not what real traces are like.
"""

from asap.lab.habits import Habit, HabitRates
from asap.lab.openers import COUNTS as OPENER_COUNTS
from asap.lab.openers import HABIT_OPENERS, REGIMES, Regime
from asap.lab.program import Difficulty
from asap.lab.separability import SCORES, ScoreName, Separation, label_auc, measure_separability
from asap.lab.task import GPU, SMALL, TINY, LabTrace, SizeName, Split, Task, draw_traces
from asap.lab.tokenizer import list_words, write_tokenizer

__all__ = [
    "GPU",
    "HABIT_OPENERS",
    "OPENER_COUNTS",
    "REGIMES",
    "SCORES",
    "SMALL",
    "TINY",
    "Difficulty",
    "Habit",
    "HabitRates",
    "LabTrace",
    "Regime",
    "ScoreName",
    "Separation",
    "SizeName",
    "Split",
    "Task",
    "draw_traces",
    "label_auc",
    "list_words",
    "measure_separability",
    "write_tokenizer",
]
