"""Tells lines of code from lines of prose, for the `block` segmenter and its like.

A judgement by line shape and by Python's own parser, with braces and semicolons for the C family;
it never runs anything and knows nothing of steps. Which lines belong together is decided in
`code_runs`.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from functools import lru_cache
from typing import Literal

LineKind = Literal["strong", "weak", "neutral", "prose"]

_MAX_LINE = 1000
"""Longer lines are data or prose; the parser never sees them."""
_STRING = re.compile(r"'[^']*'|\"[^\"]*\"")
_QUOTED = re.compile(r"[\"'#]")
_CONTRACTION = re.compile(r"(?<=\w\w)'(?:s|t|re|ve|m|ll|d)\b")
_HEADING = re.compile(r"#{2,6}\s")
_LIST_ITEM = re.compile(r"(?:[-*+•]|\d+[.)]|[a-z]\))\s")
_BRACKETS = re.compile(r"[\]\[(){},;\s]+")
_NEVER_IN_CODE = re.compile(r"[→⇒≤≥≠×…’“”]")
_WORD_PAIR = re.compile(r"\b([^\W\d]\w*)[ \t]+(?=([^\W\d]\w*))")
_CODE_WORDS = frozenset(keyword.kwlist) | {"match", "case"}
_C_FAMILY_WORDS = """
auto bool boolean byte char const constexpr delete do double enum extends extern final float
implements import inline int long namespace new package private protected public register short
signed sizeof static struct switch template throw throws typedef typename unsigned using
virtual void
"""
_C_WORDS = frozenset(_C_FAMILY_WORDS.split())
_ANY_WORDS = _CODE_WORDS | _C_WORDS
_DOCSTRING = ('"""', "'''")
_C_DIRECTIVE = re.compile(r"#(?:include\s*[<\"]|define \w|pragma \w|ifn?def \w|endif)")
_C_LINE = re.compile(
    r"(?:\}\s*)?(?:else|do|try|finally|(?:else if|for|while|if|switch|catch)\s*\(.*\))\s*\{?"
    r"|\}\s*while\s*\(.*\);"
    r"|(?:public|private|protected|static|class|struct|enum|namespace|interface|union)\b"
    r"[\w\s:<>,.]*\{"
    r"|[\w:<>,&*\s\[\].]+\([^()]*\)\s*(?:const|noexcept|override)?\s*\{"
    r"|[^\s{].*[\w)\]\"'+*-]\s*;(?:\s*\}+)?"
)
_C_SIGN = re.compile(r"[=(<]|>>|\+\+|--|\b(?:return|break|continue)\b")
_HEADER = re.compile(
    r"(?:async\s|if|for|while|with|def|class|elif|else|try|except|finally|match|case)\b"
)
_SPACED_CALL = re.compile(r"(?!(?:print|return|assert|del|yield)\b)[\w.]+ +\([^()]*\)$")
_CONTINUATION = re.compile(r"(elif|else|except|finally|case)\b")
_BEFORE = {"case": "match x:\n ", "except": "try: pass\n", "finally": "try: pass\n"}
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
_LITERAL_NODES = (
    ast.Constant,
    ast.Dict,
    ast.List,
    ast.Set,
    ast.Tuple,
    ast.USub,
    ast.UnaryOp,
    ast.Load,
)
_PLAIN_VALUES = (
    ast.Constant,
    ast.Name,
    ast.UnaryOp,
    ast.BinOp,
    ast.Tuple,
    ast.List,
    ast.Compare,
)


@lru_cache(maxsize=65536)
def classify_line(line: str) -> LineKind:
    """How surely one line is code.

    Args:
        line: one line, indentation included, without its line break.

    Returns:
        `strong`: code by itself (a block header, an import, a call statement, a return, ...).
        `weak`: parses as code but prose writes it too (`n = 5`). `neutral`: says nothing either
        way (a comment, brackets only). `prose`: everything else.
    """
    text = line.strip()
    if _C_DIRECTIVE.match(text):
        return "strong"
    if not text or text.startswith("//") or _BRACKETS.fullmatch(text):
        return "neutral"
    if text[0] == "#":
        return "prose" if _HEADING.match(text) else "neutral"
    if text.startswith(_DOCSTRING) and len(text) >= 6 and text.endswith(text[:3]):
        return "neutral"
    if _LIST_ITEM.match(text):
        return "prose"
    if _is_c_family(text):
        return "strong"
    if len(text) > _MAX_LINE or is_sentence(text):
        return "prose"
    statements = parse_fragment(text.rstrip("."))
    kind = classify_statement(statements[0]) if statements else "prose"
    # `d = m // 2.`: the full stop is no code, but the line before it may be part of some;
    # `abba (4)` is a word with a remark, though the parser sees a call.
    is_doubtful = text.endswith(".") or _SPACED_CALL.match(text)
    return "weak" if is_doubtful and kind == "strong" else kind


def is_sentence(text: str) -> bool:
    """Whether a line can be no Python, told without parsing it: most lines of a thinking end here.

    Two words side by side, neither of them a keyword, do not occur outside strings and comments.
    """
    if text[-1] in "?!" and "#" not in text:
        return True
    if "'" in text:
        text = _CONTRACTION.sub("", text)
    code = _QUOTED.split(text, maxsplit=1)[0]
    if _NEVER_IN_CODE.search(code):
        return True
    return any(
        pair[1] not in _CODE_WORDS and pair[2] not in _CODE_WORDS
        for pair in _WORD_PAIR.finditer(code)
    )


def _is_c_family(text: str) -> bool:
    """Semicolons, braces and heads of C, C++ and Java: `vector<int> seen;`, not `x is odd;`."""
    if len(text) > _MAX_LINE or not (text[-1] in ";{})" or text.endswith(("else", "do"))):
        return False
    if not _C_LINE.fullmatch(text):
        return False
    if text.endswith(";") and not _C_SIGN.search(text) and not _is_declaration(text):
        return False
    if text.endswith(")") and not re.search(r"[<>=!&|;%]", text):
        return False
    strange = [
        pair.start()
        for pair in _WORD_PAIR.finditer(_QUOTED.split(text, maxsplit=1)[0])
        if pair[1] not in _ANY_WORDS and pair[2] not in _ANY_WORDS
    ]
    return not strange or strange == [0]


def _is_declaration(text: str) -> bool:
    words = text.rstrip("; ").split()
    return words[0].split("<")[0] in _C_WORDS or (len(words) == 2 and words[0].endswith(">"))


def classify_statement(statement: ast.stmt) -> LineKind:
    """How surely a line or paragraph that parses is code after all: `yes` parses, too."""
    if isinstance(statement, _STRONG):
        return "strong"
    if isinstance(statement, ast.Match):
        # `case 1:` opens a worked example more often than an arm of a match statement.
        return "weak"
    if isinstance(statement, ast.Assign):
        return _classify_value(statement.value)
    if isinstance(statement, ast.AnnAssign):
        return "weak" if statement.value is not None else "prose"
    if isinstance(statement, ast.Expr):
        return _classify_expression(statement.value)
    return "prose"


def _classify_value(value: ast.expr) -> LineKind:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Constant):
        return "prose"  # `prefix[1] = 100 (s[0] is 100)`: a remark in brackets, no call
    is_plain = isinstance(value, _PLAIN_VALUES) or _is_literal(value)
    return "weak" if is_plain else "strong"


def _is_literal(value: ast.expr) -> bool:
    """`friends = {39}`, `count = {1: 2}`: the data of an example."""
    return all(isinstance(node, _LITERAL_NODES) for node in ast.walk(value))


def _classify_expression(value: ast.expr) -> LineKind:
    if isinstance(value, (ast.Yield, ast.YieldFrom, ast.Await)):
        return "strong"
    if isinstance(value, ast.Call) and isinstance(value.func, (ast.Attribute, ast.Name)):
        return "strong"
    return "prose"


def opens_block(text: str) -> bool:
    """Whether a stripped line is shaped like a header of Python, `else:  # why` included."""
    if _HEADER.match(text) is None:
        return False
    return text.endswith(":") or _STRING.sub("", text).partition("#")[0].rstrip().endswith(":")


def parse_fragment(text: str) -> list[ast.stmt]:
    """Parse a piece of Python that may want a body at its end or an `if` above its `else`.

    Args:
        text: code without a common margin.

    Returns:
        The statements, or nothing if it is no Python.
    """
    prefix = ""
    if continuation := _CONTINUATION.match(text):
        prefix = _BEFORE.get(continuation[1], "if x: pass\n")
    last_line = text[text.rfind("\n") + 1 :]
    if opens_block(last_line.strip()):
        margin = " " * (len(last_line) - len(last_line.lstrip()) + 2)
        if statements := _parse(f"{prefix}{text}\n{margin}pass"):
            return statements
    return _parse(prefix + text)


def _parse(text: str) -> list[ast.stmt]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
