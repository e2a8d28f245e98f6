"""A forecast, and a forecast beside facts, as tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from asap.cli.terminal import Terminal
from asap.plan import Comparison, Forecast, LlmForecast, Range, ScoringForecast, TrainForecast

Line = tuple[str, Range, str]
"""What it is, its range, its unit (`count`, `seconds`, `hours`, `dollars`, `operations`)."""


def print_forecast(forecast: Forecast) -> None:
    """All of a forecast."""
    terminal = Terminal()
    recipe = forecast.recipe
    terminal.say(
        f"{forecast.n_rows:,} rows by method {recipe['method']}; "
        f"sample: {forecast.n_sample:,} rows, {forecast.spread}"
    )
    _print_lines(terminal, "rows and tokens", _token_lines(forecast))
    if forecast.llm is not None:
        _print_lines(terminal, f"LLM {forecast.llm.model or ''}".strip(), _llm_lines(forecast.llm))
        if forecast.llm.price_as_of:
            terminal.say(f"price as of {forecast.llm.price_as_of}: edit yours, --prices FILE")
    time = forecast.time
    lines: list[Line] = [
        ("the run", time.seconds, "seconds"),
        ("of it scoring", time.scoring_s, "seconds"),
        ("of it all else", time.pipeline_s, "seconds"),
        ("CPU time of all cores here", time.cpu_s, "seconds"),
    ]
    if forecast.scoring is not None:
        lines.append(("operations of the model", forecast.scoring.operations, "operations"))
        if forecast.scoring.gpu_hours is not None:
            lines.append(("accelerator-hours", forecast.scoring.gpu_hours, "hours"))
    _print_lines(terminal, f"time, on {forecast.device}", lines)
    terminal.say(
        f"measured here: {time.measured_rows} rows in {time.measured_s:.1f} s"
        + (f"; loading the model took {time.load_s:.1f} s more" if time.load_s else "")
    )
    if forecast.scoring is not None:
        terminal.say(*_say_memory(forecast.scoring))
    _print_training(terminal, forecast.training)
    terminal.say(*(f"note: {note}" for note in forecast.notes))


def print_comparison(comparisons: Sequence[Comparison]) -> None:
    """Forecast and fact, with what fell outside of the range."""
    terminal = Terminal()
    table = Table(title=Text("forecast and fact"), title_justify="left")
    for heading in ("", "low", "likely", "high", "fact", "fact / likely", ""):
        table.add_column(heading, justify="right" if heading else "left")
    for each in comparisons:
        unit = "seconds" if each.name == "seconds" else "count"
        forecast = each.forecast
        table.add_row(
            each.name,
            *(_say(value, unit) for value in (forecast.low, forecast.likely, forecast.high)),
            _say(each.fact, unit),
            "" if each.ratio is None else f"{each.ratio:.2f}",
            "" if each.is_inside else "outside",
        )
    terminal.print(table)
    outside = [each.name for each in comparisons if not each.is_inside]
    terminal.say(
        f"outside the range: {', '.join(outside)}" if outside else "all within their ranges"
    )


def _print_lines(terminal: Terminal, title: str, lines: Sequence[Line]) -> None:
    table = Table(title=Text(title), title_justify="left")
    for heading in ("", "low", "likely", "high"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, value, unit in lines:
        table.add_row(name, *(_say(each, unit) for each in (value.low, value.likely, value.high)))
    terminal.print(table)


def _token_lines(forecast: Forecast) -> list[Line]:
    tokens = forecast.tokens
    lines: list[Line] = [("rows excluded", tokens.rows_excluded, "count")]
    lines += [(f"  {name}", count, "count") for name, count in tokens.excluded_by_reason.items()]
    lines += [
        ("thinking tokens in", tokens.thinking, "count"),
        ("of rows that stay", tokens.before, "count"),
        ("after stage 1", tokens.after_stage1, "count"),
        ("after", tokens.after, "count"),
    ]
    if forecast.scoring is not None:
        lines += [
            ("context tokens", tokens.context, "count"),
            ("tokens that the model reads", tokens.scored, "count"),
        ]
    return lines


def _llm_lines(llm: LlmForecast) -> list[Line]:
    lines: list[Line] = [("requests", llm.requests, "count")]
    lines += [(f"  {name}", count, "count") for name, count in llm.requests_by_purpose.items()]
    lines += [
        ("tokens read", llm.prompt_tokens, "count"),
        ("tokens written", llm.completion_tokens, "count"),
    ]
    if llm.dollars is not None:
        lines.append(("price", llm.dollars, "dollars"))
    return lines


def _say_memory(scoring: ScoringForecast) -> list[str]:
    lines = [
        f"{scoring.model}: weights {scoring.weights_gb:.3g} GB in bf16, "
        f"{scoring.kv_bytes_per_token / 1000:.3g} kB of keys and values a token, longest text read "
        f"at once {scoring.longest:,} tokens"
    ]
    memory = scoring.memory
    if memory is not None and memory.fits:
        lines.append(
            f"fits {scoring.gpu}: batches of {memory.batch_tokens:,} tokens need "
            f"{memory.weights_gb + memory.activations_gb:.3g} of {memory.free_gb:.0f} GB"
        )
    elif memory is not None:
        lines.append(
            f"does not fit {scoring.gpu}: weights and one text need "
            f"{memory.weights_gb + memory.activations_gb:.3g} of {memory.free_gb:.0f} GB"
        )
    return lines


def _print_training(terminal: Terminal, training: TrainForecast) -> None:
    lines: list[Line] = [
        ("tokens before", training.before.tokens, "count"),
        ("tokens after", training.after.tokens, "count"),
    ]
    if training.before.gpu_hours is not None and training.after.gpu_hours is not None:
        lines += [
            ("accelerator-hours before", training.before.gpu_hours, "hours"),
            ("accelerator-hours after", training.after.gpu_hours, "hours"),
        ]
    lines += [
        (
            f"rows over {training.max_length:,} tokens before",
            training.before.rows_too_long,
            "count",
        ),
        (f"rows over {training.max_length:,} tokens after", training.after.rows_too_long, "count"),
    ]
    words = f"training on it, {training.epochs:g} epochs ({training.recipe})"
    if training.model is not None and training.n_parameters is not None:
        words += f": {training.model}, {training.n_parameters / 1e9:.3g}e9 weights"
        words += f", on {training.gpu}"
    _print_lines(terminal, words, lines)
    if training.before.tokens.likely:
        saved = 1 - training.after.tokens.likely / training.before.tokens.likely
        terminal.say(f"the pruned data has {saved:.0%} fewer tokens to train on")


def _say(value: float, unit: str) -> str:
    if unit == "seconds":
        return _say_seconds(value)
    if unit == "dollars":
        return f"${value:,.2f}" if value >= 0.1 else f"${value:.2g}"
    if unit == "hours":
        return f"{value:,.1f}" if value >= 10 else f"{value:.2g}" if value >= 0.01 else "< 0.01"
    for suffix, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if value >= size:
            return f"{value / (1e3 if suffix == 'k' else size):.3g} {suffix}"
    return f"{value:,.0f}"


def _say_seconds(value: float) -> str:
    if value >= 2 * 86_400:
        return f"{value / 86_400:.1f} days"
    if value >= 2 * 3600:
        return f"{value / 3600:.1f} h"
    return f"{value / 60:.1f} min" if value >= 120 else f"{value:.1f} s"
