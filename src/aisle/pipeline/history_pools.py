"""Pools of a history: one weight per entry and half-life, and a few facts; the same in training and in serving.

Legend of shapes: B histories, N their entries one after the other, H half-lives, G facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Facts are logarithms of counts and days; divided by this they are about as large as the pooled vectors.
_FACT_SCALE = 5.0


@dataclass(frozen=True)
class HistoryPools:
    """How histories are pooled.

    Attributes:
        half_lives_days: One pool each: an entry's weight halves in this time; ``None``: it does not.
        max_entries: Only the last so many entries of a history are read.
    """

    half_lives_days: tuple[float | None, ...]
    max_entries: int

    @property
    def num_pools(self) -> int:
        """H."""
        return len(self.half_lives_days)

    @property
    def num_facts(self) -> int:
        """G: how many entries, the ages of the last and the first, and the sum of weights of each pool."""
        return 3 + self.num_pools

    def weigh(
        self,
        ages_days_N: NDArray[np.float64],
        strengths_N: NDArray[np.floating],
        starts_B: Sequence[int] | NDArray[np.int64],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights [H, N] that sum to 1 in each history, and facts [B, G].

        Args:
            ages_days_N: Days since each entry.
            strengths_N: How much each says; positive.
            starts_B: Where each history starts; none is empty.
        """
        starts = np.asarray(starts_B, np.int64)
        counts = np.diff(starts, append=len(ages_days_N))
        youngest = np.minimum.reduceat(ages_days_N, starts)
        since_last = ages_days_N - np.repeat(youngest, counts)
        facts = [counts, youngest, np.maximum.reduceat(ages_days_N, starts)]
        weights_HN = np.empty((self.num_pools, len(ages_days_N)), np.float32)
        for number, half_life in enumerate(self.half_lives_days):
            # Relative to the last entry: however old all are, the weights do not vanish.
            weights_N = strengths_N * (1.0 if half_life is None else np.exp2(-since_last / half_life))
            sums = np.add.reduceat(weights_N, starts)
            weights_HN[number] = weights_N / np.repeat(sums, counts)
            facts.append(sums if half_life is None else sums * np.exp2(-youngest / half_life))
        return weights_HN, (np.log1p(np.stack(facts, axis=1)) / _FACT_SCALE).astype(np.float32)
