"""Exact search: every vector is scored. Right up to some hundred thousand vectors, and the judge of all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.index.contract import Vectors, check_search, check_vectors

_BLOCK_SCORES = 8_000_000  # bounds the memory of one block of queries to 32 MB of scores


class ExactIndex:
    """Scores all vectors; equal scores are ordered by id.

    >>> index = ExactIndex(dimension=2)
    >>> index.add(np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> index.search(np.array([[0.2, 0.9]]), k=1)[0].tolist()
    [[1]]
    """

    def __init__(self, dimension: int) -> None:
        if dimension < 1:
            raise ValueError(f"expected dimension >= 1, received {dimension}")
        self._vectors_VD = np.empty((0, dimension), np.float32)

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""
        return self._vectors_VD.shape[1]

    @property
    def num_bytes(self) -> int:
        """See :attr:`Index.num_bytes`."""
        return int(self._vectors_VD.nbytes)

    def __len__(self) -> int:
        return len(self._vectors_VD)

    def add(self, vectors_VD: Vectors) -> None:
        """Append vectors; see :meth:`Index.add`."""
        added_VD = check_vectors(vectors_VD, self.dimension, "vectors")
        self._vectors_VD = np.concatenate([self._vectors_VD, added_VD])

    def search(
        self, queries_QD: Vectors, k: int, mask_V: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k best; see :meth:`Index.search`."""
        queries_QD = check_vectors(queries_QD, self.dimension, "queries")
        check_search(k, mask_V, len(self))
        allowed = None if mask_V is None else np.flatnonzero(mask_V)
        vectors_VD = self._vectors_VD if allowed is None else self._vectors_VD[allowed]
        ids_QK, scores_QK = search_block_by_block(queries_QD, vectors_VD, k)
        if allowed is not None and allowed.size:
            ids_QK = np.where(ids_QK >= 0, allowed[ids_QK], -1)
        return ids_QK, scores_QK


def search_block_by_block(
    queries_QD: NDArray[np.float32], vectors_VD: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Score every vector for every query in bounded memory; see :meth:`Index.search`."""
    ids_QK = np.full((len(queries_QD), k), -1, np.int64)
    scores_QK = np.full((len(queries_QD), k), -np.inf, np.float32)
    block = max(1, _BLOCK_SCORES // max(1, len(vectors_VD)))
    for start in range(0, len(queries_QD), block):
        scores_QV = queries_QD[start : start + block] @ vectors_VD.T
        for row, scores_V in enumerate(scores_QV, start):
            best = top(scores_V, k)
            ids_QK[row, : len(best)] = best
            scores_QK[row, : len(best)] = scores_V[best]
    return ids_QK, scores_QK


def top(scores_V: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The places of the k greatest scores, greatest first, equal ones by place (so that no two runs differ)."""
    if k < len(scores_V):
        threshold = np.partition(scores_V, len(scores_V) - k)[len(scores_V) - k]
        places = np.flatnonzero(scores_V >= threshold)
    else:
        places = np.arange(len(scores_V))
    order = np.argsort(-scores_V[places], kind="stable")
    return places[order][:k]
