"""Applying a method to a corpus: recipe, backends, pipeline, run folder, executor."""

from asap.run.backends import cache_folder, open_scorer, open_tools
from asap.run.executor import Executor, Work
from asap.run.ledger import FORMAT_VERSION, Ledger, read_report
from asap.run.local import RunResult, check_excluded, check_run, prune_corpus, run_here
from asap.run.memory import prune_traces
from asap.run.pipeline import Pipeline, Progress
from asap.run.ray import RayCluster, open_cluster
from asap.run.recipe import Recipe, load_recipe, shipped_recipes
from asap.run.recipe_file import describe_first_problem, list_recipes, read_recipe
from asap.run.score import check_scores_file, score_corpus
from asap.run.summary import Summary, summarise
from asap.run.versions import count_cores, find_versions, say_now

__all__ = [
    "FORMAT_VERSION",
    "Executor",
    "Ledger",
    "Pipeline",
    "Progress",
    "RayCluster",
    "Recipe",
    "RunResult",
    "Summary",
    "Work",
    "cache_folder",
    "check_excluded",
    "check_run",
    "check_scores_file",
    "count_cores",
    "describe_first_problem",
    "find_versions",
    "list_recipes",
    "load_recipe",
    "open_cluster",
    "open_scorer",
    "open_tools",
    "prune_corpus",
    "prune_traces",
    "read_recipe",
    "read_report",
    "run_here",
    "say_now",
    "score_corpus",
    "shipped_recipes",
    "summarise",
]
