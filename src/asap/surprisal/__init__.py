"""How surprising each step's first token is: scorers, token counters, their fakes. No torch."""

from asap.surprisal.fake import FakeCounter, FakeScorer
from asap.surprisal.load import load_scorer
from asap.surprisal.model_folder import digest_weights, find_model_folder
from asap.surprisal.scorer import ScoreRequest, Statistic, StepScorer, StepScores
from asap.surprisal.tokenizer import load_counter

__all__ = [
    "FakeCounter",
    "FakeScorer",
    "ScoreRequest",
    "Statistic",
    "StepScorer",
    "StepScores",
    "digest_weights",
    "find_model_folder",
    "load_counter",
    "load_scorer",
]
