"""An evaluation from prompt to figures, against a server on a real socket and the real judge."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from asap.bench import (
    EvalSettings,
    Generator,
    ModelTokenizer,
    Sampling,
    evaluate,
    open_eval_run,
)
from asap.chat import ChatLimits, OpenAICompletions, Waiting
from asap.errors import ModelError, NoReply, RunFolderError, RunStopped
from asap.judge import Judge
from asap.prune import ratio_suffix

N = 4
THOUGHT = "value first value next\n</think>\n"
LARGE, SMALL = 400, 12


async def skip(seconds):
    return None


@pytest.fixture
def dataset(open_rows, humaneval_row):
    """Problem n asks for a function that returns n."""
    rows = [
        humaneval_row
        | {
            "task_id": f"HumanEval/{n}",
            "prompt": f'def number_{n}():\n    """ Which? """\n',
            "entry_point": f"number_{n}",
            "canonical_solution": f"    return {n}\n",
            "test": f"def check(candidate):\n    assert candidate() == {n}\n",
        }
        for n in range(N)
    ]
    return open_rows("humaneval", rows)


def find_problem(prompt):
    return int(prompt.partition("number_")[2].partition("(")[0])


def solve(prompt):
    n = find_problem(prompt)
    return f"{THOUGHT}```python\ndef number_{n}():\n    return {n}\n```\n"


@pytest.fixture
def opened_tokenizer(tiny_model, tmp_path):
    """Adds a begin-of-text token to every text, and has a template that writes it as well."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(tiny_model))
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", 0)]
    )
    tokenizer.chat_template = (
        "{{ bos_token }}User: {{ messages[0]['content'] }}\n"
        "{% if add_generation_prompt %}Assistant: <think>\n{% endif %}"
    )
    tokenizer.save_pretrained(tmp_path / "opened")
    return tmp_path / "opened"


@pytest.fixture
def run(fault_server, dataset, tiny_model, tmp_path):
    """Evaluates; `model` is what stands in the identity."""

    def evaluate_it(
        *,
        budgets=(LARGE,),
        sampling=None,
        api="completions",
        rerun=False,
        extract="answer",
        model="m",
        limit=None,
        is_closed=False,
        tokenizer=None,
        data=dataset,
        suffix="",
    ):
        own = ModelTokenizer(str(tokenizer or tiny_model)) if api == "completions" else None
        settings = EvalSettings(
            model=model,
            label="arm",
            weights=None,
            api=api,
            sampling=sampling or Sampling(),
            budgets=budgets,
            has_reruns=rerun,
            extract=extract,
            limit=limit,
            prompt_suffix=suffix,
        )

        @contextmanager
        def open_generator():
            assert not is_closed, "nothing had to be generated"
            limits = ChatLimits(concurrency=1, attempts=2, max_tokens=None)
            with OpenAICompletions(
                "served", base_url=fault_server.url, limits=limits, waiting=Waiting(sleep=skip)
            ) as client:
                yield Generator(client, own, settings.sampling)

        return evaluate(
            tmp_path / "run",
            [data],
            settings,
            tokenizer=own,
            open_generator=open_generator,
            judge=Judge(),
        )

    return evaluate_it


def part_of(report, budget=LARGE):
    return report["benchmarks"]["humaneval"]["budgets"][str(budget)]


def completions_of(folder, budget):
    graded = open_eval_run(folder).graded("humaneval", budget)
    return {(each.completion.id, each.completion.sample): each for each in graded}


@pytest.mark.usefixtures("judge")
class TestEvaluate:
    def test_a_model_that_answers_with_canonical_solutions_scores_100_percent(
        self, run, scripted_model, tiny_model, tmp_path
    ):
        model = scripted_model(tiny_model, solve)
        report = run(budgets=(SMALL, LARGE))
        whole, cut = part_of(report)["metrics"], part_of(report, SMALL)["metrics"]
        assert whole["pass_at_1"]["estimate"] == 1.0
        assert (whole["truncation_rate"], whole["closed_thinking_rate"]) == (0.0, 1.0)
        assert cut["pass_at_1"]["estimate"] == 0.0
        assert cut["outcomes"] == {"no_answer": N}
        assert (cut["truncation_rate"], cut["tokens"]["estimate"]) == (1.0, SMALL)
        assert len(model.asked) == N  # the small budget was cut, not asked for
        ceiling = report["benchmarks"]["humaneval"]["ceiling"]
        assert ceiling == {"n_problems": N, "n_passed": N, "failed": {}}
        assert report["status"] == "finished"
        assert json.loads((tmp_path / "run" / "report.json").read_text()) == report

    @pytest.mark.parametrize("has_ids", [True, False])
    def test_trap_37_a_prompt_has_one_begin_of_text_token_and_the_opened_tag(
        self, run, scripted_model, opened_tokenizer, has_ids
    ):
        """Its template writes the token, and its tokenizer adds it to every text."""
        model = scripted_model(opened_tokenizer, solve, has_ids)
        run(tokenizer=opened_tokenizer)
        for body in model.asked:
            prompt = body["prompt"]
            ids = prompt if has_ids else model.tokenizer(prompt)["input_ids"]
            assert ids[0] == 0
            assert 0 not in ids[1:]
            text = model.tokenizer.decode(ids, skip_special_tokens=True)
            assert text.startswith("User: ")
            assert text.endswith("\nAssistant: <think>\n")
            assert text.count("<think>") == 1

    def test_a_method_s_suffix_stands_behind_every_question(
        self, run, scripted_model, opened_tokenizer, tmp_path
    ):
        model = scripted_model(opened_tokenizer, solve)
        run(tokenizer=opened_tokenizer, suffix=ratio_suffix(0.5, "<|cut|>"))
        assert len(model.asked) == N
        for body in model.asked:
            text = model.tokenizer.decode(body["prompt"], skip_special_tokens=True)
            assert text.endswith("<|cut|>0.5<|cut|>\nAssistant: <think>\n")
        questions = pq.read_table(tmp_path / "run" / "questions.parquet").to_pylist()
        assert [find_problem(each["prompt"]) for each in questions] == list(range(N))
        assert not any("<|cut|>" in each["prompt"] for each in questions)
        with pytest.raises(RunFolderError, match="prompt_suffix"):
            run(tokenizer=opened_tokenizer)

    def test_what_was_cut_stands_in_the_folder_as_the_model_began_it(
        self, run, scripted_model, tiny_model, tmp_path
    ):
        scripted_model(tiny_model, solve)
        run(budgets=(SMALL, LARGE))
        whole = completions_of(tmp_path / "run", LARGE)
        for key, each in completions_of(tmp_path / "run", SMALL).items():
            large = whole[key].completion
            assert each.completion.completion_ids == large.completion_ids[:SMALL]
            assert large.text.startswith(each.completion.text)
            assert (each.completion.total_s, each.completion.first_token_s) == (None, None)
            assert large.total_s > 0
        assert part_of(run(budgets=(SMALL, LARGE)), SMALL)["latency"] is None

    def test_trap_35_a_resumed_run_asks_for_what_is_missing_and_no_more(
        self, run, scripted_model, fault_server, tiny_model, tmp_path
    ):
        def fail_on_two(prompt):
            n = find_problem(prompt)
            return fault_server.status(500) if n == 2 else solve(prompt)

        model = scripted_model(tiny_model, fail_on_two)
        with pytest.raises(RunStopped, match=r"1 of 4 completions are missing, HumanEval/2"):
            run()
        unfinished = json.loads((tmp_path / "run" / "report.json").read_text())
        assert unfinished["status"] == "unfinished"
        with pytest.raises(RunFolderError, match="finish"):
            open_eval_run(tmp_path / "run")
        model.answer = solve
        before = len(model.asked)
        report = run()
        assert len(model.asked) == before + 1
        assert part_of(report)["metrics"]["pass_at_1"]["estimate"] == 1.0

    def test_a_finished_run_is_measured_again_without_a_server(
        self, run, scripted_model, tiny_model
    ):
        scripted_model(tiny_model, solve)
        first = run()
        again = run(is_closed=True)
        assert again["benchmarks"] == first["benchmarks"]

    def test_other_rules_judge_again_and_generate_nothing(self, run, scripted_model, tiny_model):
        def draft(prompt):
            return solve(prompt).replace("</think>\n", "")

        scripted_model(tiny_model, draft)
        assert part_of(run())["metrics"]["outcomes"] == {"no_answer": N}
        report = run(extract="paper", is_closed=True)
        assert part_of(report)["metrics"]["outcomes"] == {"passed": N}

    def test_more_problems_and_smaller_budgets_come_on_top(self, run, scripted_model, tiny_model):
        model = scripted_model(tiny_model, solve)
        run(limit=2)
        assert len(model.asked) == 2
        report = run(budgets=(SMALL, LARGE))
        assert len(model.asked) == N
        assert part_of(report)["metrics"]["n_problems"] == N

    def test_data_that_changed_are_refused_also_after_another_benchmark(
        self, run, dataset, scripted_model, tiny_model
    ):
        scripted_model(tiny_model, solve)
        run()
        run(data=replace(dataset, part="other"))
        (file,) = dataset.files
        with pytest.raises(RunFolderError, match="the data of humaneval is"):
            run(data=replace(dataset, files=(replace(file, sha256="0" * 64),)))

    def test_what_ended_under_a_small_budget_is_not_generated_under_a_larger_one(
        self, run, scripted_model, tiny_model, tmp_path
    ):
        def answer(prompt):
            return "next" if find_problem(prompt) == 1 else solve(prompt)

        model = scripted_model(tiny_model, answer)
        run(budgets=(SMALL,))
        run(budgets=(LARGE,))
        assert sorted(body["max_tokens"] for body in model.asked) == [SMALL] * N + [LARGE] * (N - 1)
        taken = completions_of(tmp_path / "run", LARGE)["HumanEval/1", 0].completion
        assert (taken.text, taken.finish_reason, taken.budget_tokens) == ("next", "stop", LARGE)

    def test_drawn_samples_are_drawn_again_under_a_larger_budget(
        self, run, scripted_model, tiny_model
    ):
        model = scripted_model(tiny_model, lambda prompt: "next")
        warm = Sampling(temperature=0.6)
        run(budgets=(SMALL,), sampling=warm)
        run(budgets=(LARGE,), sampling=warm)
        assert [body["max_tokens"] for body in model.asked] == [SMALL] * N + [LARGE] * N

    def test_another_model_needs_another_folder(self, run, scripted_model, tiny_model):
        scripted_model(tiny_model, solve)
        run()
        with pytest.raises(RunFolderError, match='model is "m" there and "other" here'):
            run(model="other")

    def test_a_folder_in_which_nothing_was_generated_is_taken_over(
        self, run, scripted_model, tiny_model
    ):
        with pytest.raises(AssertionError, match="nothing had to be generated"):
            run(model="mistyped", is_closed=True)
        scripted_model(tiny_model, solve)
        assert part_of(run())["metrics"]["pass_at_1"]["estimate"] == 1.0

    def test_a_server_without_token_ids_gets_text_and_what_cannot_be_cut_is_asked_again(
        self, run, scripted_model, tiny_model, tmp_path
    ):
        def answer(prompt):
            return "next" if find_problem(prompt) == 1 else solve(prompt)

        model = scripted_model(tiny_model, answer, has_ids=False)
        report = run(budgets=(SMALL, LARGE))
        texts = [body for body in model.asked if isinstance(body["prompt"], str)]
        assert all(not body["prompt"].startswith("<|begin|>") for body in texts)
        # "next" fits the small budget, so that one is not asked for again.
        assert [body["max_tokens"] for body in texts] == [LARGE] * N + [SMALL] * (N - 1)
        assert part_of(report)["metrics"]["pass_at_1"]["estimate"] == (N - 1) / N
        large, small = (completions_of(tmp_path / "run", b) for b in (LARGE, SMALL))
        for key, each in small.items():
            assert large[key].completion.text.startswith(each.completion.text)

    def test_reruns_ask_under_every_budget_and_have_times(self, run, scripted_model, tiny_model):
        model = scripted_model(tiny_model, solve)
        report = run(budgets=(SMALL, LARGE), rerun=True)
        assert sorted(body["max_tokens"] for body in model.asked) == [SMALL] * N + [LARGE] * N
        assert part_of(report, SMALL)["latency"]["median_s"] > 0

    def test_broken_problems_are_counted_and_left_out_beside_it(
        self, run, dataset, scripted_model, tiny_model
    ):
        """Problem 3 is broken, as LiveCodeBench's authors say of some, and is not solved."""
        scripted_model(
            tiny_model, lambda prompt: "" if find_problem(prompt) == 3 else solve(prompt)
        )
        broken = replace(dataset.questions["HumanEval/3"], has_erratum=True)
        dataset.questions["HumanEval/3"] = broken
        entry = part_of(run())
        assert entry["metrics"]["pass_at_1"]["estimate"] == 0.75
        assert entry["metrics_without_errata"]["n_problems"] == 3
        assert entry["metrics_without_errata"]["pass_at_1"]["estimate"] == 1.0

    def test_samples_have_seeds_of_their_own(self, run, scripted_model, tiny_model):
        model = scripted_model(tiny_model, solve)
        report = run(sampling=Sampling(n_samples=3, temperature=0.6, top_p=0.95, seed=7))
        assert {body["seed"] for body in model.asked} == {7, 8, 9}
        assert {(body["temperature"], body["top_p"]) for body in model.asked} == {(0.6, 0.95)}
        metrics = part_of(report)["metrics"]
        assert (metrics["n_samples"], metrics["pass_at_k"]) == (3 * N, {"3": 1.0})

    def test_a_server_that_only_converses_gets_the_question_alone(
        self, run, scripted_model, tiny_model
    ):
        model = scripted_model(tiny_model, solve)
        report = run(api="chat")
        assert all(len(body["messages"]) == 1 for body in model.asked)
        assert part_of(report)["metrics"]["pass_at_1"]["estimate"] == 1.0

    def test_a_budget_beyond_the_window_ends_the_run_with_the_servers_words(
        self, run, scripted_model, fault_server, tiny_model
    ):
        words = "maximum context length is 100 tokens"
        model = scripted_model(tiny_model, solve)

        def refuse(body, n_times):
            is_long = body["max_tokens"] > 100
            return fault_server.status(400, message=words) if is_long else model.reply(body, 1)

        fault_server.script(refuse)
        with pytest.raises(RunStopped, match=words):
            run()
        assert len(model.asked) == 1  # the others would fare no better

    def test_a_server_with_another_tokenizer_is_refused(
        self, run, scripted_model, fault_server, tiny_model
    ):
        model = scripted_model(tiny_model, solve)

        def count_wrong(body, n_times):
            return fault_server.stream([{"text": "x"}], usage=(len(body["prompt"]) + 1, 1))

        fault_server.script(count_wrong)
        with pytest.raises(ModelError, match="another one"):
            run()
        assert not model.asked

    def test_a_dead_server_is_told_from_a_poor_model(
        self, run, scripted_model, fault_server, tiny_model
    ):
        scripted_model(tiny_model, lambda prompt: fault_server.drop())
        with pytest.raises(NoReply, match="connection_lost"):
            run()


@pytest.mark.usefixtures("judge")
def test_cutting_equals_running_again_under_the_smaller_budget(
    run, fault_server, tiny_model, tmp_path
):
    """A real model decodes greedily behind the server, once under 48 tokens and once under each."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network = AutoModelForCausalLM.from_pretrained(str(tiny_model))
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_model))

    def decode(body, n_times):
        prompt = torch.tensor([body["prompt"]])
        with torch.no_grad():
            ids = network.generate(prompt, max_new_tokens=body["max_tokens"], do_sample=False)
        ids = ids[0, len(body["prompt"]) :].tolist()
        text = tokenizer.decode(ids, skip_special_tokens=True)
        reason = "stop" if ids[-1] == tokenizer.eos_token_id else "length"
        usage = (len(body["prompt"]), len(ids))
        return fault_server.stream(
            [{"text": text, "token_ids": ids}], finish_reason=reason, usage=usage
        )

    fault_server.script(decode)
    budgets = (12, 24, 48)
    run(budgets=budgets)
    cut = [completions_of(tmp_path / "run", budget) for budget in budgets]
    (tmp_path / "run").rename(tmp_path / "cut")
    run(budgets=budgets, rerun=True)
    again = [completions_of(tmp_path / "run", budget) for budget in budgets]
    for one, other in zip(cut, again, strict=True):
        assert {key: each.completion.completion_ids for key, each in one.items()} == {
            key: each.completion.completion_ids for key, each in other.items()
        }
        assert {key: each.completion.text for key, each in one.items()} == {
            key: each.completion.text for key, each in other.items()
        }
    assert len({each.completion.completion_ids for each in again[0].values()}) > 1


def test_what_a_model_has_begun_stands_behind_the_opened_tag(opened_tokenizer):
    tokenizer = ModelTokenizer(str(opened_tokenizer))
    begun = "So.\n</think>\n"
    written = "User: Q\nAssistant: <think>\nSo.\n</think>\n"
    assert tokenizer.write("Q", begun) == f"<|begin|>{written}"
    assert tokenizer.write_for_server("Q", begun) == written
    ids = tokenizer.encode("Q", begun)
    assert ids.count(0) == 1
    assert tokenizer.decode(ids) == written
    assert tokenizer.decode(tokenizer.encode("Q")) == "User: Q\nAssistant: <think>\n"
