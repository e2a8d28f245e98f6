"""Comparing methods without training: what each leaves of real traces, and what that is worth."""

from asap.rank.conclusion import AnswerEvidence, conclusion_kept, find_answer_evidence
from asap.rank.coverage import split_question, state_coverage, trace_values
from asap.rank.dangling import References, dangling_rate, find_references, list_dangling
from asap.rank.drafts import keep_all_but_drafts, keep_drafts
from asap.rank.integrity import Integrity, Structure, check_integrity, find_structure
from asap.rank.kept import KeptText
from asap.rank.metrics import METRICS, Metric, Prepared, measure_kept, prepare_trace
from asap.rank.support import answer_support, read_support, support_requests

__all__ = [
    "METRICS",
    "AnswerEvidence",
    "Integrity",
    "KeptText",
    "Metric",
    "Prepared",
    "References",
    "Structure",
    "answer_support",
    "check_integrity",
    "conclusion_kept",
    "dangling_rate",
    "find_answer_evidence",
    "find_references",
    "find_structure",
    "keep_all_but_drafts",
    "keep_drafts",
    "list_dangling",
    "measure_kept",
    "prepare_trace",
    "read_support",
    "split_question",
    "state_coverage",
    "support_requests",
    "trace_values",
]
