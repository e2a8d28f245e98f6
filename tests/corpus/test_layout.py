"""Which columns are taken for what, and what the user is told about it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asap.corpus import Columns, open_corpus
from asap.errors import InputError
from asap.trace import Trace

TAGGED = "<think>\nt\n</think>\na"


def open_rows(tmp_path, rows, columns=None, require="answer", suffix="jsonl"):
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_corpus([str(path)], columns, require)


def refusal(tmp_path, rows, columns=None, require="answer"):
    with pytest.raises(InputError) as caught:
        open_rows(tmp_path, rows, columns, require)
    return str(caught.value)


OPENAI = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": TAGGED},
]
SHAREGPT = [
    {"from": "system", "value": "Be brief."},
    {"from": "human", "value": "q"},
    {"from": "gpt", "value": TAGGED},
]
LAYOUTS = {
    "codeforces-cots": ({"prompt": "q", "generation": TAGGED}, "prompt+generation", "q"),
    "generation alone": ({"generation": TAGGED}, "generation", ""),
    "several generations": (
        {"problem": "q", "generations": ["<think>cut off", TAGGED, "<think>u</think>b"]},
        "problem+generations",
        "q",
    ),
    "messages": ({"messages": OPENAI}, "messages", "q"),
    "messages and more turns after": (
        {"messages": [*OPENAI, {"role": "user", "content": "thanks"}]},
        "messages",
        "q",
    ),
    "several user turns": (
        {
            "messages": [
                {"role": "user", "content": "q1"},
                {"role": "user", "content": "q2"},
                {"role": "assistant", "content": TAGGED},
            ]
        },
        "messages",
        "q1\n\nq2",
    ),
    "reasoning beside the content": (
        {
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "a", "reasoning_content": "t"},
            ]
        },
        "messages",
        "q",
    ),
    "reasoning in the content's parts": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "q"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "t"},
                        {"type": "text", "text": "a"},
                    ],
                },
            ]
        },
        "messages",
        "q",
    ),
    "sharegpt": ({"conversations": SHAREGPT}, "conversations", "q"),
    "turns stored as lists per field": (
        {"conversations": {"from": ["human", "gpt"], "value": ["q", TAGGED]}},
        "conversations",
        "q",
    ),
    "question, reasoning, answer": (
        {"question": "q", "reasoning": "t", "answer": "a"},
        "question+reasoning+answer",
        "q",
    ),
    "thinking and answer": (
        {"question": "q", "thinking": "t", "answer": "a"},
        "question+thinking+answer",
        "q",
    ),
    "prompt and completion": (
        {"prompt": "q", "completion": TAGGED},
        "prompt+completion",
        "q",
    ),
    "prompt and completion as turns": (
        {"prompt": OPENAI[:2], "completion": OPENAI[2:]},
        "prompt+completion",
        "q",
    ),
    "problem and tagged solution": (
        {"problem": "q", "solution": TAGGED},
        "problem+solution",
        "q",
    ),
    "a solution beside a generation": (
        {"problem": "q", "solution": "the reference", "answer": "7", "generation": TAGGED},
        "problem+generation",
        "q",
    ),
    "a solution beside messages": (
        {"problem": "p", "solution": "the reference", "messages": OPENAI},
        "messages",
        "q",
    ),
    "two fields of one solution": (
        {"problem": "q", "deepseek_reasoning": "t", "deepseek_solution": "a", "solution": "ref"},
        "problem+deepseek_reasoning+deepseek_solution",
        "q",
    ),
    "an API's reply": (
        {"reasoning_content": "t", "content": "a"},
        "reasoning_content+content",
        "",
    ),
    "untagged messages beside reasoning": (
        {
            "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
            "prompt": "q",
            "reasoning": "t",
            "answer": "a",
        },
        "prompt+reasoning+answer",
        "q",
    ),
    "a null column is no column": (
        {"generation": None, "question": "q", "reasoning": "t", "answer": "a"},
        "question+reasoning+answer",
        "q",
    ),
}


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_known_layouts(tmp_path, name, suffix):
    row, layout, question = LAYOUTS[name]
    corpus = open_rows(tmp_path, [row], suffix=suffix)
    assert corpus.layout.name == layout
    assert [r.outcome for r in corpus.rows()] == [Trace(0, "0", question, "t", "a")]


def test_the_description_names_every_column(tmp_path):
    row = {"uuid": "u", "prompt": "q", "generation": TAGGED}
    assert open_rows(tmp_path, [row]).layout.describe() == (
        "Layout prompt+generation: question from 'prompt', thinking and answer from the tagged "
        "text of 'generation', ids from 'uuid'."
    )
    assert open_rows(tmp_path, [{"messages": OPENAI}]).layout.describe() == (
        "Layout messages: question from the user turns (system turns are left out), thinking and "
        "answer from the last assistant turn of 'messages', row numbers as ids."
    )
    row = {"code": "c", "reasoning": "t", "answer": "a"}
    columns = Columns(question_template="Run {code}")
    assert open_rows(tmp_path, [row], columns).layout.describe() == (
        "Layout reasoning+answer: question from the template 'Run {code}', thinking from "
        "'reasoning', answer from 'answer', row numbers as ids."
    )


def test_reasoning_alone_is_enough_where_no_answer_is_required(tmp_path):
    corpus = open_rows(tmp_path, [{"reasoning": "t"}], require="nothing")
    assert [row.outcome for row in corpus.rows()] == [Trace(0, "0", "", "t", "")]
    assert "no answer" in corpus.layout.describe()
    assert "--answer-column" in refusal(tmp_path, [{"reasoning": "t", "meta": 1}])


def test_a_layout_that_makes_traces_beats_one_that_only_looks_right(tmp_path):
    rows = [{"generation": "untagged", "prompt": "q", "completion": TAGGED}] * 3
    assert open_rows(tmp_path, rows).layout.response == "completion"


def test_columns_named_by_flags(tmp_path):
    row = {"nr": 7, "task": "q", "cot": "t", "final": "a", "messages": OPENAI, "raw": TAGGED}
    named = Columns(question="task", reasoning="cot", answer="final", id="nr")
    expected = [Trace(0, "7", "q", "t", "a")]
    assert [r.outcome for r in open_rows(tmp_path, [row], named).rows()] == expected
    named = Columns(question="task", response="raw", id="nr")
    assert [r.outcome for r in open_rows(tmp_path, [row], named).rows()] == expected
    named = Columns(reasoning="cot", response="final", id="nr", question="task")
    assert [r.outcome for r in open_rows(tmp_path, [row], named).rows()] == expected


def test_a_flag_for_the_question_leaves_the_rest_to_recognition(tmp_path):
    row = {"prompt": "p", "task": "q", "generation": TAGGED}
    (result,) = open_rows(tmp_path, [row], Columns(question="task")).rows()
    assert result.outcome.question == "q"


def test_the_answer_goes_with_a_reasoning_named_by_a_flag(tmp_path):
    row = {"cot": "t", "answer": "a", "question": "q"}
    (result,) = open_rows(tmp_path, [row], Columns(reasoning="cot")).rows()
    assert result.outcome == Trace(0, "0", "q", "t", "a")


@pytest.mark.parametrize(
    ("template", "question"),
    [
        (r"{code}\n{input}", "f(x)\n[1, 2]"),
        ("{code}\n{input}", "f(x)\n[1, 2]"),
        (r"a\tb\\n {code}", "a\tb\\n f(x)"),
        ("{{{code}}}", "{f(x)}"),
        ("{an odd name}", "o"),
    ],
)
def test_a_question_template_fills_in_columns(tmp_path, template, question):
    row = {"code": "f(x)", "input": [1, 2], "an odd name": "o", "reasoning": "t", "answer": "a"}
    (result,) = open_rows(tmp_path, [row], Columns(question_template=template)).rows()
    assert result.outcome.question == question


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{cod}", "there is no column 'cod' (--question-template); there are the columns 'answer'"),
        ("{code.real}", "no column 'code.real'"),
        ("{}", "no column ''"),
        ("{code", "malformed"),
        ("code", "must name columns"),
        ("{code:>9}", "no formats"),
        ("{code!r}", "no formats"),
    ],
)
def test_a_wrong_template(tmp_path, template, reason):
    row = {"code": "c", "reasoning": "t", "answer": "a"}
    assert reason in refusal(tmp_path, [row], Columns(question_template=template))


def test_a_template_and_a_column_exclude_each_other(tmp_path):
    row = {"code": "c", "reasoning": "t", "answer": "a"}
    columns = Columns(question="code", question_template="{code}")
    assert "not both" in refusal(tmp_path, [row], columns)


@pytest.mark.parametrize("part", ["question", "response", "reasoning", "answer", "id"])
def test_a_named_column_that_does_not_exist(tmp_path, part):
    message = refusal(tmp_path, [{"generation": TAGGED, "x": 1}], Columns(**{part: "none"}))
    assert message == (
        f"there is no column 'none' (--{part}-column); there are the columns 'generation', 'x'"
    )


def test_an_unknown_layout_lists_the_columns_and_the_flags(tmp_path):
    message = refusal(tmp_path, [{"text": "x", "label": 1}])
    assert "the columns 'label', 'text'" in message
    for flag in ("response", "reasoning", "answer", "question"):
        assert f"--{flag}-column" in message


@pytest.mark.parametrize("name", ["id", "uuid", "task_id", "problem_id", "question_id"])
@pytest.mark.parametrize(
    ("value", "expected"), [("x/1", "x/1"), (12, "12"), (None, "0"), ("", "0")]
)
def test_ids_are_the_input_s_own_as_text(tmp_path, name, value, expected):
    rows = [{name: value, "generation": TAGGED}, {name: "other", "generation": TAGGED}]
    first, second = open_rows(tmp_path, rows).rows()
    assert (first.id, second.id) == (expected, "other")
    assert first.outcome.id == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(42, "42"), (0.5, "0.5"), (True, "true"), ("x", "x")]
)
def test_value_answers_become_text(tmp_path, value, expected):
    (row,) = open_rows(tmp_path, [{"question": "q", "reasoning": "t", "answer": value}]).rows()
    assert row.outcome.answer == expected


def test_require_is_passed_on(tmp_path):
    rows = [
        {"generation": "<think>t</think>```python\nx\n```"},
        {"generation": TAGGED},
    ]
    outcomes = [row.outcome for row in open_rows(tmp_path, rows, require="code").rows()]
    assert isinstance(outcomes[0], Trace)
    assert outcomes[1].reason == "no_code_block"
