"""What a trace is: record, parsing, segmenting, rendering, token counts, budgets.

Standard library only; the room that every other room builds on.
"""

from asap.trace.code_lines import classify_line
from asap.trace.code_runs import classify_paragraph
from asap.trace.parse import REASONS, TAGS, Require, parse_trace
from asap.trace.record import (
    STEP_REASONS,
    Evidence,
    Excluded,
    Fate,
    Kept,
    Outcome,
    Rewritten,
    Selection,
    Stage1,
    Step,
    StepReason,
    StepTokens,
    Trace,
    Variant,
    select_within,
)
from asap.trace.render import CLOSING, OPENING, Render, keep_steps, render_completion, render_steps
from asap.trace.segment import Segmenter, find_fences, segment_thinking, segment_trace
from asap.trace.tokens import Budget, TokenCounter, count_step_tokens, count_tokens

__all__ = [
    "CLOSING",
    "OPENING",
    "REASONS",
    "STEP_REASONS",
    "TAGS",
    "Budget",
    "Evidence",
    "Excluded",
    "Fate",
    "Kept",
    "Outcome",
    "Render",
    "Require",
    "Rewritten",
    "Segmenter",
    "Selection",
    "Stage1",
    "Step",
    "StepReason",
    "StepTokens",
    "TokenCounter",
    "Trace",
    "Variant",
    "classify_line",
    "classify_paragraph",
    "count_step_tokens",
    "count_tokens",
    "find_fences",
    "keep_steps",
    "parse_trace",
    "render_completion",
    "render_steps",
    "segment_thinking",
    "segment_trace",
    "select_within",
]
