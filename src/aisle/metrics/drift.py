"""How far a distribution has moved since it was last looked at.

Shapes: B bins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

#: Added to each bin's count, so that an empty one is finite.
_PRIOR_COUNT = 0.5


def population_stability_index(expected_B: ArrayLike, observed_B: ArrayLike) -> float:
    """The sum over bins of (observed share - expected share) * ln(observed share / expected share).

    0 where the shares are equal; by custom below 0.1 is stable, and above 0.25 has changed. Each bin counts half an
    observation more. By chance alone it is about (B - 1) * (1 / expected observations + 1 / observed ones).

    Args:
        expected_B: How many observations each bin held then.
        observed_B: And now.

    Raises:
        ValueError: the bins are not the same, a count is negative, or there are none.

    Source: Siddiqi, "Credit Risk Scorecards", 2006; it is the divergence of Jeffreys, "An invariant form for the prior
    probability in estimation problems", 1946.

    Example:
        >>> round(population_stability_index([5000, 5000], [2500, 7500]), 3)
        0.275
    """
    counts = [np.asarray(counts, np.float64) for counts in (expected_B, observed_B)]
    if counts[0].ndim != 1 or not counts[0].size or counts[0].shape != counts[1].shape:
        raise ValueError(f"expected counts of the same bins, received {counts[0].shape} and {counts[1].shape}")
    if any((one < 0).any() or not np.isfinite(one).all() or not one.sum() for one in counts):
        raise ValueError("expected counts of 0 or more, and some above 0, received others")
    expected, observed = ((one + _PRIOR_COUNT) / (one + _PRIOR_COUNT).sum() for one in counts)
    return float(((observed - expected) * np.log(observed / expected)).sum())
