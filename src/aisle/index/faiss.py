"""FAISS behind the same contract: a flat index, or a graph (HNSW) for catalogues that outgrow exact search.

Source of HNSW: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs", 2018. Needs the extra ``ann``.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisle.errors import BackendUnavailableError
from aisle.index.contract import Vectors, check_search, check_vectors
from aisle.index.exact import search_block_by_block

#: With fewer allowed vectors than this, scoring them all is faster than walking a graph past forbidden ones, and exact.
EXACT_BELOW = 10_000


class FaissIndex:
    """Inner-product search by FAISS.

    Args:
        dimension: D, the length of a vector.
        kind: ``flat`` scores everything; ``hnsw`` walks a graph and may miss some.
        num_links: Links per vector of the graph.
        ef_construction: How many candidates a new vector's links are chosen from.
        ef_search: How many candidates a search keeps; more finds more and takes longer.

    Raises:
        BackendUnavailableError: FAISS is not installed.
    """

    def __init__(
        self,
        dimension: int,
        *,
        kind: Literal["flat", "hnsw"] = "flat",
        num_links: int = 32,
        ef_construction: int = 200,
        ef_search: int = 128,
    ) -> None:
        self._faiss = _import_faiss()
        if dimension < 1:
            raise ValueError(f"expected dimension >= 1, received {dimension}")
        if kind not in ("flat", "hnsw"):
            raise ValueError(f"expected kind to be flat or hnsw, received {kind!r}")
        self._ef_search = ef_search
        if kind == "flat":
            self._index = self._faiss.IndexFlatIP(dimension)
        else:
            self._index = self._faiss.IndexHNSWFlat(dimension, num_links, self._faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efConstruction = ef_construction
        self.kind = kind

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""
        return int(self._index.d)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, vectors_VD: Vectors) -> None:
        """Append vectors; see :meth:`Index.add`."""
        self._index.add(check_vectors(vectors_VD, self.dimension, "vectors"))

    def search(
        self, queries_QD: Vectors, k: int, mask_V: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k best; see :meth:`Index.search`. A graph may miss some of them."""
        queries_QD = check_vectors(queries_QD, self.dimension, "queries")
        check_search(k, mask_V, len(self))
        num_allowed = len(self) if mask_V is None else int(mask_V.sum())
        if mask_V is not None and num_allowed <= max(EXACT_BELOW, 4 * k):
            return self._search_allowed(queries_QD, k, np.flatnonzero(mask_V))
        num_found = min(k, len(self))
        ids_QK = np.full((len(queries_QD), k), -1, np.int64)
        scores_QK = np.full((len(queries_QD), k), -np.inf, np.float32)
        if num_found and len(queries_QD):
            scores, ids = self._index.search(queries_QD, num_found, params=self._parameters(mask_V, num_found))
            ids_QK[:, :num_found] = ids
            scores_QK[:, :num_found] = np.where(ids >= 0, scores, -np.inf)
        return ids_QK, scores_QK

    def _parameters(self, mask_V: NDArray[np.bool_] | None, num_found: int) -> Any:
        selector = None
        if mask_V is not None:
            selector = self._faiss.IDSelectorBitmap(np.packbits(mask_V, bitorder="little"))
        if self.kind == "flat":
            return self._faiss.SearchParameters(sel=selector) if selector is not None else None
        return self._faiss.SearchParametersHNSW(sel=selector, efSearch=max(self._ef_search, 2 * num_found))

    def _search_allowed(
        self, queries_QD: NDArray[np.float32], k: int, allowed: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if not allowed.size:
            return np.full((len(queries_QD), k), -1, np.int64), np.full((len(queries_QD), k), -np.inf, np.float32)
        vectors_VD = self._index.reconstruct_batch(allowed)
        ids_QK, scores_QK = search_block_by_block(queries_QD, vectors_VD, k)
        return np.where(ids_QK >= 0, allowed[ids_QK], -1), scores_QK


def _import_faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise BackendUnavailableError(
            "searching with FAISS needs the extra `ann`: pip install 'aisle[ann]', or use the exact index"
        ) from error
    return faiss
