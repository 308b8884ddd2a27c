"""The contract of every index; a backend enters with a subclass that builds one and says how much it may miss."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import pytest

from aisle.index import Index


class IndexContract:
    """Inherit, name it ``Test...``, and build an empty index."""

    #: The share of true neighbours that must be found among many vectors.
    min_recall = 1.0

    @abstractmethod
    def build(self, dimension: int) -> Index: ...

    def filled(self, num_vectors: int = 500, dimension: int = 16, seed: int = 0) -> tuple[Index, np.ndarray]:
        vectors = np.random.default_rng(seed).normal(size=(num_vectors, dimension)).astype(np.float32)
        index = self.build(dimension)
        index.add(vectors)
        return index, vectors

    def test_by_hand(self) -> None:
        index = self.build(2)
        index.add(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]))
        ids, scores = index.search(np.array([[1.0, 0.5], [-1.0, 2.0]]), 2)
        assert ids.tolist() == [[2, 0], [1, 0]]
        assert scores.tolist() == [[3.0, 1.0], [2.0, -1.0]]
        assert ids.dtype == np.int64
        assert scores.dtype == np.float32

    def test_an_empty_index_and_no_queries_answer_nothing(self) -> None:
        index = self.build(3)
        assert (len(index), index.dimension) == (0, 3)
        ids, scores = index.search(np.zeros((2, 3)), 4)
        assert ids.tolist() == [[-1] * 4] * 2
        assert (scores == -np.inf).all()
        index.add(np.ones((1, 3)))
        assert index.search(np.zeros((0, 3)), 4)[0].shape == (0, 4)

    def test_fewer_vectors_than_asked_for_are_padded(self) -> None:
        index = self.build(2)
        index.add(np.array([[1.0, 0.0], [0.5, 0.0]]))
        ids, scores = index.search(np.array([[1.0, 0.0]]), 4)
        assert ids.tolist() == [[0, 1, -1, -1]]
        assert scores.tolist() == [[1.0, 0.5, -np.inf, -np.inf]]

    def test_ids_go_on_from_one_add_to_the_next(self) -> None:
        index = self.build(2)
        index.add(np.array([[1.0, 0.0]]))
        index.add(np.empty((0, 2)))
        index.add(np.array([[0.0, 1.0], [1.0, 1.0]]))
        assert len(index) == 3
        assert index.search(np.array([[-1.0, 2.0]]), 1)[0].tolist() == [[1]]
        assert index.search(np.array([[1.0, 1.0]]), 1)[0].tolist() == [[2]]

    def test_a_mask_is_never_broken_and_everything_allowed_is_found(self) -> None:
        index, vectors = self.filled()
        queries = vectors[:20]
        mask = np.zeros(len(vectors), bool)
        mask[100:130] = True
        ids, scores = index.search(queries, 40, mask)
        assert [sorted(row[:30]) for row in ids.tolist()] == [list(range(100, 130))] * 20
        assert (ids[:, 30:] == -1).all()
        assert (scores[:, 30:] == -np.inf).all()
        assert (index.search(queries, 5, np.zeros(len(vectors), bool))[0] == -1).all()
        full = index.search(queries, 5, np.ones(len(vectors), bool))
        assert np.array_equal(full[0], index.search(queries, 5)[0])

    def test_scores_are_inner_products_in_falling_order(self) -> None:
        index, vectors = self.filled()
        queries = np.random.default_rng(1).normal(size=(30, 16)).astype(np.float32)
        ids, scores = index.search(queries, 10)
        expected = np.take_along_axis(queries @ vectors.T, ids, axis=1)
        assert scores == pytest.approx(expected, abs=1e-4)
        assert (np.diff(scores, axis=1) <= 0).all()
        assert all(len(set(row)) == 10 for row in ids.tolist())

    def test_the_true_neighbours_are_found_also_under_a_wide_mask(self) -> None:
        index, vectors = self.filled(num_vectors=25_000, dimension=8)
        queries = vectors[:50]
        mask = np.random.default_rng(2).random(len(vectors)) < 0.6  # wide enough for the masked graph walk
        for allowed in (None, mask):
            ids, _ = index.search(queries, 10, allowed)
            scores = queries @ vectors.T
            if allowed is not None:
                assert allowed[ids].all()
                scores[:, ~allowed] = -np.inf
            truth = np.argsort(-scores, axis=1)[:, :10]
            found = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(ids, truth, strict=True)])
            assert found >= self.min_recall

    def test_wrong_arguments_are_refused(self) -> None:
        index = self.build(2)
        index.add(np.ones((3, 2)))
        with pytest.raises(ValueError, match=r"vectors: expected the shape \(any, 2\), received \(3, 4\)"):
            index.add(np.ones((3, 4)))
        with pytest.raises(ValueError, match=r"queries: expected the shape"):
            index.search(np.ones(2), 1)
        with pytest.raises(ValueError, match="expected finite values"):
            index.add(np.array([[np.nan, 0.0]]))
        with pytest.raises(ValueError, match="expected k >= 1, received 0"):
            index.search(np.ones((1, 2)), 0)
        wrong: list[np.ndarray] = [np.ones(2, bool), np.ones(3)]
        for mask in wrong:
            with pytest.raises(ValueError, match="mask: expected 3 booleans"):
                index.search(np.ones((1, 2)), 1, mask)
        with pytest.raises(ValueError, match="expected dimension >= 1"):
            self.build(0)
        assert len(index) == 3
