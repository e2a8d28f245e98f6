"""Comparing methods without training: what each leaves of real traces, and what that is worth."""

from asap.rank.kept import KeptText
from asap.rank.planting import Plant, Planted, PlantKind, plant_redundancy
from asap.rank.redundancy import (
    Grouping,
    PlantMeans,
    PlantValue,
    Recall,
    average_plants,
    measure_recall,
    measure_removal,
    rank_auc,
    value_plants,
)
from asap.rank.unique_steps import find_unique_steps

__all__ = [
    "Grouping",
    "KeptText",
    "Plant",
    "PlantKind",
    "PlantMeans",
    "PlantValue",
    "Planted",
    "Recall",
    "average_plants",
    "find_unique_steps",
    "measure_recall",
    "measure_removal",
    "plant_redundancy",
    "rank_auc",
    "value_plants",
]
