"""Benchmarks: their data, prompts, answers and metrics.

To add a benchmark: one file with a `Benchmark`, one line in `BENCHMARKS`.
"""

from asap.bench.benchmark import K_TOKENS, Benchmark, Extract, Question
from asap.bench.comparison import Comparison, Difference, compare_arms
from asap.bench.completion import Completion, cut_to_budget
from asap.bench.dataset import BENCHMARKS, Dataset, open_benchmark
from asap.bench.engine import Engine, Server, ServerDType, start_server
from asap.bench.extract import extract_code
from asap.bench.grade import (
    Solution,
    check_solutions,
    judge_canonical,
    judge_solutions,
    scale_limits,
)
from asap.bench.loop import ends_in_loop
from asap.bench.metrics import (
    CommonTokens,
    Graded,
    Latency,
    Metrics,
    measure,
    measure_common_tokens,
    measure_latency,
    measure_pass_at_1,
    pass_at_k,
)
from asap.bench.private_tests import read_tests
from asap.bench.prompts import PROMPTS_VERSION
from asap.bench.solutions import read_solutions
from asap.bench.source import DataFile

__all__ = [
    "BENCHMARKS",
    "K_TOKENS",
    "PROMPTS_VERSION",
    "Benchmark",
    "CommonTokens",
    "Comparison",
    "Completion",
    "DataFile",
    "Dataset",
    "Difference",
    "Engine",
    "Extract",
    "Graded",
    "Latency",
    "Metrics",
    "Question",
    "Server",
    "ServerDType",
    "Solution",
    "check_solutions",
    "compare_arms",
    "cut_to_budget",
    "ends_in_loop",
    "extract_code",
    "judge_canonical",
    "judge_solutions",
    "measure",
    "measure_common_tokens",
    "measure_latency",
    "measure_pass_at_1",
    "open_benchmark",
    "pass_at_k",
    "read_solutions",
    "read_tests",
    "scale_limits",
    "start_server",
]
