"""Stage 1 without an LLM: which steps go first, judged by what the row's own answer rests on.

The anchor is the answer itself (the paper's stage 1, section 3.1, asks an LLM for a solution).
Passages are taken one after the other, each time the one worth most per token: the evidence it
mentions (`evidence.py`; every further mention counts less), evidence it brings up that passages
taken use, and words not yet read, less what it repeats of those taken. Drafts of the answer, second
passes and what is withdrawn later (`repeat.py`) come last. Steps go in the reverse of that order.
Linear in the length of the trace, but for a heap over its passages.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asap.prune.evidence import DRAFT_SHARE, Reading, read_trace
from asap.prune.passage import Passage, find_passages, governed_by_header
from asap.prune.repeat import cut_at_repeats, cut_at_retractions, find_grounds, find_withdrawn
from asap.trace import StepReason, Trace

_DECAY = 0.5
"""What the next mention of a piece of evidence is worth, beside the one before it."""
_NOVELTY = 0.3
"""Worth of a word not yet read, beside a piece of evidence of the same rarity."""
_REPEAT_SHARE = 0.7
"""A passage of which this share stands in those taken is worth nothing beside them."""
_SUPPORT = 0.5
"""Worth of having brought up a piece of evidence that a kept passage uses."""
_SECOND_PASS = 0.05
"""What is left of the worth of a pass over ground for which another pass stands."""
_STANDING = 4.0
"""What the pass gains that stands for the others."""
_OVERHEAD_TOKENS = 24
"""Added to a passage's cost: without it, scraps of a few words would be taken first."""
_REACH = 5
"""Among how many passages in line the last one to go is chosen."""
_WORD = re.compile(r"[a-z_]\w*|\d+", re.IGNORECASE)
_MIN_WORD_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Drops:
    """What stage 1 drops."""

    groups: tuple[tuple[int, ...], ...]
    """Step indices, first to go first; the steps of one group go together."""
    reasons: Mapping[int, StepReason]
    """By step index why each of them ranks among the first to go."""


def order_drops(trace: Trace, stage1_ratio: float) -> tuple[tuple[int, ...], ...]:
    """The groups of `find_drops` alone."""
    return find_drops(trace, stage1_ratio).groups


def find_drops(trace: Trace, stage1_ratio: float) -> Drops:
    """The steps that stage 1 drops, in the order in which they go.

    Args:
        trace: a trace with steps and token counts.
        stage1_ratio: share of the thinking's tokens that the rest may cost at most, in (0, 1].

    Returns:
        As many groups as it takes until the rest is within the ratio, and never all: at least one
        group stays. A header goes with the last of the steps that it governs.
    """
    if trace.tokens is None:
        raise ValueError("find_drops needs token counts: call count_tokens first")
    rest = trace.tokens.total
    limit = max(1, int(stage1_ratio * rest + 1e-9))
    if rest <= limit:
        return Drops((), {})
    governed = governed_by_header(trace)
    passages = cut_at_repeats(trace, cut_at_retractions(trace, find_passages(trace)))
    if len(passages) == 1:
        passages = tuple(Passage(None, range(i, i + 1)) for i in range(len(trace.steps)))
    ranking = _rank_passages(trace, passages, governed)
    groups = _group_steps(trace, passages, ranking, governed)
    dropped = tuple(group.steps for group in _drop_until(groups, rest - limit, governed))
    reasons = {i: ranked.reason for ranked in ranking for i in passages[ranked.position].steps}
    reasons |= dict.fromkeys(governed, StepReason("header"))
    return Drops(dropped, {i: reasons[i] for group in dropped for i in group})


def list_evidence(trace: Trace) -> tuple[str, ...]:
    """What the answer rests on, as far as the thinking mentions it; the rarest first.

    Args:
        trace: a trace with steps.
    """
    weights = read_trace(trace, find_passages(trace)).weights
    return tuple(sorted(weights, key=lambda name: (-weights[name], name)))


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A passage as it was taken."""

    position: int
    """Among the passages."""
    worth: float
    reason: StepReason
    """Why it was not taken earlier."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Steps that go together."""

    steps: tuple[int, ...]
    n_tokens: int
    loss: float
    """What their passage was worth when it was taken; below 0: it should not stay."""


def _group_steps(
    trace: Trace,
    passages: Sequence[Passage],
    ranking: Sequence[_Ranked],
    governed: dict[int, tuple[int, ...]],
) -> list[_Group]:
    """Groups in the order in which they go: a header with the last of its steps to go."""
    inner = trace.tokens.inner if trace.tokens else ()
    going = list(reversed(ranking))
    place = {i: at for at, ranked in enumerate(going) for i in passages[ranked.position].steps}
    for header in sorted(governed, reverse=True):  # an inner header is settled before its outer one
        place[header] = max(place[i] for i in governed[header])
    members: list[list[int]] = [[] for _ in going]
    for i in sorted(place):
        members[place[i]].append(i)
    return [
        _Group(tuple(steps), sum(inner[i] for i in steps), ranked.worth)
        for steps, ranked in zip(members, going, strict=True)
        if steps
    ]


def _drop_until(
    groups: Sequence[_Group], excess: int, governed: dict[int, tuple[int, ...]]
) -> list[_Group]:
    """The groups that go until they cost as much as the excess, in order; never all.

    The last of them is whichever of the next few suffices at the least loss, and what can come back
    after it comes back: a long passage should not cost more than it must.
    """
    dropped: list[_Group] = []
    for g in range(len(groups) - 1):
        if groups[g].n_tokens >= excess:
            gone = {i for group in dropped for i in group.steps}
            candidates = [
                group
                for group in groups[g : g + _REACH]
                if group.n_tokens >= excess and _leaves_headers(group.steps, gone, governed)
            ]
            last = min(candidates, key=lambda group: group.loss)
            return [*_restore(dropped, last, last.n_tokens - excess, governed), last]
        dropped.append(groups[g])
        excess -= groups[g].n_tokens
    return dropped


def _restore(
    dropped: list[_Group], last: _Group, surplus: int, governed: dict[int, tuple[int, ...]]
) -> list[_Group]:
    """What stays dropped when as much as the surplus comes back, the greatest loss first. Nothing
    comes back whose header goes with another group, the last one among them.
    """
    gone = {i for group in [*dropped, last] for i in group.steps}
    headers_of: dict[int, list[int]] = {}
    for header in gone.intersection(governed):
        for i in governed[header]:
            headers_of.setdefault(i, []).append(header)
    stays_dropped: list[_Group] = []
    for group in reversed(dropped):
        headers = {header for i in group.steps for header in headers_of.get(i, ())}
        if group.loss > 0.0 and group.n_tokens <= surplus and headers.issubset(group.steps):
            surplus -= group.n_tokens
        else:
            stays_dropped.append(group)
    return stays_dropped[::-1]


def _leaves_headers(
    steps: Sequence[int], gone: set[int], governed: dict[int, tuple[int, ...]]
) -> bool:
    """Whether the headers law holds if these steps go next, though they are not next in line."""
    going = gone.union(steps)
    return all(going.issuperset(governed.get(i, ())) for i in steps)


def _rank_passages(
    trace: Trace, passages: Sequence[Passage], governed: dict[int, tuple[int, ...]]
) -> list[_Ranked]:
    """All passages and what each adds, the one most worth keeping first."""
    reading = read_trace(trace, passages)
    factors = [0.0 if share >= DRAFT_SHARE else 1.0 - share for share in reading.draft_shares]
    is_second = [False] * len(passages)
    reasons: dict[int, StepReason] = {}
    for standing, others in find_grounds(reading, governed):
        for p in standing:
            factors[p] *= _STANDING
        for p in (p for stretch in others for p in stretch):
            factors[p] *= _SECOND_PASS
            is_second[p] = reading.is_program  # a way to a value is found with less certainty
            reasons[p] = StepReason("second_pass", passages[standing.start].steps.start)
    reasons |= {p: StepReason("draft") for p, factor in enumerate(factors) if factor == 0.0}
    for p in find_withdrawn(reading):
        factors[p] = -1.0
        reasons[p] = StepReason("withdrawn", passages[p].steps.stop)
    return _Greedy(reading, _profile_passages(reading, factors, is_second), reasons).take_all()


@dataclass(frozen=True, slots=True)
class _Profile:
    """What one passage holds."""

    evidence: tuple[str, ...]
    words: tuple[str, ...]
    shingles: frozenset[int]
    """Hashes of four words in a row: a repeat in the same words shares them."""
    ground: frozenset[int]
    """Hashes of two names, numbers or long words in a row: so does a repeat in other words."""
    n_tokens: int
    factor: float
    """What is left of its worth for what it is, whatever else is taken; below 0: withdrawn."""
    is_second: bool
    """Whether only evidence counts that no passage taken mentions: a second check."""


def _profile_passages(
    reading: Reading, factors: Sequence[float], is_second: Sequence[bool]
) -> list[_Profile]:
    tokens = reading.trace.tokens
    inner = tokens.inner if tokens else (1,) * len(reading.trace.steps)
    profiles = []
    for p, (passage, text) in enumerate(zip(reading.passages, reading.texts, strict=True)):
        words = [word.lower() for word in _WORD.findall(text)]
        long_words = [word for word in words if len(word) >= _MIN_WORD_CHARACTERS]
        content = [
            word
            for word in words
            if len(word) >= _MIN_WORD_CHARACTERS or word[0].isdigit() or word in reading.weights
        ]
        profiles.append(
            _Profile(
                evidence=reading.mentions[p],
                words=tuple(dict.fromkeys(long_words)),
                shingles=_shingle(words, 4),
                ground=_shingle(content, 2),
                n_tokens=sum(inner[i] for i in passage.steps),
                factor=factors[p],
                is_second=is_second[p],
            )
        )
    return profiles


def _shingle(words: Sequence[str], n: int) -> frozenset[int]:
    if len(words) <= n:
        return frozenset((hash(tuple(words)),)) if words else frozenset()
    return frozenset(hash(tuple(words[i : i + n])) for i in range(len(words) - n + 1))


class _Greedy:
    """Takes passages, each time the one worth most per token beside those taken.

    A heap of worths that may be out of date: worth only falls as passages are taken, so the top is
    right once it has been computed anew; where it rises (a name comes into use), the passage is
    entered again. Sums over a passage are exact (`fsum`).
    """

    def __init__(
        self, reading: Reading, profiles: Sequence[_Profile], reasons: Mapping[int, StepReason]
    ) -> None:
        self._passages = reading.passages
        self._profiles = profiles
        self._reasons = reasons
        self._weights = reading.weights
        n_passages = Counter(word for profile in profiles for word in profile.words)
        self._word_weights = {
            word: math.log(1 + len(profiles) / n) for word, n in n_passages.items() if n > 1
        }
        self._brought_up_by: dict[str, int] = {}
        for p, profile in enumerate(profiles):
            if profile.factor > 0.0:
                for name in profile.evidence:
                    self._brought_up_by.setdefault(name, p)
        self._n_mentions: Counter[str] = Counter()
        self._support: defaultdict[int, float] = defaultdict(float)
        self._words: set[str] = set()
        self._shingles: set[int] = set()
        self._ground: set[int] = set()
        self._said_by: dict[int, int] = {}
        """The passage that a run of words was first taken with."""

    def take_all(self) -> list[_Ranked]:
        """All passages as they are taken, with their worth then; among equals the earlier first."""
        heap = [(-self._density(p), p) for p in range(len(self._profiles))]
        heapq.heapify(heap)
        order: list[_Ranked] = []
        is_taken = [False] * len(self._profiles)
        while heap:
            _, p = heapq.heappop(heap)
            if is_taken[p]:
                continue
            entry = (-self._density(p), p)
            if heap and entry > heap[0]:
                heapq.heappush(heap, entry)
                continue
            is_taken[p] = True
            order.append(_Ranked(p, self._worth(p), self._reason(p)))
            for other in self._take(p):
                if not is_taken[other]:
                    heapq.heappush(heap, (-self._density(other), other))
        return order

    def _density(self, p: int) -> float:
        """Worth per token."""
        return self._worth(p) / (self._profiles[p].n_tokens + _OVERHEAD_TOKENS)

    def _worth(self, p: int) -> float:
        profile = self._profiles[p]
        if profile.factor <= 0.0:
            return profile.factor
        gain = self._unmentioned(profile) if profile.is_second else self._gain(p, profile)
        return profile.factor * gain * max(0.0, 1.0 - self._overlap(profile) / _REPEAT_SHARE)

    def _overlap(self, profile: _Profile) -> float:
        """The share of a passage that stands in those taken."""
        overlap = _share(profile.shingles, self._shingles)
        if len(profile.ground) > 3:  # a scrap shares two words with anything
            overlap = max(overlap, _share(profile.ground, self._ground))
        return overlap

    def _reason(self, p: int) -> StepReason:
        """Why a passage is taken no earlier: what it is, else what it repeats, else what it has."""
        profile = self._profiles[p]
        if p in self._reasons:
            return self._reasons[p]
        if self._overlap(profile) >= _REPEAT_SHARE:
            return StepReason("repeat", self._passages[self._find_repeated(profile)].steps.start)
        return StepReason("least_evidence" if profile.evidence else "no_evidence")

    def _find_repeated(self, profile: _Profile) -> int:
        """The passage taken that holds most of what this one repeats; among equals the earliest."""
        runs = profile.shingles | profile.ground
        counts = Counter(self._said_by[run] for run in runs if run in self._said_by)
        return min(counts, key=lambda p: (-counts[p], p))

    def _gain(self, p: int, profile: _Profile) -> float:
        mentions = self._n_mentions
        gain = math.fsum(self._weights[f] * _DECAY ** mentions[f] for f in profile.evidence)
        gain += _SUPPORT * self._support[p]
        return gain + _NOVELTY * math.fsum(
            self._word_weights.get(w, 0.0) for w in profile.words if w not in self._words
        )

    def _unmentioned(self, profile: _Profile) -> float:
        """What a second check says of the answer that nothing taken says."""
        mentions = self._n_mentions
        return math.fsum(self._weights[f] for f in profile.evidence if not mentions[f])

    def _take(self, p: int) -> dict[int, None]:
        """Account for a passage; returns those worth more now, since it uses their names."""
        profile = self._profiles[p]
        risen: dict[int, None] = {}
        for name in profile.evidence:
            origin = self._brought_up_by.get(name, p)
            if not self._n_mentions[name] and origin != p:
                self._support[origin] += self._weights[name]
                risen[origin] = None
            self._n_mentions[name] += 1
        self._words.update(profile.words)
        self._shingles |= profile.shingles
        self._ground |= profile.ground
        for run in profile.shingles | profile.ground:
            self._said_by.setdefault(run, p)
        return risen


def _share(part: frozenset[int], whole: set[int]) -> float:
    return len(part & whole) / len(part) if part else 0.0
