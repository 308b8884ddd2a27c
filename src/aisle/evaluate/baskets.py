"""Basket completion: one item of each basket is hidden, and must be found from the visible ones.

Legend of shapes: R baskets, V item rows.
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
from aisle.schema import DAY_MS

MIN_BASKET_ITEMS = 3


@dataclass(frozen=True)
class Basket:
    """The visible items of one basket and the hidden one, as item rows; ``order_id`` names it."""

    order_id: str
    visible: NDArray[np.int32]
    hidden: int

    def query(self, snapshot: Snapshot) -> Query:
        """What a cart with the visible items asks."""
        return Query.of_items(self.visible, now_ms=snapshot.until_ms, num_rows=snapshot.num_items)

    def eligible_V(self, candidates_V: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The candidates, without the visible items."""
        eligible = candidates_V.copy()
        eligible[self.visible] = False
        return eligible


def hide_one_of_each(log: ShopLog, window: Window, target: str, *, most: int | None = None) -> Sequence[Basket]:
    """The baskets of known users in a window that have at least 3 candidate items, each with one item hidden.

    Orders and their items are taken in the order of their ids, and ``numpy.random.default_rng(0)`` draws the hidden
    position of each: anyone who sorts the same way hides the same items.

    Args:
        log: The shop's history.
        window: Its snapshot says who and what is known; unknown users count here, unknown items do not.
        target: The event type that makes a basket.
        most: At most so many baskets, spread evenly (for fitting weights).
    """
    snapshot = window.snapshot
    until_ms = snapshot.until_ms + window.horizon_days * DAY_MS
    lines = log.during(snapshot, until_ms, target)
    is_candidate = pl.Series(window.candidates_V[lines["item"].to_numpy()], dtype=pl.Boolean)
    lines = lines.filter(pl.col("has_user") & is_candidate)
    ids = pl.Series(snapshot.item_ids, dtype=pl.String)
    baskets = (
        lines.with_columns(
            item_id=ids.gather(lines["item"]), key=pl.coalesce("order_id", pl.col("basket").cast(pl.String))
        )
        .select("key", "item_id", "item")
        .unique()
        .sort("key", "item_id")
        .group_by("key", maintain_order=True)
        .agg("item")
        .filter(pl.col("item").list.len() >= MIN_BASKET_ITEMS)
    )
    draw = np.random.default_rng(0)
    cases = []
    for key, items in baskets.iter_rows():
        rows = np.array(items, np.int32)
        hidden = int(draw.integers(len(rows)))
        cases.append(Basket(key, np.delete(rows, hidden), int(rows[hidden])))
    if most is not None and len(cases) > most:
        cases = [cases[at] for at in np.linspace(0, len(cases) - 1, most).astype(int)]
    return cases
