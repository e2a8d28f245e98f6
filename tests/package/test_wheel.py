"""The wheel, installed into an empty folder: complete, and usable from anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with what the environment has: no index is asked."""
    folder = tmp_path_factory.mktemp("wheel")
    flags = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder]
    done = subprocess.run(
        [*PIP, "wheel", *flags, ROOT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("asap_cot-*.whl")
    return wheel


def test_what_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    recipes = {path.name for path in (ROOT / "src/asap/recipes/prune").glob("*.yaml")}
    assert {"default.yaml", "paper.yaml"} <= recipes
    wanted = {"asap/py.typed", *(f"asap/recipes/prune/{name}" for name in recipes)}
    folder = ROOT / "src/asap/surprisal/models"
    models = (path for path in folder.rglob("*") if path.is_file())
    page = (ROOT / "src/asap/view/page").iterdir()
    wanted |= {str(path.relative_to(ROOT / "src")) for path in (*models, *page)}
    assert "asap/view/page/index.html" in wanted
    assert wanted <= set(names)
    info = "asap_cot-0.1.0.dist-info/licenses"
    assert {f"{info}/LICENSE", f"{info}/NOTICE"} <= set(names)
    # Nothing but the package and what describes it.
    assert {name.partition("/")[0] for name in names} == {"asap", "asap_cot-0.1.0.dist-info"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_installed_wheel_prunes_by_recipe_name(
    wheel: Path,
    tmp_path: Path,
    tiny_model: Path,
    make_rows: Callable[..., Any],
    write_jsonl: Callable[..., Path],
) -> None:
    site, folder = tmp_path / "site", tmp_path / "elsewhere"
    folder.mkdir()
    done = subprocess.run(
        [*PIP, "install", "--no-deps", "--no-index", "--no-compile", "--target", site, wheel],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    write_jsonl(folder / "in.jsonl", make_rows(3))
    # First on the path, before the copy that is under test otherwise.
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import asap, asap.cli.main\n"
        "print(asap.__file__, flush=True)\n"
        "asap.cli.main.main()"
    )
    arguments = [
        "prune",
        "in.jsonl",
        "-o",
        "run",
        "-r",
        "default",
        "--scorer",
        tiny_model,
        "--json",
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, summary = done.stdout.splitlines()
    assert where == str(site / "asap" / "__init__.py")
    assert json.loads(summary)["rows_out"] == 3
    assert (site / "bin" / "asap").is_file()
