"""Is `extract` better than cheap ways of dropping the same number of tokens? On the dev split.

    python benchmarks/extract.py --data DIR [--ratios 0.6 0.4] [--seeds 5]

DIR holds `codeforces-cots-r1/traces.jsonl.gz` and `cruxeval-o-r1/traces.jsonl.gz` (the fields are
named in `load_traces`). Every other way drops single steps and comes as near as it can, per trace,
to the tokens that `extract` kept. What counts as evidence, repeat, code block and header is found
here by other means than in `asap.prune`; see each function.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import lzma
import math
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asap.prune import order_drops
from asap.surprisal import load_counter
from asap.trace import Step, Trace, count_tokens, parse_trace, segment_trace

N_RESAMPLES = 2000
KINDS = {"codeforces-cots-r1": "programs", "cruxeval-o-r1": "values"}


@dataclass(frozen=True)
class Case:
    """A trace with what the measures need to know about it."""

    trace: Trace
    evidence: dict[str, float]
    drafts: frozenset[int]
    planted: tuple[tuple[tuple[int, int], ...], ...]
    """Planted passes: for each, pairs of the original step and its copy."""


def load_traces(folder: Path, split: str) -> tuple[list[Trace], list[dict[str, str]]]:
    """Parsed and segmented traces of one data set's split, with their rows."""
    traces, rows = [], []
    with gzip.open(folder / "traces.jsonl.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            if row["split"] != split:
                continue
            if "generation" in row:
                parsed = parse_trace(number, row["id"], "", response=row["generation"])
            else:
                question = f"{row['code']}\n{row['input']}"
                parsed = parse_trace(
                    number, row["id"], question, reasoning=row["reasoning"], answer=row["answer"]
                )
            if isinstance(parsed, Trace):
                traces.append(segment_trace(parsed))
                rows.append(row)
    return traces, rows


# --- evidence, found without asap.prune ---------------------------------------------------------


def program_evidence(answer: str) -> set[str]:
    """Names, attributes, called functions and constants of a program, by Python's parser."""
    code = "\n".join(re.findall(r"```[^\n]*\n(.*?)```", answer, re.DOTALL))
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return set(re.findall(r"[A-Za-z_]\w{2,}", code))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Constant) and node.value not in (0, 1, 2, None, True, False, ""):
            found.add(str(node.value).strip())
    builtin = {"int", "input", "print", "map", "split", "range", "len", "list", "str", "sys"}
    return {name for name in found - builtin if name and "\n" not in name and name not in "aI"}


TRACER = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
job = json.load(sys.stdin)
values = set()
def trace(frame, event, arg):
    if frame.f_code.co_filename != "<task>":
        return None
    if len(values) < 400:
        values.update(repr(v) for v in frame.f_locals.values() if type(v) in KINDS)
        if event == "return" and type(arg) in KINDS:
            values.add(repr(arg))
    return trace
KINDS = (str, int, float, list, dict, tuple, set)
space = {}
exec(compile(job["code"], "<task>", "exec"), space)
sys.settrace(trace)
try:
    exec(compile("f(" + job["input"] + ")", "<call>", "exec"), space)
finally:
    sys.settrace(None)
    print(json.dumps(sorted(values)))
"""


def value_evidence(row: dict[str, str]) -> set[str]:
    """The values that the function's variables really take on the way, by running it."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", TRACER],
        input=json.dumps({"code": row["code"], "input": row["input"]}),
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    values = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else []
    return {pack(value) for value in values if 2 <= len(pack(value)) <= 200}


def pack(text: str) -> str:
    """Text as values compare: without quotes and white space."""
    return "".join(text.replace("'", "").replace('"', "").split())


def find_drafts(trace: Trace) -> frozenset[int]:
    """Steps that draft the answer, by runs of three tokens that also stand in it.

    Half of the runs, or in a step of eight lines or more three tenths: a whole program with other
    names in some of its lines is a draft, too.
    """
    answer = set(_runs(trace.answer))
    drafts = set()
    for i in range(len(trace.steps)):
        text = trace.text(i)
        runs = _runs(text)
        n_lines = sum(bool(line.strip()) for line in text.split("\n"))
        share = sum(run in answer for run in runs) / len(runs) if runs else 0.0
        if len(runs) > 3 and share >= (0.3 if n_lines >= 8 else 0.5):
            drafts.add(i)
    return frozenset(drafts)


def _runs(text: str) -> list[tuple[str, ...]]:
    tokens = re.findall(r"\w+|[^\w\s]", text)
    return [tuple(tokens[i : i + 3]) for i in range(len(tokens) - 2)]


def mentions(case: Case, kept: Iterable[int]) -> dict[str, int]:
    """In how many kept steps, drafts aside, each piece of evidence is mentioned."""
    counts: Counter[str] = Counter()
    is_program = "```" in case.trace.answer
    for i in kept:
        if i in case.drafts:
            continue
        text = case.trace.text(i)
        if is_program:
            words = set(re.findall(r"\w+", text))
            counts.update(e for e in case.evidence if e in words or (not e.isalnum() and e in text))
        else:
            packed = pack(text)
            counts.update(e for e in case.evidence if e in packed)
    return dict(counts)


# --- the ways of dropping -----------------------------------------------------------------------

Way = Callable[[Trace, int], set[int]]


def keep_down_to(trace: Trace, order: Iterable[int], n_tokens: int, is_end: bool) -> set[int]:
    """Drop steps in order as long as that comes nearer to the tokens wanted.

    Steps that are too large are passed over; where an end is to be kept, the first one stops.
    """
    assert trace.tokens is not None
    kept = set(range(len(trace.steps)))
    rest = trace.tokens.total
    for i in order:
        if len(kept) > 1 and abs(rest - trace.tokens.inner[i] - n_tokens) < abs(rest - n_tokens):
            kept.remove(i)
            rest -= trace.tokens.inner[i]
        elif is_end:
            break
    return kept


def keep_random(seed: int) -> Way:
    """Single steps at random."""

    def drop(trace: Trace, n_tokens: int) -> set[int]:
        order = list(range(len(trace.steps)))
        random.Random(f"{seed} {trace.row}").shuffle(order)
        return keep_down_to(trace, order, n_tokens, is_end=False)

    return drop


def keep_tail(trace: Trace, n_tokens: int) -> set[int]:
    """The end of the thinking."""
    return keep_down_to(trace, range(len(trace.steps)), n_tokens, is_end=True)


def keep_head(trace: Trace, n_tokens: int) -> set[int]:
    """The beginning of the thinking."""
    return keep_down_to(trace, reversed(range(len(trace.steps))), n_tokens, is_end=True)


# --- the measures: each a number per trace, or None where the trace has nothing to measure -------

Measure = Callable[[Case, set[int]], "float | None"]


def evidence_kept(case: Case, kept: set[int]) -> float | None:
    """Share of the evidence (by weight) that a kept step outside drafts still mentions."""
    total = sum(case.evidence.values())
    if not total:
        return None
    found = mentions(case, kept)
    return sum(case.evidence[name] for name in found) / total


def answer_explained(case: Case, kept: set[int]) -> float | None:
    """How much of what the thinking outside drafts tells lzma of the answer the rest still tells.

    No notion of names or rarity: bytes of the answer saved by having read the text before it.
    """
    whole = _bytes_saved(case, set(range(len(case.trace.steps))))
    return _bytes_saved(case, kept) / whole if whole > 0 else None


def _bytes_saved(case: Case, kept: set[int]) -> float:
    text = "\n\n".join(case.trace.text(i) for i in sorted(kept - case.drafts))
    alone = _lzma_size(case.trace.answer)
    return alone - (_lzma_size(text + "\n\n" + case.trace.answer) - _lzma_size(text))


def _lzma_size(text: str) -> int:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
    return len(lzma.compress(text.encode(), lzma.FORMAT_RAW, filters=filters))


def verbatim_left(case: Case, kept: set[int]) -> float | None:
    """Of the verbatim repeats of steps of 40 characters or more, the share still repeated."""
    groups: dict[str, list[int]] = {}
    for i in range(len(case.trace.steps)):
        text = case.trace.text(i).strip()
        if len(text) >= 40:
            groups.setdefault(text, []).append(i)
    repeats = [group for group in groups.values() if len(group) > 1]
    if not repeats:
        return None
    left = sum(max(0, len(kept.intersection(group)) - 1) for group in repeats)
    return left / sum(len(group) - 1 for group in repeats)


def planted_left(case: Case, kept: set[int]) -> float | None:
    """Of the planted second passes, the share of steps of which both versions are still there."""
    pairs = [pair for planted in case.planted for pair in planted]
    return sum(kept.issuperset(pair) for pair in pairs) / len(pairs) if pairs else None


def planted_lost(case: Case, kept: set[int]) -> float | None:
    """Of the planted second passes, the share of steps of which neither version is there."""
    pairs = [pair for planted in case.planted for pair in planted]
    return sum(not kept.intersection(pair) for pair in pairs) / len(pairs) if pairs else None


CODE_LINE = re.compile(
    r"\s+\S|(?:for|while|if|elif|else|def|class|try|except|with|return|import|from)\b.*[:)\w]$"
    r"|[\w.\[\], ]+ ?[-+*/]?= ?\S+|[\w.]+\(.*\)$|[})\];{]+$"
)


def code_cut(case: Case, kept: set[int]) -> float | None:
    """Share of code blocks of which a part is kept and a part is not.

    A block is what stands between two lines of backticks, or else three or more lines in a row
    (blank lines between them do not count) that look like code, at least one of them indented.
    """
    spans = _code_spans(case.trace.thinking)
    if not spans:
        return None
    cut = 0
    for start, end in spans:
        inside = {
            i in kept
            for i, step in enumerate(case.trace.steps)
            if step.start < end and step.end > start
        }
        cut += len(inside) == 2
    return cut / len(spans)


def _code_spans(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    run: list[tuple[int, int, bool]] = []
    fence_start: int | None = None

    def close() -> None:
        if len(run) >= 3 and any(is_indented for _, _, is_indented in run):
            spans.append((run[0][0], run[-1][1]))
        run.clear()

    position = 0
    for line in text.splitlines(keepends=True):
        bare = line.rstrip()
        if bare.lstrip().startswith("```"):
            close()
            if fence_start is None:
                fence_start = position
            else:
                spans.append((fence_start, position + len(bare)))
                fence_start = None
        elif fence_start is None and bare:
            is_prose = re.search(r"[a-z]+ [a-z]+ [a-z]+.*[.?!,]$", bare) is not None
            if CODE_LINE.match(bare) and not is_prose:
                run.append((position, position + len(bare), bare[0] in " \t"))
            else:
                close()
        position += len(line)
    close()
    return spans


def headers_bare(case: Case, kept: set[int]) -> float | None:
    """Share of kept lines ending in a colon of which all that stood up to the next one is gone."""
    n_steps = len(case.trace.steps)
    is_colon = [_is_colon_line(case.trace.text(i)) for i in range(n_steps)]
    n_headers = n_bare = 0
    for i in range(n_steps - 1):
        if not is_colon[i] or is_colon[i + 1] or i not in kept:
            continue
        stop = next((k for k in range(i + 1, n_steps) if is_colon[k]), n_steps)
        n_headers += 1
        n_bare += not kept.intersection(range(i + 1, min(stop, i + 4)))
    return n_bare / n_headers if n_headers else None


def _is_colon_line(text: str) -> bool:
    stripped = text.strip()
    return stripped.endswith(":") and "\n" not in stripped and len(stripped.split()) <= 12


MEASURES: dict[str, tuple[Measure, bool]] = {
    "(a) evidence kept, outside drafts": (evidence_kept, True),
    "(a) what lzma learns of the answer": (answer_explained, True),
    "(b) verbatim repeats left": (verbatim_left, False),
    "(b) planted second passes left": (planted_left, False),
    "(b) planted passes lost in both versions": (planted_lost, False),
    "(c) code blocks cut in two": (code_cut, False),
    "(d) headers left bare": (headers_bare, False),
}
"""Measures, and whether more is better."""


# --- planted second passes ----------------------------------------------------------------------

SWAPS = {
    "so": "thus",
    "the": "this",
    "because": "since",
    "check": "verify",
    "first": "initial",
    "need": "have",
    "all": "every",
    "each": "every",
    "then": "next",
    "would": "will",
    "but": "yet",
}


def plant_passes(trace: Trace, seed: int) -> tuple[Trace, tuple[tuple[tuple[int, int], ...], ...]]:
    """Insert second passes with known labels: runs of steps, verbatim or in other words.

    About one run of one to six steps per forty steps, copied to a later place. In every second one
    a third of the common words are exchanged; numbers and names stay.
    """
    chance = random.Random(f"plant {seed} {trace.row}")
    n_steps = len(trace.steps)
    copies: dict[int, list[list[int]]] = {}
    if n_steps < 8:
        return trace, ()
    for _ in range(max(1, n_steps // 40)):
        length = chance.randint(1, min(6, n_steps // 4))
        start = chance.randint(0, n_steps - length - 3)
        place = chance.randint(start + length + 1, n_steps - 1)
        copies.setdefault(place, []).append(list(range(start, start + length)))
    text, steps, planted, moved = "", [], [], {}
    for i in range(n_steps):
        for run in copies.get(i, []):
            is_reworded = chance.random() < 0.5
            pairs = []
            for original in run:
                body = trace.text(original)
                body = _reword(body, chance) if is_reworded else body
                steps.append(Step(len(text), len(text) + len(body)))
                pairs.append((original, len(steps) - 1))
                text += body + "\n\n"
            planted.append(pairs)
        body = trace.text(i)
        moved[i] = len(steps)
        steps.append(Step(len(text), len(text) + len(body)))
        text += body + trace.separator(i) + ("" if trace.separator(i) else "\n\n")
    labels = tuple(tuple((moved[a], b) for a, b in pairs) for pairs in planted)
    return replace(trace, thinking=text, steps=tuple(steps)), labels


def _reword(text: str, chance: random.Random) -> str:
    def swap(match: re.Match[str]) -> str:
        word = match.group()
        other = SWAPS.get(word.lower())
        if other is None or chance.random() > 0.67:
            return word
        return other.capitalize() if word[0].isupper() else other

    return re.sub(r"[A-Za-z]+", swap, text)


# --- the comparison -----------------------------------------------------------------------------


def make_cases(traces: Sequence[Trace], rows: Sequence[dict[str, str]], counter: str) -> list[Case]:
    """Plant, count tokens, find evidence."""
    planted = [plant_passes(trace, 0) for trace in traces]
    counted = count_tokens([trace for trace, _ in planted], load_counter(counter))
    cases = []
    for trace, row, (_, labels) in zip(counted, rows, planted, strict=True):
        found = value_evidence(row) if "code" in row else program_evidence(trace.answer)
        drafts = find_drafts(trace)
        case = Case(trace, dict.fromkeys(found, 1.0), drafts, labels)
        counts = mentions(case, range(len(trace.steps)))
        # what a single step mentions weighs most: dropping it loses the piece for good
        weights = {name: 1.0 / n for name, n in counts.items()}
        cases.append(replace(case, evidence=weights))
    return cases


def compare(cases: Sequence[Case], ratio: float, n_seeds: int) -> dict[str, dict[str, list[float]]]:
    """By way and measure one number per trace (random: the mean over seeds)."""
    ways: dict[str, list[Way]] = {
        "random": [keep_random(seed) for seed in range(n_seeds)],
        "tail": [keep_tail],
        "head": [keep_head],
    }
    results: dict[str, dict[str, list[float]]] = {}
    for case in cases:
        trace = case.trace
        assert trace.tokens is not None
        gone = {i for group in order_drops(trace, ratio) for i in group}
        kept = set(range(len(trace.steps))) - gone
        n_tokens = sum(trace.tokens.inner[i] for i in kept)
        sets = {"extract": [kept]}
        sets |= {name: [way(trace, n_tokens) for way in group] for name, group in ways.items()}
        for name, choices in sets.items():
            row = results.setdefault(name, {})
            share = sum(trace.tokens.inner[i] for c in choices for i in c) / len(choices)
            row.setdefault("tokens kept", []).append(share / trace.tokens.total)
            for label, (measure, _) in MEASURES.items():
                values = [measure(case, choice) for choice in choices]
                known = [value for value in values if value is not None]
                row.setdefault(label, []).append(sum(known) / len(known) if known else math.nan)
    return results


def bootstrap(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Mean paired difference with a 95 % percentile interval over resampled traces."""
    gaps = [a - b for a, b in zip(ours, theirs, strict=True) if not math.isnan(a - b)]
    chance = random.Random(0)
    means = sorted(sum(chance.choices(gaps, k=len(gaps))) / len(gaps) for _ in range(N_RESAMPLES))
    mean = sum(gaps) / len(gaps)
    return mean, means[int(0.025 * N_RESAMPLES)], means[int(0.975 * N_RESAMPLES) - 1]


def mean(values: Iterable[float]) -> float:
    """The mean of what is known."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def print_table(results: dict[str, dict[str, list[float]]]) -> None:
    """One Markdown table: means, and paired differences to each other way."""
    ways = ["random", "tail", "head"]
    print(
        "| measure | n | extract | " + " | ".join(ways) + " | extract - random | extract - tail |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for label in ["tokens kept", *MEASURES]:
        ours = results["extract"][label]
        cells = [f"{mean(results[way][label]):.3f}" for way in ways]
        for way in ("random", "tail"):
            gap, low, high = bootstrap(ours, results[way][label])
            cells.append(f"{gap:+.3f} [{low:+.3f}, {high:+.3f}]")
        n = sum(not math.isnan(value) for value in ours)
        direction = ""
        if label in MEASURES:
            direction = " ↑" if MEASURES[label][1] else " ↓"
        print(f"| {label}{direction} | {n} | {mean(ours):.3f} | " + " | ".join(cells) + " |")


def main() -> None:
    """Read, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="dev", choices=["dev", "train"])
    parser.add_argument("--counter", default="builtin")
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.6, 0.4])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    for folder, kind in KINDS.items():
        traces, rows = load_traces(arguments.data / folder, arguments.split)
        cases = make_cases(traces, rows, arguments.counter)
        started = time.process_time()
        for case in cases:
            order_drops(case.trace, arguments.ratios[0])
        milliseconds = 1000 * (time.process_time() - started) / len(cases)
        print(f"\n### {kind}: {len(cases)} traces of {folder} ({milliseconds:.1f} ms CPU each)")
        for ratio in arguments.ratios:
            print(f"\nstage1_ratio {ratio}\n")
            print_table(compare(cases, ratio, arguments.seeds))


if __name__ == "__main__":
    main()
