"""Which room may import which, through the door only; and what `import asap` must not load."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from typing import Any

LEAVES = {"errors", "place", "statistics"}
RUN = {"trace", "corpus", "chat", "surprisal", "prune", "recipes"}
PLAN = {"run"} | RUN
RANK = PLAN | {"judge", "bench"}

MAY_IMPORT: dict[str, set[str]] = {
    "trace": set(),
    "judge": set(),
    "recipes": set(),
    "chat": {"trace"},
    "corpus": {"trace"},
    "surprisal": {"trace", "chat"},
    "prune": {"trace", "chat", "surprisal"},
    "run": RUN,
    "plan": PLAN,
    "bench": {"judge", "chat", "trace", "corpus"},
    "rank": RANK,
    "train": {"trace", "corpus", "surprisal", "run", "bench", "recipes"},
    "lab": PLAN | {"rank", "judge", "bench", "train", "report"},
    "report": {"trace"},
    "view": {"trace", "report", "bench"},
}
"""The table of the house; `cli` and the root may import every room, nobody imports those two."""

HEAVY = {
    "accelerate",
    "datasets",
    "botocore",
    "duckdb",
    "fsspec",
    "httpx",
    "matplotlib",
    "openai",
    "pandas",
    "ray",
    "peft",
    "safetensors",
    "s3fs",
    "scipy",
    "starlette",
    "torch",
    "transformers",
    "trl",
    "upath",
    "uvicorn",
}
"""Extras, and what they bring; pyarrow and numpy are part of every install."""
STDLIB_ONLY = {"trace", "judge"}


def test_every_room_has_its_line_in_the_table(rooms: set[str]) -> None:
    assert rooms <= set(MAY_IMPORT) | {"cli"}


def test_rooms_import_only_the_rooms_they_may(modules: list[Any]) -> None:
    complaints = []
    for module in modules:
        if module.room in {"", "cli"}:
            continue
        allowed = LEAVES | MAY_IMPORT.get(module.room, set()) | {module.room}
        for name in module.imports():
            room = name.split(".")[1] if "." in name else "the root"
            # A leaf raises errors and needs nothing else.
            if room not in allowed or (module.room in LEAVES and room != "errors"):
                complaints.append(f"{module.name} imports {name}")
    assert not complaints, "\n".join(complaints)


def test_rooms_are_entered_by_the_door(modules: list[Any], rooms: set[str]) -> None:
    complaints = []
    for module in modules:
        for name in module.imports():
            parts = name.split(".")
            if len(parts) > 2 and parts[1] in rooms and parts[1] != module.room:
                complaints.append(f"{module.name} imports {name}")
    assert not complaints, "\n".join(complaints)


def test_no_two_modules_need_each_other(modules: list[Any]) -> None:
    graph = {module.name: set(module.imports()) for module in modules}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"a circle of imports: {' -> '.join(error.args[1])}") from None


def test_rooms_of_the_standard_library_import_nothing_else(modules: list[Any]) -> None:
    complaints = []
    for module in modules:
        if module.room not in STDLIB_ONLY:
            continue
        for node in ast.walk(module.tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                if top != "asap" and top not in sys.stdlib_module_names:
                    complaints.append(f"{module.name} imports {name}")
    assert not complaints, "\n".join(complaints)


def test_one_file_imports_ray(modules: list[Any]) -> None:
    importers = set()
    for module in modules:
        for node in ast.walk(module.tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            if any(name.split(".")[0] == "ray" for name in names):
                importers.add(module.name)
    assert importers == {"asap.run.ray"}


def loaded_by(statement: str) -> set[str]:
    program = (
        f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50
    )
    return set(finished.stdout.split())


def test_importing_asap_loads_nothing_heavy() -> None:
    assert loaded_by("import asap") & HEAVY == set()


def test_the_command_line_starts_without_anything_heavy() -> None:
    assert loaded_by("import asap.cli.main") & HEAVY == set()


def test_no_door_loads_anything_heavy(rooms: set[str]) -> None:
    doors = ", ".join(f"asap.{room}" for room in sorted(rooms))
    assert loaded_by(f"import {doors}") & HEAVY == set()


def test_no_public_name_of_the_root_is_that_of_a_room(rooms: set[str]) -> None:
    names = set(importlib.import_module("asap").__all__)
    assert names & (rooms | LEAVES) == set()
