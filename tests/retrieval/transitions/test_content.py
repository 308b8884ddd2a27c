"""Items that say alike vote for each other: cosines by hand, the contract of recommenders, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from aisle.data.item_texts import ItemTexts
from aisle.data.questions import ListSplit
from aisle.errors import ConfigError, DataError
from aisle.recipe.list_models.content import ListContentSpec
from aisle.retrieval.transitions import ItemVotes, fit_list_content
from tests.contracts.list_recommenders import ListRecommenderContract, cycle_world
from tests.retrieval.collaborative.questions import ask, split_of

#: Each token is shared by two items, so that all weigh the same; item 3 says nothing.
WORDS = ["ab cd", "ab", "cd ef", "", "ef"]


def fit(split: ListSplit, texts: ItemTexts | None, **options: Any) -> ItemVotes:
    spec = ListContentSpec.model_validate({"kind": "content", **options})
    return fit_list_content(spec, replace(split, item_texts=texts))


def fit_words(words: list[str] = WORDS, **options: Any) -> ItemVotes:
    return fit(split_of([[0], [3], [3]], len(words)), ItemTexts(words, [[]] * len(words)), **options)


def labels(of_items: list[list[str]]) -> ItemTexts:
    return ItemTexts([""] * len(of_items), of_items)


class TestOfOneParity(ListRecommenderContract):
    learns = frozenset({"checkerboard"})

    def fit(self, split: ListSplit) -> ItemVotes:
        return fit(split, labels([[f"parity:{item % 2}"] for item in range(split.num_items)]))


class TestOfNeighboursProjected(ListRecommenderContract):
    """Item i shares a label with i + 1 and another with i - 1; what was taken is masked."""

    learns = frozenset({"cycle"})

    def fit(self, split: ListSplit) -> ItemVotes:
        shared = labels([[f"link:{item}", f"link:{(item - 1) % split.num_items}"] for item in range(split.num_items)])
        return fit(split, shared, text={"kind": "tf-idf", "dimension": 19}, history={"decay": 3.0}, neighbours=2)


def test_cosines_by_hand() -> None:
    votes_VV = fit_words().votes_AA
    assert not isinstance(votes_VV, np.ndarray)
    root = 1 / 2**0.5
    expected_VV = np.zeros((5, 5))
    for one, other, cosine in [(0, 1, root), (0, 2, 0.5), (2, 4, root)]:
        expected_VV[one, other] = expected_VV[other, one] = cosine
    np.testing.assert_allclose(votes_VV.toarray(), expected_VV, atol=1e-6)


def test_the_strongest_alone_and_no_vote_for_itself() -> None:
    votes_VV = fit_words(neighbours=1).votes_AA
    assert [row.tolist() for row in np.split(votes_VV.indices, votes_VV.indptr[1:-1])] == [[1], [0], [4], [], [2]]


def test_what_has_no_vote_stands_in_the_order_of_popularity() -> None:
    scores_1V = fit_words().score(ask([1]))
    assert np.argsort(-scores_1V[0], kind="stable")[:2].tolist() == [0, 3]


def test_words_and_labels_count_alike() -> None:
    texts = ItemTexts(["red", "red", "blue", ""], [[], ["size:1"], [], ["size:1"]])
    votes_VV = fit(split_of([[0]], 4), texts).votes_AA.toarray()
    assert votes_VV[1, 0] == pytest.approx(votes_VV[1, 3])
    assert votes_VV[2].sum() == 0


def test_all_blocks_are_compared() -> None:
    """More items than a block holds; item i is like i + 1 alone, whatever block they are in."""
    num_items = 1100
    words = [f"pair{item // 2}" for item in range(num_items)]
    votes_VV = fit_words(words).votes_AA.tocoo()
    expected = {
        pair for one, other in pairwise(range(num_items)) if one % 2 == 0 for pair in [(one, other), (other, one)]
    }
    assert set(zip(votes_VV.row.tolist(), votes_VV.col.tolist(), strict=True)) == expected


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.items"):
        fit(cycle_world(), None)
    with pytest.raises(DataError, match="min_items_per_token"):
        fit_words(["one", "two", "three", "four"])
