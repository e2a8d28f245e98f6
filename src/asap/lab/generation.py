"""What a student answers: greedy completions of many questions, and the time that took.

`asap eval` asks a server; a student of the lab is small enough to be asked here. Its completions
are as `asap.bench` has them, so that everything there measures them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from asap.bench import Completion, ModelTokenizer
from asap.errors import MissingExtraError

BENCHMARK = "lab"
"""What stands as the benchmark of the lab's completions."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The completions of one student under one cap."""

    completions: tuple[Completion, ...]
    """In the order of the questions."""
    seconds: float
    """Wall clock of decoding all of them, without loading the model; over their number it is the
    paper's latency.
    """


def generate_greedy(
    model: Path,
    questions: Mapping[str, str],
    max_tokens: int,
    *,
    device: str = "auto",
    batch_size: int = 200,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> Generation:
    """Have a model answer every question once, by its most likely tokens.

    Args:
        model: a folder in Hugging Face format with a tokenizer.
        questions: by id.
        max_tokens: the cap on each completion; a smaller budget is a prefix (`cut_to_budget`).
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, …
        batch_size: questions decoded at once; in fp32, so that it alters nothing but the speed.
        on_progress: called with the questions answered so far and their number.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelError: the model cannot be loaded, or prompt and cap do not fit into its window.
    """
    try:
        from asap.lab.decode import Decoder
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in {"torch", "transformers", "safetensors"}:
            raise MissingExtraError("answering with a model of the lab", "score") from error
        raise
    decoder = Decoder(model, device)
    tokenizer = ModelTokenizer(str(model))
    prompts = {id: tokenizer.encode(question) for id, question in questions.items()}
    # Rows of one length need no padding; the longest first, so that a batch too large fails first.
    ordered = sorted(prompts, key=lambda id: len(prompts[id]), reverse=True)
    written: dict[str, tuple[int, ...]] = {}
    started = time.perf_counter()
    for start in range(0, len(ordered), batch_size):
        batch = ordered[start : start + batch_size]
        found = decoder.continue_greedily([prompts[id] for id in batch], max_tokens)
        written.update(zip(batch, found, strict=True))
        on_progress(len(written), len(prompts))
    seconds = time.perf_counter() - started
    return Generation(
        tuple(
            Completion(
                benchmark=BENCHMARK,
                id=id,
                sample=0,
                budget_tokens=max_tokens,
                prompt_ids=prompts[id],
                completion_ids=written[id],
                text=tokenizer.decode(written[id]),
                n_tokens=len(written[id]),
                finish_reason="stop" if decoder.is_ended(written[id]) else "length",
                first_token_s=None,
                total_s=None,
            )
            for id in prompts
        ),
        seconds,
    )
