"""The real traces: layouts recognised, counts right. Twenty rows in every run, all by hand."""

import os
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from asap.corpus import Columns, open_corpus
from asap.trace import Trace

pytestmark = pytest.mark.real

CRUXEVAL = Columns(question_template=r"{code}\n{input}")


@pytest.fixture
def data():
    if "ASAP_REAL_DATA" not in os.environ:
        pytest.skip("ASAP_REAL_DATA is not set")
    return Path(os.environ["ASAP_REAL_DATA"])


def count_outcomes(corpus, n_rows=None):
    outcomes = (row.outcome for row in islice(corpus.rows(), n_rows))
    return Counter("trace" if isinstance(o, Trace) else o.reason for o in outcomes)


def test_codeforces_rows(data):
    corpus = open_corpus([str(data / "codeforces-cots-r1")])
    assert corpus.layout.describe() == (
        "Layout generation: no question, thinking and answer from the tagged text of 'generation', "
        "ids from 'id'."
    )
    assert count_outcomes(corpus, 20) == {"trace": 20}
    for row in islice(corpus.rows(), 20):
        text = f"<think>\n{row.outcome.thinking}\n</think>"
        assert row.columns["generation"].startswith(text)
        assert row.outcome.answer == row.columns["generation"].removeprefix(text).strip()


def test_cruxeval_rows(data):
    corpus = open_corpus([str(data / "cruxeval-o-r1")], CRUXEVAL)
    assert corpus.layout.name == "reasoning+answer"
    for row in islice(corpus.rows(), 20):
        columns = row.columns
        assert row.outcome == Trace(
            row.row,
            columns["id"],
            columns["code"] + "\n" + columns["input"],
            columns["reasoning"],
            columns["answer"].strip(),
        )


def test_code_reasoning_rows(data):
    corpus = open_corpus([str(data / "r1-code-reasoning")], require="nothing")
    assert corpus.layout.name == "reasoning"
    assert count_outcomes(corpus, 20) == {"trace": 20}


@pytest.mark.slow
def test_all_codeforces_rows(data):
    corpus = open_corpus([str(data / "codeforces-cots-r1")])
    assert corpus.n_rows_hint == 1000
    assert count_outcomes(corpus) == {"trace": 994, "no_closing_tag": 6}


@pytest.mark.slow
def test_all_cruxeval_rows(data):
    corpus = open_corpus([str(data / "cruxeval-o-r1")], CRUXEVAL)
    assert count_outcomes(corpus) == {"trace": 600}


@pytest.mark.slow
def test_all_code_reasoning_rows(data):
    corpus = open_corpus([str(data / "r1-code-reasoning")], require="nothing")
    # 192 of them begin with an opening tag and were cut off before a closing one.
    assert count_outcomes(corpus) == {"trace": 3667, "no_closing_tag": 192}
