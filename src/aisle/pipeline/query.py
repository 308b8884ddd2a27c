"""A question in rows: what a visitor did (or the items of a page or a cart), ready for every generator.

Legend of shapes: n profile entries, V item rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aisle.schema import DAY_MS

#: A longer pause between two events ends a visit.
VISIT_PAUSE_MS = 30 * 60 * 1000


@dataclass(frozen=True)
class Query:
    """What the generators may look at.

    Attributes:
        now_ms: The time of asking, on the workspace's clock.
        num_rows: V, the number of item rows scores are wanted for (the bundle's, and newer items behind them).
        rows_n: Item rows of the profile, oldest first; a row may occur several times.
        times_ms_n: When each happened.
        strengths_n: How much each says (1: a purchase), from the recipe's ``signals``.
        taken_n: Whether each was the event that the shop wants (a purchase).
        quantities_n: Pieces; NaN: not told.
        prices_n: Of one piece; NaN: not told.
        user_id: Who asks, where the fit may know them; ``None``: nobody whom it could know.
    """

    now_ms: int
    num_rows: int
    rows_n: NDArray[np.int32]
    times_ms_n: NDArray[np.int64]
    strengths_n: NDArray[np.float32]
    taken_n: NDArray[np.bool_]
    quantities_n: NDArray[np.float64]
    prices_n: NDArray[np.float64]
    user_id: str | None = None

    @classmethod
    def of_items(cls, rows: NDArray[np.int32], *, now_ms: int, num_rows: int, user_id: str | None = None) -> Query:
        """The query of a page or a cart: its items, all of them now and equally strong."""
        n = len(rows)
        return cls(
            now_ms,
            num_rows,
            rows.astype(np.int32),
            np.full(n, now_ms, np.int64),
            np.ones(n, np.float32),
            np.ones(n, np.bool_),
            np.full(n, np.nan),
            np.full(n, np.nan),
            user_id,
        )

    def latest_visit(self) -> Query:
        """The entries since the visitor's last pause of more than half an hour, however long ago that was."""
        pauses = np.flatnonzero(np.diff(self.times_ms_n) > VISIT_PAUSE_MS)
        kept = slice(int(pauses[-1]) + 1 if len(pauses) else 0, None)
        return replace(
            self,
            rows_n=self.rows_n[kept],
            times_ms_n=self.times_ms_n[kept],
            strengths_n=self.strengths_n[kept],
            taken_n=self.taken_n[kept],
            quantities_n=self.quantities_n[kept],
            prices_n=self.prices_n[kept],
        )

    @cached_property
    def ages_days_n(self) -> NDArray[np.float64]:
        """Days since each profile entry; an event stamped in the future has age 0."""
        return np.maximum(self.now_ms - self.times_ms_n, 0) / DAY_MS

    def profile(self, half_life_days: float | None, max_items: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The distinct items of the profile with one weight each: the greatest decayed strength of its events.

        Args:
            half_life_days: Strengths halve in this time; ``None``: they do not decay.
            max_items: Only the items with the greatest weights are kept.

        Returns:
            Rows and weights, in the order of rows.
        """
        weights = self.strengths_n.astype(np.float64)
        if half_life_days is not None:
            weights = weights * np.exp2(-self.ages_days_n / half_life_days)
        rows, inverse = np.unique(self.rows_n, return_inverse=True)
        strongest = np.zeros(len(rows))
        np.maximum.at(strongest, inverse, weights)
        if len(rows) > max_items:
            kept = np.sort(np.argpartition(-strongest, max_items)[:max_items])
            rows, strongest = rows[kept], strongest[kept]
        return rows, strongest.astype(np.float32)
