"""What a visitor bought before: by frequency and recency, or by whether the item's repurchase interval is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline.generators.contract import Candidates, top_candidates
from aisle.pipeline.query import Query

RepeatScore = Literal["recency", "due"]
#: Spread of the due score, in natural logarithms of age / interval: at e times the interval it has fallen to 0.61.
DUE_SPREAD = 1.0
MIN_AGE_DAYS = 1.0


class RepeatGenerator:
    """Own purchases, scored again.

    ``recency``: the sum over purchases of 2^(-age / half-life); a long half-life is frequency. ``due``: the logarithm
    of the number of purchases, times a bell curve of ln(age of the last one / the item's repurchase interval).

    Args:
        name: The source's name in answers.
        score: Which of the two.
        half_life_days: Of ``recency``.
        interval_days_V: Of ``due``: the fitted repurchase interval of each item row.
    """

    kind = "repeats"

    def __init__(
        self,
        name: str,
        *,
        score: RepeatScore,
        half_life_days: float | None = None,
        interval_days_V: NDArray[np.float32] | None = None,
    ) -> None:
        if score == "due" and interval_days_V is None:
            raise ValueError("expected interval_days_V for the score 'due', received none; fit the intervals first")
        self.name = name
        self._score = score
        self._half_life_days = half_life_days
        self._interval_days_V = interval_days_V

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """The visitor's own items, best first."""
        rows, ages = query.rows_n[query.taken_n], query.ages_days_n[query.taken_n]
        scores = self._due(rows, ages, query.num_rows) if self._score == "due" else self._recency(rows, ages, query)
        return top_candidates(scores, k, eligible_V)

    def _recency(self, rows: NDArray[np.int32], ages: NDArray[np.float64], query: Query) -> NDArray[np.float32]:
        weights = np.ones(len(rows)) if self._half_life_days is None else np.exp2(-ages / self._half_life_days)
        return np.bincount(rows, weights, minlength=query.num_rows).astype(np.float32)

    def _due(self, rows: NDArray[np.int32], ages: NDArray[np.float64], num_rows: int) -> NDArray[np.float32]:
        assert self._interval_days_V is not None
        scores = np.zeros(num_rows, np.float32)
        own, inverse = np.unique(rows, return_inverse=True)
        inside = own < len(self._interval_days_V)
        last_age = np.full(len(own), np.inf)
        np.minimum.at(last_age, inverse, ages)
        interval = self._interval_days_V[own[inside]]
        lateness = np.log(np.maximum(last_age[inside], MIN_AGE_DAYS) / interval) / DUE_SPREAD
        frequency = np.log2(1 + np.bincount(inverse, minlength=len(own)))[inside]
        scores[own[inside]] = frequency * np.exp(-0.5 * lateness**2)
        return scores

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        """Bought before, or due again."""
        if self._score == "due":
            return "You may be running out of it", None
        return "You bought this before", None

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        """Write the intervals, if any."""
        folder = None
        if self._interval_days_V is not None:
            folder = f"generators/{self.name}"
            writer.write_arrays(folder, {"interval_days": self._interval_days_V})
        return {"arrays": folder, "score": self._score, "half_life_days": self._half_life_days}

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        """Read what was saved."""
        folder = parameters["arrays"]
        intervals = bundle.read_arrays(folder)["interval_days"] if folder else None
        return cls(
            name, score=parameters["score"], half_life_days=parameters["half_life_days"], interval_days_V=intervals
        )
