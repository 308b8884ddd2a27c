"""EASE: a linear autoencoder over items, fitted in closed form.

Source: Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019. With G = X'X + l2 I and P = G^-1 the
weights are B = -P / diag(P), with a zero diagonal.
Deviations: rows of X may be weighted by their age (l2 then grows with the mean weight); the greatest weights of each
item are kept, so that a request costs the length of a profile and not the size of the catalogue.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from aisle.data.snapshots import Snapshot
from aisle.errors import DataError
from aisle.pipeline.generators import NeighbourGenerator
from aisle.recipe.generators import EaseSpec
from aisle.retrieval.lists import lists_from_dense
from aisle.retrieval.matrices import Signals, interaction_matrix

logger = logging.getLogger(__name__)

#: The weights in float32, their magnitudes from which the greatest are chosen, and what the choice takes beside.
BYTES_PER_PAIR = 12
_BLOCK = 1024


def fit_ease(name: str, spec: EaseSpec, snapshot: Snapshot, signals: Signals) -> list[NeighbourGenerator]:
    """Neighbour lists of EASE weights, and one source per half-life of the asking history."""
    taken, ages = interaction_matrix(snapshot, signals, over=spec.over)
    if taken.nnz == 0:
        return []
    row_weights = np.ones(len(ages)) if spec.half_life_days is None else np.exp2(-ages / spec.half_life_days)
    item_rows = affordable_items(taken, spec.memory_gb)
    weights = ease_weights(taken[:, item_rows], row_weights.astype(np.float32), spec.l2 * float(row_weights.mean()))
    lists = lists_from_dense(weights, item_rows, snapshot.num_items, spec.top_n)
    return [
        NeighbourGenerator(
            source,
            lists,
            lists_name=name,
            half_life_days=half_life,
            reason="Goes with {item}",
        )
        for source, half_life in zip(spec.source_names(name), spec.history_half_life_days, strict=True)
    ]


def affordable_items(
    taken: sparse.csr_matrix, memory_gb: float, *, bytes_per_pair: int = BYTES_PER_PAIR
) -> NDArray[np.int64]:
    """The item rows that occur, or the most taken of them where all would not fit into the memory."""
    counts = np.asarray((taken > 0).sum(axis=0)).ravel()
    occurring = np.flatnonzero(counts)
    most = int((memory_gb * 1e9 / bytes_per_pair) ** 0.5)
    if len(occurring) > most:
        logger.warning(
            "EASE: %d items would need %.1f GB, the budget is %.1f GB; the %d most taken are kept",
            len(occurring),
            len(occurring) ** 2 * bytes_per_pair / 1e9,
            memory_gb,
            most,
        )
        occurring = np.sort(occurring[np.argsort(-counts[occurring], kind="stable")[:most]])
    return occurring


def ease_weights(taken: sparse.csr_matrix, row_weights: NDArray[np.float32], l2: float) -> NDArray[np.float32]:
    """B [items, items] in float32: row a holds the votes of item a for the others.

    Args:
        taken: Rows by items.
        row_weights: A weight for each row, not negative.
        l2: Added to the diagonal of the Gram matrix, positive.

    Raises:
        DataError: the Gram matrix cannot be factorized; a greater ``l2`` helps.
    """
    gram = _gram(taken, row_weights)
    gram[np.diag_indices_from(gram)] += l2
    # All steps work in this one matrix: of a large catalogue there is room for no second one.
    factor, info = lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
    if info == 0:
        inverse, info = lapack.spotri(factor, lower=1, overwrite_c=1)
    if info != 0:
        raise DataError(f"EASE: expected a positive definite Gram matrix, LAPACK reports {info}; raise l2 ({l2:g})")
    weights: NDArray[np.float32] = inverse.T  # rows lie together; what LAPACK filled is the upper triangle now
    _mirror_upper(weights)
    np.divide(weights, -np.diag(weights)[None, :], out=weights)
    weights[np.diag_indices_from(weights)] = 0
    return weights


def _gram(taken: sparse.csr_matrix, row_weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """X'WX, column-major, made a block of columns at a time."""
    transposed, weighted = taken.T.tocsr(), (sparse.diags_array(row_weights) @ taken).tocsc()
    size = taken.shape[1]
    gram = np.empty((size, size), np.float32, order="F")
    for start in range(0, size, _BLOCK):
        gram[:, start : start + _BLOCK] = (transposed @ weighted[:, start : start + _BLOCK]).toarray()
    return gram


def _mirror_upper(square: NDArray[np.float32]) -> None:
    """Copy the upper triangle to the lower one, block by block."""
    size = len(square)
    for start in range(0, size, _BLOCK):
        end = min(start + _BLOCK, size)
        corner = square[start:end, start:end]
        lower = np.tril_indices_from(corner, -1)
        corner[lower] = corner.T[lower]
        for right in range(end, size, _BLOCK):
            square[right : right + _BLOCK, start:end] = square[start:end, right : right + _BLOCK].T
