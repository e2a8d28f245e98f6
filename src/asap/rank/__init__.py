"""Comparing methods without training: what each leaves of real traces, and what that is worth."""

from asap.rank.forced import FORCED_VERSION, Begun, ForcedAnswer, ForcedAnswers, force_arms
from asap.rank.kept import KeptText
from asap.rank.own_answer import (
    EXAMPLES,
    EXPECTED,
    AnswerChecker,
    OwnResult,
    Reference,
    read_reference,
)
from asap.rank.verify import VERIFY_REASONS, VerifyResult, verify_run

__all__ = [
    "EXAMPLES",
    "EXPECTED",
    "FORCED_VERSION",
    "VERIFY_REASONS",
    "AnswerChecker",
    "Begun",
    "ForcedAnswer",
    "ForcedAnswers",
    "KeptText",
    "OwnResult",
    "Reference",
    "VerifyResult",
    "force_arms",
    "read_reference",
    "verify_run",
]
