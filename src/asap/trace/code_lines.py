"""Tells lines of code from lines of prose, for the `block` segmenter and for methods that must not cut programs.

A judgement by line shape and by Python's own parser, with braces and semicolons for the C family; it never runs
anything and knows nothing of steps.
"""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from typing import Literal

LineKind = Literal["strong", "weak", "neutral", "prose"]

_HEADER = re.compile(r"(?:async\s+)?(?:if|for|while|with|def|class|elif|else|try|except|finally|match|case)\b.*:\s*(?:#.*)?$")
_LIST_ITEM = re.compile(r"(?:[-*+•]|\d+[.)])\s")
_BRACKETS = re.compile(r"[\]\[(){},;\s]+$")
_C_FAMILY = re.compile(
    r"(?:#include\s*[<\"].*|using namespace \w+;|\}\s*(?:else\b.*)?\{?|(?:for|while|if|else if|switch)\s*\(.*\)\s*\{?"
    r"|[\w:<>,&*\s\[\]().]+\([^()]*\)\s*(?:const\s*)?\{|.*[\w)\]\"'+-]\s*;)$"
)
_STRONG = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.For,
    ast.While,
    ast.If,
    ast.With,
    ast.Try,
    ast.AugAssign,
    ast.Return,
    ast.Raise,
    ast.Delete,
    ast.Global,
    ast.Nonlocal,
    ast.Assert,
    ast.Break,
    ast.Continue,
    ast.Pass,
)


@lru_cache(maxsize=65536)
def classify_line(line: str) -> LineKind:
    """How surely one line is code.

    Args:
        line: one line, indentation included, without its line break.

    Returns:
        `strong`: code by itself (a block header, an import, a call statement, a return, ...). `weak`: parses as code
        but prose writes it too (`n = 5`, or a lone word in an indented line). `neutral`: says nothing either way (a
        comment, brackets only). `prose`: everything else.
    """
    text = line.strip()
    if not text or text.startswith("# ") or text.startswith("//") or _BRACKETS.fullmatch(text):
        return "neutral"
    if _LIST_ITEM.match(text):
        return "prose"
    if _HEADER.match(text) and "..." not in text:
        return _classify_header(text)
    if _C_FAMILY.fullmatch(text):
        return "strong"
    statements = _parse(text)
    if not statements:
        return "prose"
    return _classify_statement(statements[0], text)


def _classify_header(text: str) -> LineKind:
    """A line that opens a block: code if it parses with a body under it."""
    for prefix, suffix in (("", " pass"), ("if x: pass\n", " pass"), ("try: pass\n", " pass"), ("match x:\n ", " pass")):
        body = text.split("#")[0].rstrip() if "#" in text else text
        if _parse(prefix + body + suffix):
            return "strong"
    return "prose"


def _classify_statement(statement: ast.stmt, text: str) -> LineKind:
    if isinstance(statement, _STRONG):
        return "strong"
    if isinstance(statement, ast.Assign):
        value = statement.value
        is_plain = isinstance(value, (ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.List, ast.Compare))
        return "weak" if is_plain else "strong"
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        return "strong" if isinstance(function, (ast.Attribute, ast.Name)) else "prose"
    return "prose"


def _parse(text: str) -> list[ast.stmt]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def classify_paragraph(text: str) -> LineKind:
    """How surely a whole paragraph is code: prose as soon as one of its lines is, unless code lines frame it.

    Args:
        text: a paragraph with its indentation.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    kinds = [classify_line(line) for line in lines]
    if "prose" in kinds:
        return "strong" if _parses_as_program(text) and "strong" in kinds else "prose"
    if "strong" in kinds:
        return "strong"
    return "weak" if "weak" in kinds else "neutral"


def _parses_as_program(text: str) -> bool:
    """Multi-line statements (a call over several lines, a docstring) are prose line by line and code as a whole."""
    lines = text.splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return bool(_parse("\n".join(line[margin:] for line in lines)))
