"""A simulated shop in one call: items and events whose truth is known.

It stands in where no real data is at hand, and lets a test ask whether a method finds what is there. It says nothing
about real shops. What is in it: ``docs/simulator.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from aisle.data.simulator import CATEGORIES, START, Truth, World, simulate_history, truth_of
from aisle.data.simulator.item_records import item_records

__all__ = ["CATEGORIES", "START", "Simulated", "Truth", "simulate_shop"]


@dataclass(frozen=True)
class Simulated:
    """Items and events in Aisle's own fields, and the truth behind them."""

    items: pl.DataFrame
    events: pl.DataFrame
    truth: Truth


def simulate_shop(
    num_users: int = 300, num_items: int = 120, num_days: int = 120, seed: int = 0, *, impressions: bool = True
) -> Simulated:
    """Simulate a shop; the same arguments give the same shop.

    Args:
        num_users: At least 1.
        num_items: At least 20.
        num_days: At least 1.
        seed: Any number from 0.
        impressions: Whether events tell what was shown, ten per visit and most of all events; all else stays the same.
    """
    world = World.draw(num_users, num_items, num_days, seed)
    history = simulate_history(world, num_days, impressions=impressions)
    return Simulated(item_records(world), history.events, truth_of(world, history))
