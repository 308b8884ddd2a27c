"""The people of the simulated shop, one visit at a time: who comes next, and what they make of the list they see.

Whoever shows the lists, the same visit and the same item meet the same random numbers: the difference of two shops that
share a world is their lists' alone.

Legend of shapes: K positions of a list, L finds, V items, U users, G groups of substitutes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.data.simulator.history import History
from aisle.data.simulator.visits import browse, draw_visits, returns_for
from aisle.data.simulator.world import COMPLEMENT_SHARE, EXAMINATION, LIST_LENGTH, SATED, START_MS, World

# They name the random numbers drawn here.
_VISITS, _FINDS, _LUCK, _RETURN, _PACKAGES = range(10, 15)


@dataclass(frozen=True)
class Visit:
    """One visit and its luck.

    Attributes:
        user: Who.
        day: When, in days from the start.
        wanted: What it is for, or -1.
        is_known: Whether the visitor says who it is.
        found: Items that are found without the list.
        luck_3V: Uniform numbers that decide on a click, a purchase and a complement of each item.
        gaze_K: Uniform numbers that decide on a look at each position.
    """

    user: int
    day: float
    wanted: int
    is_known: bool
    found: NDArray[np.int64]
    luck_3V: NDArray[np.float64]
    gaze_K: NDArray[np.float64]

    @property
    def session_id(self) -> str:
        """Its name."""
        return f"loop-{round(self.day * 86_400):09d}-{self.user}"

    @property
    def time_ms(self) -> int:
        """When it begins."""
        return START_MS + int(self.day * 86_400) * 1000


@dataclass(frozen=True)
class Response:
    """What comes of a visit.

    Attributes:
        expected: Purchases to be expected from the list, by the truth.
        position_of: The clicked items of the list, and where they stood.
        looks: All that was looked at, in this order; without complements.
        bought: All that was bought.
    """

    expected: float
    position_of: Mapping[int, int]
    looks: Sequence[int]
    bought: Sequence[int]

    @property
    def num_bought_from_list(self) -> int:
        """Clicked there, and bought."""
        return len(self.position_of.keys() & set(self.bought))


class Visitors:
    """Comes, looks and buys by the truth, and remembers what it has.

    Args:
        world: The truth.
        history: What happened before ``from_day``.
        from_day: The first day to live.
    """

    def __init__(self, world: World, history: History, from_day: int) -> None:
        self._world = world
        self._visits = draw_visits(world, from_day, world.num_days, world.generator(_VISITS))
        visit_L, self._found_L = browse(world, self._visits, world.generator(_FINDS))
        self._found_from = np.searchsorted(visit_L, np.arange(len(self._visits) + 1)).tolist()
        bought = history.looks.filter("is_bought")
        visit, item = bought["visit"].to_numpy(), bought["item"].to_numpy()
        user, is_known = history.visits.user_B[visit], history.visits.is_known_B[visit]
        self._has_UG = np.zeros((world.people.num_users, world.assortment.num_items), np.bool_)
        self._has_UG[user, world.assortment.group_V[item]] = True
        self._comes_back = set(zip(user[is_known].tolist(), item[is_known].tolist(), strict=True))
        waiting = history.waiting
        columns = (waiting.day_B.tolist(), waiting.user_B.tolist(), waiting.wanted_B.tolist())
        self._waiting: list[tuple[float, int, int]] = list(zip(*columns, strict=True))
        heapq.heapify(self._waiting)

    def of_day(self, day: int) -> Iterator[Visit]:
        """The visits of a day in the order of time; what one buys may bring about a later one."""
        visits = self._visits
        for row in range(*np.searchsorted(visits.day_B, [day, day + 1]).tolist()):
            yield from self._returning(visits.day_B[row])
            found = self._found_L[self._found_from[row] : self._found_from[row + 1]]
            who = (int(visits.user_B[row]), float(visits.day_B[row]), -1, bool(visits.is_known_B[row]))
            yield self._visit(*who, found, self._world.generator(_LUCK, row))
        yield from self._returning(day + 1)

    def respond(self, visit: Visit, shown_K: NDArray[np.int64]) -> Response:
        """What the visitor does, given the list; at most :data:`~aisle.data.simulator.world.LIST_LENGTH` items."""
        examination_K = EXAMINATION[: len(shown_K)]
        clicks_K, buys_K = self._chances(visit, shown_K)
        is_clicked_K = (visit.gaze_K[: len(shown_K)] < examination_K) & (visit.luck_3V[0, shown_K] < clicks_K)
        position_of = {int(shown_K[position]): int(position) for position in np.flatnonzero(is_clicked_K)}
        looks = list(dict.fromkeys([*position_of, *visit.found.tolist()]))
        bought = self._bought(visit, np.array(looks, np.int64))
        self._remember(visit, bought)
        return Response(float((examination_K * clicks_K * buys_K).sum()), position_of, looks, bought)

    def _returning(self, until_day: float) -> Iterator[Visit]:
        while self._waiting and self._waiting[0][0] < until_day:
            day, user, item = heapq.heappop(self._waiting)
            generator = self._world.generator(_RETURN, user, item, int(day * 86_400))
            is_there = self._world.assortment.is_sold(np.array([item]), np.array([day]))
            yield self._visit(user, day, item, True, np.array([item])[is_there], generator)

    def _visit(
        self,
        user: int,
        day: float,
        wanted: int,
        is_known: bool,
        found: NDArray[np.int64],
        generator: np.random.Generator,
    ) -> Visit:
        luck_3V = generator.random((3, self._world.assortment.num_items))
        return Visit(user, day, wanted, is_known, found, luck_3V, generator.random(LIST_LENGTH))

    def _chances(self, visit: Visit, item_K: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """By the truth: of a click where eyes fall on it, and of a purchase after that."""
        world, user_1 = self._world, np.array([visit.user])
        clicks_K = world.click_probability(user_1, item_K[None], np.array([visit.day]))[0]
        has_K = world.lasts(item_K) & self._has_UG[visit.user, world.assortment.group_V[item_K]]
        return clicks_K, world.buy_probability(user_1, item_K[None])[0] * np.where(has_K, SATED, 1.0)

    def _bought(self, visit: Visit, look_L: NDArray[np.int64]) -> list[int]:
        """What of it is bought, and the complements that are taken along."""
        _, buys_L = self._chances(visit, look_L)
        bought = look_L[(visit.luck_3V[1, look_L] < buys_L) | (look_L == visit.wanted)]
        partner = self._world.assortment.partner_V[bought]
        takes_along = (partner >= 0) & (visit.luck_3V[2, bought] < COMPLEMENT_SHARE)
        takes_along &= self._world.assortment.is_sold(partner, np.array(visit.day))
        return list(dict.fromkeys([*bought.tolist(), *partner[takes_along].tolist()]))

    def _remember(self, visit: Visit, bought: Sequence[int]) -> None:
        """What they have now, and when they will come back for what is used up."""
        world = self._world
        self._has_UG[visit.user, world.assortment.group_V[np.array(bought, np.int64)]] = True
        for item in bought:
            is_first = (visit.user, item) not in self._comes_back
            if not is_first or not visit.is_known or not world.assortment.repurchase_days_V[item]:
                continue
            self._comes_back.add((visit.user, item))
            one = (np.array([visit.user]), np.array([item]), np.array([visit.day]))
            back = returns_for(world, *one, world.generator(_PACKAGES, visit.user, item))
            for day in back.day_B.tolist():
                heapq.heappush(self._waiting, (day, visit.user, item))
