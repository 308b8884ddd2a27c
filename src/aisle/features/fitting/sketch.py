"""A sketch of a distribution that merges in any order to the same result and answers quantiles with a stated error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

#: After collapsing, each order statistic is within this share of its true value.
RELATIVE_ERROR = 0.001
_MAX_DISTINCT = 4096
_LOG_GAMMA = float(np.log1p(RELATIVE_ERROR) - np.log1p(-RELATIVE_ERROR))
_LOG_CENTRE = float(np.log1p(-RELATIVE_ERROR))  # from the upper border of an interval to the value that stands for it


def _no_floats() -> NDArray[np.float64]:
    return np.empty(0, np.float64)


def _no_counts() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class QuantileSketch:
    """Weighted values, exact up to ``max_distinct`` different ones, thereafter in intervals of growing width.

    Beyond that number every value is replaced by one that stands for its interval ``(g^(i-1), g^i]``, with
    ``g = (1 + error) / (1 - error)`` (DDSketch: Masson, Rim and Lee, 2019), so each order statistic is within
    :data:`RELATIVE_ERROR` of the truth. At most 1.5 million intervals cover all floats; some thousands are usual.
    Whether to collapse depends on the number of different values alone, so the order of merging changes nothing.
    """

    values: NDArray[np.float64] = field(default_factory=_no_floats)
    counts: NDArray[np.int64] = field(default_factory=_no_counts)
    exact: bool = True
    max_distinct: int = _MAX_DISTINCT

    @classmethod
    def of(cls, values: NDArray[np.float64], max_distinct: int = _MAX_DISTINCT) -> QuantileSketch:
        """The sketch of finite values."""
        return _sketch(values, np.ones(len(values), np.int64), True, max_distinct)

    def merge(self, other: QuantileSketch) -> QuantileSketch:
        """The sketch of both together."""
        values = np.concatenate([self.values, other.values])
        counts = np.concatenate([self.counts, other.counts])
        limit = min(self.max_distinct, other.max_distinct)
        return _sketch(values, counts, self.exact and other.exact, limit)

    @property
    def count(self) -> int:
        """How many values were seen."""
        return int(self.counts.sum())

    def quantiles(self, shares: Sequence[float]) -> NDArray[np.float64]:
        """The values below which these shares lie, interpolated between neighbours as NumPy does.

        Raises:
            ValueError: nothing was seen.
        """
        if not len(self.values):
            raise ValueError("quantiles: expected a sketch of at least one value, received an empty one")
        cumulative = np.cumsum(self.counts)
        ranks = np.asarray(shares, np.float64) * (cumulative[-1] - 1)
        low = self.values[np.searchsorted(cumulative, np.floor(ranks), side="right")]
        high = self.values[np.searchsorted(cumulative, np.ceil(ranks), side="right")]
        share = ranks - np.floor(ranks)
        found: NDArray[np.float64] = np.where(low == high, low, low * (1 - share) + high * share)
        return found


def _sketch(values: NDArray[np.float64], counts: NDArray[np.int64], exact: bool, max_distinct: int) -> QuantileSketch:
    distinct, sums = _grouped(values + 0.0, counts)  # -0.0 + 0.0 is 0.0
    if exact and len(distinct) <= max_distinct:
        return QuantileSketch(distinct, sums, True, max_distinct)
    collapsed, sums = _grouped(_stand_ins(distinct), sums)
    return QuantileSketch(collapsed, sums, False, max_distinct)


def _grouped(values: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    distinct, places = np.unique(values, return_inverse=True)
    sums = np.zeros(len(distinct), np.int64)
    np.add.at(sums, places, counts)
    return distinct, sums


def _stand_ins(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each value the one that stands for its interval; a stand-in is its own stand-in."""
    sizes = np.abs(values)
    intervals = np.ceil(np.log(np.where(sizes > 0, sizes, 1.0)) / _LOG_GAMMA)
    with np.errstate(over="ignore", under="ignore"):
        centres = np.exp(intervals * _LOG_GAMMA + _LOG_CENTRE)
    return np.where(sizes > 0, np.copysign(np.minimum(centres, np.finfo(np.float64).max), values), 0.0)
