"""Benchmarks: their data, prompts, answers and metrics.

To add a benchmark: one file with a `Benchmark`, one line in `BENCHMARKS`.
"""

from asap.bench.benchmark import K_TOKENS, Benchmark, Extract, Question
from asap.bench.benchmark_run import EvalSettings
from asap.bench.comparison import Comparison, Difference, compare_arms
from asap.bench.completion import Completion, cut_to_budget
from asap.bench.dataset import BENCHMARKS, Dataset, open_benchmark
from asap.bench.engine import Engine, Server, ServerDType, start_server
from asap.bench.eval_folder import (
    COMPLETIONS,
    QUESTIONS,
    VERDICTS,
    Ceiling,
    EvalRun,
    open_eval_run,
    write_graded,
    write_questions,
)
from asap.bench.evaluation import check_eval, evaluate
from asap.bench.extract import extract_code
from asap.bench.generate import Api, Generator, Sampling, Wanted
from asap.bench.grade import (
    Solution,
    check_solutions,
    judge_canonical,
    judge_solutions,
    scale_limits,
)
from asap.bench.ledger import Entry
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
from asap.bench.model_tokenizer import ModelTokenizer
from asap.bench.private_tests import read_tests
from asap.bench.prompts import PROMPTS_VERSION
from asap.bench.solutions import read_solutions
from asap.bench.source import DataFile
from asap.bench.tables import (
    Arm,
    ArmDifference,
    Results,
    Score,
    compare_runs,
    gather_arms,
    say_budget,
)

__all__ = [
    "BENCHMARKS",
    "COMPLETIONS",
    "K_TOKENS",
    "PROMPTS_VERSION",
    "QUESTIONS",
    "VERDICTS",
    "Api",
    "Arm",
    "ArmDifference",
    "Benchmark",
    "Ceiling",
    "CommonTokens",
    "Comparison",
    "Completion",
    "DataFile",
    "Dataset",
    "Difference",
    "Engine",
    "Entry",
    "EvalRun",
    "EvalSettings",
    "Extract",
    "Generator",
    "Graded",
    "Latency",
    "Metrics",
    "ModelTokenizer",
    "Question",
    "Results",
    "Sampling",
    "Score",
    "Server",
    "ServerDType",
    "Solution",
    "Wanted",
    "check_eval",
    "check_solutions",
    "compare_arms",
    "compare_runs",
    "cut_to_budget",
    "ends_in_loop",
    "evaluate",
    "extract_code",
    "gather_arms",
    "judge_canonical",
    "judge_solutions",
    "measure",
    "measure_common_tokens",
    "measure_latency",
    "measure_pass_at_1",
    "open_benchmark",
    "open_eval_run",
    "pass_at_k",
    "read_solutions",
    "read_tests",
    "say_budget",
    "scale_limits",
    "start_server",
    "write_graded",
    "write_questions",
]
