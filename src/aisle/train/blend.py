"""Fit the weights of a blend: coordinate ascent on NDCG@20 itself.

Source: Metzler and Croft, "Linear feature-based models for information retrieval", Information Retrieval 2007.

Legend of shapes: R questions, K candidates, S sources.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aisle.pipeline import Blend
from aisle.train.examples import Examples

CUTOFF = 20
#: A weight is tried at these multiples of its value (or of 0.05 where it is 0).
FACTORS = (0.0, 0.4, 0.7, 1.5, 2.5, 5.0)
MAX_ROUNDS = 6
MIN_GAIN = 1e-5


def fit_blend(sources: Sequence[str], examples: Sequence[Examples], *, seed: int) -> Blend:
    """The weights that order the examples' candidates best.

    Args:
        sources: Names of the S sources.
        examples: One set per validation window; their mean NDCG@20 counts, each window alike.
        seed: Orders the coordinates.

    Returns:
        Weights that sum to 1. With no example that has a right candidate, all sources weigh the same.
    """
    parts = [part for part in (_compact(one) for one in examples) if len(part.num_targets_R)]
    weights = np.full(len(sources), 1.0 / len(sources))
    if not parts:
        return Blend(dict(zip(sources, weights.tolist(), strict=True)))
    best = _mean_ndcg(parts, weights)
    draw = np.random.default_rng(seed)
    for _ in range(MAX_ROUNDS):
        before = best
        for source in draw.permutation(len(sources)):
            weights, best = _try(parts, weights, int(source), best)
        if best - before < MIN_GAIN:
            break
    weights /= weights.sum()
    return Blend(dict(zip(sources, weights.tolist(), strict=True)))


def _try(
    parts: Sequence[Examples], weights: NDArray[np.float64], source: int, best: float
) -> tuple[NDArray[np.float64], float]:
    value = weights[source] if weights[source] > 0 else 0.05 * weights.max()
    chosen = weights
    for factor in FACTORS:
        tried = weights.copy()
        tried[source] = value * factor
        if tried.sum() > 0 and (reached := _mean_ndcg(parts, tried)) > best + MIN_GAIN:
            chosen, best = tried, reached
    return chosen, best


def _mean_ndcg(parts: Sequence[Examples], weights_S: NDArray[np.float64]) -> float:
    return float(np.mean([ndcg_of_scores(part, part.features_RKS @ weights_S.astype(np.float32)) for part in parts]))


def ndcg_of_scores(examples: Examples, scores_RK: NDArray[np.float32]) -> float:
    """Mean NDCG@20 of candidates ordered by score; targets that are no candidate are missed."""
    top = min(CUTOFF, scores_RK.shape[1])
    best = np.argpartition(-scores_RK, top - 1, axis=1)[:, :top]
    order = np.argsort(-np.take_along_axis(scores_RK, best, 1), axis=1, kind="stable")
    hits = np.take_along_axis(examples.labels_RK, np.take_along_axis(best, order, 1), 1)
    discount = 1 / np.log2(np.arange(2, CUTOFF + 2))
    ideal = np.cumsum(discount)[np.minimum(examples.num_targets_R, CUTOFF) - 1]
    return float((hits @ discount[:top] / ideal).mean())


def _compact(examples: Examples) -> Examples:
    """Questions without a right candidate score 0 whatever the weights: they are left out of the search."""
    kept = examples.labels_RK.any(axis=1)
    return Examples(examples.features_RKS[kept], examples.labels_RK[kept], examples.num_targets_R[kept])
