"""The recipe of a recommender over lists of items: data with a protocol, model, training, metrics."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from aisle.recipe.distillation import DistillSpec
from aisle.recipe.list_data import ListDataSpec
from aisle.recipe.list_models.candidates import ByCandidateSpec
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
from aisle.recipe.list_models.content import ListContentSpec
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
from aisle.recipe.list_models.ensemble import EnsembleSpec
from aisle.recipe.list_models.sequential import (
    Bert4RecSpec,
    CoreSpec,
    Gru4RecSpec,
    HstuSpec,
    SasrecSpec,
    SequenceModelSpec,
    SlcmSpec,
    YoutubeDnnSpec,
)
from aisle.recipe.list_models.transitions import (
    BlendSpec,
    MarkovSpec,
    NextItemRidgeSpec,
    PopularitySpec,
    RulesSpec,
    SessionItemKnnSpec,
    VsknnSpec,
)
from aisle.recipe.strict import Strict

#: Models that are fitted at once.
FittedModelSpec = (
    PopularitySpec
    | ListContentSpec
    | ItemKnnSpec
    | UserKnnSpec
    | ListEaseSpec
    | GraphFilterSpec
    | PureSvdSpec
    | ExplicitSvdSpec
    | ImplicitAlsSpec
    | BprSpec
    | MarkovSpec
    | RulesSpec
    | SessionItemKnnSpec
    | NextItemRidgeSpec
    | VsknnSpec
    | BlendSpec
)
#: Models that the loop trains by gradient.
TrainedModelSpec = (
    GmfSpec
    | NcfMlpSpec
    | NeuMfSpec
    | NnmfSpec
    | DmfSpec
    | LightGcnSpec
    | AcfSpec
    | MultDaeSpec
    | MultVaeSpec
    | SasrecSpec
    | HstuSpec
    | Gru4RecSpec
    | Bert4RecSpec
    | CoreSpec
    | SlcmSpec
    | YoutubeDnnSpec
    | ByCandidateSpec
)
ListModelSpec = FittedModelSpec | TrainedModelSpec | EnsembleSpec
Metric = Annotated[str, Field(pattern=r"^(ndcg|recall|recall_plain|hr|mrr)@[1-9][0-9]*$")]


class ListTrainingSpec(Strict):
    """See ``aisle.train.lists.loop.LoopSettings``, whose names these are; fitted models need none of it."""

    epochs: PositiveInt = 100
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    schedule: Literal["linear", "cosine", "constant"] = "constant"
    warmup_steps: NonNegativeInt = 0
    clip_norm: PositiveFloat | None = None
    evaluate_every: Annotated[PositiveInt, Field(description="epochs between looks at the validation questions")] = 5
    patience: Annotated[PositiveInt, Field(description="so many looks in a row without a new best end it")] = 4
    precision: Literal["float32", "bfloat16"] = "float32"


class ListRecipe(Strict):
    """How a recommender over lists is made and measured; the first of ``metrics`` chooses the best epoch."""

    kind: Literal["sequence"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="names the recipe in results")]
    seed: Annotated[int, Field(ge=0, lt=2**32, description="same seed, same machine, same result")] = 0
    data: ListDataSpec
    model: Annotated[ListModelSpec, Field(discriminator="kind")]
    train: ListTrainingSpec = ListTrainingSpec()
    distill: DistillSpec | None = None
    metrics: Annotated[list[Metric], Field(min_length=1)] = ["ndcg@10", "hr@10"]

    @model_validator(mode="after")
    def _trains_at_least_what_it_pretrains(self) -> Self:
        if isinstance(self.model, NeuMfSpec) and self.model.pretraining_epochs > self.train.epochs:
            raise ValueError(
                f"model.pretraining_epochs: expected train.epochs ({self.train.epochs}) at most, received "
                f"{self.model.pretraining_epochs}; lower it, or train for more epochs"
            )
        return self

    @model_validator(mode="after")
    def _can_be_taught(self) -> Self:
        if self.distill is not None and not tells_all_next_items(self.model):
            raise ValueError(
                "distill: expected a model of sequences that tells the next item from all others (sasrec, hstu, "
                f"gru4rec, core or youtube-dnn, softmax and negatives 0), received {self.model.kind}; leave it out"
            )
        return self


def tells_all_next_items(model: ListModelSpec) -> bool:
    """Whether a model gives all items a probability at every position of a sequence, and learns by these."""
    if not isinstance(model, SequenceModelSpec) or isinstance(model, Bert4RecSpec):
        return False
    return model.loss.kind == "softmax" and model.loss.negatives == 0 and not model.loss.in_batch
