"""The contract of every index; a kind enters with a subclass that builds one and says how much it may miss."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import pytest

from aisle.index import ExactIndex, Index

DIMENSION = 16
#: Enough for masks on both sides of where a kind would rather score everything allowed.
MANY = 12_000


def clustered(num_vectors: int, seed: int = 0, num_clusters: int = 40) -> np.ndarray:
    """Unit vectors around as many directions, which are drawn first."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(num_clusters, DIMENSION))
    vectors = centres[draw.integers(num_clusters, size=num_vectors)] + 0.5 * draw.normal(size=(num_vectors, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class IndexContract:
    """Inherit, name it ``Test...``, and build an empty index."""

    #: The share of the ten true neighbours that must be found among many vectors.
    min_recall = 1.0
    #: How far a score may be from the inner product: codes are not the vectors.
    score_error = 1e-5

    @abstractmethod
    def build(self, dimension: int) -> Index: ...

    def filled(self, num_vectors: int = 1000) -> tuple[Index, np.ndarray]:
        vectors = clustered(num_vectors)
        index = self.build(DIMENSION)
        index.add(vectors)
        return index, vectors

    def recall(self, index: Index, vectors: np.ndarray, queries: np.ndarray, mask: np.ndarray | None) -> float:
        exact = ExactIndex(DIMENSION)
        exact.add(vectors)
        truth, _ = exact.search(queries, 10, mask)
        found, _ = index.search(queries, 10, mask)
        assert (found >= 0).all()
        assert mask is None or mask[found].all()
        return float(np.mean([len(set(one) & set(other)) / 10 for one, other in zip(found, truth, strict=True)]))

    def test_an_empty_index_and_no_queries_answer_nothing(self) -> None:
        index = self.build(DIMENSION)
        assert (len(index), index.dimension, index.num_bytes) == (0, DIMENSION, 0)
        index.add(np.empty((0, DIMENSION)))
        ids, scores = index.search(np.zeros((2, DIMENSION)), 4)
        assert ids.tolist() == [[-1] * 4] * 2
        assert (scores == -np.inf).all()
        filled, _ = self.filled()
        assert filled.num_bytes > 1000
        assert filled.search(np.zeros((0, DIMENSION)), 4)[0].shape == (0, 4)

    def test_all_are_found_where_more_are_asked_for_and_the_rest_is_padded(self) -> None:
        index, vectors = self.filled()
        ids, scores = index.search(vectors[:3], 1002)
        assert [sorted(row) for row in ids[:, :1000].tolist()] == [list(range(1000))] * 3
        assert (ids[:, 1000:] == -1).all()
        assert (scores[:, 1000:] == -np.inf).all()
        assert ids.dtype == np.int64
        assert scores.dtype == np.float32

    def test_ids_go_on_from_one_add_to_the_next(self) -> None:
        index, vectors = self.filled()
        index.add(np.empty((0, DIMENSION)))
        later = clustered(60, seed=1)
        index.add(later[:20])
        index.add(later[20:])
        assert len(index) == 1060
        assert self.recall(index, np.concatenate([vectors, later]), later, None) >= self.min_recall
        mask = np.arange(1060) >= 1000
        assert set(index.search(later[:1], 60, mask)[0][0].tolist()) == set(range(1000, 1060))

    def test_a_narrow_mask_is_never_broken_and_everything_allowed_is_found(self) -> None:
        index, vectors = self.filled()
        mask = np.zeros(1000, bool)
        mask[100:130] = True
        ids, scores = index.search(vectors[:20], 40, mask)
        assert [sorted(row[:30]) for row in ids.tolist()] == [list(range(100, 130))] * 20
        assert (ids[:, 30:] == -1).all()
        assert (scores[:, 30:] == -np.inf).all()
        assert (index.search(vectors[:20], 5, np.zeros(1000, bool))[0] == -1).all()

    def test_the_true_neighbours_are_found_under_masks_of_any_width(self) -> None:
        index, vectors = self.filled(MANY)
        queries, draw = clustered(50, seed=3), np.random.default_rng(2)
        for mask in (None, *(draw.random(MANY) < share for share in (1.0, 0.7, 0.3, 0.02))):
            assert self.recall(index, vectors, queries, mask) >= self.min_recall

    def test_a_mask_that_hides_all_that_is_near_leaves_the_next_ones(self) -> None:
        index, vectors = self.filled(MANY)
        query = clustered(1, seed=4)
        scores = (query @ vectors.T)[0]
        mask = scores < np.quantile(scores, 0.6)
        ids, _ = index.search(query, 10, mask)
        assert mask[ids].all() and len(set(ids[0].tolist())) == 10
        assert scores[ids].mean() >= np.sort(scores[mask])[-10:].mean() - 0.05 - self.score_error

    def test_scores_are_inner_products_in_falling_order(self) -> None:
        index, vectors = self.filled()
        queries = clustered(30, seed=1)
        ids, scores = index.search(queries, 10)
        expected = np.take_along_axis(queries @ vectors.T, ids, axis=1)
        assert scores == pytest.approx(expected, abs=self.score_error)
        assert (np.diff(scores, axis=1) <= 0).all()
        assert all(len(set(row)) == 10 for row in ids.tolist())

    def test_wrong_arguments_are_refused(self) -> None:
        index, _ = self.filled()
        with pytest.raises(ValueError, match=r"vectors: expected the shape \(any, 16\), received \(3, 4\)"):
            index.add(np.ones((3, 4)))
        with pytest.raises(ValueError, match=r"queries: expected the shape"):
            index.search(np.ones(16), 1)
        with pytest.raises(ValueError, match="expected finite values"):
            index.add(np.full((1, 16), np.nan))
        with pytest.raises(ValueError, match="expected k >= 1, received 0"):
            index.search(np.ones((1, 16)), 0)
        wrong: list[np.ndarray] = [np.ones(2, bool), np.ones(1000)]
        for mask in wrong:
            with pytest.raises(ValueError, match="mask: expected 1000 booleans"):
                index.search(np.ones((1, 16)), 1, mask)
        with pytest.raises(ValueError, match="expected dimension >= 1"):
            self.build(0)
        assert len(index) == 1000


class UntrainedIndexContract(IndexContract):
    """What holds from the first vector on, for kinds that learn nothing from their vectors and keep them whole."""

    def test_by_hand(self) -> None:
        index = self.build(2)
        index.add(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]))
        ids, scores = index.search(np.array([[1.0, 0.5], [-1.0, 2.0]]), 2)
        assert ids.tolist() == [[2, 0], [1, 0]]
        assert scores.tolist() == [[3.0, 1.0], [2.0, -1.0]]

    def test_vectors_are_found_as_they_come(self) -> None:
        index = self.build(2)
        index.add(np.array([[1.0, 0.0]]))
        index.add(np.array([[0.0, 1.0], [1.0, 1.0]]))
        assert index.search(np.array([[-1.0, 2.0]]), 1)[0].tolist() == [[1]]
        assert index.search(np.array([[1.0, 1.0]]), 1)[0].tolist() == [[2]]

    def test_equal_scores_stand_in_the_order_of_ids_under_a_mask(self) -> None:
        index = self.build(2)
        index.add(np.ones((9, 2)))
        mask = np.arange(9) != 1
        assert index.search(np.ones((1, 2)), 4, mask)[0].tolist() == [[0, 2, 3, 4]]
