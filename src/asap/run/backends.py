"""Opens the backends that a recipe names: tokenizer, scorer, classifier, LLM. The only place where
names become objects.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from asap.chat import Chat, ChatLimits, OpenAIChat, ReplayChat, ReplyCache
from asap.errors import RecipeError
from asap.prune import Need, Tools, list_methods
from asap.run.recipe import Recipe
from asap.surprisal import (
    StepScorer,
    TokenClassifier,
    load_classifier,
    load_counter,
    load_scorer,
    open_server_scorer,
)

REPLAY = "replay:"


def cache_folder() -> Path:
    """Where LLM replies are kept between runs: `ASAP_CACHE`, else `~/.cache/asap`."""
    return Path(os.environ.get("ASAP_CACHE") or Path.home() / ".cache" / "asap")


@contextmanager
def open_tools(
    recipe: Recipe,
    *,
    needs: frozenset[Need] | None = None,
    limits: ChatLimits | None = None,
    device: str = "auto",
    labels: Mapping[int, Sequence[bool]] | None = None,
) -> Iterator[Tools]:
    """The tools of a run, closed at the end.

    Args:
        recipe: names the scorer, the tokenizer, the classifier and the LLM.
        needs: which of them are opened; by default those that the recipe's method needs.
        limits: bounds on what is asked of the LLM.
        device: where scorer and classifier run: `auto`, `cpu`, `cuda`, `mps`, `cuda:1`, ...
        labels: by row, whether each step is redundant; they go to methods that ask for them and to
            no others.

    Raises:
        ModelError: scorer, tokenizer or classifier cannot be loaded.
        MissingExtraError: an optional dependency is not installed.
        RecipeError: the method asks an LLM, a classifier, labels or a scorer's entropies, and there
            is none.
    """
    needs = recipe.needs if needs is None else needs
    wants_labels = "labels" in needs
    if wants_labels and labels is None:
        raise RecipeError(
            f"method '{recipe.method}' asks for labels of redundant steps, which exist only in the "
            f"lab (asap lab); any trace can be pruned by: {', '.join(list_methods())}"
        )
    if "entropies" in needs and recipe.scorer_url is not None:
        raise RecipeError(
            "method 'step-entropy' needs entropies, and no server tells those: leave out "
            "--scorer-url to score on this machine, or use another method (spirit-fast)"
        )
    with ExitStack() as stack:
        chat = None
        if "chat" in needs:
            chat = _open_chat(recipe, limits or ChatLimits(), stack)
        counter = load_counter(recipe.tokenizer or recipe.scorer)
        scorer = None
        if "scorer" in needs:
            scorer = stack.enter_context(open_scorer(recipe, device))
        classifier = None
        if "classifier" in needs:
            classifier = _open_classifier(recipe, device)
        yield Tools(counter, scorer, chat, classifier, labels=labels if wants_labels else None)


@contextmanager
def open_scorer(recipe: Recipe, device: str = "auto") -> Iterator[StepScorer]:
    """The scorer of a recipe, closed at the end: a model on this machine, or behind a server.

    Args:
        recipe: names it.
        device: where it runs, unless it is behind a server.

    Raises:
        ModelError: it cannot be loaded, or its server cannot be used for scoring.
        MissingExtraError: an optional dependency is not installed.
        RecipeError: `scorer_url` is no address of a server.
        KeyRefused: the server refused the key.
    """
    if recipe.scorer_url is None:
        yield load_scorer(recipe.scorer, dtype=recipe.dtype, device=device, context=recipe.context)
        return
    with open_server_scorer(
        recipe.scorer_url,
        recipe.scorer,
        model=recipe.scorer_model,
        window=recipe.scorer_window,
        context=recipe.context,
    ) as scorer:
        yield scorer


def _open_classifier(recipe: Recipe, device: str) -> TokenClassifier:
    if recipe.classifier is None:
        raise RecipeError(
            f"method '{recipe.method}' asks a token classifier: name it with --classifier FOLDER "
            "or a Hub id (microsoft/llmlingua-2-xlm-roberta-large-meetingbank)"
        )
    return load_classifier(recipe.classifier, dtype=recipe.dtype, device=device)


def _open_chat(recipe: Recipe, limits: ChatLimits, stack: ExitStack) -> Chat:
    url = recipe.llm_url or ""
    if url.startswith(REPLAY):
        return stack.enter_context(ReplayChat(Path(url.removeprefix(REPLAY))))
    if not recipe.llm or not (url or os.environ.get("OPENAI_BASE_URL")):
        raise RecipeError(
            f"{_asker(recipe)} asks an LLM: name it with --llm MODEL --llm-url URL "
            "(or --llm-url replay:FILE), or use --method asap --stage1 extract, which needs none"
        )
    cache = stack.enter_context(ReplyCache(cache_folder() / "replies.sqlite"))
    return stack.enter_context(
        OpenAIChat(recipe.llm, base_url=url or None, limits=limits, cache=cache)
    )


def _asker(recipe: Recipe) -> str:
    return f"stage1 '{recipe.stage1}'" if recipe.method == "asap" else f"method '{recipe.method}'"
