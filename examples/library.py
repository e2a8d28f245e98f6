"""asap from Python: all at once, with recorded LLM replies, and stage by stage.

python examples/library.py
"""

from __future__ import annotations

import json
from pathlib import Path

import asap
from asap.chat import ReplayChat
from asap.prune import Order, Tools, fit_to_budget, order_drops, rank_by_surprisal
from asap.surprisal import StepScorer, load_counter, load_scorer
from asap.trace import TokenCounter, count_tokens, render_completion, segment_trace

HERE = Path(__file__).parent


def read_traces() -> list[asap.Trace]:
    """From rows to traces; whatever is no usable trace says why."""
    traces = []
    for row, line in enumerate((HERE / "traces.jsonl").read_text(encoding="utf-8").splitlines()):
        values = json.loads(line)
        trace = asap.parse_trace(row, values["id"], values["prompt"], response=values["generation"])
        if isinstance(trace, asap.Trace):
            traces.append(trace)
        else:
            print(f"{values['id']} is left out: {trace.reason}")
    return traces


def prune_at_once(traces: list[asap.Trace], tools: Tools) -> None:
    """The whole method; without `tools` it opens what the recipe names."""
    for trace, outcome in zip(
        traces, asap.prune_traces(traces, tools=tools, ratio=0.5), strict=True
    ):
        if isinstance(outcome, asap.Kept):
            kept = outcome.selection.kept
            print(f"{trace.id}: {len(kept)} of {len(outcome.subject.steps)} steps kept")


def prune_with_an_llm(traces: list[asap.Trace], tools: Tools) -> None:
    """Stage 1 by an LLM, here a recording of one; `asap.chat.OpenAIChat` asks a server."""
    with ReplayChat(HERE / "replies.jsonl") as chat:
        asking = Tools(tools.counter, tools.scorer, chat)
        for outcome in asap.prune_traces(traces, tools=asking, stage1="select"):
            if isinstance(outcome, asap.Kept):
                stage1 = outcome.evidence.stage1
                print(f"{outcome.subject.id}: {stage1.mode}, {stage1.attempts} attempt(s)")


def prune_by_stages(trace: asap.Trace, counter: TokenCounter, scorer: StepScorer) -> str:
    """What happens inside, for one trace."""
    (trace,) = count_tokens([segment_trace(trace, "block")], counter)
    assert trace.tokens is not None
    limit = trace.tokens.total // 2

    # Stage 1: which steps go first, header and body together, down to 60 % of the tokens.
    drops = order_drops(trace, 0.6)
    gone = {step for group in drops for step in group}
    survivors = tuple(step for step in range(len(trace.steps)) if step not in gone)

    # Stage 2: the rest in the order of first-token surprisal, the least surprising first.
    (ranking,) = rank_by_surprisal([trace], [survivors], [limit], scorer)
    print(f"{trace.id}: stage 1 drops {len(gone)} steps, stage 2 ranks {len(survivors)}")

    # Budget: along both orders until the text that is left has at most `limit` tokens.
    order = Order(trace, (*drops, *ranking.groups), len(gone), 0, limit)
    (fitted,) = fit_to_budget([order], counter, "original", "exclude")
    if isinstance(fitted, asap.Excluded):
        return f"excluded: {fitted.reason}"
    print(f"{trace.tokens.total} tokens before, {fitted.n_tokens} after, the limit was {limit}")
    return render_completion(fitted.thinking, trace.answer)


def main(tools: Tools | None = None) -> None:
    """Show all three; the tools are the built-in model's unless others are given."""
    tools = tools or Tools(load_counter("builtin"), load_scorer("builtin"))
    traces = read_traces()
    prune_at_once(traces, tools)
    prune_with_an_llm(traces, tools)
    print(prune_by_stages(traces[0], tools.counter, tools.need_scorer()))


if __name__ == "__main__":
    main()
