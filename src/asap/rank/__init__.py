"""Comparing methods without training: what each leaves of real traces, and what that is worth."""

from asap.rank.kept import KeptText
from asap.rank.planting import Plant, Planted, PlantKind, plant_redundancy
from asap.rank.unique_steps import find_unique_steps

__all__ = [
    "KeptText",
    "Plant",
    "PlantKind",
    "Planted",
    "find_unique_steps",
    "plant_redundancy",
]
