"""What every index promises. Shapes: Q queries, K results, V vectors, D dimensions."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating[Any]]


class Index(Protocol):
    """Vectors that are found by the greatest inner product; normalized vectors make it the cosine."""

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""

    @property
    def num_bytes(self) -> int:
        """What the index holds in memory: vectors or their codes, links, lists."""

    def __len__(self) -> int:
        """V, how many vectors there are."""

    def add(self, vectors_VD: Vectors) -> None:
        """Append vectors; they get the next ids, from 0 on in the order they are added.

        Raises:
            ValueError: the shape is not (V, D), or a value is not finite.
            DataError: the index must be trained, and the first vectors are too few for it.
        """

    def search(
        self, queries_QD: Vectors, k: int, mask_V: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k best vectors of each query, best first.

        Args:
            queries_QD: The queries.
            k: How many, at least 1.
            mask_V: Which vectors may be found, and none beside them; missing: all.

        Returns:
            ``(ids_QK, scores_QK)``; where fewer than k vectors may be found, all of them, and the rest is id -1 and
            score minus infinity. Scores are inner products with the vectors, or with what is kept of them.

        Raises:
            ValueError: k, a shape or a value is wrong.
        """


def check_vectors(vectors: Vectors, dimension: int, name: str) -> NDArray[np.float32]:
    """Contiguous float32 of the shape (any, dimension), all finite.

    Raises:
        ValueError: it is something else.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(f"{name}: expected the shape (any, {dimension}), received {vectors.shape}")
    vectors = np.ascontiguousarray(vectors, np.float32)
    if not np.isfinite(vectors).all():
        raise ValueError(f"{name}: expected finite values (in float32), received NaN or infinity")
    return vectors


def check_search(k: int, mask_V: NDArray[np.bool_] | None, num_vectors: int) -> None:
    """Check what a search is asked for beside its queries.

    Raises:
        ValueError: k is not positive, or the mask does not speak of each vector.
    """
    if k < 1:
        raise ValueError(f"expected k >= 1, received {k}")
    if mask_V is not None and (mask_V.shape != (num_vectors,) or mask_V.dtype != np.bool_):
        raise ValueError(f"mask: expected {num_vectors} booleans, received {mask_V.dtype} of shape {mask_V.shape}")
