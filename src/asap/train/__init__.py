"""Fine-tuning on pruned traces: what is trained on and what is masked, the hand-over to TRL, export
to other trainers. No training loop of our own.
"""

from asap.train.data import TRAIN_REASONS, DataPlan, Mix, TrainData, write_data
from asap.train.decontaminate import (
    BOILERPLATE_PROBLEMS,
    LEAST_WORDS,
    NGRAM_WORDS,
    Overlap,
    ProblemIndex,
    find_overlaps,
    index_problems,
)
from asap.train.export import (
    Exported,
    check_export_file,
    describe_dataset,
    export_rows,
    register_dataset,
    write_rows,
)
from asap.train.recipe import TrainRecipe, load_train_recipe, shipped_train_recipes
from asap.train.rows import TrainRow, fingerprint_rows, read_rows
from asap.train.sft import Efficiency, Tracker
from asap.train.template import Example, Template, TemplateName, load_tokenizer
from asap.train.trainer import TRAINERS, Trainer, TrainerFormat, write_dataset_entry
from asap.train.training import Shown, TrainRequest, TrainResult, preview, train_model

__all__ = [
    "BOILERPLATE_PROBLEMS",
    "LEAST_WORDS",
    "NGRAM_WORDS",
    "TRAINERS",
    "TRAIN_REASONS",
    "DataPlan",
    "Efficiency",
    "Example",
    "Exported",
    "Mix",
    "Overlap",
    "ProblemIndex",
    "Shown",
    "Template",
    "TemplateName",
    "Tracker",
    "TrainData",
    "TrainRecipe",
    "TrainRequest",
    "TrainResult",
    "TrainRow",
    "Trainer",
    "TrainerFormat",
    "check_export_file",
    "describe_dataset",
    "export_rows",
    "find_overlaps",
    "fingerprint_rows",
    "index_problems",
    "load_tokenizer",
    "load_train_recipe",
    "preview",
    "read_rows",
    "register_dataset",
    "shipped_train_recipes",
    "train_model",
    "write_data",
    "write_dataset_entry",
    "write_rows",
]
