"""Flags that several verbs share: the input's columns, a benchmark's local files, the judge's
rules, and one flag per recipe field, made from the recipe itself.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from asap.bench import BENCHMARKS, Engine, ServerDType
from asap.errors import InputError
from asap.judge import Stdin, Timing
from asap.place import find_place
from asap.run import Recipe

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...", help="Files, folders, globs (paths or URLs such as s3://), or Hub ids."
    ),
]
Run = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", parser=find_place, help="A folder that asap prune wrote: a path or a URL."
    ),
]


def _find_output(text: str) -> Path:
    """Where a run is to stay.

    Raises:
        InputError: it would be gone with this command.
    """
    if text.startswith("memory:"):
        raise InputError(
            f"--output {text} is this process's memory and gone with it; name a folder, or an "
            "address like s3://BUCKET/RUN"
        )
    return find_place(text)


RunOutput = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        parser=_find_output,
        help="The run folder to write or to finish: a path or a URL (s3://BUCKET/RUN).",
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first rows.")]
QuestionColumn = Annotated[
    str | None, typer.Option(help="Column with the question.", rich_help_panel="Columns")
]
ResponseColumn = Annotated[
    str | None,
    typer.Option(help="Column with tagged thinking and answer.", rich_help_panel="Columns"),
]
ReasoningColumn = Annotated[
    str | None, typer.Option(help="Column with the thinking alone.", rich_help_panel="Columns")
]
AnswerColumn = Annotated[
    str | None, typer.Option(help="Column with the answer alone.", rich_help_panel="Columns")
]
IdColumn = Annotated[
    str | None, typer.Option(help="Column with the row's id.", rich_help_panel="Columns")
]
QuestionTemplate = Annotated[
    str | None,
    typer.Option(
        help="Builds the question from columns: '{code}\\n{input}'.", rich_help_panel="Columns"
    ),
]
Device = Annotated[str, typer.Option(help="Where the scorer runs: auto, cpu, cuda, cuda:1, mps.")]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="NAME=PATH",
        help="A benchmark's local file or folder, in place of the Hub; may come several times.",
    ),
]

JudgeTiming = Annotated[
    Timing,
    typer.Option(help="Limits on CPU time, or the paper's on wall time.", rich_help_panel="Judge"),
]
JudgeStdin = Annotated[
    Stdin,
    typer.Option(
        help="Programs with a real stdin, or LiveCodeBench's official way.",
        rich_help_panel="Judge",
    ),
]
JudgeWorkers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Solutions at a time. Default: one for each core.", rich_help_panel="Judge"
    ),
]
JudgeUnsafe = Annotated[
    bool,
    typer.Option(
        "--i-understand-unsafe",
        help="Go on where no safe sandbox can be had, in a container of your own.",
        rich_help_panel="Judge",
    ),
]

SERVER_PANEL = "Server"
"""Where the flags of a model's server stand in the help."""
ServerModel = Annotated[
    str, typer.Option("--model", "-m", help="Folder or Hub id; with --url its name there.")
]
ServerUrl = Annotated[
    str | None,
    typer.Option(help="A running OpenAI-compatible server.", rich_help_panel=SERVER_PANEL),
]
ServerEngine = Annotated[
    Engine | None,
    typer.Option(help="A server to start and to stop.", rich_help_panel=SERVER_PANEL),
]
ServerTokenizer = Annotated[
    str | None,
    typer.Option(help="Folder or Hub id. Default: the model's.", rich_help_panel=SERVER_PANEL),
]
ServerModelDType = Annotated[
    ServerDType,
    typer.Option(
        help="Of the engine's model. auto: bf16 with vllm, else as the weights are.",
        rich_help_panel=SERVER_PANEL,
    ),
]
ServerConcurrency = Annotated[
    int, typer.Option(min=1, help="Requests at a time.", rich_help_panel=SERVER_PANEL)
]
ServerTimeout = Annotated[
    float,
    typer.Option(min=1, help="Seconds that one completion may take.", rich_help_panel=SERVER_PANEL),
]


def parse_data(values: list[str] | None) -> dict[str, Path]:
    """Paths by the benchmark's name (without a part), from what `--data` was given.

    Raises:
        InputError: a value is not `NAME=PATH`, names no benchmark, or one for the second time.
    """
    paths: dict[str, Path] = {}
    for value in values or ():
        name, _, path = value.partition("=")
        if not path or name not in BENCHMARKS:
            raise InputError(
                f"--data {value}: write NAME=PATH, where NAME is one of {', '.join(BENCHMARKS)}"
            )
        if name in paths:
            raise InputError(f"--data names {name} twice")
        paths[name] = Path(path)
    return paths


def with_recipe_flags(
    *names: str, recipe: type[BaseModel] = Recipe
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one flag per recipe field; it gets them as one dict, `fields`.

    Args:
        names: the fields; all of them where none is named.
        recipe: whose fields.
    """
    fields = {name: recipe.model_fields[name] for name in names or recipe.model_fields}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**values: Any) -> None:
            command(**values | {"fields": {name: values.pop(name) for name in fields}})

        signature = inspect.signature(command, eval_str=True)
        parameters = [p for p in signature.parameters.values() if p.name != "fields"]
        for name, field in fields.items():
            annotation: Any = field.annotation
            extra = field.json_schema_extra
            panel = extra.get("panel") if isinstance(extra, dict) else None
            option = typer.Option(
                help=_describe(field), rich_help_panel=str(panel or "Recipe fields")
            )
            parameters.append(
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=None,
                    annotation=Annotated[annotation | None, option],
                )
            )
        keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        run.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in keyword_only}
        return run

    return decorate


def _describe(field: FieldInfo) -> str:
    """The field's own words and its default; the flag itself has none, a recipe may speak."""
    default = "" if field.default is None else f" Default: {field.default}."
    return f"{field.description}{default}"
