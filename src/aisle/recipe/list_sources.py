"""Which models of list recipes can be a shop's source of candidates, and how they are fitted there."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from aisle.recipe.list_models.collaborative import (
    BprSpec,
    ExplicitSvdSpec,
    GraphFilterSpec,
    ImplicitAlsSpec,
    ItemKnnSpec,
    ListEaseSpec,
    PureSvdSpec,
    UserKnnSpec,
)
from aisle.recipe.list_models.deep_collaborative import (
    AcfSpec,
    DmfSpec,
    GmfSpec,
    LightGcnSpec,
    MultDaeSpec,
    MultVaeSpec,
    NcfMlpSpec,
    NeuMfSpec,
    NnmfSpec,
)
from aisle.recipe.list_models.sequential import SlcmSpec
from aisle.recipe.list_models.transitions import (
    MarkovSpec,
    NextItemRidgeSpec,
    RulesSpec,
    SessionItemKnnSpec,
    VsknnSpec,
)
from aisle.recipe.strict import Strict

#: Models of lists that answer one visitor: those that are fitted at once, and trained ones.
FittedSourceSpec = (
    ItemKnnSpec
    | UserKnnSpec
    | ListEaseSpec
    | GraphFilterSpec
    | PureSvdSpec
    | ImplicitAlsSpec
    | BprSpec
    | ExplicitSvdSpec
    | MarkovSpec
    | RulesSpec
    | SessionItemKnnSpec
    | NextItemRidgeSpec
    | VsknnSpec
)
TrainedSourceSpec = (
    DmfSpec
    | MultDaeSpec
    | MultVaeSpec
    | GmfSpec
    | NcfMlpSpec
    | NeuMfSpec
    | NnmfSpec
    | LightGcnSpec
    | AcfSpec
    | SlcmSpec
)
#: Those that need to know who asks: a question of items is none that they could answer.
UserSourceSpec = BprSpec | ExplicitSvdSpec | GmfSpec | NcfMlpSpec | NeuMfSpec | NnmfSpec


class ListModelSourceSpec(Strict):
    """A model of list recipes, fitted on visitors' histories; one source ``NAME``.

    A history is read as items alone, whatever was done with them. An item with fewer than ``min_events`` events is
    neither read nor proposed. ``bpr``, ``explicit-svd``, ``gmf``, ``ncf-mlp``, ``neumf`` and ``nnmf`` answer the users
    of the fit alone; ``lightgcn``, ``acf`` and ``slcm`` answer others from the history. ``explicit-svd`` reads the
    values of events ``rating``. ``epochs``, ``learning_rate`` and ``weight_decay`` are of models that are trained by
    gradient (needs ``aisle[train]``). ``bpr`` and ``ials`` need ``aisle[baselines]``.
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

    @model_validator(mode="after")
    def _says_what_a_shop_has(self) -> ListModelSourceSpec:
        model = self.model
        if isinstance(model, AcfSpec) and model.components:
            raise ValueError("model.components: expected false in a shop's recipe, received true; leave it out")
        if isinstance(model, NeuMfSpec) and model.pretraining_epochs > self.epochs:
            raise ValueError(
                f"model.pretraining_epochs: expected epochs ({self.epochs}) at most, received "
                f"{model.pretraining_epochs}; lower it, or train for more epochs"
            )
        return self

    def source_names(self, name: str) -> list[str]:
        """The sources that a fit under this name gives."""
        return [name]
