"""Items taken together: cosine or lift of co-occurrence counts, decayed by the age of the basket.

Source: Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001 (cosine); Brin et al.,
"Dynamic itemset counting and implication rules for market basket data", SIGMOD 1997 (lift, there "interest").
Deviations: counts are decayed; both are shrunk towards 0 where an item pair is rare.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from aisle.data.snapshots import Snapshot
from aisle.pipeline.generators import NeighbourGenerator
from aisle.recipe.generators import CooccurrenceSpec, source_name
from aisle.retrieval.lists import lists_from_sparse
from aisle.retrieval.matrices import Signals, interaction_matrix


def fit_cooccurrence(
    name: str, spec: CooccurrenceSpec, snapshot: Snapshot, signals: Signals
) -> list[NeighbourGenerator]:
    """Neighbour lists by similarity, and one source per half-life of the asking history."""
    taken, ages = interaction_matrix(snapshot, signals, over=spec.over)
    row_weights = np.ones(len(ages)) if spec.half_life_days is None else np.exp2(-ages / spec.half_life_days)
    together = pair_similarity(taken, row_weights, spec)
    lists = lists_from_sparse(together, spec.top_n)
    return [
        NeighbourGenerator(
            source_name(name, half_life) if len(spec.history_half_life_days) > 1 else name,
            lists,
            lists_name=name,
            half_life_days=half_life,
            reason="Often bought together with {item}",
        )
        for half_life in spec.history_half_life_days
    ]


def pair_similarity(taken: sparse.csr_matrix, row_weights: np.ndarray, spec: CooccurrenceSpec) -> sparse.csr_matrix:
    """The similarity [V, V] of item pairs that were together in ``min_together`` rows or more; the diagonal is empty.

    Cosine: c(a, b) / sqrt(c(a) c(b)); lift: c(a, b) n / (c(a) c(b)), with n the weight of all rows. Both times
    c(a, b) / (c(a, b) + shrinkage).
    """
    binary = taken.copy()
    binary.data = np.ones_like(binary.data)
    weighted = sparse.diags_array(row_weights.astype(np.float32)) @ binary
    together = sparse.csr_matrix(binary.T @ weighted)
    counts = sparse.csr_matrix(binary.T @ binary)
    occurrences = together.diagonal()
    counts.sort_indices()
    together.sort_indices()
    pairs = together.tocoo()
    frequent = (counts.tocoo().data >= spec.min_together) & (pairs.row != pairs.col)
    a, b, weight = pairs.row[frequent], pairs.col[frequent], pairs.data[frequent].astype(np.float64)
    if spec.similarity == "cosine":
        similarity = weight / np.sqrt(occurrences[a] * occurrences[b])
    else:
        similarity = weight * row_weights.sum() / (occurrences[a] * occurrences[b])
    similarity *= weight / (weight + spec.shrinkage)
    return sparse.csr_matrix((similarity.astype(np.float32), (a, b)), shape=together.shape)
