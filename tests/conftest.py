"""Fixtures that tests of several rooms use."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest


def _load(path: str) -> Any:
    # By path: with import-mode importlib the tests are no package that could be imported from.
    name = "asap_tests_" + Path(path).stem
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def fault_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An OpenAI-compatible server with faults on demand: see `tests/chat/fault_server.py`.

    The environment is cleared of keys, addresses and proxies of the person who runs the tests.
    """
    for name in ("ASAP_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_LOG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with _load("chat/fault_server.py").FaultServer() as server:
        yield server


class ScriptedModel:
    """A model behind the fault server that says what a function of the prompt's text says, within
    the tokens it is given. With `has_ids` it takes and gives token ids, as vLLM does.
    """

    def __init__(
        self, server: Any, folder: Path, answer: Callable[[str], Any], has_ids: bool = True
    ) -> None:
        from transformers import AutoTokenizer

        self.server = server
        self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self.answer = answer
        self.has_ids = has_ids
        server.script(self.reply)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Requests that have come, without the first try."""
        return [body for body in self.server.requests if body["max_tokens"] > 1]

    def reply(self, body: dict[str, Any], n_times: int) -> Any:
        prompt = body.get("prompt") or body["messages"][-1]["content"]
        is_list = isinstance(prompt, list)
        if is_list and not self.has_ids:
            return self.server.status(422, message="prompt must be a string")
        n_prompt = len(prompt) if is_list else len(self.tokenizer(prompt)["input_ids"])
        text = self.answer(self.tokenizer.decode(prompt) if is_list else prompt)
        if not isinstance(text, str):
            return text
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        ids = [*ids, self.tokenizer.eos_token_id][: body["max_tokens"]]
        said: dict[str, Any] = {"text": self.tokenizer.decode(ids, skip_special_tokens=True)}
        if "messages" in body:
            said = {"delta": {"content": said["text"]}}
        if body.get("return_token_ids"):
            said["token_ids"] = ids
        reason = "stop" if ids[-1] == self.tokenizer.eos_token_id else "length"
        return self.server.stream([said], finish_reason=reason, usage=(n_prompt, len(ids)))


@pytest.fixture
def scripted_model(fault_server: Any) -> Callable[..., ScriptedModel]:
    """Puts a `ScriptedModel` behind the fault server: `(folder, answer, has_ids=True)`."""
    return partial(ScriptedModel, fault_server)


@pytest.fixture
def scoring_server(fault_server: Any) -> Callable[..., Any]:
    """Puts a model that tells log-probabilities behind the fault server: see
    `tests/surprisal/scoring_server.py`. `(folder, dialect="prompt_logprobs", length=4096)`.
    """
    return partial(_load("surprisal/scoring_server.py").ScoringServer, fault_server)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real traces; what needs it is skipped where there is none."""
    folder = os.environ.get("ASAP_REAL_DATA")
    if not folder:
        pytest.skip("ASAP_REAL_DATA is not set")
    return Path(folder)


SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|{digits}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@pytest.fixture(scope="session")
def read_vocabulary(real_data: Path) -> Callable[[str], str]:
    """The `tokenizer.json` of a real vocabulary (`qwen2`, `llama3`), without special tokens."""
    from transformers.convert_slow_tokenizer import TikTokenConverter

    class Converter(TikTokenConverter):
        """Reads the rank file itself; the tiktoken package is not needed for that."""

        @staticmethod
        def load_tiktoken_bpe(path: str) -> dict[bytes, int]:
            pairs = (line.split() for line in Path(path).read_bytes().splitlines())
            return {base64.b64decode(token): int(rank) for token, rank in pairs}

    @cache
    def read(kind: str) -> str:
        source = real_data.parent / "tokenizers" / f"{kind}.tiktoken"
        if not source.is_file():
            pytest.skip(f"no {source.name} beside ASAP_REAL_DATA")
        pattern = SPLIT.replace("{digits}", r"\p{N}" if kind == "qwen2" else r"\p{N}{1,3}")
        return str(Converter(str(source), pattern=pattern).converted().to_str())

    return read


_WORDS = ["sum", "list", "number", "index", "loop", "value", "first", "next", "last", "check"]
_WORDS += ["array", "count", "total", "even", "odd", "left", "right", "pair", "sort", "stack"]


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., list[dict[str, Any]]]:
    """Makes rows of the layout prompt + generation: R1-like, all different, one seed one result."""

    def make(n_rows: int, seed: int = 0, n_steps: int = 9) -> list[dict[str, Any]]:
        source = random.Random(seed)

        def sentence() -> str:
            words = " ".join(source.choices(_WORDS, k=source.randint(4, 12)))
            return f"{words.capitalize()} {source.randint(0, 999)}."

        rows = []
        for row in range(n_rows):
            steps = [sentence() for _ in range(n_steps + source.randint(0, 4))]
            steps.insert(3, f"```python\ntotal_{row} = sum(a)\n\nprint(total_{row})\n```")
            steps.insert(5, "Wait, let me check the first example again.")
            thinking = "\n\n".join(steps)
            answer = f"```python\ntotal_{row} = sum(a)\nprint(total_{row})\n```"
            generation = f"<think>\n{thinking}\n</think>\n\n{answer}"
            rows.append({"id": f"t-{row}", "prompt": sentence(), "generation": generation})
        return rows

    return make


@pytest.fixture(scope="session")
def write_jsonl() -> Callable[..., Path]:
    """Writes rows as JSON lines; a row that is text is written as it is."""

    def write(path: Path, rows: Sequence[dict[str, Any] | str]) -> Path:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Llama of some ten thousand parameters and a byte-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|begin|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_WORDS, trainer)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        initializer_range=0.5,
        pad_token_id=None,
        bos_token_id=0,
        eos_token_id=0,
    )
    folder = tmp_path_factory.mktemp("model") / "tiny"
    LlamaForCausalLM(config).save_pretrained(folder)
    bos = "<|begin|>"
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=bos)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def write_eval_run() -> Callable[..., Path]:
    """Writes the folder of a finished evaluation. `results` is benchmark -> budget -> problems,
    each (id, passed, tokens, seconds or None); the latency is worked out where all have seconds.
    """
    from asap.bench import Completion, Graded, write_graded
    from asap.judge import Verdict

    def write(
        folder: Path,
        label: str,
        results: dict[str, dict[int, list[tuple[str, bool, int, float | None]]]],
        **report: Any,
    ) -> Path:
        folder.mkdir(parents=True)
        graded = [
            Graded(
                Completion(
                    *(name, id, 0, budget, (1, 2), (3,) * n_tokens),
                    *("So.\n</think>\nDone.", n_tokens, "stop", None, total_s),
                ),
                Verdict("passed" if is_passed else "wrong_answer", None, "", 0.1),
            )
            for name, budgets in results.items()
            for budget, problems in budgets.items()
            for id, is_passed, n_tokens, total_s in problems
        ]
        write_graded(folder, graded)
        benchmarks = {
            name: {
                "files": [],
                "ceiling": {"n_problems": 4, "n_passed": 3, "failed": {"d": "timed_out"}},
                "budgets": {
                    str(budget): {"metrics": {}, "latency": find_latency(problems)}
                    for budget, problems in budgets.items()
                },
            }
            for name, budgets in results.items()
        }
        head = {"kind": "eval", "format_version": 1, "status": "finished"}
        about = {"label": label, "model": "m", "seed": 0, "timing": "robust", "extract": "answer"}
        text = json.dumps({**head, **about, "benchmarks": benchmarks, **report})
        (folder / "report.json").write_text(text, encoding="utf-8")
        return folder

    def find_latency(problems: list[Any]) -> dict[str, float] | None:
        times = [each[3] for each in problems]
        if not times or None in times:
            return None
        return {"amortised_s": sum(times) / len(times), "median_s": 7.0, "p95_s": 9.0}

    return write
