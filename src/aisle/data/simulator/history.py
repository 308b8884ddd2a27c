"""The history of a simulated shop under its own lists: all visits, what came of them, and the events that tell it.

Legend of shapes: B visits, K positions of a list, L looks at things.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.simulator.event_log import tell
from aisle.data.simulator.policy import Shown, show_lists
from aisle.data.simulator.visits import LOOKS, Visits, draw_visits, look, returns_for
from aisle.data.simulator.world import COMPLEMENT_SHARE, SATED, World

_HISTORY = 1  # names the random numbers drawn here


@dataclass(frozen=True)
class History:
    """What happened until a day.

    Attributes:
        events: In Aisle's own fields, in the order of time.
        visits: In the order of time.
        shown: The list of each visit.
        looks: ``aisle.data.simulator.visits.LOOKS``, with complements.
        waiting: Visits of people who will come back for what is used up, later than that day.
        bots: Sessions of programs that look at everything.
    """

    events: pl.DataFrame
    visits: Visits
    shown: Shown
    looks: pl.DataFrame
    waiting: Visits
    bots: tuple[str, ...]


def simulate_history(world: World, until_day: float, *, impressions: bool = True) -> History:
    """Open the shop and let it run under a policy of its own; the same world gives the same history.

    Args:
        world: The truth.
        until_day: When to stop; at most the world's ``num_days``.
        impressions: Whether events tell what was shown; all else stays the same without.
    """
    generator = world.generator(_HISTORY)
    visits, shown, looks, waiting = _live(world, until_day, generator)
    looks = _with_complements(world, visits, _sated(world, visits, looks, generator), generator)
    events, bots = tell(world, visits, shown, looks, generator, until_day=until_day, impressions=impressions)
    return History(events, visits, shown, looks, waiting, bots)


def _live(world: World, until_day: float, generator: np.random.Generator) -> tuple[Visits, Shown, pl.DataFrame, Visits]:
    """All visits: those by chance, those for what was used up, and those that these bring about in turn."""
    visits = draw_visits(world, 0.0, until_day, generator)
    waiting = visits.take(np.zeros(0, np.int64))
    shown = Shown(np.zeros((0, 0), np.int64), np.zeros((0, 0)))
    looks = pl.DataFrame(schema=LOOKS)
    news, started = visits, np.zeros(0, np.int64)
    while len(news):
        lists = show_lists(world, news.day_B, generator)
        seen = look(world, news, lists.item_BK, generator)
        user, item, day = _first_purchases(world, news, seen, started)
        started = np.concatenate([started, user * world.assortment.num_items + item])
        offset = len(visits) - len(news)
        looks = pl.concat([looks, seen.with_columns(pl.col("visit") + offset)])
        shown = lists if offset == 0 else _joined(shown, lists)
        returning = returns_for(world, user, item, day, generator)
        is_over = returning.day_B >= until_day
        news = returning.take(np.flatnonzero(~is_over))
        waiting = waiting.then(returning.take(np.flatnonzero(is_over)))
        visits = visits.then(news)
    return _in_order(visits, shown, looks, waiting)


def _first_purchases(
    world: World, visits: Visits, looks: pl.DataFrame, started: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Who bought something that is used up for the first time, and when; whoever came back for it did so before."""
    bought = looks.filter("is_bought")
    visit, item = bought["visit"].to_numpy(), bought["item"].to_numpy()
    user, day = visits.user_B[visit], visits.day_B[visit]
    code = user * world.assortment.num_items + item
    counts = ~world.lasts(item) & visits.is_known_B[visit] & ~np.isin(code, started)
    rows = np.flatnonzero(counts)[np.argsort(day[counts], kind="stable")]
    rows = rows[np.unique(code[rows], return_index=True)[1]]
    return user[rows], item[rows], day[rows]


def _joined(one: Shown, other: Shown) -> Shown:
    return Shown(np.concatenate([one.item_BK, other.item_BK]), np.concatenate([one.propensity_BK, other.propensity_BK]))


def _in_order(
    visits: Visits, shown: Shown, looks: pl.DataFrame, waiting: Visits
) -> tuple[Visits, Shown, pl.DataFrame, Visits]:
    """Number visits by time."""
    order = np.argsort(visits.day_B, kind="stable")
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    looks = looks.with_columns(visit=pl.Series(number[looks["visit"].to_numpy()]))
    if len(order):
        shown = Shown(shown.item_BK[order], shown.propensity_BK[order])
    waiting = waiting.take(np.argsort(waiting.day_B, kind="stable"))
    return visits.take(order), shown, looks.sort("visit", "order"), waiting


def _sated(world: World, visits: Visits, looks: pl.DataFrame, generator: np.random.Generator) -> pl.DataFrame:
    """Take back some purchases of things that the person, or a substitute of which, was bought before."""
    item, visit = looks["item"].to_numpy(), looks["visit"].to_numpy()
    wants = pl.Series(~world.lasts(item) | (generator.random(len(item)) < SATED))
    return (
        looks.with_columns(user=pl.Series(visits.user_B[visit]), group=pl.Series(world.assortment.group_V[item]))
        .with_columns(bought_before=pl.col("is_bought").cast(pl.Int64).cum_sum().over("user", "group") > 1)
        .with_columns(is_bought=pl.col("is_bought") & (~pl.col("bought_before") | wants))
        .select(LOOKS.names())
    )


def _with_complements(
    world: World, visits: Visits, looks: pl.DataFrame, generator: np.random.Generator
) -> pl.DataFrame:
    """Half of those who buy a thing take along what goes with it, unless they have it in the basket already."""
    bought = looks.filter("is_bought").unique(["visit", "item"], keep="first", maintain_order=True)
    visit, item = bought["visit"].to_numpy(), bought["item"].to_numpy()
    partner = world.assortment.partner_V[item]
    takes = (partner >= 0) & (generator.random(len(item)) < COMPLEMENT_SHARE)
    takes &= world.assortment.is_sold(partner, visits.day_B[visit])
    rows = np.flatnonzero(takes)
    taken = pl.DataFrame(
        {
            "visit": visit[rows],
            "item": partner[rows],
            "position": np.full(len(rows), -1),
            "order": np.full(len(rows), 200.0),
            "is_bought": np.ones(len(rows), np.bool_),
        },
        schema=LOOKS,
    ).join(bought, on=["visit", "item"], how="anti", maintain_order="left")
    return pl.concat([looks, taken]).sort("visit", "order", maintain_order=True)
