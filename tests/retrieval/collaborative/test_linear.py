"""The linear recommender: its two parts by hand, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from aisle.bundle import Bundle, BundleWriter
from aisle.retrieval.collaborative import LinearRecommender
from tests.retrieval.collaborative.questions import ask

WEIGHTS = np.array([[0, 1, 2], [3, 0, 4], [5, 6, 0]], np.float32)
ENCODER = np.array([[1], [10], [100]], np.float32)
DECODER = np.array([[1, 2, 3]], np.float32)


def test_weights_alone_sparse_or_dense() -> None:
    for weights in (WEIGHTS, sparse.csr_matrix(WEIGHTS)):
        scores_RV = LinearRecommender(3, weights_AA=weights).score(ask([0], [0, 2], []))
        assert scores_RV.tolist() == [[0, 1, 2], [5, 7, 2], [0, 0, 0]]
        assert isinstance(scores_RV, np.ndarray)


def test_projection_is_added() -> None:
    both = LinearRecommender(3, weights_AA=WEIGHTS, encoder_VD=ENCODER, decoder_DV=DECODER)
    assert both.score(ask([0, 1])).tolist() == [[3 + 11, 1 + 22, 6 + 33]]
    alone = LinearRecommender(3, encoder_VD=ENCODER, decoder_DV=DECODER)
    assert alone.score(ask([2])).tolist() == [[100, 200, 300]]


def test_weights_of_some_items() -> None:
    weights_AA = np.array([[0, 7], [8, 0]], np.float32)
    some = LinearRecommender(4, weights_AA=weights_AA, item_rows_A=np.array([1, 3]))
    assert some.score(ask([1], [3, 0], [2])).tolist() == [[0, 0, 0, 7], [0, 8, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("is_sparse", [False, True])
def test_saving_and_loading_all_parts(tmp_path: Path, is_sparse: bool) -> None:
    weights_AA = sparse.csr_matrix(WEIGHTS) if is_sparse else WEIGHTS
    encoder_VD, decoder_DV = np.ones((5, 2), np.float32), np.arange(10, dtype=np.float32).reshape(2, 5)
    recommender = LinearRecommender(
        5, weights_AA=weights_AA, item_rows_A=np.array([0, 2, 4]), encoder_VD=encoder_VD, decoder_DV=decoder_DV
    )
    with BundleWriter(tmp_path / "bundle") as writer:
        recommender.save(writer, "lists/linear")
    loaded = LinearRecommender.load(Bundle.open(tmp_path / "bundle"), "lists/linear")
    questions = ask([0, 4], [1])
    assert np.array_equal(loaded.score(questions), recommender.score(questions))
    assert loaded.score(questions)[1].tolist() == [5, 7, 9, 11, 13]


def test_what_does_not_fit_together() -> None:
    with pytest.raises(ValueError, match="an encoder with its decoder"):
        LinearRecommender(3, encoder_VD=ENCODER)
    with pytest.raises(ValueError, match="between 4 items, received the shape"):
        LinearRecommender(4, weights_AA=WEIGHTS)
    with pytest.raises(ValueError, match="expected 4 x 1 encodings"):
        LinearRecommender(4, encoder_VD=ENCODER, decoder_DV=DECODER)
