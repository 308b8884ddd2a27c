"""What was put into the simulated shop, to be compared with what is found.

Legend of shapes: U users, V items.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
import polars as pl

from aisle.data.simulator.assortment import BRANDS, CATEGORIES, item_id
from aisle.data.simulator.history import History
from aisle.data.simulator.people import user_id
from aisle.data.simulator.world import EXAMINATION, World


@dataclass(frozen=True)
class TruthTables:
    """The truth that is too large for a line; each is written as Parquet.

    Attributes:
        users: ``user_id, taste, later_taste, change_day, style, budget, joined_day, visits_per_day``.
        items: ``item_id, category, brand, style, group, repurchase_days, launch_day, out_from, out_until, popularity``
            (by week).
        shown: ``request_id, position, item_id, propensity``: the lists of the shop's own policy.
    """

    users: pl.DataFrame
    items: pl.DataFrame
    shown: pl.DataFrame


@dataclass(frozen=True)
class Truth:
    """What was put into the shop, by item id and user id."""

    #: (item, its complement): whoever buys the first takes the second along half of the time.
    complements: tuple[tuple[str, str], ...]
    #: Items that are used up, with the days after which their buyers come back for them.
    repurchase_days: dict[str, int]
    #: The category each user likes best, over the whole time.
    favourite: dict[str, str]
    #: Pairs that stand for each other: who has one wants the other less.
    substitutes: tuple[tuple[str, str], ...] = ()
    #: The probability that a position of a list, from 0, is looked at.
    examination: tuple[float, ...] = ()
    #: Sessions of programs.
    bots: tuple[str, ...] = ()
    tables: TruthTables | None = field(default=None, compare=False)


def truth_of(world: World, history: History) -> Truth:
    """The truth of a world and of what happened in it."""
    assortment, people = world.assortment, world.people
    late_U = np.clip(1 - people.change_day_U / world.num_days, 0, 1)[:, None]
    best_U = ((1 - late_U) * people.taste_UC + late_U * people.later_taste_UC).argmax(axis=1)
    pairs = [(item, partner) for item, partner in enumerate(assortment.partner_V.tolist()) if partner >= 0]
    alike = [(group, item) for item, group in enumerate(assortment.group_V.tolist()) if group != item]
    return Truth(
        complements=tuple((item_id(one), item_id(other)) for one, other in pairs),
        repurchase_days={item_id(item): int(days) for item, days in enumerate(assortment.repurchase_days_V) if days},
        favourite={user_id(user): CATEGORIES[best][0] for user, best in enumerate(best_U)},
        substitutes=tuple((item_id(one), item_id(other)) for one, other in alike),
        examination=tuple(EXAMINATION.tolist()),
        bots=history.bots,
        tables=TruthTables(_users(world), _items(world), _shown(history)),
    )


def write_truth(truth: Truth, directory: Path) -> dict[str, Path]:
    """Write ``truth.json`` and ``truth-users.parquet``, ``truth-items.parquet``, ``truth-shown.parquet``.

    Returns:
        Their paths, by what they hold.
    """
    paths = {"truth": directory / "truth.json"}
    content = {name: value for name, value in vars(truth).items() if name != "tables"}
    content["categories"] = [name for name, _, _ in CATEGORIES]
    paths["truth"].write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    if truth.tables is not None:
        for name, table in vars(truth.tables).items():
            paths[f"truth_{name}"] = directory / f"truth-{name}.parquet"
            table.write_parquet(paths[f"truth_{name}"], compression="zstd")
    return paths


def _users(world: World) -> pl.DataFrame:
    people = world.people
    return pl.DataFrame(
        {
            "user_id": [user_id(user) for user in range(people.num_users)],
            "taste": people.taste_UC.tolist(),
            "later_taste": people.later_taste_UC.tolist(),
            "change_day": people.change_day_U,
            "style": people.style_US.tolist(),
            "budget": people.budget_U,
            "joined_day": people.joined_day_U,
            "visits_per_day": people.visits_per_day_U,
        }
    )


def _items(world: World) -> pl.DataFrame:
    assortment = world.assortment
    return pl.DataFrame(
        {
            "item_id": [item_id(item) for item in range(assortment.num_items)],
            "category": [CATEGORIES[number][0] for number in assortment.category_V],
            "brand": [BRANDS[number] for number in assortment.brand_V],
            "style": assortment.style_VS.tolist(),
            "group": [item_id(group) for group in assortment.group_V],
            "repurchase_days": assortment.repurchase_days_V,
            "launch_day": assortment.launch_day_V,
            "out_from": assortment.out_from_V,
            "out_until": assortment.out_until_V,
            "popularity": assortment.popularity_WV.T.tolist(),
        }
    )


def _shown(history: History) -> pl.DataFrame:
    item_BK = history.shown.item_BK
    num_visits, length = item_BK.shape
    names = pl.Series([item_id(item) for item in range(int(item_BK.max(initial=0)) + 1)], dtype=pl.String)
    return pl.DataFrame(
        {
            "request_id": pl.Series(np.repeat(np.arange(num_visits), length)).cast(pl.String).str.zfill(6),
            "position": np.tile(np.arange(length), num_visits),
            "item_id": names.gather(item_BK.ravel()),
            "propensity": history.shown.propensity_BK.ravel(),
        }
    ).with_columns(request_id=pl.format("request-{}", "request_id"))
