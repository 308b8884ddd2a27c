"""The mean of a movie: what it predicts by hand, and which prior validation chooses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.train.engine.batches import RankerRows
from aisle.train.tables.data import PreparedTable
from benchmarks import movielens_ctr


def _rows(item: list[int], label: list[int]) -> RankerRows:
    sparse_RS = np.array([[7, one] for one in item], np.int32)
    ones_R = np.ones(len(item), np.float32)
    return RankerRows(np.zeros((len(item), 0), np.float32), sparse_RS, np.array(label, np.float32), ones_R)


def _table(valid: RankerRows) -> PreparedTable:
    # Of item 2 three ratings in four are likes, of item 3 one in four; item 4 was never rated.
    train = _rows([2, 2, 2, 2, 3, 3, 3, 3], [1, 1, 1, 0, 0, 0, 1, 0])
    rows = {"train": train, "valid": valid, "test": _rows([2, 3, 4], [1, 0, 1])}
    return PreparedTable(Path(), movielens_ctr.MODELS["dlrm"].load(), rows, (), {"user_id": 8, "movie_id": 5})


@pytest.mark.parametrize(
    ("valid", "prior"),
    [(_rows([2, 3] * 9, [1, 0] * 9), 0.5), (_rows([2, 3] * 9, [0, 1] * 9), 20.0)],
    ids=["movies differ", "movies do not"],
)
def test_validation_chooses_how_far_means_are_trusted(valid: RankerRows, prior: float) -> None:
    predicted, chosen = movielens_ctr.item_means(_table(valid))
    assert chosen == prior
    expected = [(3 + prior / 2) / (4 + prior), (1 + prior / 2) / (4 + prior), 0.5]
    np.testing.assert_allclose(predicted["test"].probability_R, expected, rtol=1e-6)
    assert predicted["test"].label_R.tolist() == [1, 0, 1]


def test_methods_read_the_same_columns() -> None:
    recipes = [entry.load() for entry in movielens_ctr.MODELS.values()]
    assert {recipe.model.kind for recipe in recipes} == {"logistic", "dlrm"}
    assert recipes[0].inputs == recipes[1].inputs and recipes[0].data == recipes[1].data
