"""One benchmark of an evaluation: what is missing, what came, what became of it, what it amounts
to. All of it lives in the ledger, so every part can be left and taken up again.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from asap.bench.benchmark import Extract, Question
from asap.bench.completion import Completion, cut_to_budget
from asap.bench.dataset import Dataset
from asap.bench.generate import Api, Generator, Sampling, Wanted
from asap.bench.grade import Solution, judge_canonical, judge_solutions, scale_limits
from asap.bench.ledger import Entry, EvalLedger, Key
from asap.bench.metrics import Graded, measure, measure_latency
from asap.bench.model_tokenizer import ModelTokenizer
from asap.bench.prompts import PROMPTS_VERSION
from asap.judge import Judge, Verdict

Stage = Literal["generating", "judging canonical solutions", "judging"]
OnProgress = Callable[[Stage, str, int, int], None]
"""What is being done, on what (a benchmark), how many are done, of how many."""


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """What an evaluation is to do."""

    model: str
    """As the report names it."""
    label: str
    """What tables call it; runs of one label are one arm with several training seeds."""
    weights: str | None
    """A digest of the weights, where they are at hand; a resumed run must have the same."""
    api: Api
    sampling: Sampling
    budgets: tuple[int, ...] | None
    """In tokens; None: the one that the paper has for the benchmark."""
    has_reruns: bool
    """Generate under every budget, instead of cutting what the largest one gave."""
    extract: Extract
    limit: int | None
    """Only the first problems of each benchmark."""
    prompt_suffix: str = ""
    """Behind every question: what the method that made the training data put there."""

    def identity(self) -> dict[str, Any]:
        """What completions depend on: equal in every command that goes on with a folder."""
        return {
            "model": self.model,
            "weights": self.weights,
            "api": self.api,
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "seed": self.sampling.seed if self.sampling.temperature else None,
            "reruns": self.has_reruns,
            "prompts_version": PROMPTS_VERSION,
            "prompt_suffix": self.prompt_suffix or None,
        }


class BenchmarkRun:
    """One benchmark of the evaluation.

    Args:
        dataset: the benchmark.
        settings: what is to be done.
        ledger: what has been done.
        tokenizer: reads ids where a completion is cut; None: none can be.
    """

    def __init__(
        self,
        dataset: Dataset,
        settings: EvalSettings,
        ledger: EvalLedger,
        tokenizer: ModelTokenizer | None,
    ) -> None:
        self.dataset = dataset
        self._settings = settings
        self._ledger = ledger
        self._decode = str if tokenizer is None else tokenizer.decode
        own = (dataset.benchmark.budget_tokens,)
        self._budgets = tuple(sorted(set(settings.budgets or own), reverse=True))
        self.questions = list(dataset.questions.values())[: settings.limit]
        """What is asked, in the order of the data."""
        self._generated: dict[Key, Entry] = {}
        self._completions: dict[Key, Completion] = {}
        self._verdicts: dict[Key, Verdict] = {}
        self._canonical: dict[str, Verdict] = {}
        self._raised_limits_s: dict[str, float] = {}

    def find_missing(self) -> list[Wanted]:
        """What must be generated next for every key to have a completion: first all of the largest
        budget, then, of the smaller ones, what could not be cut from it.
        """
        self._gather()
        missing = [
            Wanted(key, question.prompt + self._settings.prompt_suffix)
            for key, question in self._keys()
            if key not in self._completions
        ]
        if self._settings.has_reruns:
            return missing
        return [item for item in missing if item.key[3] == self._budgets[0]] or missing

    def generate(self, generator: Generator, wanted: Sequence[Wanted], tell: OnProgress) -> None:
        """Generate them, storing each as it arrives."""
        n_done = 0
        budgets = " and ".join(f"{budget:,}" for budget in sorted({w.key[3] for w in wanted}))
        what = f"{self.dataset.name} under {budgets} tokens"

        def keep(entry: Entry) -> None:
            nonlocal n_done
            self._ledger.store_completion(entry)
            n_done += 1
            tell("generating", what, n_done, len(wanted))

        generator.generate(wanted, keep)

    def judge(self, judge: Judge, tell: OnProgress) -> None:
        """Judge the canonical solutions, then what has not been judged under these rules."""
        name = self.dataset.name
        ids = [question.id for question in self.questions if question.canonical is not None]
        n_canonical = 0

        def count(_: Verdict) -> None:
            nonlocal n_canonical
            n_canonical += 1
            tell("judging canonical solutions", name, n_canonical, len(ids))

        self._canonical = judge_canonical(self.dataset, judge, ids, count)
        if judge.sandbox.timing == "robust":
            self._raised_limits_s = scale_limits(self.dataset, self._canonical)
        grading = self._name_grading(judge)
        there = self._ledger.verdicts(grading, name)
        # Under many budgets an answer is often the same: it is judged once.
        keys: dict[tuple[str, str | None], list[Key]] = defaultdict(list)
        for key, completion in self._completions.items():
            if key not in there:
                text = self.dataset.benchmark.extract(completion.text, self._settings.extract)
                keys[key[1], text].append(key)
        solutions = [Solution(id, n, text) for n, (id, text) in enumerate(keys)]
        judged = judge_solutions(self.dataset, solutions, judge, self._raised_limits_s)
        for n_done, (solution, verdict) in enumerate(judged, 1):
            for key in keys[solution.id, solution.text]:
                self._ledger.store_verdict(grading, key, verdict)
            tell("judging", name, n_done, len(solutions))
        self._verdicts = self._ledger.verdicts(grading, name)

    def graded(self, budget_tokens: int | None = None) -> list[Graded]:
        """Completions with their verdicts, of one budget or of all."""
        return [
            Graded(completion, self._verdicts[key])
            for key, completion in self._completions.items()
            if budget_tokens in (None, key[3])
        ]

    def report(self) -> dict[str, Any]:
        """The benchmark's part of the report."""
        return {
            "files": [
                {"name": file.name, "sha256": file.sha256, "revision": file.revision}
                for file in self.dataset.files
            ],
            "n_questions": len(self.questions),
            "ceiling": self._describe_ceiling(),
            "raised_cpu_limits_s": self._raised_limits_s,
            "budgets": {str(b): self._describe_budget(b) for b in reversed(self._budgets)},
        }

    def _keys(self) -> Iterator[tuple[Key, Question]]:
        """All keys, the largest budget first."""
        for budget in self._budgets:
            for question in self.questions:
                for sample in range(self._settings.sampling.n_samples):
                    yield (self.dataset.name, question.id, sample, budget), question

    def _gather(self) -> None:
        """Give every key its completion: its own, or the one of another budget, cut or as it is."""
        self._generated = self._ledger.completions(self.dataset.name)
        self._completions = {}
        others: dict[tuple[str, int], list[Completion]] = defaultdict(list)
        for key in sorted(self._generated, key=lambda key: key[3]):
            others[key[1], key[2]].append(self._generated[key].completion)
        for key, _ in self._keys():
            _, id, sample, budget = key
            if key in self._generated:
                self._completions[key] = self._generated[key].completion
            elif not self._settings.has_reruns:
                found = (self._take_over(other, budget) for other in others[id, sample])
                taken = next((each for each in found if each is not None), None)
                if taken is not None:
                    self._completions[key] = taken

    def _take_over(self, completion: Completion, budget_tokens: int) -> Completion | None:
        """What a completion under another budget says of this one; None: nothing."""
        if completion.budget_tokens < budget_tokens:
            # Greedy decoding that came to its end does so under a larger budget as well. Drawn
            # samples may not be kept for being short: the others would be drawn once more.
            is_whole = (
                completion.finish_reason == "stop" and not self._settings.sampling.temperature
            )
            return replace(completion, budget_tokens=budget_tokens) if is_whole else None
        if completion.n_tokens > budget_tokens and completion.completion_ids is None:
            return None
        return cut_to_budget(completion, budget_tokens, self._decode)

    def _describe_budget(self, budget: int) -> dict[str, Any]:
        graded = self.graded(budget)
        entry: dict[str, Any] = {"metrics": self._measure(graded), "latency": None}
        with_errata = {question.id for question in self.questions if question.has_erratum}
        sound = [each for each in graded if each.completion.id not in with_errata]
        if sound and with_errata:
            entry["metrics_without_errata"] = self._measure(sound)
        own = [self._generated.get(key) for key, _ in self._keys() if key[3] == budget]
        entries = [each for each in own if each is not None]
        if len(entries) == len(own):
            completions = [each.completion for each in entries]
            entry["latency"] = asdict(measure_latency(completions, find_busy_s(entries)))
        return entry

    def _measure(self, graded: Sequence[Graded]) -> dict[str, Any]:
        n_samples = self._settings.sampling.n_samples
        return asdict(measure(graded, [n_samples] if n_samples > 1 else []))

    def _describe_ceiling(self) -> dict[str, Any] | None:
        if not self._canonical:
            return None
        failed = {id: v.outcome for id, v in self._canonical.items() if v.outcome != "passed"}
        n = len(self._canonical)
        return {"n_problems": n, "n_passed": n - len(failed), "failed": failed}

    def _name_grading(self, judge: Judge) -> str:
        """A name for all that a verdict depends on besides the completion."""
        sandbox = judge.sandbox
        shas = [file.sha256 for file in self.dataset.files]
        rules = [self._settings.extract, sandbox.timing, sandbox.stdin, shas]
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()[:12]


def find_busy_s(entries: Sequence[Entry]) -> float:
    """Wall time with a request under way: a pause before a run was taken up again is none of it."""
    spans = sorted((e.ended_s - (e.completion.total_s or 0.0), e.ended_s) for e in entries)
    busy_s = 0.0
    reached = float("-inf")
    for start, end in spans:
        busy_s += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return busy_s
