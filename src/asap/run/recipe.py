"""What a run is to do, as strict flat data: YAML in, YAML out, every field a flag of the same
words.

A recipe names backends and sets options; it opens nothing. No behaviour hangs on a recipe's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from asap.errors import RecipeError
from asap.prune import METHODS, Need, Options, list_methods
from asap.run.recipe_file import describe_first_problem, list_recipes, read_recipe
from asap.trace import Budget

_ONE_METHOD: dict[str, Any] = {"panel": "Recipe fields of single methods"}
"""Marks fields that only the methods named in their description look at."""


class Recipe(BaseModel):
    """The fields of a prune recipe."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )

    method: str = Field(
        default="asap", description=f"The pruning method: {', '.join(list_methods())}."
    )
    segment: Literal["block", "paragraph"] = "block"
    """How the thinking is cut into steps: `block` keeps code whole, `paragraph` is the paper's."""
    stage1: Literal["extract", "select", "rewrite", "none"] = "extract"
    """How stage 1 prunes: `extract` without an LLM; `select` and `rewrite` ask one; `none` skips
    it.
    """
    stage2: Literal["first-token", "none"] = "first-token"
    """What orders the steps in stage 2: first-token surprisal, or nothing (then the budget is not
    applied).
    """
    wording: Literal["original", "reply"] = "original"
    """Whose words are kept after `rewrite`: the trace's own, or the LLM's (the paper)."""
    context: Literal["raw", "template"] = "raw"
    """What the scorer reads before the thinking: question and tag, or the model's chat template."""
    require: Literal["answer", "code", "nothing"] = "answer"
    """What a usable trace must have after its thinking: an answer, a fenced code block in it, or
    nothing.
    """
    scorer: str = "builtin"
    """The causal LM that scores: `builtin`, a folder, or a Hub id."""
    scorer_url: str | None = None
    """Base URL of an OpenAI-compatible server that scores in its place; `scorer` then names the
    tokenizer.
    """
    scorer_model: str | None = None
    """The scorer's name at its server. Default: the only model there."""
    scorer_window: int | None = Field(default=None, ge=16)
    """Context length of the scorer's server, where it does not say. Default: the model's."""
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    """The scorer's number type; `auto` is bf16 where the hardware is fast at it."""
    tokenizer: str | None = None
    """Whose tokens the budget counts: the model to be trained. Default: the scorer's."""
    budget_tokens: int | None = Field(default=None, ge=1)
    """Tokens that a pruned thinking may have."""
    ratio: float | None = Field(default=None, gt=0.0, le=1.0)
    """Share of its own tokens that a pruned thinking may have, in (0, 1]."""
    stage1_ratio: float = Field(default=0.5, gt=0.0, le=1.0)
    """Share of the tokens down to which `extract` drops."""
    stage1_attempts: int = Field(default=8, ge=1, le=64)
    """How often an LLM is asked again after a reply that cannot be used."""
    rounds: int = Field(default=1, ge=1, le=1024)
    """How often stage 2 scores each trace on the way down; once is the paper's."""
    similarity: float = Field(default=0.6, gt=0.0, le=1.0)
    """Gestalt similarity from which a reply's step counts as one of the trace's."""
    render: Literal["original", "stripped"] = "original"
    """How kept steps become text: with their own separators, or stripped with one blank line
    between (the paper).
    """
    ties: Literal["later", "earlier"] = "later"
    """Which of two equally surprising steps goes first; `earlier` is the paper's."""
    keep_headers: bool = True
    """Whether a header goes exactly with the last step that it governs."""
    on_stage1_failure: Literal["extract", "exclude"] = "extract"
    """What happens to a row whose stage 1 failed for good: `extract` prunes it, or it is excluded
    (the paper).
    """
    on_step_over_budget: Literal["exclude", "keep"] = "exclude"
    """What happens to a row whose last step alone is over the budget."""
    seed: int = 0
    """What everything drawn at random hangs on, with the row: `random`, `tokenskip`."""
    suffix_tokens: int = Field(default=512, ge=0, json_schema_extra=_ONE_METHOD)
    """`spirit`: tokens after a step over which the rise in perplexity is measured; 0: all."""
    unit: Literal["token", "phrase", "sentence"] = Field("phrase", json_schema_extra=_ONE_METHOD)
    """`selective-context`: what goes or stays as a whole."""
    cut: Literal["budget", "percentile"] = Field("budget", json_schema_extra=_ONE_METHOD)
    """Token-level methods: drop until the budget holds, or, as published, whatever is below the
    percentile of the ratio.
    """
    preserve_whitespace: bool = Field(True, json_schema_extra=_ONE_METHOD)
    """Token-level methods: keep line breaks and indentation of what stays; off, all white space
    becomes single blanks, as published.
    """
    classifier: str | None = Field(None, json_schema_extra=_ONE_METHOD)
    """The token classifier of `llmlingua2` and `tokenskip`: a folder or a Hub id."""
    force_tokens: list[str] = Field([], json_schema_extra=_ONE_METHOD)
    """`llmlingua2`, `tokenskip`: words that always stay."""
    force_digits: bool = Field(False, json_schema_extra=_ONE_METHOD)
    """`llmlingua2`, `tokenskip`: whether words with a digit always stay."""
    drop_consecutive: bool = Field(False, json_schema_extra=_ONE_METHOD)
    """`llmlingua2`, `tokenskip`: whether a forced word goes that follows its like."""
    word_probability: Literal["mean", "first"] = Field("mean", json_schema_extra=_ONE_METHOD)
    """`llmlingua2`, `tokenskip`: a word's probability from those of its tokens."""
    drawn_ratios: list[float] = Field([1.0, 0.9, 0.8, 0.7, 0.6, 0.5], json_schema_extra=_ONE_METHOD)
    """`tokenskip`: the ratios of which each row draws one."""
    delimiter: str = Field("<|eot_id|>", json_schema_extra=_ONE_METHOD)
    """`tokenskip`: what stands on both sides of the ratio in the prompt."""
    level_tokens: list[int] = Field([512, 2048, 8192], json_schema_extra=_ONE_METHOD)
    """`dap`: most tokens of a rewritten thinking for an easy, a medium and a hard question."""
    llm: str | None = None
    """The LLM of stage 1, as its server names it."""
    llm_url: str | None = None
    """Base URL of an OpenAI-compatible server, or `replay:FILE` for recorded replies."""
    llm_max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens that one reply may have."""

    @model_validator(mode="before")
    @classmethod
    def _default_budget(cls, data: Any) -> Any:
        if (
            isinstance(data, dict)
            and data.get("budget_tokens") is None
            and data.get("ratio") is None
        ):
            return {**data, "ratio": 0.5}
        return data

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        if self.method not in METHODS:
            raise ValueError(
                f"method is '{self.method}'; there are: {', '.join(sorted(list_methods()))}"
            )
        if not self.drawn_ratios or not all(0.0 < ratio <= 1.0 for ratio in self.drawn_ratios):
            raise ValueError("drawn_ratios must be above 0 and at most 1, and there must be one")
        if len(self.level_tokens) != 3 or any(n < 1 for n in self.level_tokens):
            raise ValueError("level_tokens are three counts: easy, medium, hard")
        if self.budget_tokens is not None and self.ratio is not None:
            raise ValueError("budget_tokens and ratio exclude each other")
        if self.wording == "reply" and self.stage1 != "rewrite":
            raise ValueError("wording 'reply' needs stage1 'rewrite'")
        for name in ("llm_url", "scorer_url"):
            if "@" in (getattr(self, name) or "").partition("://")[2].partition("/")[0]:
                raise ValueError(f"{name} holds a password: keys come from the environment alone")
        if self.scorer_url is None and (self.scorer_model or self.scorer_window):
            raise ValueError("scorer_model and scorer_window belong to a scorer_url")
        return self

    @property
    def budget(self) -> Budget:
        """The budget of the two fields."""
        return Budget(self.budget_tokens, self.ratio)

    @property
    def options(self) -> Options:
        """The fields that a method sees."""
        given: dict[str, Any] = {name: getattr(self, name) for name in Options.__dataclass_fields__}
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        return Options(**given | lists)

    @property
    def needs(self) -> frozenset[Need]:
        """Which backends the method uses under these options."""
        return METHODS[self.method](self.options).needs

    def to_yaml(self) -> str:
        """The recipe as a file that gives it back."""
        return yaml.safe_dump(self.model_dump(exclude_none=True), sort_keys=False)


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with asap."""
    return list_recipes("prune")


def load_recipe(name: str = "default", changes: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe and change fields of it.

    Args:
        name: a shipped recipe's name, or a YAML file.
        changes: fields that override the file's; `budget_tokens` and `ratio` replace each other.

    Raises:
        RecipeError: no such recipe, not YAML, an unknown field, or a value out of range.
    """
    data = read_recipe("prune", name)
    given = {key: value for key, value in (changes or {}).items() if value is not None}
    if given.get("budget_tokens") is not None and given.get("ratio") is None:
        data.pop("ratio", None)
    if given.get("ratio") is not None and given.get("budget_tokens") is None:
        data.pop("budget_tokens", None)
    try:
        return Recipe.model_validate({**data, **given})
    except ValidationError as error:
        raise RecipeError(f"recipe '{name}': {describe_first_problem(error, Recipe)}") from None
