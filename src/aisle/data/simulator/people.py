"""Who visits the simulated shop: tastes that drift, a style, a budget, how often they come and since when.

Legend of shapes: U users, C categories, S dimensions of style, B visits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from aisle.data.simulator.assortment import CATEGORIES, STYLE_DIMENSIONS

_VISITS_PER_DAY = 0.15
_LATE_SHARE = 0.2  # of the people come for the first time while the shop is open
_DRIFTING_SHARE = 0.5  # of the people change their taste
_DRIFT_DAYS = 20.0  # how long that takes


@dataclass(frozen=True)
class People:
    """The visitors, by number.

    Attributes:
        taste_UC: Share of each category in what they look for, at first.
        later_taste_UC: And after it changed.
        change_day_U: The middle of the change, in days from the start; infinite where there is none.
        style_US: What they like within a category.
        budget_U: Logarithm of the price they like over the typical one.
        joined_day_U: When they come for the first time.
        visits_per_day_U: How often they come from then on.
    """

    taste_UC: NDArray[np.float64]
    later_taste_UC: NDArray[np.float64]
    change_day_U: NDArray[np.float64]
    style_US: NDArray[np.float64]
    budget_U: NDArray[np.float64]
    joined_day_U: NDArray[np.float64]
    visits_per_day_U: NDArray[np.float64]

    @classmethod
    def draw(cls, num_users: int, num_days: int, generator: np.random.Generator) -> Self:
        """People for a shop that is open for so many days."""
        taste_UC, new_UC = generator.dirichlet(np.full(len(CATEGORIES), 0.35), (2, num_users))
        drifts_U = generator.random(num_users) < _DRIFTING_SHARE
        is_late_U = generator.random(num_users) < _LATE_SHARE
        return cls(
            taste_UC=taste_UC,
            later_taste_UC=np.where(drifts_U[:, None], 0.3 * taste_UC + 0.7 * new_UC, taste_UC),
            change_day_U=np.where(drifts_U, generator.uniform(0, num_days, num_users), np.inf),
            style_US=generator.normal(size=(num_users, STYLE_DIMENSIONS)),
            budget_U=0.4 * generator.normal(size=num_users),
            joined_day_U=np.where(is_late_U, generator.uniform(0, 0.9 * num_days, num_users), 0.0),
            visits_per_day_U=_VISITS_PER_DAY * generator.gamma(4.0, 0.25, num_users),
        )

    @property
    def num_users(self) -> int:
        """U."""
        return len(self.budget_U)

    def taste(self, user_B: NDArray[np.int64], day_B: NDArray[np.float64]) -> NDArray[np.float64]:
        """Tastes of users on days, float [B, C]; each row sums to 1."""
        passed_B = (day_B - self.change_day_U[user_B]) / _DRIFT_DAYS + 0.5
        share_B1 = np.clip(passed_B, 0.0, 1.0)[:, None]
        taste_BC: NDArray[np.float64] = (1 - share_B1) * self.taste_UC[user_B] + share_B1 * self.later_taste_UC[user_B]
        return taste_BC


def user_id(user: int) -> str:
    """The id under which files and the server know a person."""
    return f"user-{user:05d}"
