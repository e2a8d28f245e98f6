"""A room's door is its `__init__.py`: re-exports, a sorted `__all__`, nothing missing."""

from __future__ import annotations

import ast
import importlib
from typing import Any

import pytest


def sort_key(name: str) -> tuple[int, str]:
    """The order that ruff keeps: constants, classes, functions; each by the alphabet."""
    if name.isupper():
        return 0, name
    return (1 if name[0].isupper() else 2), name


def read_all(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and target.id == "__all__" and node.value is not None:
                return [str(name) for name in ast.literal_eval(node.value)]
    return None


def exported_names(tree: ast.Module, package: str) -> set[str]:
    """Names that the door takes from its own house or makes itself, and does not hide."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            names.add(node.name)
    return {name for name in names if not name.startswith("_")}


@pytest.fixture(scope="session")
def doors(modules: list[Any]) -> list[Any]:
    return [module for module in modules if module.is_door and module.name.count(".") <= 1]


def test_every_door_has_a_sorted_all_without_repeats(doors: list[Any]) -> None:
    complaints = []
    for door in doors:
        names = read_all(door.tree)
        if names is None:
            complaints.append(f"{door.name} has no __all__")
        elif names != sorted(set(names), key=sort_key):
            complaints.append(f"{door.name}: {sorted(set(names), key=sort_key)}")
    assert not complaints, "\n".join(complaints)


def test_all_names_exactly_what_the_door_exports(doors: list[Any]) -> None:
    complaints = []
    for door in doors:
        difference = set(read_all(door.tree) or []) ^ exported_names(door.tree, "asap")
        complaints += [f"{door.name}: {name}" for name in sorted(difference)]
    assert not complaints, "\n".join(complaints)


def test_every_name_in_all_exists(doors: list[Any]) -> None:
    complaints = []
    for door in doors:
        loaded = importlib.import_module(door.name)
        names = read_all(door.tree) or []
        complaints += [f"{door.name}.{name}" for name in names if not hasattr(loaded, name)]
    assert not complaints, "\n".join(complaints)


def test_rooms_export_no_private_names_and_no_one_elses(doors: list[Any]) -> None:
    complaints = []
    for door in doors:
        if door.name == "asap":
            continue
        for node in door.tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asap"):
                if not (node.module or "").startswith(f"{door.name}."):
                    complaints.append(f"{door.name} passes on {node.module}")
                private = [alias.name for alias in node.names if alias.name.startswith("_")]
                complaints += [f"{door.name} shows {name}" for name in private]
    assert not complaints, "\n".join(complaints)
