"""Items taken together: cosine or lift of co-occurrence counts, decayed by the age of the basket.

Source: Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001 (cosine); Brin et al.,
"Dynamic itemset counting and implication rules for market basket data", SIGMOD 1997 (lift, there "interest").
Deviations: counts are decayed; both are shrunk towards 0 where an item pair is rare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.data.snapshots import Snapshot
from aisle.pipeline.generators import NeighbourGenerator
from aisle.recipe.generators import CooccurrenceSpec, Similarity
from aisle.retrieval.lists import lists_from_sparse
from aisle.retrieval.matrices import Signals, interaction_matrix

#: A row fades no further: at 0 its pairs would be lost from one count and not from the other.
MIN_ROW_WEIGHT = 2.0**-30


def fit_cooccurrence(
    name: str, spec: CooccurrenceSpec, snapshot: Snapshot, signals: Signals
) -> list[NeighbourGenerator]:
    """Neighbour lists and one source per similarity."""
    taken, ages = interaction_matrix(snapshot, signals, over=spec.over)
    row_weights = np.ones(len(ages)) if spec.half_life_days is None else np.exp2(-ages / spec.half_life_days)
    pairs = count_pairs(taken, row_weights, spec.min_together)
    return [
        NeighbourGenerator(
            f"{name}_{similarity}",
            lists_from_sparse(pair_similarity(pairs, similarity, spec.shrinkage), spec.top_n),
            lists_name=f"{name}_{similarity}",
            half_life_days=spec.history_half_life_days,
            reason="Often bought together with {item}",
        )
        for similarity in spec.similarity
    ]


@dataclass(frozen=True)
class Pairs:
    """Decayed counts of items and of pairs of items.

    Attributes:
        together: [V, V], how often two items were together; the diagonal is empty, rare pairs are left out.
        alone_V: How often each item occurred.
        total: The weight of all rows.
    """

    together: sparse.coo_matrix
    alone_V: NDArray[np.float64]
    total: float


def count_pairs(taken: sparse.csr_matrix, row_weights: NDArray[np.float64], min_together: int) -> Pairs:
    """Count the pairs that were together in ``min_together`` rows or more, each row with its weight."""
    binary = taken.copy()
    binary.data = np.ones_like(binary.data)
    row_weights = np.maximum(row_weights, MIN_ROW_WEIGHT)
    weighted = sparse.diags_array(row_weights.astype(np.float32)) @ binary
    together = sparse.csr_matrix(binary.T @ weighted)
    counts = sparse.csr_matrix(binary.T @ binary)
    together.sort_indices()
    counts.sort_indices()
    pairs = together.tocoo()
    kept = (counts.data >= min_together) & (pairs.row != pairs.col)
    frequent = sparse.coo_matrix((pairs.data[kept], (pairs.row[kept], pairs.col[kept])), shape=together.shape)
    return Pairs(frequent, together.diagonal().astype(np.float64), float(row_weights.sum()))


def pair_similarity(pairs: Pairs, similarity: Similarity, shrinkage: float) -> sparse.csr_matrix:
    """Cosine: c(a, b) / sqrt(c(a) c(b)); lift: c(a, b) n / (c(a) c(b)); both times c(a, b) / (c(a, b) + shrinkage)."""
    a, b, weight = pairs.together.row, pairs.together.col, pairs.together.data.astype(np.float64)
    product = pairs.alone_V[a] * pairs.alone_V[b]
    values = weight / np.sqrt(product) if similarity == "cosine" else weight * pairs.total / product
    values *= weight / (weight + shrinkage)
    return sparse.csr_matrix((values.astype(np.float32), (a, b)), shape=pairs.together.shape)
