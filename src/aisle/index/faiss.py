"""FAISS behind the contract: vectors in, masks inside the search, and never fewer results than could be found.

What differs between FAISS's indexes is in ``faiss_kinds``. Needs the extra ``ann``.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.errors import BackendUnavailableError
from aisle.index.contract import Vectors, check_search, check_vectors

Mask = NDArray[np.bool_]
#: Scores [Q, k] and ids [Q, k] as FAISS gives them: -1 where nothing was found.
Found = tuple[NDArray[np.float32], NDArray[np.int64]]


class FaissKind(Protocol):
    """One of FAISS's indexes: how it is built, and how it is searched."""

    def build(self, vectors_VD: NDArray[np.float32]) -> Any:
        """An empty index, trained on the vectors where it needs training.

        Raises:
            DataError: there are too few of them.
        """

    def search(self, index: Any, queries_QD: NDArray[np.float32], k: int, mask_V: Mask | None) -> Found:
        """The k best as the kind finds them; it may miss some."""

    def search_all(self, index: Any, queries_QD: NDArray[np.float32], k: int, mask_V: Mask | None) -> Found:
        """The k best of all vectors that the mask allows."""


class FaissIndex:
    """Inner-product search by FAISS. A kind that is trained is trained on what is added first.

    Args:
        dimension: D, the length of a vector.
        kind: Which of FAISS's indexes.
    """

    def __init__(self, dimension: int, kind: FaissKind) -> None:
        if dimension < 1:
            raise ValueError(f"expected dimension >= 1, received {dimension}")
        self._dimension = dimension
        self._kind = kind
        self._index: Any = None

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""
        return self._dimension

    @property
    def num_bytes(self) -> int:
        """What vectors, codes and links take; see :attr:`Index.num_bytes`."""
        return 0 if self._index is None else int(import_faiss().serialize_index(self._index).nbytes)

    def __len__(self) -> int:
        return 0 if self._index is None else int(self._index.ntotal)

    def add(self, vectors_VD: Vectors) -> None:
        """Append vectors; see :meth:`Index.add`."""
        added_VD = check_vectors(vectors_VD, self.dimension, "vectors")
        if not len(added_VD):
            return
        if self._index is None:
            self._index = self._kind.build(added_VD)
        self._index.add(added_VD)

    def search(
        self, queries_QD: Vectors, k: int, mask_V: Mask | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k best; see :meth:`Index.search`."""
        queries_QD = check_vectors(queries_QD, self.dimension, "queries")
        check_search(k, mask_V, len(self))
        ids_QK = np.full((len(queries_QD), k), -1, np.int64)
        scores_QK = np.full((len(queries_QD), k), -np.inf, np.float32)
        num_found = min(k, len(self) if mask_V is None else int(np.count_nonzero(mask_V)))
        if num_found and len(queries_QD):
            scores, ids = self._kind.search(self._index, queries_QD, num_found, mask_V)
            short = ids[:, -1] < 0
            if short.any():
                scores[short], ids[short] = self._kind.search_all(self._index, queries_QD[short], num_found, mask_V)
            order = np.lexsort((ids, -scores))
            ids_QK[:, :num_found] = np.take_along_axis(ids, order, axis=1)
            scores_QK[:, :num_found] = np.take_along_axis(scores, order, axis=1)
        return ids_QK, scores_QK


def import_faiss() -> Any:
    """The module.

    Raises:
        BackendUnavailableError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise BackendUnavailableError(
            "searching with FAISS needs the extra `ann`: pip install 'aisle[ann]', or use the exact index"
        ) from error
    return faiss
