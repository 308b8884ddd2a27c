"""FAISS's indexes: every vector or its bytes (flat, int8), a graph (HNSW), lists (IVF), lists of codes (PQ).

Masks are FAISS selectors, which the search asks of each vector before it counts. A mask makes a graph and lists blind
in part: of what they look at only a share is allowed. So they look at more, in proportion; and where that would cost
more than to score everything allowed, they do the latter. Lists score everything allowed by looking into every list.

Sources: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
Small World graphs", 2018; Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", 2011.

Legend of shapes: Q queries, V vectors, D dimensions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import ConfigError, DataError
from aisle.index.exact import search_block_by_block
from aisle.index.faiss import Found, Mask, import_faiss
from aisle.recipe.indexes import FlatSpec, HnswSpec, Int8Spec, IvfSpec, PqSpec

#: A step of a graph's walk takes as long as scoring so many vectors in a row (measured at D = 64: 2.2 and 0.023 us).
#: Of 100,000 vectors a mask of up to 36,000 is therefore scored row by row, of 1,000,000 one of up to 113,000.
ROWS_PER_STEP = 100
#: Up to this share, scoring the allowed rows of kept vectors takes less than scanning codes past the forbidden ones
#: (measured at D = 64 and 100,000 vectors: 0.20 against 0.35 ms at a tenth, 0.57 against 0.47 ms at a fifth).
NARROW_SHARE = 0.1
#: So few rows are scored by NumPy, which orders equal scores by id; FAISS saves a tenth of a millisecond at most.
ROWS_BY_NUMPY = 10_000
#: Vectors that a cluster's centre wants in training; FAISS warns below it.
MIN_PER_CENTRE = 39
#: Vectors that tell the range of each dimension for int8.
MIN_FOR_RANGES = 256


class Linear:
    """Every vector is scored, from its numbers or from one byte of each."""

    def __init__(self, spec: FlatSpec | Int8Spec) -> None:
        self._faiss = import_faiss()
        self._spec = spec

    def build(self, vectors_VD: NDArray[np.float32]) -> Any:
        """See :meth:`FaissKind.build`."""
        num_vectors, dimension = vectors_VD.shape
        if isinstance(self._spec, FlatSpec):
            return self._faiss.IndexFlatIP(dimension)
        if num_vectors < MIN_FOR_RANGES:
            raise DataError(_too_few("int8", MIN_FOR_RANGES, "to learn the range of each dimension", num_vectors))
        quantizer = self._faiss.ScalarQuantizer.QT_8bit
        index = self._faiss.IndexScalarQuantizer(dimension, quantizer, self._faiss.METRIC_INNER_PRODUCT)
        return _trained(self._faiss, index, vectors_VD, self._spec.rerank)

    def search(self, index: Any, queries_QD: NDArray[np.float32], k: int, mask_V: Mask | None) -> Found:
        """See :meth:`FaissKind.search`."""
        if isinstance(self._spec, FlatSpec):
            return _search_rows(self._faiss, index, queries_QD, k, mask_V)
        if self._spec.rerank and _share(mask_V) <= NARROW_SHARE:
            return self.search_all(index, queries_QD, k, mask_V)
        parameters = self._faiss.SearchParameters(sel=_selector(self._faiss, mask_V))
        return _search_codes(self._faiss, index, queries_QD, k, parameters, self._spec.rerank)

    def search_all(self, index: Any, queries_QD: NDArray[np.float32], k: int, mask_V: Mask | None) -> Found:
        """See :meth:`FaissKind.search_all`; bytes alone are all scored by the usual search."""
        if isinstance(self._spec, Int8Spec) and self._spec.rerank:
            return _search_rows(self._faiss, index.refine_index, queries_QD, k, mask_V)
        return self.search(index, queries_QD, k, mask_V)


class Graph:
    """A walk from vector to linked vector, towards the query."""

    def __init__(self, spec: HnswSpec) -> None:
        self._faiss = import_faiss()
        self._spec = spec

    def build(self, vectors_VD: NDArray[np.float32]) -> Any:
        """See :meth:`FaissKind.build`."""
        dimension = vectors_VD.shape[1]
        index = self._faiss.IndexHNSWFlat(dimension, self._spec.num_links, self._faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = self._spec.ef_construction
        return index

    def search(self, index: Any, queries_QD: NDArray[np.float32], k: int, mask_V: Mask | None) -> Found:
        """See :meth:`FaissKind.search`."""
        effort = max(self._spec.ef_search, 2 * k)
        if mask_V is not None:
            effort = math.ceil(effort / _share(mask_V))
            if np.count_nonzero(mask_V) <= ROWS_PER_STEP * effort:
                return self.search_all(index, queries_QD, k, mask_V)
        parameters = self._faiss.SearchParametersHNSW(sel=_selector(self._faiss, mask_V), efSearch=effort)
        found: Found = index.search(queries_QD, k, params=parameters)
        return found

    def search_all(self, index: Any, queries_QD: NDArray[np.float32], k: int, mask_V: Mask | None) -> Found:
        """See :meth:`FaissKind.search_all`."""
        return _search_rows(self._faiss, index.storage, queries_QD, k, mask_V)


class Inverted:
    """The lists whose centres are nearest to the query; each vector stands in one list, whole or as a code."""

    def __init__(self, spec: IvfSpec | PqSpec, dimension: int) -> None:
        self._faiss = import_faiss()
        self._spec = spec
        self._rerank = spec.rerank if isinstance(spec, PqSpec) else 0
        if isinstance(spec, PqSpec) and dimension % spec.dimensions_per_code:
            raise ConfigError(
                f"index pq: expected dimensions_per_code to divide the dimension {dimension}, received "
                f"{spec.dimensions_per_code}"
            )

    def build(self, vectors_VD: NDArray[np.float32]) -> Any:
        """See :meth:`FaissKind.build`."""
        num_vectors, dimension = vectors_VD.shape
        num_lists = self._num_lists(num_vectors)
        centres = self._faiss.IndexFlatIP(dimension)
        metric = self._faiss.METRIC_INNER_PRODUCT
        if isinstance(self._spec, IvfSpec):
            index = self._faiss.IndexIVFFlat(centres, dimension, num_lists, metric)
        else:
            num_codes = dimension // self._spec.dimensions_per_code
            index = self._faiss.IndexIVFPQ(centres, dimension, num_lists, num_codes, self._spec.num_bits, metric)
        index.cp.spherical = True  # centres are compared by inner product, so that only their directions count
        return _trained(self._faiss, index, vectors_VD, self._rerank)

    def _num_lists(self, num_vectors: int) -> int:
        """As many as were asked for, or as many as suit and can be trained."""
        asked = self._spec.num_lists
        num_lists = asked or max(1, min(round(4 * math.sqrt(num_vectors)), num_vectors // MIN_PER_CENTRE))
        centres = max(num_lists, 2**self._spec.num_bits if isinstance(self._spec, PqSpec) else 0)
        if num_vectors < MIN_PER_CENTRE * centres:
            purpose = f"to train {centres:,} centres"
            raise DataError(_too_few(self._spec.kind, MIN_PER_CENTRE * centres, purpose, num_vectors))
        return num_lists

    def search(self, index: Any, queries_QD: NDArray[np.float32], k: int, mask_V: Mask | None) -> Found:
        """See :meth:`FaissKind.search`."""
        share = _share(mask_V)
        if self._rerank and share <= NARROW_SHARE:
            return self.search_all(index, queries_QD, k, mask_V)
        return self._search(index, queries_QD, k, mask_V, math.ceil(self._spec.num_probes / share))

    def search_all(self, index: Any, queries_QD: NDArray[np.float32], k: int, mask_V: Mask | None) -> Found:
        """See :meth:`FaissKind.search_all`; a code alone is scored as the vector that it stands for."""
        if self._rerank:
            return _search_rows(self._faiss, index.refine_index, queries_QD, k, mask_V)
        return self._search(index, queries_QD, k, mask_V, index.nlist)

    def _search(
        self, index: Any, queries_QD: NDArray[np.float32], k: int, mask_V: Mask | None, num_probes: int
    ) -> Found:
        """FAISS takes more probes than there are lists for all of them."""
        parameters = self._faiss.SearchParametersIVF(sel=_selector(self._faiss, mask_V), nprobe=num_probes)
        return _search_codes(self._faiss, index, queries_QD, k, parameters, self._rerank)


def _trained(faiss: Any, index: Any, vectors_VD: NDArray[np.float32], rerank: int) -> Any:
    """The index, trained; where its best are ranked again, with the vectors beside it."""
    index.train(vectors_VD)
    return faiss.IndexRefineFlat(index) if rerank else index


def _search_codes(
    faiss: Any, index: Any, queries_QD: NDArray[np.float32], k: int, parameters: Any, rerank: int
) -> Found:
    """Search as the parameters say; where vectors are kept, order the best ``rerank * k`` by them."""
    if rerank:
        parameters = faiss.IndexRefineSearchParameters(k_factor=rerank, base_index_params=parameters)
    found: Found = index.search(queries_QD, k, params=parameters)
    return found


def _search_rows(faiss: Any, flat: Any, queries_QD: NDArray[np.float32], k: int, mask_V: Mask | None) -> Found:
    """Score the allowed rows of a flat index and touch no other."""
    rows = np.arange(flat.ntotal) if mask_V is None else np.flatnonzero(mask_V)
    found: Found
    if len(rows) <= ROWS_BY_NUMPY:
        places_QK, scores_QK = search_block_by_block(queries_QD, flat.reconstruct_batch(rows), k)
        found = scores_QK, rows[places_QK]
    elif mask_V is None:
        found = flat.search(queries_QD, k)
    else:
        found = flat.search(queries_QD, k, params=faiss.SearchParameters(sel=faiss.IDSelectorArray(rows)))
    return found


def _share(mask_V: Mask | None) -> float:
    """Of the vectors, how many may be found; above 0."""
    return 1.0 if mask_V is None else float(np.count_nonzero(mask_V)) / len(mask_V)


def _selector(faiss: Any, mask_V: Mask | None) -> Any:
    return None if mask_V is None else faiss.IDSelectorBitmap(np.packbits(mask_V, bitorder="little"))


def _too_few(kind: str, expected: int, purpose: str, received: int) -> str:
    return (
        f"index {kind}: expected at least {expected:,} vectors {purpose}, received {received:,}; use the kind exact, "
        "or hnsw, which need no training"
    )
