"""Benchmarks: their data, prompts, answers and metrics.

To add a benchmark: one file with a `Benchmark`, one line in `BENCHMARKS`.
"""

from asap.bench.benchmark import K_TOKENS, Benchmark, Extract, Problem, Question
from asap.bench.dataset import BENCHMARKS, Dataset, open_benchmark
from asap.bench.grade import Solution, SolutionJudge, judge_canonical, judge_solutions
from asap.bench.prompts import PROMPTS_VERSION
from asap.bench.source import DataFile

__all__ = [
    "BENCHMARKS",
    "K_TOKENS",
    "PROMPTS_VERSION",
    "Benchmark",
    "DataFile",
    "Dataset",
    "Extract",
    "Problem",
    "Question",
    "Solution",
    "SolutionJudge",
    "judge_canonical",
    "judge_solutions",
    "open_benchmark",
]
