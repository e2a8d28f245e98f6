"""How surprising each step's first token is: scorers, token counters, their fakes. No torch."""

from asap.surprisal.classifier import TokenClassifier, TokenLabels
from asap.surprisal.fake import FakeClassifier, FakeCounter, FakeScorer
from asap.surprisal.load import load_classifier, load_scorer
from asap.surprisal.model_folder import digest_weights, find_model_folder, find_window
from asap.surprisal.scorer import ScoreRequest, Statistic, StepScorer, StepScores, TokenScores
from asap.surprisal.server_probe import open_server_scorer
from asap.surprisal.server_scorer import ServerScorer
from asap.surprisal.tokenizer import load_counter
from asap.surprisal.window import Window, clip_head, cut_windows

__all__ = [
    "FakeClassifier",
    "FakeCounter",
    "FakeScorer",
    "ScoreRequest",
    "ServerScorer",
    "Statistic",
    "StepScorer",
    "StepScores",
    "TokenClassifier",
    "TokenLabels",
    "TokenScores",
    "Window",
    "clip_head",
    "cut_windows",
    "digest_weights",
    "find_model_folder",
    "find_window",
    "load_classifier",
    "load_counter",
    "load_scorer",
    "open_server_scorer",
]
