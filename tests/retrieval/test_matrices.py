"""Who took what, as a matrix; and neighbour lists from matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from aisle.recipe.generators import Over
from aisle.retrieval import interaction_matrix, signal_events
from aisle.retrieval.lists import lists_from_dense, lists_from_sparse, strongest_weights
from tests.histories import SIGNALS, Line, snapshot_of

LINES = [
    Line(1, "u1", "a", order="o1"),
    Line(1, "u1", "b", order="o1"),
    Line(4, "u1", "a", order="o2"),
    Line(5, "u1", "c", "view", session="s1"),
    Line(6, None, "b", session="s2"),
    Line(6, None, "b", "view", session="s2"),
    Line(7, "u2", "c"),
    Line(7.5, "u2", "a"),
    Line(8, "u2", "d", "impression"),
]
A, B, C, D = 2, 3, 4, 5


def rows_of(over: Over) -> dict[float, dict[int, float]]:
    """Each row of the matrix by its age."""
    matrix, ages = interaction_matrix(snapshot_of(LINES, day=10, item_order="abcd"), SIGNALS, over=over)
    assert matrix.shape == (len(ages), 6)
    assert matrix.dtype == np.float32
    dense = matrix.toarray()
    return {
        round(float(age), 6): {int(item): pytest.approx(float(row[item])) for item in np.flatnonzero(row)}
        for age, row in zip(ages, dense, strict=True)
    }


def test_rows_are_users_visitors_or_baskets() -> None:
    first, second = {A: 1, B: 1, C: 0.2}, {C: 1, A: 1}
    assert rows_of("users") == {5: first, 2.5: second}
    assert rows_of("visitors") == {5: first, 2.5: second, 4: {B: 1}}
    # Orders, else sessions, else a user's day.
    assert rows_of("baskets") == {9: {A: 1, B: 1}, 6: {A: 1}, 5: {C: 0.2}, 4: {B: 1}, 2.5: {C: 1, A: 1}}


def test_only_events_that_speak_for_an_item() -> None:
    events = signal_events(snapshot_of(LINES, day=10), SIGNALS)
    assert events.height == 8
    assert events["strength"].to_list() == [1, 1, 1, 0.2, 1, 0.2, 1, 1]
    assert events["visitor"].n_unique() == 3


def test_an_empty_snapshot_gives_an_empty_matrix() -> None:
    for over in ("users", "visitors", "baskets"):
        matrix, ages = interaction_matrix(snapshot_of(LINES, day=0.5), SIGNALS, over=over)  # type: ignore[arg-type]
        assert matrix.shape == (0, 2)
        assert len(ages) == 0


def test_lists_from_a_dense_matrix_of_some_items() -> None:
    weights = np.array([[0, 2, -3], [1, 0, 0], [0, 0, 0]], np.float32)
    lists = lists_from_dense(weights, np.array([2, 4, 5]), 7, top_n=2)
    assert lists.offsets.tolist() == [0, 0, 0, 2, 2, 3, 3, 3]
    assert lists.neighbours.tolist() == [4, 5, 2]
    assert lists.weights.tolist() == [2, -3, 1]
    assert lists_from_dense(weights, np.array([2, 4, 5]), 7, top_n=1).neighbours.tolist() == [5, 2]


def test_lists_from_a_sparse_matrix() -> None:
    weights = sparse.csr_matrix(np.array([[0, 1, 3, 1], [0, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]], np.float32))
    lists = lists_from_sparse(weights, top_n=2)
    assert lists.offsets.tolist() == [0, 2, 2, 3, 3]
    assert lists.neighbours.tolist() == [1, 2, 0]
    assert lists.weights.tolist() == [1, 3, 2]


@pytest.mark.parametrize("block", [1, 2, 100])
def test_the_strongest_weights_block_by_block(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("aisle.retrieval.lists._BLOCK", block)
    weights = np.array([[0, 3, -4, 1], [2, 0, 0, 0], [-1, -2, 0.5, 0]], np.float32)
    expected = np.array([[0, 3, -4, 0], [2, 0, 0, 0], [-1, -2, 0, 0]], np.float32)
    kept = strongest_weights(weights, 2)
    assert kept.toarray().tolist() == expected.tolist()
    assert kept.nnz == 5, "zeros are not stored"
    assert strongest_weights(weights, 9).toarray().tolist() == weights.tolist()
