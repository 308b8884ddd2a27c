"""The next item of a visit: the last item of each visit is hidden, and must be found from those before it.

Legend of shapes: V item rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.snapshots import ShopLog, Snapshot
from aisle.evaluate.windows import Window
from aisle.pipeline import Query
from aisle.pipeline.query import VISIT_PAUSE_MS
from aisle.retrieval import Signals
from aisle.schema import DAY_MS


@dataclass(frozen=True)
class Visit:
    """What a visitor did before the item ``hidden`` came, which was not among it."""

    query: Query
    hidden: int

    def eligible_V(self, candidates_V: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The candidates, without what was there before."""
        eligible = candidates_V.copy()
        eligible[self.query.rows_n] = False
        return eligible


def hide_last_of_each(log: ShopLog, window: Window, signals: Signals, *, most: int | None = None) -> Sequence[Visit]:
    """The visits in a window that have at least two candidate items, each without the last item that is new in it.

    A visit ends with a pause of more than half an hour. Visitors are the users that the snapshot knows, and sessions.

    Args:
        log: The shop's history.
        window: Its snapshot says who and what is known.
        signals: Event types of positive strength count.
        most: At most so many visits, spread evenly.
    """
    strengths = {kind: strength for kind, strength in signals.strengths.items() if strength > 0}
    events = log.during(window.snapshot, window.snapshot.until_ms + window.horizon_days * DAY_MS, *strengths)
    is_candidate = pl.Series(window.candidates_V[events["item"].to_numpy()], dtype=pl.Boolean)
    user = pl.when(pl.col("user") > 0).then(pl.lit("u") + pl.col("user").cast(pl.String))
    visits = (
        events.filter(is_candidate)
        .with_columns(
            visitor=user.otherwise(pl.lit("s") + pl.col("session_id")),
            strength=pl.col("type").replace_strict(strengths, return_dtype=pl.Float32),
        )
        .drop_nulls("visitor")
        .sort("visitor", "time_ms", maintain_order=True)
        .with_columns(pause=pl.col("time_ms").diff().over("visitor").fill_null(0) > VISIT_PAUSE_MS)
        .with_columns(visit=pl.col("pause").cum_sum().over("visitor"))
        .filter(pl.col("item").n_unique().over("visitor", "visit") > 1)
        .partition_by("visitor", "visit", maintain_order=True)
    )
    if most is not None and len(visits) > most:
        visits = [visits[at] for at in np.linspace(0, len(visits) - 1, most).astype(int)]
    return [_visit(events, window.snapshot, signals.target) for events in visits]


def _visit(events: pl.DataFrame, snapshot: Snapshot, target: str) -> Visit:
    user = int(events["user"][0])
    rows = events["item"].to_numpy()
    first = np.unique(rows, return_index=True)[1]
    last_new = int(first.max())
    before = events.head(last_new)
    times_ms = before["time_ms"].to_numpy()
    untold = np.full(last_new, np.nan)
    query = Query(
        int(times_ms[-1]),
        snapshot.num_items,
        rows[:last_new].astype(np.int32),
        times_ms.astype(np.int64),
        before["strength"].to_numpy().astype(np.float32),
        (before["type"] == target).to_numpy().astype(np.bool_),
        untold,
        untold,
        snapshot.user_ids[user] if user > 0 else None,
    )
    return Visit(query, int(rows[last_new]))
