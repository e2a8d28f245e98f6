"""House rules that no linter keeps: documented names, short functions, plain names, live links."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core"}
MAX_HEADER_LINES = 8
MAX_FUNCTION_LINES = 60
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
HTML_LINK = re.compile(r"<(?:img|a)\b[^>]*\b(?:src|href)=\"([^\"]+)\"")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public_definitions(tree: ast.AST, path: str = "") -> Iterator[tuple[str, Definition]]:
    """Functions and classes, and the methods in public classes, that a user may call by name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield f"{path}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node, f"{path}{node.name}.")


def is_overload(node: Definition) -> bool:
    return any("overload" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_every_public_name_is_documented(modules: list[Any]) -> None:
    complaints = [
        f"{module.name}.{name}"
        for module in modules
        if not module.name.rpartition(".")[2].startswith("_")
        for name, node in public_definitions(module.tree)
        if not ast.get_docstring(node) and not is_overload(node) and "override" not in name
    ]
    assert not complaints, "\n".join(complaints)


def test_every_constant_that_a_door_shows_is_documented(modules: list[Any]) -> None:
    shown: dict[str, set[str]] = {}
    for module in modules:
        if module.is_door and module.room:
            for node in module.tree.body:
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asap."):
                    names = {alias.name for alias in node.names if alias.name.isupper()}
                    shown.setdefault(node.module or "", set()).update(names)
    complaints = [
        f"{module.name}.{name}"
        for module in modules
        for name in sorted(shown.get(module.name, set()) - documented_constants(module.tree))
    ]
    assert not complaints, "\n".join(complaints)


def documented_constants(tree: ast.Module) -> set[str]:
    """Names that are followed by a text that says what they are."""
    names: set[str] = set()
    for node, following in zip(tree.body, tree.body[1:], strict=False):
        is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if is_text and isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif is_text and isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def test_every_module_opens_with_a_header(modules: list[Any]) -> None:
    complaints = []
    for module in modules:
        header = ast.get_docstring(module.tree)
        if not header:
            complaints.append(f"{module.name} has none")
        elif len(header.splitlines()) > MAX_HEADER_LINES and module.name != "asap.errors":
            complaints.append(f"{module.name} has {len(header.splitlines())} lines")
    assert not complaints, "\n".join(complaints)


def count_lines(node: ast.FunctionDef | ast.AsyncFunctionDef, is_verb: bool) -> int:
    """From `def` to the end, without the docstring; a command's list of flags does not count."""
    has_docstring = ast.get_docstring(node) is not None
    n_docstring = (node.body[0].end_lineno or 0) - node.body[0].lineno + 1 if has_docstring else 0
    first = node.body[0].lineno if is_verb else node.lineno
    return (node.end_lineno or first) - first + 1 - n_docstring


def test_no_function_is_longer_than_a_screen(modules: list[Any]) -> None:
    complaints = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                n_lines = count_lines(node, module.room == "cli")
                if n_lines > MAX_FUNCTION_LINES:
                    complaints.append(f"{module.name}.{node.name}: {n_lines} lines")
    assert not complaints, "\n".join(complaints)


def test_no_module_has_a_name_that_says_nothing(modules: list[Any]) -> None:
    complaints = [
        module.name
        for module in modules
        if FORBIDDEN_NAMES & set(module.name.replace("_", ".").split("."))
    ]
    assert not complaints, "\n".join(complaints)


def test_only_the_command_line_prints(modules: list[Any]) -> None:
    complaints = [
        f"{module.name}:{node.lineno}"
        for module in modules
        if module.room != "cli"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert not complaints, "\n".join(complaints)


def documents(repository: Path) -> list[Path]:
    places = [repository.glob("*.md")]
    places += [repository.joinpath(name).rglob("*.md") for name in ("docs", "examples", "src")]
    return sorted(path for place in places for path in place)


def test_relative_links_lead_to_files(repository: Path) -> None:
    complaints = []
    for document in documents(repository):
        text = FENCE.sub("", document.read_text(encoding="utf-8"))
        for target in LINK.findall(text) + HTML_LINK.findall(text):
            path = target.partition("#")[0]
            if re.match(r"[a-z]+:", target) or not path:
                continue
            if not (document.parent / path).exists():
                complaints.append(f"{document.relative_to(repository)} -> {target}")
    assert not complaints, "\n".join(complaints)


def test_the_readme_is_there(repository: Path) -> None:
    assert (repository / "README.md") in documents(repository)
