"""The truth of a simulated shop: what anyone thinks of anything on any day, and how far down a list eyes go.

Legend of shapes: B visits, K positions of a list, V items, C categories, W weeks.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from aisle.data.simulator.assortment import CATEGORIES, Assortment
from aisle.data.simulator.people import People

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
START_MS = int(START.timestamp() * 1000)
#: How long a list is that the shop shows.
LIST_LENGTH = 10
#: With which probability each position of a list is looked at: 1 / (position + 1)^0.7.
EXAMINATION = 1.0 / (np.arange(LIST_LENGTH) + 1.0) ** 0.7
#: How often the complement goes into the same basket.
COMPLEMENT_SHARE = 0.5
#: How much is left of the wish for a thing that lasts, once it or its substitute was bought.
SATED = 0.4
#: How often people come back for what is used up.
LOYALTY = 0.8

_CURIOSITY = 0.02  # some interest in every category
_CLICK = 0.9  # probability of clicking on the best thing in the only category one likes
_BUY = 0.75  # probability of buying a thing that was clicked and fits in every way
_STYLE = 1.5
_PRICE_TOLERANCE = 0.7


@dataclass(frozen=True)
class World:
    """One shop's truth; drawn once, and the same for whatever is shown in it."""

    assortment: Assortment
    people: People
    num_days: int
    seed: int

    @classmethod
    def draw(cls, num_users: int, num_items: int, num_days: int, seed: int) -> Self:
        """Draw the truth; the same arguments give the same.

        Args:
            num_users: At least 1.
            num_items: At least 20.
            num_days: At least 1.
            seed: Any number from 0.
        """
        if num_users < 1 or num_items < 20 or num_days < 1 or seed < 0:
            raise ValueError(
                "expected num_users >= 1, num_items >= 20, num_days >= 1 and seed >= 0, "
                f"received {num_users}, {num_items}, {num_days} and {seed}"
            )
        generator = np.random.default_rng([seed, 0])
        assortment = Assortment.draw(num_items, num_days, generator)
        return cls(assortment, People.draw(num_users, num_days, generator), num_days, seed)

    def generator(self, *purpose: int) -> np.random.Generator:
        """Random numbers of their own for each purpose, so that what one draws moves no other."""
        return np.random.default_rng([self.seed, *purpose])

    def week(self, day_B: NDArray[np.float64]) -> NDArray[np.int64]:
        """The row of ``popularity_WV`` of each day."""
        last = len(self.assortment.popularity_WV) - 1
        return np.minimum(day_B.astype(np.int64) // 7, last)

    def fit(self, user_B: NDArray[np.int64], item_BK: NDArray[np.int64]) -> NDArray[np.float64]:
        """How well the style and the price of things suit people, float [B, K] in (0, 1)."""
        people, assortment = self.people, self.assortment
        liking_BK = np.einsum("bs,bks->bk", people.style_US[user_B], assortment.style_VS[item_BK])
        typical_V = np.array([price for _, _, price in CATEGORIES])[assortment.category_V]
        dear_V = np.log(assortment.price_V / typical_V)
        off_BK = (dear_V[item_BK] - people.budget_U[user_B][:, None]) / _PRICE_TOLERANCE
        fit_BK: NDArray[np.float64] = np.exp(-0.5 * off_BK**2) / (1 + np.exp(-_STYLE * liking_BK))
        return fit_BK

    def click_probability(
        self, user_B: NDArray[np.int64], item_BK: NDArray[np.int64], day_B: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """P(a shown item is clicked | its position is looked at), float [B, K]; 0 for what is not sold then."""
        taste_BC = self.people.taste(user_B, day_B)
        taste_BK = np.take_along_axis(taste_BC, self.assortment.category_V[item_BK], axis=1)
        popularity_WV = self.assortment.popularity_WV
        week_B = self.week(day_B)
        appeal_BK = np.sqrt(popularity_WV[week_B[:, None], item_BK] / popularity_WV.max(axis=1)[week_B][:, None])
        interest_BK = (_CURIOSITY + (1 - _CURIOSITY) * taste_BK) * appeal_BK * np.sqrt(self.fit(user_B, item_BK))
        is_sold_BK = self.assortment.is_sold(item_BK, day_B[:, None])
        return np.where(is_sold_BK, _CLICK * interest_BK, 0.0)

    def buy_probability(self, user_B: NDArray[np.int64], item_BK: NDArray[np.int64]) -> NDArray[np.float64]:
        """P(a thing that was looked at is bought by someone who has none yet), float [B, K]."""
        return _BUY * np.sqrt(self.fit(user_B, item_BK))

    def lasts(self, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether who has a thing wants it less."""
        return np.asarray(self.assortment.repurchase_days_V[items] == 0)
