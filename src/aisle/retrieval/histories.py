"""Visitors' histories as lists of items, in order: what models of sequences and transitions learn from a shop.

Legend of shapes: R lists, E entries of all lists together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.item_lists import ItemLists
from aisle.data.snapshots import Snapshot
from aisle.retrieval.matrices import Signals, signal_events


@dataclass(frozen=True)
class Histories:
    """One list per visitor (a user, or a session whose user is not known), oldest first.

    Attributes:
        items: Item rows of the snapshot.
        ages_days_E: How old each entry is.
        users_R: Whose each list is, a user row of the snapshot; 0: a session's.
        taken_E: Whether the shop's target event was among those that are one entry.
    """

    items: ItemLists
    ages_days_E: NDArray[np.float64]
    users_R: NDArray[np.int32]
    taken_E: NDArray[np.bool_]


def visitor_histories(snapshot: Snapshot, signals: Signals, *, min_events: int = 1) -> Histories:
    """All events that speak for an item, whatever their type; of an item several times in a row the first one.

    Events of one time stay in the order in which they arrived; lines of one type, item and time are one event, as they
    are in a request's profile.

    Args:
        snapshot: What may be known.
        signals: Strengths of event types.
        min_events: Items with fewer events are left out.
    """
    events = (
        signal_events(snapshot, signals)
        .filter(pl.col("visitor") >= 0)
        .unique(["visitor", "item", "time_ms", "type"], keep="first", maintain_order=True)
        .filter(pl.len().over("item") >= min_events)
        .select("visitor", "user", "item", "age_days", is_taken=pl.col("type") == signals.target)
        .sort("visitor", maintain_order=True)
    )
    is_same = (pl.col("visitor") == pl.col("visitor").shift(1)) & (pl.col("item") == pl.col("item").shift(1))
    is_first = ~is_same.fill_null(value=False)
    events = events.with_columns(pl.col("is_taken").any().over(is_first.cum_sum())).filter(is_first)
    sizes = np.bincount(events["visitor"].to_numpy())
    lists = ItemLists.of_sizes(sizes[sizes > 0], events["item"].to_numpy())
    users_R = events["user"].to_numpy()[lists.starts_R1[:-1]]
    return Histories(lists, events["age_days"].to_numpy(), users_R, events["is_taken"].to_numpy())


def pieces(lists: ItemLists, length: int) -> ItemLists:
    """Lists cut from their ends into pieces of at most ``length + 1`` entries; each begins with the last of another.

    So every entry but the first of a list follows others in exactly one piece.

    Raises:
        ValueError: the length is less than 1.
    """
    if length < 1:
        raise ValueError(f"length: expected 1 or more, received {length}")
    position_E = lists.position_E
    from_end_E = np.repeat(lists.sizes_R, lists.sizes_R) - 1 - position_E
    ends = np.flatnonzero((from_end_E % length == 0) & ((position_E > 0) | (from_end_E == 0)))
    sizes = np.minimum(position_E[ends], length) + 1
    places = np.arange(int(sizes.sum())) + np.repeat(ends + 1 - np.cumsum(sizes), sizes)
    return ItemLists.of_sizes(sizes, lists.items_E[places])
