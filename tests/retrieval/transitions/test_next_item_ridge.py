"""The ridge against the normal equations written out, and the memory that it may take."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.data.item_lists import ItemLists
from aisle.pipeline.list_recommenders.item_votes import PRIOR_SHARE
from aisle.recipe.list_models.histories import HistorySpec
from aisle.recipe.list_models.transitions import NextItemRidgeSpec
from aisle.retrieval.transitions import fit_next_item_ridge
from aisle.retrieval.transitions.next_item_ridge import examples
from tests.retrieval.transitions.lists import ask, split_of

LISTS = ([0, 1, 2, 1], [2], [], [1, 3, 0], [0, 2, 3])
HISTORY = HistorySpec(last=2, decay=float(np.log(2)))
#: The places that have one before them: what was taken before, the last at 1 and the one before it at a half.
BEFORE = np.array(
    [[1, 0, 0, 0], [0.5, 1, 0, 0], [0, 0.5, 1, 0], [0, 1, 0, 0], [0, 0.5, 0, 1], [1, 0, 0, 0], [0.5, 0, 1, 0]]
)
NEXT = np.eye(4)[[1, 2, 1, 3, 0, 2, 3]]


def spec(**options: object) -> NextItemRidgeSpec:
    return NextItemRidgeSpec.model_validate({"kind": "next-item-ridge", "l2": 2.0, "history": HISTORY, **options})


@pytest.mark.parametrize("block", [1, 3, 100])
def test_every_place_but_the_first_is_an_example(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisle.retrieval.transitions.next_item_ridge._BLOCK", block)
    blocks = list(examples(ItemLists.of(LISTS), 4, HISTORY))
    assert np.concatenate([before.toarray() for before, _ in blocks]) == pytest.approx(BEFORE)
    assert np.concatenate([after.toarray() for _, after in blocks]).tolist() == NEXT.tolist()


def test_the_votes_solve_the_normal_equations() -> None:
    expected = np.linalg.solve(BEFORE.T @ BEFORE + 2 * np.eye(4), BEFORE.T @ NEXT)
    fitted = fit_next_item_ridge(spec(), split_of(*LISTS, num_items=4))
    assert fitted.votes_AA == pytest.approx(expected, abs=1e-5)
    history = np.array([0.5, 0, 1, 0])
    assert fitted.score(ask([3, 0, 2]))[0] == pytest.approx(history @ expected, abs=PRIOR_SHARE)


def test_a_candidates_exponent_takes_from_the_frequent() -> None:
    split = split_of(*LISTS, num_items=4)
    plain, divided = (fit_next_item_ridge(spec(candidate_exponent=power), split) for power in (0, 1))
    assert divided.votes_AA == pytest.approx(plain.votes_AA / np.array([3, 3, 3, 2]), abs=1e-6)


def test_beyond_the_memory_the_most_taken_items_are_fitted() -> None:
    lists = ([0, 1, 0], [0, 1], [2, 0, 1], [2, 3])
    fitted = fit_next_item_ridge(spec(memory_gb=12 * 3**2 / 1e9), split_of(*lists, num_items=5))
    assert fitted.item_rows_A is not None
    assert fitted.item_rows_A.tolist() == [0, 1, 2]
    assert fitted.score(ask([3]))[0] == pytest.approx([0] * 5, abs=PRIOR_SHARE)
    assert fitted.score(ask([2]))[0, 0] > 0.1
