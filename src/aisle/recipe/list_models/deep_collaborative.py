"""Deep collaborative filtering: what a recipe may say of networks over users and what they took, in any order."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from aisle.recipe.strict import Strict

_Share = Annotated[float, Field(ge=0, lt=1)]
_Sizes = Annotated[list[PositiveInt], Field(min_length=1, description="outputs of each layer")]


class PairExamplesSpec(Strict):
    """Each step takes ``batch_size`` interactions, each beside ``negatives`` items that the user did not take."""

    batch_size: PositiveInt = 4096
    negatives: PositiveInt = 4


class NcfSpec(PairExamplesSpec):
    """What GMF, MLP and NeuMF share: half of ``l2`` times the squared length of both vectors of a pair joins its loss.

    The paper has none; factorizations gain much by it (Rendle et al., "Neural collaborative filtering vs. matrix
    factorization revisited", RecSys 2020).
    """

    l2: NonNegativeFloat = 0.0


class GmfSpec(NcfSpec):
    """Generalized matrix factorization (NCF): a weighted inner product of vectors of ``dimension`` values."""

    kind: Literal["gmf"]
    dimension: PositiveInt = 64


class NcfMlpSpec(NcfSpec):
    """The MLP of NCF over a user's and an item's vector, each of ``dimension`` values."""

    kind: Literal["ncf-mlp"]
    dimension: PositiveInt = 128
    hidden: _Sizes = [256, 128, 64]


class NeuMfSpec(NcfSpec):
    """NeuMF (NCF): ``alpha`` of a GMF's output and 1 - ``alpha`` of an MLP's.

    For the first ``pretraining_epochs`` both learn alone, then together; with all of ``train.epochs`` never together.
    With ``mlp_pretraining_epochs`` the MLP learns in the last so many of these alone: it overfits sooner than the GMF.
    """

    kind: Literal["neumf"]
    dimension: PositiveInt = 64
    mlp_dimension: PositiveInt = 128
    hidden: _Sizes = [256, 128, 64]
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.5
    pretraining_epochs: NonNegativeInt = 6
    mlp_pretraining_epochs: Annotated[PositiveInt | None, Field(description="missing: as many")] = None

    @model_validator(mode="after")
    def _pretrains_the_mlp_no_longer(self) -> Self:
        if self.mlp_pretraining_epochs is not None and self.mlp_pretraining_epochs > self.pretraining_epochs:
            raise ValueError(
                f"mlp_pretraining_epochs: expected pretraining_epochs ({self.pretraining_epochs}) at most, received "
                f"{self.mlp_pretraining_epochs}; lower it, or leave it out"
            )
        return self


class NnmfSpec(PairExamplesSpec):
    """Neural network matrix factorization: layers over a user, an item, and ``products`` of two more vectors."""

    kind: Literal["nnmf"]
    dimension: PositiveInt = 10
    products: PositiveInt = 60
    hidden: _Sizes = [50, 50, 50]


class DmfSpec(PairExamplesSpec):
    """Deep matrix factorization: the cosine of two towers, over what a user took and over who took an item."""

    kind: Literal["dmf"]
    batch_size: PositiveInt = 16_384
    negatives: PositiveInt = 7
    hidden: _Sizes = [128, 64]
    temperature: Annotated[PositiveFloat, Field(description="cosines are divided by it before the loss")] = 0.2


class LightGcnSpec(PairExamplesSpec):
    """LightGCN: vectors averaged over ``layers`` steps to neighbours; ``l2`` as the paper counts it.

    With ``loss: bpr``, the paper's, a step takes ``batch_size`` interactions. With ``softmax`` it takes so many users,
    and tells what each of them took from all items, so that ``negatives`` are not drawn. Each step goes through the
    whole graph, so that large batches are cheap. ``popularity`` times the log of how many took an item is added to the
    scores of what serves: of cosines, which hold little of it.
    """

    kind: Literal["lightgcn"]
    batch_size: PositiveInt = 65_536
    negatives: PositiveInt = 1
    dimension: PositiveInt = 64
    layers: NonNegativeInt = 3
    l2: NonNegativeFloat = 1e-4
    loss: Literal["bpr", "softmax"] = "bpr"
    normalize: Annotated[bool, Field(description="scores are cosines; the temperature makes them sharp")] = False
    temperature: Annotated[PositiveFloat, Field(description="scores are divided by it before the loss")] = 1.0
    popularity: NonNegativeFloat = 0.0
    first_scale: Annotated[PositiveFloat, Field(description="root mean square of the first values of vectors")] = 0.1
    first_values: Annotated[
        Literal["random", "spectrum"], Field(description="drawn, or the strongest directions of the graph")
    ] = "random"

    @model_validator(mode="after")
    def _draws_what_is_told(self) -> Self:
        if self.loss == "softmax" and self.negatives != LightGcnSpec.model_fields["negatives"].default:
            raise ValueError(
                f"negatives: expected none with loss softmax (over all items), received {self.negatives}; take loss "
                "bpr, or leave it out"
            )
        return self


class AcfSpec(PairExamplesSpec):
    """Attentive collaborative filtering: a user is a vector and what they took, weighed by attention.

    With ``components`` the labels of items, which ``data.items`` names, are what items are made of: a second attention
    weighs the labels of each item for the user.
    """

    kind: Literal["acf"]
    components: bool = False
    batch_size: PositiveInt = 1024
    negatives: PositiveInt = 1
    dimension: PositiveInt = 64
    attention: Annotated[PositiveInt, Field(description="hidden values of the attention")] = 32
    max_history: Annotated[PositiveInt, Field(description="of a history only the last so many items count")] = 50
    l2: NonNegativeFloat = 1e-4


class MultDaeSpec(Strict):
    """Mult-DAE: an autoencoder of a user's items that must tell those that were dropped from its input."""

    kind: Literal["mult-dae"]
    batch_size: PositiveInt = 500
    hidden: Annotated[list[PositiveInt], Field(description="of the encoder; the decoder has the same outwards")] = []
    latent: PositiveInt = 200
    dropout: _Share = 0.5


class MultVaeSpec(Strict):
    """Mult-VAE: latent values are drawn; their divergence from a prior weighs ``beta`` after ``anneal_steps``."""

    kind: Literal["mult-vae"]
    batch_size: PositiveInt = 500
    hidden: Annotated[list[PositiveInt], Field(description="of the encoder; the decoder has the same outwards")] = [600]
    latent: PositiveInt = 200
    dropout: _Share = 0.5
    beta: NonNegativeFloat = 0.2
    anneal_steps: NonNegativeInt = 200_000
