"""The configuration of candidate generators: one typed block per kind of fit."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from aisle.recipe.indexes import ExactSpec, IndexSpec
from aisle.recipe.list_models.candidates import ByCandidateSpec
from aisle.recipe.list_models.sequential import (
    Bert4RecSpec,
    CoreSpec,
    Gru4RecSpec,
    HstuSpec,
    ItemLossSpec,
    SasrecSpec,
    SequenceModelSpec,
    SideSpec,
    YoutubeDnnSpec,
)
from aisle.recipe.list_sources import ListModelSourceSpec
from aisle.recipe.strict import Strict

Days = PositiveFloat
Over = Literal["users", "visitors", "baskets"]
Similarity = Literal["cosine", "lift"]


class PopularitySpec(Strict):
    """Distinct visitors per item, decayed; one source ``NAME_<half-life>d`` per half-life."""

    kind: Literal["popularity"]
    half_life_days: Annotated[list[Days], Field(min_length=1)] = [14.0]

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [source_name(name, half_life) for half_life in self.half_life_days]


class TrendingSpec(Strict):
    """Recent visitors against what the longer window leads one to expect; one source ``NAME``."""

    kind: Literal["trending"]
    recent_days: Days = 14.0
    base_days: Days = 90.0
    prior_visitors: PositiveFloat = 3.0

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [name]


class ArrivalsSpec(Strict):
    """Popular among the newly arrived: decayed visitors times 2^(-age of the first event / half-life)."""

    kind: Literal["arrivals"]
    half_life_days: Days = 30.0

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [name]


class CooccurrenceSpec(Strict):
    """Items taken together, as neighbour lists; one source ``NAME_<similarity>`` per similarity."""

    kind: Literal["cooccurrence"]
    over: Over = "baskets"
    similarity: Annotated[list[Similarity], Field(min_length=1)] = ["cosine", "lift"]
    half_life_days: Days | None = None
    min_together: PositiveInt = 2
    shrinkage: Annotated[float, Field(ge=0)] = 5.0
    top_n: PositiveInt = 200
    history_half_life_days: Days | None = 30.0

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [f"{name}_{similarity}" for similarity in self.similarity]


class EaseSpec(Strict):
    """EASE item-to-item weights; one source ``NAME_<half-life>d`` per half-life of the asking history (one: ``NAME``).

    ``memory_gb`` bounds the fit, which needs about 12 bytes per pair of items; beyond it the most taken items are kept.
    """

    kind: Literal["ease"]
    over: Over = "users"
    l2: PositiveFloat = 300.0
    half_life_days: Days | None = None
    top_n: PositiveInt = 300
    memory_gb: PositiveFloat = 4.0
    history_half_life_days: Annotated[list[Days | None], Field(min_length=1)] = [30.0, 180.0]

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        half_lives = self.history_half_life_days
        return [source_name(name, one) for one in half_lives] if len(half_lives) > 1 else [name]


class RepeatsSpec(Strict):
    """A visitor's own purchases; sources ``NAME_<half-life>d``, and ``NAME_due`` by repurchase interval."""

    kind: Literal["repeats"]
    half_life_days: list[Days | None] = [30.0, 180.0]
    due: bool = True
    min_intervals: PositiveInt = 5

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [source_name(name, one) for one in self.half_life_days] + ([f"{name}_due"] if self.due else [])


class ContentSpec(Strict):
    """TF-IDF of titles, categories and brands, projected; finds items newer than the fit. One source ``NAME``."""

    kind: Literal["content"]
    dimension: PositiveInt = 96
    min_items_per_token: PositiveInt = 2
    max_tokens: PositiveInt = 50_000
    history_half_life_days: Days | None = 30.0
    index: IndexSpec = ExactSpec()

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [name]


class TwoTowerSpec(Strict):
    """A two-tower model over ids and content; sources ``NAME`` and, with a quota, ``NAME_new``. Needs ``aisle[train]``.

    A query's positives are drawn from what its visitor took within ``horizon_days``. ``max_queries`` bounds an epoch to
    the latest ones. ``min_events_per_id``: items taken less often are read by their content alone, as new items are;
    ``unknown_rate`` of the ids are read so in training too. ``newcomer_quota`` candidates of ``NAME_new`` are items
    that were never taken, or first taken less than ``newcomer_days`` ago; 0: no such source.
    """

    kind: Literal["two_tower"]
    dimension: PositiveInt = 64
    id_dimension: PositiveInt = 64
    hidden: list[PositiveInt] = [128]
    content_dimension: PositiveInt = 96
    min_items_per_token: PositiveInt = 2
    max_tokens: PositiveInt = 50_000
    history_half_lives_days: Annotated[list[Days | None], Field(min_length=1)] = [7.0, 30.0, 180.0]
    max_history: PositiveInt = 300
    horizon_days: Days = 28.0
    temperature: Annotated[float, Field(ge=0.02, le=1)] = 0.15
    num_epochs: PositiveInt = 12
    max_queries: PositiveInt = 100_000
    batch_size: PositiveInt = 256
    positives_per_query: PositiveInt = 8
    negatives: PositiveInt = 512
    learning_rate: PositiveFloat = 0.003
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    id_weight_decay: Annotated[float, Field(ge=0)] = 0.3
    unknown_rate: Annotated[float, Field(ge=0, lt=1)] = 0.1
    min_events_per_id: PositiveInt = 3
    newcomer_days: Days = 28.0
    newcomer_quota: Annotated[int, Field(ge=0)] = 20
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    index: IndexSpec = ExactSpec()

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [name, f"{name}_new"] if self.newcomer_quota else [name]


class TransitionsSpec(Strict):
    """Directed rules, as neighbour lists: what came up to ``window`` events after an item, the sooner the more.

    A rule counts half as much when what came after is ``half_life_days`` older. One source ``NAME``.
    """

    kind: Literal["transitions"]
    window: PositiveInt = 10
    half_life_days: Days | None = 180.0
    candidate_exponent: Annotated[float, Field(ge=0, le=1)] = 0.3
    top_n: PositiveInt = 200
    history_half_life_days: Days | None = 1.0

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [name]


class SequenceSpec(Strict):
    """A model of the next event of a visitor's history; one source ``NAME``. Needs ``aisle[train]``.

    Of histories longer than the model's ``max_length`` all parts are learnt from, the last part is asked with. An item
    with fewer than ``min_events`` events is not proposed. ``din``, ``bst``, ``dien`` and ``hstu-ranker`` score each
    item of the catalogue behind the history; the last one also reads what was taken, and says what will be.
    """

    kind: Literal["sequence"]
    model: Annotated[
        SasrecSpec | HstuSpec | Gru4RecSpec | CoreSpec | YoutubeDnnSpec | Bert4RecSpec | ByCandidateSpec,
        Field(discriminator="kind"),
    ] = SasrecSpec(
        kind="sasrec",
        dim=48,
        num_blocks=1,
        max_length=50,
        loss=ItemLossSpec(negatives=256, popularity_power=0.5, log_q=True, temperature=0.1),
    )
    epochs: PositiveInt = 5
    learning_rate: PositiveFloat = 3e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    min_events: PositiveInt = 3
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _reads_items_alone(self) -> Self:
        model = self.model
        has_side = isinstance(model, SequenceModelSpec) and model.side != SideSpec()
        if has_side or (isinstance(model, HstuSpec) and model.time_bias):
            raise ValueError("model: expected no side and no time_bias, a visitor's history is read as items alone")
        return self

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [name]


GeneratorSpec = Annotated[
    PopularitySpec
    | TrendingSpec
    | ArrivalsSpec
    | CooccurrenceSpec
    | EaseSpec
    | RepeatsSpec
    | ContentSpec
    | TwoTowerSpec
    | TransitionsSpec
    | SequenceSpec
    | ListModelSourceSpec,
    Field(discriminator="kind"),
]


def source_name(name: str, half_life_days: float | None) -> str:
    """The source's name for one half-life: ``own_30d``; ``own_always`` where nothing decays."""
    return f"{name}_always" if half_life_days is None else f"{name}_{half_life_days:g}d"
