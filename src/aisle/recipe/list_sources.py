"""Which models of list recipes can be a shop's source of candidates, and how they are fitted there."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from aisle.recipe.list_models.collaborative import (
    GraphFilterSpec,
    ImplicitAlsSpec,
    ItemKnnSpec,
    ListEaseSpec,
    PureSvdSpec,
    UserKnnSpec,
)
from aisle.recipe.list_models.deep_collaborative import DmfSpec, MultDaeSpec, MultVaeSpec
from aisle.recipe.list_models.transitions import (
    MarkovSpec,
    NextItemRidgeSpec,
    RulesSpec,
    SessionItemKnnSpec,
    VsknnSpec,
)
from aisle.recipe.strict import Strict

#: Models of lists that answer whoever asks from the history alone: those that are fitted at once, and trained ones.
FittedSourceSpec = (
    ItemKnnSpec
    | UserKnnSpec
    | ListEaseSpec
    | GraphFilterSpec
    | PureSvdSpec
    | ImplicitAlsSpec
    | MarkovSpec
    | RulesSpec
    | SessionItemKnnSpec
    | NextItemRidgeSpec
    | VsknnSpec
)
TrainedSourceSpec = DmfSpec | MultDaeSpec | MultVaeSpec


class ListModelSourceSpec(Strict):
    """A model of list recipes, fitted on visitors' histories; one source ``NAME``.

    A history is read as items alone, whatever was done with them. An item with fewer than ``min_events`` events is
    neither read nor proposed. ``dmf``, ``mult-dae`` and ``mult-vae`` are trained (needs ``aisle[train]``): ``epochs``,
    ``learning_rate`` and ``weight_decay`` are theirs alone. ``ials`` needs ``aisle[baselines]``.
    """

    kind: Literal["list_model"]
    model: Annotated[FittedSourceSpec | TrainedSourceSpec, Field(discriminator="kind")]
    epochs: PositiveInt = 30
    learning_rate: PositiveFloat = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    min_events: PositiveInt = 3
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _trains_what_learns(self) -> ListModelSourceSpec:
        if isinstance(self.model, get_args(TrainedSourceSpec)):
            return self
        for name in ("epochs", "learning_rate", "weight_decay"):
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                raise ValueError(f"{name}: expected a model that is trained, received {self.model.kind}; leave it out")
        return self

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [name]
