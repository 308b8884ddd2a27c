"""Ranking all items: answers by hand, ties, masks, short lists, sampled candidates, blocks of bounded size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, Questions, no_questions
from aisle.evaluate import full_ranking
from aisle.evaluate.full_ranking import best_rows, evaluate_split, rank
from aisle.metrics import Targets


class Fixed:
    """Scores by the asker's number; remembers how many were asked at once."""

    def __init__(self, scores_RV: list[list[float]] | NDArray[np.float32]) -> None:
        self.scores_RV = np.array(scores_RV, np.float32)
        self.blocks: list[int] = []

    def score(self, questions: Questions) -> NDArray[np.float32]:
        self.blocks.append(len(questions))
        return self.scores_RV[questions.users_R]


def ask(
    num_questions: int, *, masked: list[list[int]] | None = None, candidates: list[list[int]] | None = None
) -> Questions:
    return Questions(
        ItemLists.empty(num_questions),
        Targets.from_lists([[0]] * num_questions),
        np.arange(num_questions),
        None if masked is None else ItemLists.of(masked),
        None if candidates is None else np.array(candidates, np.int32),
    )


def test_best_first_and_equal_ones_in_order() -> None:
    scores = [[0.1, 0.9, 0.5, 0.9], [1, 1, 1, 1], [-3, -1, -2, -4]]
    assert rank(Fixed(scores), ask(3), 4, 3).tolist() == [[1, 3, 2], [0, 1, 2], [1, 2, 0]]


def test_masked_items_are_not_answered_and_short_lists_end_in_minus_one() -> None:
    scores = [[4, 3, 2, 1], [4, 3, 2, 1]]
    ranked_RK = rank(Fixed(scores), ask(2, masked=[[0, 2, 0], []]), 4, 5)
    assert ranked_RK.tolist() == [[1, 3, -1, -1, -1], [0, 1, 2, 3, -1]]


def test_an_item_scored_minus_infinity_is_not_answered() -> None:
    assert rank(Fixed([[-np.inf, 1, -np.inf]]), ask(1), 3, 2).tolist() == [[1, -1]]


def test_sampled_candidates_alone_are_ranked() -> None:
    scores = [[9, 1, 2, 3, 8], [9, 1, 2, 3, 8]]
    asked = ask(2, candidates=[[1, 3, 2], [2, 1, -1]])
    assert rank(Fixed(scores), asked, 5, 2).tolist() == [[3, 2], [2, 1]]
    assert rank(Fixed(scores), asked, 5, 4).tolist() == [[3, 2, 1, -1], [2, 1, -1, -1]]


def test_a_model_without_opinion_does_not_win_a_sampled_protocol() -> None:
    # The target is the first candidate: where all are alike it comes last, before the places that nothing fills.
    asked = ask(1, candidates=[[0, 3, 1, -1]])
    assert rank(Fixed([[7, 7, 7, 7]]), asked, 4, 4).tolist() == [[1, 3, 0, -1]]


@pytest.mark.parametrize("width", [1, 63, 64, 65, 511, 512, 513, 640, 1000])
def test_long_rows_are_ranked_as_by_a_stable_sort(width: int) -> None:
    draw = np.random.default_rng(width)
    for values in (3, 1000):
        scores_BV = draw.integers(0, values, (20, width)).astype(np.float32)
        scores_BV[3] = 0
        scores_BV[4, : width // 2] = -np.inf
        expected_BK = np.argsort(-scores_BV, axis=1, kind="stable")[:, :2]
        expected_BK[np.isneginf(np.take_along_axis(scores_BV, expected_BK, axis=1))] = -1
        assert np.array_equal(best_rows(scores_BV, 2), expected_BK)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(1, 15))
def test_any_row_is_ranked_as_by_a_stable_sort(scores: list[int], k: int) -> None:
    expected = sorted(range(len(scores)), key=lambda item: (-scores[item], item))[:k]
    assert best_rows(np.array([scores], np.float32), k).tolist() == [expected]


def test_blocks_are_bounded_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scores_RV = np.random.default_rng(0).random((10, 6)).astype(np.float32)
    asked = ask(10, masked=[[row % 6] for row in range(10)])
    whole = Fixed(scores_RV)
    together_RK = rank(whole, asked, 6, 3)
    assert whole.blocks == [10]
    monkeypatch.setattr(full_ranking, "BLOCK_BYTES", 3 * 6 * 4)
    parts, told = Fixed(scores_RV), []
    in_parts_RK = rank(parts, asked, 6, 3, progress=lambda *what: told.append(what))
    assert parts.blocks == [3, 3, 3, 1]
    assert np.array_equal(in_parts_RK, together_RK)
    assert told == [("rank", done, 10) for done in (0, 3, 6, 9)]
    monkeypatch.setattr(full_ranking, "BLOCK_BYTES", 1)
    one_by_one = Fixed(scores_RV)
    rank(one_by_one, asked, 6, 3)
    assert one_by_one.blocks == [1] * 10


def test_scores_that_are_none() -> None:
    with pytest.raises(ValueError, match=r"scores of the shape \(1, 4\), received \(1, 3\)"):
        rank(Fixed([[1, 2, 3]]), ask(1), 4, 2)
    with pytest.raises(ValueError, match="received NaN"):
        rank(Fixed([[1, np.nan, 3]]), ask(1), 3, 2)


def split_of(test: Questions, protocol: str = "full") -> ListSplit:
    return ListSplit(4, ItemLists.empty(0), no_questions(), test, protocol)


def test_metrics_by_hand() -> None:
    test = Questions(
        ItemLists.of([[0], [], []]),
        Targets.from_lists([[1, 2, 3], [3], [0]]),
        np.arange(3),
        ItemLists.of([[0], [], []]),
    )
    scores = [[9, 8, 1, 7], [4, 3, 2, 1], [4, 3, 2, 1]]  # answers [1, 3], [0, 1], [0, 1]
    values = evaluate_split(Fixed(scores), split_of(test), ["recall@2", "recall_plain@2", "hr@1", "mrr@2", "ndcg@2"])
    assert {name: values_R.tolist() for name, values_R in values.items()} == {
        "test/recall@2/full": [1, 0, 1],
        "test/recall_plain@2/full": pytest.approx([2 / 3, 0, 1]),
        "test/hr@1/full": [1, 0, 1],
        "test/mrr@2/full": [1, 0, 1],
        "test/ndcg@2/full": [1, 0, 1],
    }


def test_names_say_part_and_protocol() -> None:
    asked = Questions(
        ItemLists.of([[0]]), Targets.from_lists([[2]]), np.array([0]), None, np.array([[2, 1, 3]], np.int32)
    )
    values = evaluate_split(Fixed([[9, 1, 2, 3]]), split_of(asked, "sampled-2"), ["mrr@3", "hr@1"])
    assert {name: values_R.tolist() for name, values_R in values.items()} == {
        "test/mrr@3/sampled-2": [0.5],
        "test/hr@1/sampled-2": [0],
    }
    assert list(evaluate_split(Fixed([[0] * 4]), split_of(asked), ["hr@1"], part="valid")) == ["valid/hr@1/full"]


@pytest.mark.parametrize("name", ["ndcg", "auc@10", "hr@0", "hr@ten", "hr@-1"])
def test_metrics_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match="expected a metric such as ndcg@10"):
        evaluate_split(Fixed([[0] * 4]), split_of(ask(1)), [name])
