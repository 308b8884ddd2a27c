"""Deep models of the next item of a sequence."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from aisle.recipe.strict import Strict

_Dropout = Annotated[float, Field(ge=0, lt=1, description="share of values that training drops")]


class ItemLossSpec(Strict):
    """How a model tells the next item from others; see ``aisle.nn.item_losses``.

    ``negatives`` are shared by all positions of a batch; 0: all items, for the softmax alone. They are drawn in
    proportion to ``popularity_power`` of how often items occur (0: uniformly).
    """

    kind: Literal["softmax", "bce", "gbce", "bpr", "bpr-max", "top1-max"] = "softmax"
    negatives: NonNegativeInt = 0
    popularity_power: NonNegativeFloat = 0.0
    log_q: Annotated[bool, Field(description="the softmax corrects for how negatives are drawn")] = False
    calibration: Annotated[float, Field(ge=0, le=1, description="of gbce")] = 0.75
    temperature: Annotated[PositiveFloat, Field(description="scores are divided by it")] = 1.0
    skip_known: Annotated[bool, Field(description="the softmax over all items leaves out what was read before")] = False

    @model_validator(mode="after")
    def _has_negatives(self) -> ItemLossSpec:
        if self.negatives == 0 and self.kind != "softmax":
            raise ValueError(f"loss.negatives: expected 1 or more for {self.kind}, received 0 (all items)")
        if self.skip_known and self.negatives:
            raise ValueError(f"loss.skip_known: expected negatives 0 (all items), received {self.negatives}")
        return self


class SequenceModelSpec(Strict):
    """What all of them have: width, the longest sequence, whether scores are cosines, and the loss."""

    batch_size: Annotated[PositiveInt, Field(description="sequences of a step")] = 128
    dim: PositiveInt = 50
    max_length: PositiveInt = 200
    normalize: Annotated[bool, Field(description="scores are cosines; the temperature makes them sharp")] = True
    dropout: _Dropout = 0.2
    loss: ItemLossSpec = ItemLossSpec(temperature=0.05)


class SasrecSpec(SequenceModelSpec):
    """Self-attention over the sequence so far; ``hidden`` is the width of the blocks' networks (missing: ``dim``)."""

    kind: Literal["sasrec"]
    num_blocks: PositiveInt = 2
    num_heads: PositiveInt = 1
    hidden: PositiveInt | None = None


class HstuSpec(SequenceModelSpec):
    """The generative recommender; ``query_dim`` and ``value_dim`` are sizes of a head (missing: ``dim`` shared out)."""

    kind: Literal["hstu"]
    num_layers: PositiveInt = 2
    num_heads: PositiveInt = 1
    query_dim: PositiveInt | None = None
    value_dim: PositiveInt | None = None
    convolution: Annotated[
        NonNegativeInt, Field(description="in front of each layer so many positions are added by their distance")
    ] = 0


class Gru4RecSpec(SequenceModelSpec):
    """A recurrent network; ``hidden`` is the size of its layers (missing: ``dim``)."""

    kind: Literal["gru4rec"]
    cell: Literal["rnn", "lstm", "gru"] = "gru"
    num_layers: PositiveInt = 1
    hidden: PositiveInt | None = None


class Bert4RecSpec(SequenceModelSpec):
    """Hidden items are told from both sides; ``hidden`` is the width of the blocks' networks (missing: 4 ``dim``)."""

    kind: Literal["bert4rec"]
    num_blocks: PositiveInt = 2
    num_heads: PositiveInt = 2
    hidden: PositiveInt | None = None
    mask_share: Annotated[float, Field(gt=0, lt=1, description="share of the items that training hides")] = 0.2
    last_share: Annotated[float, Field(ge=0, le=1, description="share of lists whose last item alone it hides")] = 0.1

    @model_validator(mode="after")
    def _reads_both_sides(self) -> Bert4RecSpec:
        if self.loss.skip_known:
            raise ValueError("loss.skip_known: expected a model that reads from the past alone, received bert4rec")
        return self


class YoutubeDnnSpec(SequenceModelSpec):
    """A tower with ``hidden`` layers over the mean of what was taken; drawn negatives, corrected for how often."""

    kind: Literal["youtube-dnn"]
    loss: ItemLossSpec = ItemLossSpec(negatives=1024, popularity_power=1.0, log_q=True, temperature=0.07)
    hidden: Annotated[list[PositiveInt], Field(description="outputs of each hidden layer")] = [256, 128]


class SlcmSpec(Strict):
    """NCF with a latent context: an MLP over a user, an item, and what a recurrent network made of what came before."""

    kind: Literal["slcm"]
    batch_size: Annotated[PositiveInt, Field(description="sequences of a step")] = 128
    max_length: Annotated[PositiveInt, Field(description="the context is of the last so many items")] = 50
    negatives: PositiveInt = 4
    dimension: Annotated[PositiveInt, Field(description="of the vectors of users and items")] = 32
    context: Annotated[PositiveInt, Field(description="values of the latent context")] = 32
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    hidden: Annotated[list[PositiveInt], Field(min_length=1, description="outputs of the MLP's layers")] = [64, 32]
    dropout: _Dropout = 0.2
