"""The policy of the simulated shop's own lists: bestsellers and some others, in a random order with known propensities.

Legend of shapes: B visits, K positions, P items of a day's pool, V items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.data.simulator.world import LIST_LENGTH, World

_POOL = 60
_BEST_SHARE = 0.5  # of the pool are bestsellers, the others are drawn
_FLATNESS = 0.5  # 0: in any order; 1: a bestseller's chances are its popularity


@dataclass(frozen=True)
class Shown:
    """Lists that were shown.

    Attributes:
        item_BK: What stood where.
        propensity_BK: Probability of the item at this position, given those before it and the day's pool.
    """

    item_BK: NDArray[np.int64]
    propensity_BK: NDArray[np.float64]


def show_lists(world: World, day_B: NDArray[np.float64], generator: np.random.Generator) -> Shown:
    """A list for each visit by Plackett-Luce: without replacement, in proportion to weights of the day's pool."""
    item_BK = np.zeros((len(day_B), LIST_LENGTH), np.int64)
    propensity_BK = np.zeros((len(day_B), LIST_LENGTH))
    whole_B = day_B.astype(np.int64)
    for day in np.unique(whole_B):
        at = np.flatnonzero(whole_B == day)
        pool_P, weight_P = _pool(world, float(day), generator)
        noise_BP = generator.gumbel(size=(len(at), len(pool_P)))
        order_BK = np.argsort(-(np.log(weight_P) + noise_BP), axis=1)[:, :LIST_LENGTH]
        item_BK[at] = pool_P[order_BK]
        chosen_BK = weight_P[order_BK]
        left_BK = weight_P.sum() - np.cumsum(chosen_BK, axis=1) + chosen_BK
        propensity_BK[at] = chosen_BK / left_BK
    return Shown(item_BK, propensity_BK)


def _pool(world: World, day: float, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What may be shown on a day, and how often."""
    assortment = world.assortment
    popularity_V = assortment.popularity_WV[world.week(np.array([day]))[0]]
    items_V = np.arange(assortment.num_items)
    sold = items_V[assortment.is_sold(items_V, np.array(day)) & (popularity_V > 0)]
    if len(sold) < LIST_LENGTH:  # nearly all of a tiny shop is out of stock: the page keeps its length
        sold = items_V[: 2 * LIST_LENGTH]
    best_first = sold[np.argsort(-popularity_V[sold], kind="stable")]
    num_best = round(_POOL * _BEST_SHARE)
    others = generator.permutation(best_first[num_best:])[: _POOL - num_best]
    pool_P = np.concatenate([best_first[:num_best], others])
    return pool_P, np.maximum(popularity_V[pool_P], 1e-6) ** _FLATNESS
