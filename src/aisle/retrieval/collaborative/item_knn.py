"""Item-based neighbours: an item is recommended for what the same users took besides, whatever the order.

Source: Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001; Deshpande and Karypis,
"Item-based top-N recommendation algorithms", TOIS 2004; the asymmetric cosine: Aiolli, "Efficient top-N recommendation
for very large scale binary rated datasets", RecSys 2013.
Deviations: interactions are binary, and the votes of a history are added up. Users who took much can count for less,
as where a user's row is divided by its length; by default all neighbours vote.

Legend of shapes: R users, V items.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from aisle.data.questions import ListSplit
from aisle.pipeline.list_recommenders.interactions import (
    WEIGHTINGS,
    column_sums,
    negative_power,
    row_sums,
    scaled,
    taken_matrix,
)
from aisle.pipeline.list_recommenders.linear import LinearRecommender
from aisle.progress import Progress, silent
from aisle.recipe.list_models.collaborative import ItemKnnSpec
from aisle.retrieval.lists import lists_from_sparse


def fit_item_knn(
    spec: ItemKnnSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent
) -> LinearRecommender:
    """The votes of each item for the others, from the training lists; nothing is drawn."""
    taken_RV = taken_matrix(split.train, split.num_items)
    progress("count pairs", 0, None)
    weights_VV = item_weights(spec, taken_RV)
    if spec.neighbours is not None:
        kept = lists_from_sparse(weights_VV, spec.neighbours)
        parts = (kept.weights, kept.neighbours, kept.offsets)
        weights_VV = sparse.csr_matrix(parts, shape=weights_VV.shape)
    return LinearRecommender(split.num_items, weights_AA=weights_VV)


def item_weights(spec: ItemKnnSpec, taken_RV: sparse.csr_matrix) -> sparse.csr_matrix:
    """Row i holds the votes of item i for the others [V, V]; none for itself."""
    weighted_RV = WEIGHTINGS[spec.weighting](taken_RV)
    users_R = negative_power(row_sums(taken_RV), spec.user_exponent)
    squared_V = column_sums(weighted_RV.multiply(weighted_RV).tocsr())
    history_V = negative_power(squared_V, spec.history_exponent)
    candidate_V = negative_power(squared_V, spec.candidate_exponent)
    weights_VV = scaled(users_R, weighted_RV, history_V).T.tocsr() @ scaled(None, weighted_RV, candidate_V)
    return without_diagonal(weights_VV)


def without_diagonal(weights_VV: sparse.csr_matrix) -> sparse.csr_matrix:
    """The matrix with no item voting for itself, columns in order; changes what is given."""
    row_E = np.repeat(np.arange(weights_VV.shape[0], dtype=np.int32), np.diff(weights_VV.indptr))
    weights_VV.data[row_E == weights_VV.indices] = 0
    weights_VV.eliminate_zeros()
    weights_VV.sort_indices()
    return weights_VV
