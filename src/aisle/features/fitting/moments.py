"""Count, mean and sum of squared deviations of numbers, merged without cancellation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.errors import DataError


@dataclass(frozen=True)
class Moments:
    """What is kept of the numbers seen so far.

    Merged by the pairwise formula of Chan, Golub and LeVeque (1979): no large sums of squares are ever subtracted, so
    numbers far from zero lose nothing. The order of merging changes the last bits alone.
    """

    count: int = 0
    mean: float = 0.0
    squared_deviations: float = 0.0

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Moments:
        """The moments of finite values, by two passes over them."""
        if not len(values):
            return cls()
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            deviations = values - mean
            return cls(len(values), mean, float(np.dot(deviations, deviations)))

    def merge(self, other: Moments) -> Moments:
        """The moments of both together."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.count / count)
        between = gap * gap * (self.count * (other.count / count))
        return Moments(count, mean, self.squared_deviations + other.squared_deviations + between)

    @property
    def deviation(self) -> float:
        """The standard deviation of what was seen (divided by the count, not by one less)."""
        return math.sqrt(self.squared_deviations / self.count) if self.count else 0.0

    def checked(self, column: str) -> Moments:
        """Itself.

        Raises:
            DataError: the numbers were so large that their moments overflow.
        """
        if not (math.isfinite(self.mean) and math.isfinite(self.squared_deviations)):
            raise DataError(
                f"column {column!r}: expected numbers whose squares are finite, received larger ones; "
                "take their logarithm first (operator log)"
            )
        return self
