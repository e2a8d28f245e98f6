"""The command as a whole: version, help, flags, completion, doctor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer.main

from asap import __version__
from asap.cli.main import app
from asap.run import Recipe

Asap = Callable[..., subprocess.CompletedProcess[str]]
VERBS = ("prune", "score", "show", "judge", "doctor")


def test_the_installed_command_is_this_one(environment: dict[str, str]) -> None:
    script = os.path.join(os.path.dirname(sys.executable), "asap")
    done = subprocess.run(
        [script, "--version"], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"asap {__version__}\n", "")


def test_help_names_every_verb(asap: Asap) -> None:
    done = asap("--help")
    assert done.returncode == 0
    for verb in VERBS:
        assert f" {verb} " in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_shows_an_example(asap: Asap, verb: str) -> None:
    done = asap(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f" asap {verb}" in done.stdout.partition("Example")[2]


def test_every_recipe_field_is_a_flag_of_the_same_words() -> None:
    command = typer.main.get_command(app).commands["prune"]  # type: ignore[attr-defined]
    flags = {flag for parameter in command.params for flag in parameter.opts}
    helps = {p.name: getattr(p, "help", None) for p in command.params}
    for name, field in Recipe.model_fields.items():
        assert "--" + name.replace("_", "-") in flags
        default = "" if field.default is None else f" Default: {field.default}."
        assert helps[name] == f"{field.description}{default}"


def test_no_flag_at_all_lets_every_field_be_the_recipe_s() -> None:
    command = typer.main.get_command(app).commands["prune"]  # type: ignore[attr-defined]
    defaults = {p.name: p.default for p in command.params}
    assert all(defaults[name] is None for name in Recipe.model_fields)


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete "), ("zsh", "compdef "), ("fish", "complete ")]
)
def test_shell_completion(asap: Asap, shell: str, word: str) -> None:
    done = asap("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0
    assert word in done.stdout
    assert "asap" in done.stdout


def test_completion_completes(asap: Asap) -> None:
    done = asap(COMP_WORDS="asap prune --budget", COMP_CWORD="2", _ASAP_COMPLETE="complete_bash")
    assert done.returncode == 0
    assert done.stdout.split() == ["--budget-tokens"]


def test_an_unknown_verb(asap: Asap) -> None:
    done = asap("prnue")
    assert done.returncode == 2
    assert "prnue" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_says_what_is_there_and_what_to_do(asap: Asap) -> None:
    done = asap("doctor", COLUMNS="200")
    assert done.returncode == 0
    for check in (
        "python",
        "torch",
        "openai",
        "datasets",
        "device",
        "built-in model",
        "reply cache",
        "sandbox",
    ):
        assert check in done.stdout
    assert "export ASAP_API_KEY" in done.stdout
    told = asap("doctor", COLUMNS="200", ASAP_API_KEY="sk-do-not-tell-0123456789")
    assert "ASAP_API_KEY is set" in told.stdout
    assert "do-not-tell" not in told.stdout


def test_import_loads_no_model_library() -> None:
    code = (
        "import sys, asap, asap.cli.main\n"
        "heavy = {'torch', 'transformers', 'openai', 'datasets', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
