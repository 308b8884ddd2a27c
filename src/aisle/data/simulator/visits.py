"""Visits to the simulated shop: when they happen, what is clicked in the list shown, what is found by browsing.

Legend of shapes: B visits, K positions of a list, L looks at things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.simulator.world import EXAMINATION, LOYALTY, World

_ANONYMOUS_SHARE = 0.15
_LOOKS = (2, 6)  # what a visitor finds by browsing; some of it does not suit and is passed over
_CURIOSITY = 0.02

#: What somebody looked at: ``position`` in the list shown, or -1; ``order`` sorts the looks of a visit.
LOOKS = pl.Schema(
    {"visit": pl.Int64, "item": pl.Int64, "position": pl.Int64, "order": pl.Float64, "is_bought": pl.Boolean}
)


@dataclass(frozen=True)
class Visits:
    """Who comes when.

    Attributes:
        user_B: The person, also of an anonymous visit.
        day_B: When, in days from the start.
        wanted_B: What the visit is for, or -1.
        is_known_B: Whether the visitor says who it is.
    """

    user_B: NDArray[np.int64]
    day_B: NDArray[np.float64]
    wanted_B: NDArray[np.int64]
    is_known_B: NDArray[np.bool_]

    def __len__(self) -> int:
        """B."""
        return len(self.user_B)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """These visits, in this order."""
        return type(self)(self.user_B[rows], self.day_B[rows], self.wanted_B[rows], self.is_known_B[rows])

    def then(self, other: Visits) -> Visits:
        """These visits and others."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Visits(*(np.concatenate(pair) for pair in pairs))


def draw_visits(world: World, from_day: float, until_day: float, generator: np.random.Generator) -> Visits:
    """The visits that nothing particular brings about, in the order of time."""
    people = world.people
    start_U = np.maximum(people.joined_day_U, from_day)
    number_U = generator.poisson(people.visits_per_day_U * np.maximum(until_day - start_U, 0.0))
    user_B = np.repeat(np.arange(people.num_users), number_U)
    day_B = start_U[user_B] + generator.random(len(user_B)) * (until_day - start_U[user_B])
    is_known_B = generator.random(len(user_B)) >= _ANONYMOUS_SHARE
    visits = Visits(user_B, day_B, np.full(len(user_B), -1), is_known_B)
    return visits.take(np.argsort(day_B, kind="stable"))


def returns_for(
    world: World,
    user_B: NDArray[np.int64],
    item_B: NDArray[np.int64],
    day_B: NDArray[np.float64],
    generator: np.random.Generator,
) -> Visits:
    """The visits of people who come back, again and again, for what is used up.

    Args:
        world: The truth.
        user_B: Who bought.
        item_B: Something that is used up, for the first time.
        day_B: And when.
        generator: Draws how long each package lasts, and when somebody stays away.

    Returns:
        In no particular order; visits behind the last day are left out.
    """
    days_B = world.assortment.repurchase_days_V[item_B]
    longest = int(world.num_days // (0.9 * max(int(days_B.min(initial=world.num_days)), 1))) + 1
    gaps_BN = days_B[:, None] * generator.uniform(0.9, 1.1, (len(user_B), longest))
    day_BN = day_B[:, None] + np.cumsum(gaps_BN, axis=1)
    stays_BN = np.cumprod(generator.random(gaps_BN.shape) < LOYALTY, axis=1).astype(bool)
    row, number = np.nonzero(stays_BN & (day_BN < world.num_days))
    return Visits(user_B[row], day_BN[row, number], item_B[row], np.ones(len(row), np.bool_))


def look(world: World, visits: Visits, item_BK: NDArray[np.int64], generator: np.random.Generator) -> pl.DataFrame:
    """What visitors look at and buy, apart from complements; :data:`LOOKS`.

    Args:
        world: The truth.
        visits: Who comes when.
        item_BK: The list shown to each.
        generator: Draws.
    """
    examined_BK = generator.random(item_BK.shape) < EXAMINATION
    clicked_BK = generator.random(item_BK.shape) < world.click_probability(visits.user_B, item_BK, visits.day_B)
    visit, position = np.nonzero(examined_BK & clicked_BK)
    found_visit, found = browse(world, visits, generator)
    is_there_B = world.assortment.is_sold(visits.wanted_B, visits.day_B)
    wanting = np.flatnonzero((visits.wanted_B >= 0) & is_there_B)
    visit_L = np.concatenate([visit, found_visit, wanting])
    item_L = np.concatenate([item_BK[visit, position], found, visits.wanted_B[wanting]])
    position_L = np.concatenate([position, np.full(len(found) + len(wanting), -1)])
    order_L = np.where(position_L >= 0, position_L, 100.0 + generator.random(len(visit_L)))
    buys_L = world.buy_probability(visits.user_B[visit_L], item_L[:, None])[:, 0]
    is_bought_L = generator.random(len(visit_L)) < buys_L
    is_bought_L[len(visit) + len(found) :] = True
    columns = (visit_L, item_L, position_L, order_L, is_bought_L)
    return pl.DataFrame(dict(zip(LOOKS, columns, strict=True)), schema=LOOKS)


def browse(world: World, visits: Visits, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What visitors find by themselves: by their taste a category, by its popularity a thing, and it must suit.

    Returns:
        Visit and item of each find.
    """
    assortment = world.assortment
    visit_L = np.repeat(np.arange(len(visits)), generator.integers(*_LOOKS, len(visits), endpoint=True))
    day_L, user_L = visits.day_B[visit_L], visits.user_B[visit_L]
    taste_LC = world.people.taste(user_L, day_L) + _CURIOSITY
    edges_LC = np.cumsum(taste_LC, axis=1)
    category_L = (edges_LC < generator.random(len(visit_L))[:, None] * edges_LC[:, -1:]).sum(axis=1)
    order_V = np.argsort(assortment.category_V, kind="stable")
    first_C = np.searchsorted(assortment.category_V[order_V], np.arange(edges_LC.shape[1] + 1))
    drawn_L, week_L, item_L = generator.random(len(visit_L)), world.week(day_L), np.zeros(len(visit_L), np.int64)
    for week in np.unique(week_L):
        at = np.flatnonzero(week_L == week)
        edges_V = np.concatenate([[0.0], np.cumsum(assortment.popularity_WV[week, order_V])])
        low, high = edges_V[first_C[category_L[at]]], edges_V[first_C[category_L[at] + 1]]
        place = np.searchsorted(edges_V, low + drawn_L[at] * (high - low), side="right") - 1
        item_L[at] = order_V[np.clip(place, 0, len(order_V) - 1)]
    suits_L = generator.random(len(visit_L)) < 0.4 + 0.6 * world.fit(user_L, item_L[:, None])[:, 0]
    keep_L = suits_L & assortment.is_sold(item_L, day_L)
    return visit_L[keep_L], item_L[keep_L]
