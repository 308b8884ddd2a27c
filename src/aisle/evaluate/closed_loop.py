"""A simulated shop that is served by the real pipeline: what visitors see is answered by it, what they do goes to it.

People come, look down the list that the recommender answers as far as the truth says, click and buy by the truth, and
find things by themselves besides. Their events go into the store as live ones do. As the truth is known, a day is
measured by the purchases to be expected from its lists, not by those that chance made of them.

Legend of shapes: K positions of a list.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.simulator import START_MS, History, World
from aisle.data.simulator.assortment import item_id
from aisle.data.simulator.item_records import item_records
from aisle.data.simulator.people import user_id
from aisle.data.simulator.visitors import Response, Visit, Visitors
from aisle.data.simulator.world import LIST_LENGTH
from aisle.ingest.event_ids import event_ids
from aisle.pipeline import Recommender
from aisle.pipeline.request import RecommendationRequest
from aisle.schema import DAY_MS, Event, Item
from aisle.store.contract import Store

_SECONDS_PER_LOOK = 20


@dataclass(frozen=True)
class Day:
    """One day of a loop.

    Attributes:
        day: In days from the start.
        num_visits: Those that nothing particular brought about; they are the same in every loop of a world.
        conversion: Purchases to be expected from the list of such a visit, by the truth; the mean.
        num_clicked: Items of lists that were clicked, and
        num_bought: bought, as it happened.
        num_degraded: Answers in which a stage fell back.
    """

    day: int
    num_visits: int
    conversion: float
    num_clicked: int
    num_bought: int
    num_degraded: int


@dataclass
class _Tally:
    """What a day's visits come to."""

    conversions: list[float] = field(default_factory=list)
    num_clicked: int = 0
    num_bought: int = 0
    num_degraded: int = 0


class ClosedLoop:
    """Runs a shop day by day from where its history ends.

    Args:
        world: The truth.
        history: What happened before; its events and the items' records until then are in the store.
        store: The shop's.
        recommender: Answers over that store.
        from_day: The first day to run; the one at which the history ends.
        placement: Which one is shown.
    """

    def __init__(
        self,
        world: World,
        history: History,
        store: Store,
        recommender: Recommender,
        *,
        from_day: int,
        placement: str = "for-you",
    ) -> None:
        self._world, self._store, self._recommender, self._placement = world, store, recommender, placement
        self._visitors = Visitors(world, history, from_day)
        self._records = item_records(world)
        self._item_of = {item_id(item): item for item in range(world.assortment.num_items)}

    def run_day(self, day: int) -> Day:
        """All visits of one day; days are run one after the other."""
        self._change_catalogue(day)
        tally = _Tally()
        for visit in self._visitors.of_day(day):
            self._serve(visit, tally)
        conversion = float(np.mean(tally.conversions)) if tally.conversions else 0.0
        return Day(day, len(tally.conversions), conversion, tally.num_clicked, tally.num_bought, tally.num_degraded)

    def _change_catalogue(self, day: int) -> None:
        """Launches, and what is out of stock or back, are known in the morning."""
        morning_ms = START_MS + day * DAY_MS
        self._store.anchor_clock(morning_ms)
        updated_ms = pl.col("updated_at").cast(pl.Int64)
        changed = self._records.filter(updated_ms.is_between(morning_ms, morning_ms + DAY_MS, closed="left"))
        if changed.height:
            self._store.put_items([Item.model_validate(row) for row in changed.iter_rows(named=True)])

    def _serve(self, visit: Visit, tally: _Tally) -> None:
        """One visit: an answer, what comes of it, and the events that tell it."""
        self._store.anchor_clock(visit.time_ms)
        name = user_id(visit.user) if visit.is_known else None
        answer = self._recommender.recommend(
            RecommendationRequest(self._placement, user_id=name, session_id=visit.session_id, limit=LIST_LENGTH)
        )
        shown_K = np.array([self._item_of[one.item_id] for one in answer.items], np.int64)
        response = self._visitors.respond(visit, shown_K)
        events = self._tell(visit, name, shown_K, response)
        self._store.anchor_clock(max((event.timestamp or 0 for event in events), default=visit.time_ms))
        self._store.add_events(events, event_ids(events))
        if visit.wanted < 0:
            tally.conversions.append(response.expected)
        tally.num_clicked += len(response.position_of)
        tally.num_bought += response.num_bought_from_list
        tally.num_degraded += bool(answer.degraded)

    def _tell(self, visit: Visit, name: str | None, shown_K: NDArray[np.int64], response: Response) -> list[Event]:
        """What a browser and a till would send."""

        def event(kind: str, item: int, seconds: int, position: int | None) -> Event:
            is_listed, is_line = position is not None, kind == "purchase"
            return Event(
                type=kind,
                user_id=name,
                session_id=visit.session_id,
                item_id=item_id(item),
                timestamp=visit.time_ms + seconds * 1000,
                position=position,
                request_id=f"request-{visit.session_id}" if is_listed else None,
                placement=self._placement if is_listed else None,
                price=float(self._world.assortment.price_V[item]) if kind != "impression" else None,
                quantity=1.0 if is_line else None,
                order_id=f"order-{visit.session_id}" if is_line else None,
            )

        told = [event("impression", int(item), 0, position) for position, item in enumerate(shown_K)]
        seen = list(dict.fromkeys([*response.looks, *response.bought]))
        end = _SECONDS_PER_LOOK * (len(seen) + 1)
        position_of = response.position_of
        for number, item in enumerate(seen, 1):
            told.append(event("view", item, _SECONDS_PER_LOOK * number, position_of.get(item)))
        for kind, seconds in (("add_to_cart", end), ("purchase", end + 30)):
            told += [event(kind, item, seconds, position_of.get(item)) for item in response.bought]
        return told
