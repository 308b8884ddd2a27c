"""The greatest, the latest, and those off the diagonal, against what sorting each row gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from aisle.pipeline.list_recommenders.sparse_rows import latest_of_rows, strongest_of_rows, without_diagonal


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=5), st.integers(1, 7))
@settings(deadline=None)
def test_of_equal_ones_the_first_are_kept(rows: list[list[int]], count: int) -> None:
    kept = strongest_of_rows(sparse.csr_matrix(np.array(rows, np.float32)), count).toarray()
    for received, row in zip(kept, rows, strict=True):
        order = sorted((column for column in range(6) if row[column]), key=lambda column: -row[column])[:count]
        assert received.tolist() == [row[column] if column in order else 0 for column in range(6)]


def test_the_last_columns_and_the_diagonal() -> None:
    matrix = sparse.csr_matrix(np.array([[1, 2, 0], [3, 4, 5], [0, 0, 6]], np.float32))
    assert latest_of_rows(matrix, 1).toarray().tolist() == [[0, 2, 0], [0, 0, 5], [0, 0, 6]]
    assert without_diagonal(matrix).toarray().tolist() == [[0, 2, 0], [3, 0, 5], [0, 0, 0]]
    assert matrix.diagonal().tolist() == [1, 4, 6], "what was given stays as it is"
