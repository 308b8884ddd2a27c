"""Fit the weights of a blend: coordinate ascent on NDCG@20 itself.

Source: Metzler and Croft, "Linear feature-based models for information retrieval", Information Retrieval 2007.

Legend of shapes: R questions, K candidates, S sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.pipeline import Blend
from aisle.train.shop.blend_examples import Examples

CUTOFF = 20
#: A weight is tried at these multiples of its value (or of 0.05 where it is 0).
FACTORS = (0.0, 0.4, 0.7, 1.5, 2.5, 5.0)
MAX_ROUNDS = 6
MAX_QUESTIONS = 1000
MIN_GAIN = 1e-5
_DISCOUNT = 1 / np.log2(np.arange(2, CUTOFF + 2))


def fit_blend(sources: Sequence[str], examples: Sequence[Examples], *, seed: int) -> Blend:
    """The weights that order the examples' candidates best.

    Args:
        sources: Names of the S sources.
        examples: One set per validation window; their mean NDCG@20 counts, each window alike.
        seed: Orders the coordinates, and draws the questions where there are more than enough.

    Returns:
        Weights that sum to 1; 0 for a source that says nothing of any example. With no example that has a right
        candidate, all sources weigh the same.
    """
    draw = np.random.default_rng(seed)
    parts = [part for part in (_Search.of(one, draw) for one in examples) if part is not None]
    if not parts:
        return Blend(dict.fromkeys(sources, 1.0 / len(sources)))
    speaks = np.any([part.features_SRK.any(axis=(1, 2)) for part in parts], axis=0)
    weights = speaks / speaks.sum()
    best = _mean_ndcg([part.ndcg(part.scores(weights)) for part in parts])
    for _ in range(MAX_ROUNDS):
        before = best
        for source in draw.permutation(np.flatnonzero(speaks)):
            weights, best = _try(parts, weights, int(source), best)
        if best - before < MIN_GAIN:
            break
    weights /= weights.sum()
    return Blend(dict(zip(sources, weights.tolist(), strict=True)))


def _try(
    parts: Sequence[_Search], weights: NDArray[np.float64], source: int, best: float
) -> tuple[NDArray[np.float64], float]:
    """The best of the tried values of one weight, the others held."""
    without = weights.copy()
    without[source] = 0
    rest = [part.scores(without) for part in parts]
    value = weights[source] if weights[source] > 0 else 0.05 * weights.max()
    chosen = weights
    for factor in FACTORS:
        tried = without.copy()
        tried[source] = value * factor
        if tried.sum() <= 0:
            continue
        reached = _mean_ndcg(
            [
                part.ndcg(scores_RK + np.float32(tried[source]) * part.features_SRK[source])
                for part, scores_RK in zip(parts, rest, strict=True)
            ]
        )
        if reached > best + MIN_GAIN:
            chosen, best = tried, reached
    return chosen, best


def _mean_ndcg(values: Sequence[float]) -> float:
    return float(np.mean(values))


@dataclass(frozen=True)
class _Search:
    """Examples laid out for the search: one plane per source."""

    features_SRK: NDArray[np.float32]
    labels_RK: NDArray[np.bool_]
    ideal_R: NDArray[np.float64]

    @classmethod
    def of(cls, examples: Examples, draw: np.random.Generator) -> _Search | None:
        """Questions without a right candidate score 0 whatever the weights: they are left out."""
        kept = np.flatnonzero(examples.labels_RK.any(axis=1))
        if len(kept) == 0:
            return None
        if len(kept) > MAX_QUESTIONS:
            kept = np.sort(draw.choice(kept, MAX_QUESTIONS, replace=False))
        planes = np.ascontiguousarray(np.moveaxis(examples.features_RKS[kept], 2, 0))
        ideal = np.cumsum(_DISCOUNT)[np.minimum(examples.num_targets_R[kept], CUTOFF) - 1]
        return cls(planes, examples.labels_RK[kept], ideal)

    def scores(self, weights_S: NDArray[np.float64]) -> NDArray[np.float32]:
        """The blend's scores [R, K]."""
        result: NDArray[np.float32] = np.tensordot(weights_S.astype(np.float32), self.features_SRK, axes=1)
        return result

    def ndcg(self, scores_RK: NDArray[np.float32]) -> float:
        """Mean NDCG@20 of candidates ordered by score; targets that are no candidate are missed."""
        top = min(CUTOFF, scores_RK.shape[1])
        best = np.argpartition(-scores_RK, top - 1, axis=1)[:, :top]
        order = np.argsort(-np.take_along_axis(scores_RK, best, 1), axis=1, kind="stable")
        hits = np.take_along_axis(self.labels_RK, np.take_along_axis(best, order, 1), 1)
        return float((hits @ _DISCOUNT[:top] / self.ideal_R).mean())
