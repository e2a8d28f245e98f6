"""Stage 2: what is scored, in which context, how often, and the order that comes of it."""

from __future__ import annotations

from collections.abc import Sequence

from asap.prune import rank_by_surprisal
from asap.surprisal import FakeCounter, FakeScorer, ScoreRequest, StepScores
from asap.trace import Trace, count_tokens, segment_trace


def make_trace(thinking: str, question: str = "Q") -> Trace:
    trace = segment_trace(Trace(0, "a", question, thinking, "answer"), "paragraph")
    return count_tokens([trace], FakeCounter())[0]


class Recorder(FakeScorer):
    """Remembers what it was asked; a step is as surprising as it is long, but for `Wait`."""

    def __init__(self) -> None:
        super().__init__(surprise=lambda text: 0.0 if text == "Wait" else float(len(text)))
        self.asked: list[ScoreRequest] = []

    def score(self, requests: Sequence[ScoreRequest], *_: object) -> list[StepScores]:
        self.asked += requests
        return super().score(requests)


def test_trap_1_stage_2_reads_what_stage_1_left() -> None:
    trace = make_trace("aaaa\n\nbb\n\nccc\n\nd")
    scorer = Recorder()
    (ranking,) = rank_by_surprisal([trace], [(0, 2, 3)], [1], scorer)
    assert [request.thinking for request in scorer.asked] == ["aaaa\n\nccc\n\nd"]
    assert scorer.asked[0].question == "Q"
    assert ranking.groups == ((3,), (2,), (0,))
    assert ranking.surprisal == (4.0, None, 3.0, 1.0)
    assert ranking.first_token[1] is None


def test_equal_scores_follow_ties() -> None:
    trace = make_trace("Wait\n\naaaa\n\nWait")
    later = rank_by_surprisal([trace], [(0, 1, 2)], [1], Recorder())[0]
    earlier = rank_by_surprisal([trace], [(0, 1, 2)], [1], Recorder(), ties="earlier")[0]
    assert later.groups == ((2,), (0,), (1,))
    assert earlier.groups == ((0,), (2,), (1,))


def test_rounds_score_again_on_the_way_down() -> None:
    # Eight steps of one token; budget 2: two rounds end at 8 * (2/8)^(1/2) = 4 tokens and at 2.
    trace = make_trace("\n\n".join("x" * n for n in range(1, 9)))
    scorer = Recorder()
    (ranking,) = rank_by_surprisal([trace], [tuple(range(8))], [2], scorer, rounds=2)
    assert [len(request.steps) for request in scorer.asked] == [8, 4]
    assert ranking.groups == tuple((i,) for i in range(8))


def test_rounds_change_the_order_where_the_context_matters() -> None:
    class Crowd(Recorder):
        """A step is as surprising as there are steps before it: everything shifts when one goes."""

        def score(self, requests: Sequence[ScoreRequest], *_: object) -> list[StepScores]:
            scores = super().score(requests)
            return [
                StepScores(
                    s.first_token_index,
                    s.first_token_id,
                    s.first_token,
                    tuple(float((-1) ** len(s.surprisal) * i) for i in range(len(s.surprisal))),
                )
                for s in scores
            ]

    trace = make_trace("\n\n".join("x" * n for n in range(1, 10)))
    once = rank_by_surprisal([trace], [tuple(range(9))], [1], Crowd())[0]
    twice = rank_by_surprisal([trace], [tuple(range(9))], [1], Crowd(), rounds=2)[0]
    # Nine steps: the last has the lowest score and goes first; three are left for the second
    # scoring, which has an odd number again, so the order is the same; the surprisal of what is
    # left is that of the last scoring.
    assert once.groups == twice.groups
    assert once.surprisal[2] == twice.surprisal[2] == -2.0


def test_a_trace_within_budget_is_scored_once_whatever_the_rounds() -> None:
    scorer = Recorder()
    trace = make_trace("a\n\nbb")
    rank_by_surprisal([trace], [(0, 1)], [100], scorer, rounds=5)
    assert len(scorer.asked) == 1


def test_headers_are_kept_with_their_steps_or_not_at_all() -> None:
    trace = make_trace("Let me check the first example:\n\n- n = 3 gives 7\n\n- m = 4 gives 9")
    kept = rank_by_surprisal([trace], [(0, 1, 2)], [1], Recorder())[0]
    assert kept.groups[-1][-1] == 0
    ranked = rank_by_surprisal([trace], [(0, 1, 2)], [1], Recorder(), keep_headers=False)[0]
    assert sorted(map(len, ranked.groups)) == [1, 1, 1]
