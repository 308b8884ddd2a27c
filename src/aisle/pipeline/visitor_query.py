"""What a request asks about a visitor: the stored history in the rows of the model that answers."""

from __future__ import annotations

import math

import numpy as np

from aisle.pipeline.catalogue import Catalogue
from aisle.pipeline.pipeline import Pipeline
from aisle.pipeline.query import Query
from aisle.store.contract import HistoryRows


def visitor_query(
    pipeline: Pipeline, catalogue: Catalogue, history: HistoryRows, now_ms: int, user_id: str | None = None
) -> Query:
    """The visitor's events in rows, those of known items whose type says something.

    Repeated lines of an order are one entry: quantities are summed, the first price stands. Who asks is told where the
    history reaches back to what was fitted: others were not fitted, and of a user who was deleted there is nothing left
    from then, so that nobody who takes the same id again is answered by what the bundle still holds.
    """
    pieces: dict[tuple[str, str, int], float] = {}
    entries: list[tuple[int, int, float, bool, float]] = []
    for kind, item_id, time_ms, quantity, price in zip(
        history.types, history.item_ids, history.times_ms, history.quantities, history.prices, strict=True
    ):
        strength = pipeline.signals.get(kind, 0.0)
        row = catalogue.row_of.get(item_id)
        if strength <= 0 or row is None:
            continue
        key = (kind, item_id, time_ms)
        told = math.nan if quantity is None else quantity
        if key not in pieces:
            pieces[key] = told
            entries.append((row, time_ms, strength, kind == pipeline.target, math.nan if price is None else price))
        elif quantity is not None:
            pieces[key] = quantity if math.isnan(pieces[key]) else pieces[key] + quantity
    rows, times, strengths, taken, prices = zip(*entries, strict=True) if entries else ((), (), (), (), ())
    return Query(
        now_ms,
        catalogue.num_rows,
        np.array(rows, np.int32),
        np.array(times, np.int64),
        np.array(strengths, np.float32),
        np.array(taken, np.bool_),
        np.array(list(pieces.values()), np.float64),
        np.array(prices, np.float64),
        user_id if any(time_ms <= pipeline.last_event_ms for time_ms in history.times_ms) else None,
    )
