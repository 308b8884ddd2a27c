"""Next-item ridge: linear regression of the next item on the decayed items before it, in closed form.

Source: the transition half (SLIT) of Choi et al., "Session-aware linear item-item models for session-based
recommendation", WWW 2021: B = (X'X + l2 I)^-1 X'Y.
Deviations: Y is the one next item, not all that follow; nothing is weighed by time but through the decay in X; of a
catalogue that does not fit into the given memory only the most frequent items are fitted.

Legend of shapes: E examples, V items, A items that are fitted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit
from aisle.errors import DataError
from aisle.pipeline.list_recommenders.interactions import negative_power, taken_matrix
from aisle.pipeline.list_recommenders.item_votes import ItemVotes
from aisle.progress import Progress, silent
from aisle.recipe.list_models.histories import HistorySpec
from aisle.recipe.list_models.transitions import NextItemRidgeSpec
from aisle.retrieval.ease import affordable_items
from aisle.retrieval.transitions.popularity import occurrences

#: So many entries of lists become examples at once.
_BLOCK = 200_000


def fit_next_item_ridge(
    spec: NextItemRidgeSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent
) -> ItemVotes:
    """The regression over all places of the training lists but the first of each.

    Raises:
        DataError: the equations cannot be solved; a greater ``l2`` helps.
    """
    item_rows_A = affordable_items(taken_matrix(split.train, split.num_items), spec.memory_gb)
    gram_AA, cross_AA = (np.zeros((len(item_rows_A),) * 2, np.float32, order="F") for _ in range(2))
    num_done = 0
    for before_EV, next_EV in examples(split.train, split.num_items, spec.history):
        progress("count pairs", num_done, len(split.train.items_E))
        before_EA, next_EA = before_EV[:, item_rows_A], next_EV[:, item_rows_A]
        _add(gram_AA, before_EA.T @ before_EA)
        _add(cross_AA, before_EA.T @ next_EA)
        num_done += before_EV.shape[0]
    progress("solve", 0, None)
    gram_AA[np.diag_indices_from(gram_AA)] += spec.l2
    _, votes_AA, info = lapack.sposv(gram_AA, cross_AA, lower=1, overwrite_a=1, overwrite_b=1)
    if info != 0:
        raise DataError(f"next-item-ridge: expected equations with one solution, LAPACK reports {info}; raise l2")
    occurrences_V = occurrences(split.train, split.num_items)
    votes_AA *= negative_power(occurrences_V[item_rows_A], spec.candidate_exponent)
    rows_A = None if len(item_rows_A) == split.num_items else item_rows_A
    return ItemVotes(np.ascontiguousarray(votes_AA), occurrences_V, spec.history, item_rows_A=rows_A)


def examples(
    lists: ItemLists, num_items: int, history: HistorySpec
) -> Iterator[tuple[sparse.csr_matrix, sparse.csr_matrix]]:
    """Blocks of weighted prefixes [E, V] and the items that came next [E, V], 1 each.

    A prefix has the weights of :func:`~aisle.pipeline.list_recommenders.weighted_histories.weighted_histories`.
    """
    position_E = lists.position_E
    reach = int(position_E.max(initial=0)) if history.last is None else history.last
    for start in range(0, len(position_E), _BLOCK):
        next_E = start + np.flatnonzero(position_E[start : start + _BLOCK] > 0)
        rows, columns, weights = [], [], []
        for distance in range(1, reach + 1):
            row_N = np.flatnonzero(position_E[next_E] >= distance)
            if len(row_N) == 0:
                break
            rows.append(row_N)
            columns.append(lists.items_E[next_E[row_N] - distance])
            weights.append(np.full(len(row_N), np.exp(-history.decay * (distance - 1)), np.float32))
        if rows:
            shape = (len(next_E), num_items)
            yield _matrix(rows, columns, weights, shape), _one_each(lists.items_E[next_E], shape)


def _matrix(
    rows: list[NDArray[np.int64]],
    columns: list[NDArray[np.int32]],
    weights: list[NDArray[np.float32]],
    shape: tuple[int, int],
) -> sparse.csr_matrix:
    places = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix((np.concatenate(weights), places), shape=shape)


def _one_each(columns_E: NDArray[np.int32], shape: tuple[int, int]) -> sparse.csr_matrix:
    ones_E = np.ones(len(columns_E), np.float32)
    return sparse.csr_matrix((ones_E, columns_E, np.arange(len(columns_E) + 1)), shape=shape)


def _add(total_AA: NDArray[np.float32], part_AA: sparse.csr_matrix) -> None:
    """Add a sparse matrix in place; a pair stands in it once."""
    entries = part_AA.tocoo()
    total_AA[entries.row, entries.col] += entries.data
