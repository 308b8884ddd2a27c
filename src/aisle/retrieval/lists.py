"""Neighbour lists from matrices of item-to-item weights: the strongest of each row are kept.

Legend of shapes: V item rows, A items that occur.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.pipeline.generators import NeighbourLists, greatest


def lists_from_dense(
    weights_AA: NDArray[np.float32], item_rows_A: NDArray[np.int64], num_items: int, top_n: int
) -> NeighbourLists:
    """Keep the ``top_n`` weights of greatest magnitude of each row (an item's votes for others)."""
    kept = min(top_n, len(item_rows_A))
    if kept < len(item_rows_A):
        order_AN = np.argpartition(-np.abs(weights_AA), kept - 1, axis=1)[:, :kept]
    else:
        order_AN = np.tile(np.arange(len(item_rows_A)), (len(item_rows_A), 1))
    order_AN = np.sort(order_AN, axis=1)
    weights_AN = np.take_along_axis(weights_AA, order_AN, axis=1)
    nonzero_AN = weights_AN != 0
    lengths = np.zeros(num_items, np.int64)
    lengths[item_rows_A] = nonzero_AN.sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    neighbours = item_rows_A[order_AN[nonzero_AN]].astype(np.int32)
    return NeighbourLists(offsets, neighbours, weights_AN[nonzero_AN].astype(np.float32))


def lists_from_sparse(weights_VV: sparse.csr_matrix, top_n: int) -> NeighbourLists:
    """Keep the ``top_n`` greatest weights of each row; equal ones at the border in the order of items."""
    kept = []
    starts = weights_VV.indptr
    for row in range(weights_VV.shape[0]):
        values = weights_VV.data[starts[row] : starts[row + 1]]
        kept.append(starts[row] + greatest(values, top_n))
    positions = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in kept])]).astype(np.int64)
    return NeighbourLists(
        offsets, weights_VV.indices[positions].astype(np.int32), weights_VV.data[positions].astype(np.float32)
    )
