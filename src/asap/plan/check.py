"""A forecast beside what a finished run says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asap.errors import RunFolderError
from asap.plan.estimate import Range
from asap.plan.record import Forecast
from asap.run import Recipe, load_recipe, read_report


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run's folder says."""

    recipe: Recipe
    input: str
    """The input's fingerprint."""
    files: tuple[str, ...]
    limit: int | None
    values: dict[str, float]
    """By the names that `compare_forecast` uses."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure."""

    name: str
    forecast: Range
    fact: float

    @property
    def ratio(self) -> float | None:
        """Fact over what was likely; None where nothing was."""
        return self.fact / self.forecast.likely if self.forecast.likely else None

    @property
    def is_inside(self) -> bool:
        """Whether the fact lies in the forecast's range."""
        return self.forecast.holds(self.fact)


def read_facts(folder: Path) -> RunFacts:
    """The facts of a finished run of `asap prune`.

    Raises:
        RunFolderError: no such run, or one that is not finished.
        RecipeError: its recipe cannot be read.
    """
    report = read_report(folder, kind="prune")
    if report.get("status") != "finished":
        raise RunFolderError(f"{folder} is not finished; give its asap prune command again first")
    try:
        counts, identity, timings = report["counts"], report["identity"], report["timings"]
        values = {
            "rows": float(counts["rows_in"]),
            "rows excluded": float(counts["rows_excluded"]),
            "thinking tokens before": float(counts["tokens_before"]),
            "thinking tokens after stage 1": float(counts["tokens_after_stage1"]),
            "thinking tokens after": float(counts["tokens_after"]),
            "seconds": float(timings["seconds"]),
            **_llm_values(report.get("llm")),
        }
        return RunFacts(
            load_recipe(str(folder / "recipe.yaml")),
            str(identity["input"]),
            tuple(report["files"]),
            identity["limit"],
            values,
        )
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise RunFolderError(f"{folder / 'report.json'} lacks {error}") from None


def compare_forecast(forecast: Forecast, facts: RunFacts) -> list[Comparison]:
    """Forecast and fact, figure by figure, where there are both.

    Raises:
        RunFolderError: the forecast is that of another input, recipe or limit.
    """
    same = {
        "input": (forecast.input, facts.input),
        "recipe": (forecast.recipe, facts.recipe.model_dump(exclude_none=True)),
        "limit": (forecast.limit, facts.limit),
    }
    for name, (one, other) in same.items():
        if one != other:
            raise RunFolderError(
                f"the forecast and the run differ in {name}: {_say_difference(name, one, other)}"
            )
    tokens = forecast.tokens
    ranges = {
        "rows": tokens.rows,
        "rows excluded": tokens.rows_excluded,
        "thinking tokens before": tokens.before,
        "thinking tokens after stage 1": tokens.after_stage1,
        "thinking tokens after": tokens.after,
    }
    if forecast.llm is None:
        ranges["seconds"] = forecast.time.seconds
    else:
        # How long its LLM takes is not forecast, so a run's seconds say nothing here.
        ranges |= {
            "LLM replies": forecast.llm.requests,
            "LLM prompt tokens": forecast.llm.prompt_tokens,
            "LLM completion tokens": forecast.llm.completion_tokens,
        }
    return [
        Comparison(name, ranges[name], value)
        for name, value in facts.values.items()
        if name in ranges
    ]


def _llm_values(llm: dict[str, Any] | None) -> dict[str, float]:
    """Replies are requests less those sent again for the transport's sake, and those at hand; its
    tokens are comparable only where every reply was paid for.
    """
    if not llm:
        return {}
    values = {"LLM replies": float(llm["requests"] - llm["retries"] + llm["cached"])}
    if not llm["cached"]:
        values["LLM prompt tokens"] = float(llm["prompt_tokens"])
        values["LLM completion tokens"] = float(llm["completion_tokens"])
    return values


def _say_difference(name: str, one: Any, other: Any) -> str:
    if name == "input":
        return "its content, or the columns that are read"
    if isinstance(one, dict) and isinstance(other, dict):
        fields = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        name, one, other = fields[0], one.get(fields[0]), other.get(fields[0])
        return f"{name} is {one!r} in the forecast and {other!r} in the run"
    return f"{one!r} in the forecast and {other!r} in the run"
