"""The recipe of a shop's whole pipeline: which generators are fitted and how they are blended."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from aisle.recipe.generators import GeneratorSpec
from aisle.recipe.list_sources import ListModelSourceSpec, UserSourceSpec
from aisle.recipe.ranker import RankerSpec
from aisle.recipe.strict import Strict, nearest

#: Kinds of generators whose answer is the same for everyone, and those that go from item to items.
POPULARITY_KINDS = ("popularity", "trending", "arrivals")
NEIGHBOUR_KINDS = ("ease", "cooccurrence", "transitions")


class WindowsSpec(Strict):
    """How time is cut: windows of ``horizon_days`` back from the midnight after the last event.

    The last ``test`` windows are tested, one after the other; the blend of each is fitted on the ``validation`` windows
    before it.
    """

    horizon_days: PositiveInt = 28
    test: PositiveInt = 1
    validation: PositiveInt = 1


class LatestSpec(Strict):
    """A place for what goes with the item of the latest event, where that is ``within_minutes`` old."""

    source: str
    within_minutes: PositiveFloat = 60.0
    nearest: PositiveInt = 20
    place: PositiveInt = 3


class NewcomerSpec(Strict):
    """A place for an item that nobody took yet, for visitors to whom ``source`` gives it among the ``nearest``."""

    source: str
    nearest: PositiveInt = 20
    place: PositiveInt = 8


class PlacementSpec(Strict):
    """One placement: who asks, which sources answer, and on what the blend is fitted.

    ``fit``: ``next-window`` (what visitors take in the window after the fit), ``repeats`` (what they take again),
    ``baskets`` (a hidden item of each basket), ``same-category`` (what visitors take in the category of an item),
    ``next-item`` (the last item of each visit), or ``none`` (a single source).
    """

    asks_with: Literal["history", "items", "session"]
    sources: Annotated[list[str], Field(min_length=1)]
    fit: Literal["next-window", "repeats", "baskets", "same-category", "next-item", "none"]
    fill: str | None = None
    latest: LatestSpec | None = None
    newcomer: NewcomerSpec | None = None

    @model_validator(mode="after")
    def _needs_weights(self) -> Self:
        if self.fit == "none" and len(self.sources) > 1:
            raise ValueError(f"fit: none expects one source, received {len(self.sources)}; weights are fitted, not set")
        return self


class ShopRecipe(Strict):
    """How a shop's recommendations are made."""

    kind: Literal["shop"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="names the model in results")]
    seed: Annotated[int, Field(ge=0, lt=2**32, description="same seed, same machine, same result")] = 0
    target: Annotated[str, Field(description="the event type that the shop wants")] = "purchase"
    signals: Annotated[
        dict[str, NonNegativeFloat], Field(description="how strongly each event type speaks for an item")
    ] = {"purchase": 1.0, "add_to_cart": 0.6, "like": 0.5, "view": 0.2}
    windows: WindowsSpec = WindowsSpec()
    history_limit: Annotated[PositiveInt, Field(description="a visitor's last events that a request reads")] = 1000
    candidates_per_source: PositiveInt = 150
    generators: Annotated[dict[str, GeneratorSpec], Field(min_length=1)]
    placements: Annotated[dict[str, PlacementSpec], Field(min_length=1)]
    ranker: RankerSpec | None = None

    @model_validator(mode="after")
    def _names_what_there_is(self) -> Self:
        """A source that no generator can give would be left out in silence."""
        if self.target not in self.signals:
            raise ValueError(f"target: expected one of signals ({', '.join(self.signals)}), received {self.target!r}")
        if "for-you" not in self.placements:
            raise ValueError(f"placements: expected for-you, which metrics speak of, received {list(self.placements)}")
        known = {source: spec.kind for name, spec in self.generators.items() for source in spec.source_names(name)}
        users = {
            name
            for name, spec in self.generators.items()
            if isinstance(spec, ListModelSourceSpec) and isinstance(spec.model, UserSourceSpec)
        }
        for name, placement in self.placements.items():
            for source in placement.sources:
                _check_source(f"placements.{name}.sources", source, list(known))
                if placement.asks_with == "items" and source in users:
                    raise ValueError(
                        f"placements.{name}.sources: expected sources that answer items, received {source}, which "
                        "must know who asks; take it out, or choose another model"
                    )
            if placement.fill is not None:
                lists = [source for source, kind in known.items() if kind in POPULARITY_KINDS]
                _check_source(f"placements.{name}.fill", placement.fill, lists)
            if placement.latest is not None:
                neighbours = [source for source, kind in known.items() if kind in NEIGHBOUR_KINDS]
                _check_source(f"placements.{name}.latest.source", placement.latest.source, neighbours)
            if placement.newcomer is not None:
                _check_source(f"placements.{name}.newcomer.source", placement.newcomer.source, placement.sources)
        return self

    @model_validator(mode="after")
    def _ranks_what_visitors_take_next(self) -> Self:
        if self.ranker is None:
            return self
        fitting = [name for name, placement in self.placements.items() if placement.fit == "next-window"]
        if self.ranker.placement not in fitting:
            raise ValueError(
                f"ranker.placement: expected a placement with fit: next-window ({', '.join(fitting)}), received "
                f"{self.ranker.placement!r}"
            )
        return self


def _check_source(place: str, source: str, known: list[str]) -> None:
    if source not in known:
        raise ValueError(f"{place}: unknown source {source!r}, {nearest(source, known)}")
