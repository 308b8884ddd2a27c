"""Item-kNN over sessions with decay: items that stood in the same lists vote for each other, and each for itself.

Source: item-kNN of Hidasi et al., "Session-based recommendations with recurrent neural networks", ICLR 2016; the random
walk over items: Cooper et al., "Random walks in recommender systems: exact computation and simulations", WWW 2014.
Deviations: all items of a history vote and not the last alone; the exponents of the cosine are free; long and old lists
may count for less; a walk of two steps may be added.

Legend of shapes: R lists, V items, E pairs.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from aisle.data.questions import ListSplit
from aisle.pipeline.list_recommenders.interactions import (
    column_sums,
    negative_power,
    recency_weights,
    row_sums,
    scaled,
    taken_matrix,
)
from aisle.pipeline.list_recommenders.item_votes import ItemVotes
from aisle.pipeline.list_recommenders.sparse_rows import strongest_of_rows, without_diagonal
from aisle.progress import Progress, silent
from aisle.recipe.list_models.transitions import SessionItemKnnSpec

#: A walk ends at so many items for each neighbour that a step goes to.
_WIDER = 5
#: Walks of so many items are worked out at once.
_BLOCK = 1000


def fit_session_item_knn(
    spec: SessionItemKnnSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent
) -> ItemVotes:
    """The votes of the training lists; nothing is drawn."""
    taken_RV = taken_matrix(split.train, split.num_items)
    lists_V = column_sums(taken_RV)
    list_R = negative_power(row_sums(taken_RV), spec.list_exponent) * recency_weights(len(split.train), spec.recency)
    progress("count pairs", 0, None)
    together_VV = taken_RV.T.tocsr() @ scaled(list_R, taken_RV, None)
    history_V = negative_power(lists_V, spec.history_exponent)
    candidate_V = negative_power(lists_V, spec.candidate_exponent)
    votes_VV = scaled(history_V, together_VV, candidate_V)
    direct_VV = strongest_of_rows(votes_VV, spec.neighbours)
    if spec.second_step > 0:
        progress("walk", 0, None)
        direct_VV = direct_VV + second_step(votes_VV, spec.step_neighbours) * np.float32(spec.second_step)
    return ItemVotes(direct_VV.tocsr(), lists_V, spec.history)


def second_step(votes_VV: sparse.csr_matrix, neighbours: int) -> sparse.csr_matrix:
    """Where two steps lead, each to one of an item's strongest other neighbours.

    A step's weight is its vote over the root of all votes of the item it leaves and over that of the item it enters,
    so that items with many neighbours draw no more walks than others.
    """
    step_VV = strongest_of_rows(without_diagonal(votes_VV), neighbours)
    root_V = negative_power(row_sums(step_VV), 0.5)
    step_VV = scaled(root_V, step_VV, root_V)
    starts = range(0, step_VV.shape[0], _BLOCK)
    blocks = [
        strongest_of_rows((step_VV[start : start + _BLOCK] @ step_VV).tocsr(), _WIDER * neighbours) for start in starts
    ]
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))
