"""Fine-tuning on pruned traces: what is trained on and what is masked, the hand-over to TRL, export
to other trainers. No training loop of our own.
"""

from asap.train.data import TRAIN_REASONS, DataPlan, Mix, TrainData, write_data
from asap.train.recipe import TrainRecipe, load_train_recipe, shipped_train_recipes
from asap.train.rows import TrainRow, fingerprint_rows, read_rows
from asap.train.sft import Efficiency, Tracker
from asap.train.template import Example, Template, TemplateName, load_tokenizer
from asap.train.training import Shown, TrainRequest, TrainResult, preview, train_model

__all__ = [
    "TRAIN_REASONS",
    "DataPlan",
    "Efficiency",
    "Example",
    "Mix",
    "Shown",
    "Template",
    "TemplateName",
    "Tracker",
    "TrainData",
    "TrainRecipe",
    "TrainRequest",
    "TrainResult",
    "TrainRow",
    "fingerprint_rows",
    "load_tokenizer",
    "load_train_recipe",
    "preview",
    "read_rows",
    "shipped_train_recipes",
    "train_model",
    "write_data",
]
