"""Neighbour lists from matrices of item-to-item weights: the strongest of each row are kept.

Legend of shapes: V item rows, A items that occur, R rows of a block, N kept weights of a row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.pipeline.generators import NeighbourLists, greatest

_BLOCK = 256


def lists_from_dense(
    weights_AA: NDArray[np.float32], item_rows_A: NDArray[np.int64], num_items: int, top_n: int
) -> NeighbourLists:
    """Keep the ``top_n`` weights of greatest magnitude of each row (an item's votes for others)."""
    kept_AA = strongest_weights(weights_AA, top_n)
    lengths = np.zeros(num_items, np.int64)
    lengths[item_rows_A] = np.diff(kept_AA.indptr)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return NeighbourLists(offsets, item_rows_A[kept_AA.indices].astype(np.int32), kept_AA.data)


def strongest_weights(weights_AA: NDArray[np.float32], top_n: int) -> sparse.csr_matrix:
    """The ``top_n`` weights of greatest magnitude of each row, without zeros, in the order of columns.

    A block of rows at a time, so that it takes little beside the matrix.
    """
    kept = min(top_n, weights_AA.shape[1])
    columns, values, sizes = [], [], []
    for start in range(0, len(weights_AA), _BLOCK):
        weights_RA = weights_AA[start : start + _BLOCK]
        if kept < weights_AA.shape[1]:
            order_RN = np.sort(np.argpartition(-np.abs(weights_RA), kept - 1, axis=1)[:, :kept], axis=1)
        else:
            order_RN = np.broadcast_to(np.arange(kept), weights_RA.shape)
        weights_RN = np.take_along_axis(weights_RA, order_RN, axis=1)
        is_weight_RN = weights_RN != 0
        columns.append(order_RN[is_weight_RN].astype(np.int32))
        values.append(weights_RN[is_weight_RN].astype(np.float32))
        sizes.append(is_weight_RN.sum(axis=1))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]) if sizes else np.zeros(1, np.int64)
    parts = [np.concatenate(part) if part else np.zeros(0, np.int32) for part in (values, columns)]
    return sparse.csr_matrix((*parts, starts), shape=weights_AA.shape)


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
