"""How sure a mean, or a difference of two methods on the same lists, is: bootstrap intervals over the lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLOCK_VALUES = 4_000_000  # bounds the memory of one block of resamples to 32 MB of row numbers


@dataclass(frozen=True)
class Interval:
    """A mean with its central interval."""

    mean: float
    low: float
    high: float


def bootstrap_mean(
    values_R: ArrayLike, *, num_resamples: int = 2000, seed: int = 0, confidence: float = 0.95
) -> Interval:
    """The mean of per-list values and its percentile bootstrap interval.

    Args:
        values_R: One value per list (user, basket), at least one, all finite.
        num_resamples: How many times R lists are drawn with replacement.
        seed: Same seed, same interval.
        confidence: The share of resampled means inside the interval, between 0 and 1.

    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    values_R = np.asarray(values_R, np.float64)
    if values_R.ndim != 1 or not values_R.size or not np.isfinite(values_R).all():
        raise ValueError(
            f"expected at least one finite value per list, received {values_R.size} in {values_R.ndim} dims"
        )
    if num_resamples < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"expected num_resamples >= 1 and confidence in (0, 1), received {num_resamples}, {confidence}"
        )
    means = _resampled_means(values_R, num_resamples, seed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(values_R.mean()), float(low), float(high))


def paired_bootstrap(
    a_R: ArrayLike, b_R: ArrayLike, *, num_resamples: int = 2000, seed: int = 0, confidence: float = 0.95
) -> Interval:
    """The mean of a - b and its interval, lists drawn in pairs: what both methods find hard cancels out.

    Args:
        a_R: Method a's value on each list.
        b_R: Method b's value on the same lists in the same order.
        num_resamples: See :func:`bootstrap_mean`.
        seed: See :func:`bootstrap_mean`.
        confidence: See :func:`bootstrap_mean`.
    """
    a_R, b_R = np.asarray(a_R, np.float64), np.asarray(b_R, np.float64)
    if a_R.shape != b_R.shape:
        raise ValueError(f"expected values of the same lists, received the shapes {a_R.shape} and {b_R.shape}")
    return bootstrap_mean(a_R - b_R, num_resamples=num_resamples, seed=seed, confidence=confidence)


def _resampled_means(values_R: NDArray[np.float64], num_resamples: int, seed: int) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    means = np.empty(num_resamples)
    block = max(1, _BLOCK_VALUES // values_R.size)
    for start in range(0, num_resamples, block):
        stop = min(start + block, num_resamples)
        drawn = generator.integers(0, values_R.size, (stop - start, values_R.size), dtype=np.int32)
        means[start:stop] = values_R[drawn].mean(axis=1)
    return means
