"""A placement: where recommendations stand on a page, and how they come about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aisle.pipeline.blend import Blend
from aisle.pipeline.request import RepeatPolicy


@dataclass(frozen=True)
class LatestRule:
    """A place for what goes with the event that just happened, so that a visitor sees it was felt.

    A blend is fitted on what visitors take over weeks; it may well answer a purchase with the same list as before.

    Attributes:
        source: The neighbour lists that are asked with the latest item alone.
        within_minutes: Only an event as young as this counts.
        nearest: One of so many nearest items among the first ten answers is enough.
        place: Where the nearest one is put otherwise, from 1.
    """

    source: str
    within_minutes: float
    nearest: int
    place: int


@dataclass(frozen=True)
class NewcomerRule:
    """A place for an item that nobody took yet, for those whom it suits.

    A ranker that learns from what was taken has little to say for such an item; unseen, it would stay so.

    Attributes:
        source: Judges by what an item is like, whether it was taken or not; one of the placement's.
        nearest: An item suits whom the source gives it among the first so many.
        place: Where the nearest one is put, from 1, unless one stands further up; shorter lists have none.
    """

    source: str
    nearest: int
    place: int


@dataclass(frozen=True)
class Placement:
    """Where recommendations stand, and how they come about.

    Attributes:
        name: As requests name it.
        asks_with: ``history``: the visitor's own events; ``items``: the items given with the request; ``session``: the
            items given, or else the visitor's latest visit, neither of which is answered again.
        sources: Names of its generators.
        blends: Fitted weights by repeat policy.
        fill: The popularity list that completes an answer that has too few items; ``None``: it stays short.
        latest: A place for what goes with the latest event.
        newcomer: A place for what nobody took yet.
    """

    name: str
    asks_with: Literal["history", "items", "session"]
    sources: tuple[str, ...]
    blends: Mapping[RepeatPolicy, Blend]
    fill: str | None = None
    latest: LatestRule | None = None
    newcomer: NewcomerRule | None = None
