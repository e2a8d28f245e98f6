"""The honest reading: what the intervals say about each claim of the paper's ordering, in words.

A sentence says above or below only where the whole 95 % interval of the difference is on that side
of 0, and never more than that. The paper's word on a claim plays no part in how it is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from asap.lab.measure import SPIRIT, TOKEN_LEVEL, PairDifference, SettingResults
from asap.statistics import Interval

Ruling = Literal[
    "reproduced",
    "reproduced in part",
    "not shown",
    "contradicted in part",
    "contradicted",
    "void",
    "not measured",
]
"""What became of a claim. `contradicted`: it came out the other way round; `in part`: of its
several differences some did and others did not. `not shown`: neither it nor its opposite. `void`:
it is about the ranking, and the lab is void for that.
"""
_Sign = Literal["above", "below"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One claim of the paper, and what this lab has to say to it."""

    claim: str
    ruling: Ruling
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """A difference, and on which side of 0 the claim has it."""

    first: str
    second: str
    measure: Literal["accuracy", "tokens"] = "accuracy"
    claimed: _Sign = "above"


def find_sign(interval: Interval) -> _Sign | None:
    """On which side of 0 the whole interval is; None where it reaches across or touches it."""
    if interval.low > 0:
        return "above"
    return "below" if interval.high < 0 else None


def read_setting(results: SettingResults) -> tuple[Reading, ...]:
    """Read the paper's four claims in one setting.

    Args:
        results: the setting's; where its void rule is not passed, the claims about ranking say
            so.
    """
    return (
        _read(
            results,
            "ASAP is more accurate than SPIRIT",
            [_Part("asap", arm) for arm in SPIRIT if results.score(arm)]
            or [_Part("asap", SPIRIT[0])],
            is_about_ranking=True,
        ),
        _read(
            results,
            "ASAP is more accurate than training on the original traces, with fewer tokens",
            [_Part("asap", "original"), _Part("asap", "original", "tokens", "below")],
        ),
        _read(
            results,
            "Both stages are needed",
            [_Part("asap", "asap-no-stage1"), _Part("asap", "asap-no-stage2")],
            is_about_ranking=True,
        ),
        _read(
            results,
            "Methods that remove words hurt: they are less accurate than the original",
            [_Part(arm, "original", claimed="below") for arm in TOKEN_LEVEL if results.score(arm)]
            or [_Part(TOKEN_LEVEL[0], "original", claimed="below")],
        ),
    )


def say_pair(pair: PairDifference) -> str:
    """The difference in accuracy of two arms as a sentence."""
    return f"{_say_accuracy(pair)}."


def say_points(interval: Interval) -> str:
    """A difference of shares in points, with its interval."""
    return f"{100 * interval.estimate:+.1f} points {_say_bounds(interval, 100, 1)}"


def _read(
    results: SettingResults, claim: str, parts: Sequence[_Part], *, is_about_ranking: bool = False
) -> Reading:
    found = [(part, results.difference(part.first, part.second)) for part in parts]
    sentences = []
    signs: list[Literal["as claimed", "the other way"] | None] = []
    for part, pair in found:
        if pair is None:
            sentences.append(f"`{part.first}` and `{part.second}` were not both run.")
            continue
        sign = find_sign(pair.accuracy if part.measure == "accuracy" else pair.tokens)
        signs.append(None if sign is None else _judge(sign, part.claimed))
        say = _say_accuracy if part.measure == "accuracy" else _say_tokens
        sentences.append(f"{say(pair)}.")
    ruling = _rule(signs, len(parts))
    if is_about_ranking:
        sentences += _limit(results)
        if ruling != "not measured" and results.void_rule and results.void_rule.state == "void":
            ruling = "void"
    return Reading(claim, ruling, tuple(sentences))


def _judge(sign: _Sign, claimed: _Sign) -> Literal["as claimed", "the other way"]:
    return "as claimed" if sign == claimed else "the other way"


def _rule(signs: Sequence[Literal["as claimed", "the other way"] | None], n_parts: int) -> Ruling:
    if not signs:
        return "not measured"
    n_held = signs.count("as claimed")
    if "the other way" in signs:
        return "contradicted in part" if n_held else "contradicted"
    if n_held == n_parts:
        return "reproduced"
    return "reproduced in part" if n_held else "not shown"


def _limit(results: SettingResults) -> list[str]:
    """What keeps a claim about ranking from being one."""
    if results.void_rule is None:
        return ["The arms' tokens are not equal here, so this is not about the ranking alone."]
    match results.void_rule.state:
        case "passed":
            return []
        case "void":
            return ["The lab is void for ranking here: this says nothing about the ranking."]
        case "unknown":
            return ["Whether the lab can tell rankings apart here is not known: read it with care."]


def _say_accuracy(pair: PairDifference) -> str:
    sign = find_sign(pair.accuracy)
    if sign is None:
        known = (
            f"; a true difference of {100 * pair.smallest_accuracy:.1f} points would be shown 4 "
            "times in 5"
            if math.isfinite(pair.smallest_accuracy)
            else ""
        )
        return (
            f"`{pair.first}` is not distinguishable from `{pair.second}` in accuracy: "
            f"{say_points(pair.accuracy)}{known}"
        )
    # A sign by the interval that does not survive the correction is said with that.
    weak = "" if pair.wilcoxon.holm <= 0.05 else ", not significant after Holm's correction"
    return (
        f"`{pair.first}` is {sign} `{pair.second}` in accuracy: {say_points(pair.accuracy)} "
        f"(p {_say_p(pair.wilcoxon.holm)}{weak})"
    )


def _say_tokens(pair: PairDifference) -> str:
    sign = find_sign(pair.tokens)
    bounds = f"{pair.tokens.estimate:+.0f} tokens {_say_bounds(pair.tokens, 1, 0)}"
    if sign is None:
        return (
            f"Its answers are not distinguishable in length from those of `{pair.second}`: {bounds}"
        )
    length = "longer" if sign == "above" else "shorter"
    return f"Its answers are {length} than those of `{pair.second}`: {bounds}"


def _say_bounds(interval: Interval, factor: int, digits: int) -> str:
    low, high = (factor * bound for bound in (interval.low, interval.high))
    return f"[{low:+.{digits}f}, {high:+.{digits}f}]"


def _say_p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
