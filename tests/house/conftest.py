"""The source tree, parsed once, for the tests of house rules."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "asap"


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    """Dotted, as one imports it."""
    room: str
    """Its room, `errors` and the like for the leaves, empty for the root."""
    is_door: bool
    path: Path
    tree: ast.Module

    def imports(self) -> list[str]:
        """Dotted names of all modules of asap that it imports, wherever in the file."""
        names: list[str] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name} imports relatively"
                assert node.module is not None
                names += self._imported_from(node.module, node)
        return [name for name in names if name == "asap" or name.startswith("asap.")]

    def _imported_from(self, module: str, node: ast.ImportFrom) -> list[str]:
        """`from asap.trace import parse` may mean a module, so that is told by what exists."""
        folder = SOURCE.parent / module.replace(".", "/")
        files = {path.stem for path in folder.glob("*.py")}
        files |= {path.parent.name for path in folder.glob("*/__init__.py")}
        inner = [f"{module}.{alias.name}" for alias in node.names if alias.name in files]
        return inner if len(inner) == len(node.names) else [module, *inner]


def _read_module(path: Path) -> Module:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    is_door = parts[-1] == "__init__"
    if is_door:
        parts = parts[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return Module(".".join(("asap", *parts)), parts[0] if parts else "", is_door, path, tree)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds `src`, `tests` and the documents."""
    return REPOSITORY


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """Every module of the package."""
    return [_read_module(path) for path in sorted(SOURCE.rglob("*.py"))]


@pytest.fixture(scope="session")
def rooms(modules: list[Module]) -> set[str]:
    """The rooms that have been built so far."""
    return {module.room for module in modules if module.is_door and module.name.count(".") == 1}
