"""Sparse matrices of who took what, from a snapshot.

Legend of shapes: R rows (users, visitors or baskets), V item rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from aisle.data.snapshots import Snapshot
from aisle.recipe.generators import Over


@dataclass(frozen=True)
class Signals:
    """How strongly each event type speaks for an item (a purchase: 1), and which type the shop wants."""

    strengths: Mapping[str, float]
    target: str


def signal_events(snapshot: Snapshot, signals: Signals) -> pl.DataFrame:
    """The snapshot's events that speak for an item, with ``strength``, ``age_days`` and ``visitor``.

    ``visitor`` numbers users and, where the user is not known, sessions.
    """
    strengths = {kind: strength for kind, strength in signals.strengths.items() if strength > 0}
    events = snapshot.of_type(*strengths).filter(pl.col("item") > 0)
    visitor = pl.when(pl.col("user") > 0).then(pl.lit("u") + pl.col("user").cast(pl.String))
    return events.with_columns(
        strength=pl.col("type").replace_strict(strengths, return_dtype=pl.Float64),
        age_days=pl.Series(snapshot.age_days(events), dtype=pl.Float64),
        visitor=(visitor.otherwise(pl.lit("s") + pl.col("session_id")).rank("dense") - 1).cast(pl.Int32).fill_null(-1),
    )


def interaction_matrix(
    snapshot: Snapshot, signals: Signals, *, over: Over
) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    """Who took what: 1 times the strongest signal, whatever the number of times.

    Args:
        snapshot: What may be known.
        signals: Strengths of event types.
        over: What a row is: ``users`` (known ones only), ``visitors`` (users and anonymous sessions), ``baskets``.

    Returns:
        The matrix [R, V] in float32, and the age in days of each row's last event.
    """
    key = {"users": "user", "visitors": "visitor", "baskets": "basket"}[over]
    events = signal_events(snapshot, signals).filter(pl.col(key) > (0 if over == "users" else -1))
    cells = events.group_by(key, "item").agg(pl.col("strength").max(), pl.col("age_days").min())
    row_codes = (cells[key].rank("dense") - 1).cast(pl.Int64).to_numpy()
    num_rows = int(row_codes.max(initial=-1)) + 1
    values = cells["strength"].to_numpy().astype(np.float32)
    matrix = sparse.csr_matrix(
        (values, (row_codes, cells["item"].to_numpy())), shape=(num_rows, snapshot.num_items), dtype=np.float32
    )
    ages = np.full(num_rows, np.inf)
    np.minimum.at(ages, row_codes, cells["age_days"].to_numpy())
    return matrix, ages
