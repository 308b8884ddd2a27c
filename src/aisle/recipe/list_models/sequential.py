"""Deep models of the next item of a sequence."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from aisle.recipe.strict import Strict

_Dropout = Annotated[float, Field(ge=0, lt=1, description="share of values that training drops")]


class ItemLossSpec(Strict):
    """How a model tells the next item from others; see ``aisle.nn.item_losses``.

    ``negatives`` are shared by all positions of a batch; 0: all items, for the softmax alone. They are drawn in
    proportion to ``popularity_power`` of how often items occur (0: uniformly). With ``hard`` only so many of them count
    at a position: the distinct ones that score highest there (0: all). With ``in_batch`` none are drawn: negatives of a
    position are the items that other sequences of the batch seek, but for its target.
    """

    kind: Literal["softmax", "bce", "gbce", "bpr", "bpr-max", "top1-max"] = "softmax"
    negatives: NonNegativeInt = 0
    popularity_power: NonNegativeFloat = 0.0
    hard: Annotated[NonNegativeInt, Field(description="negatives of a position that count, the highest scoring")] = 0
    log_q: Annotated[bool, Field(description="the softmax corrects for how negatives are drawn")] = False
    in_batch: Annotated[bool, Field(description="negatives are what the batch's other sequences seek")] = False
    calibration: Annotated[float, Field(ge=0, le=1, description="of gbce")] = 0.75
    temperature: Annotated[PositiveFloat, Field(description="scores are divided by it")] = 1.0
    skip_known: Annotated[bool, Field(description="the softmax over all items leaves out what was read before")] = False

    @model_validator(mode="after")
    def _has_more_than_hard_negatives(self) -> ItemLossSpec:
        if self.hard and self.negatives <= self.hard and not self.in_batch:
            raise ValueError(f"loss.hard: expected fewer than negatives ({self.negatives}), received {self.hard}")
        if self.hard and (self.kind == "gbce" or self.log_q):
            what = "log_q" if self.log_q else self.kind
            raise ValueError(f"loss.hard: expected 0 with {what}, which corrects for chance, received {self.hard}")
        return self

    @model_validator(mode="after")
    def _draws_none_beside_the_batch(self) -> ItemLossSpec:
        for name in ("negatives", "popularity_power", "skip_known"):
            if self.in_batch and getattr(self, name):
                raise ValueError(f"loss.in_batch: expected no {name} beside it, received {getattr(self, name)}")
        if self.in_batch and self.kind == "gbce":
            raise ValueError("loss.in_batch: expected another loss than gbce, which corrects for uniform draws")
        return self

    @model_validator(mode="after")
    def _has_negatives(self) -> ItemLossSpec:
        if self.negatives == 0 and self.kind != "softmax" and not self.in_batch:
            raise ValueError(f"loss.negatives: expected 1 or more for {self.kind}, received 0 (all items)")
        if self.skip_known and self.negatives:
            raise ValueError(f"loss.skip_known: expected negatives 0 (all items), received {self.negatives}")
        return self

    @model_validator(mode="after")
    def _reads_what_is_told(self) -> Self:
        has_all = self.negatives == 0 and not self.in_batch
        if has_all and self.popularity_power:
            raise ValueError(
                "loss.popularity_power: expected 0 with negatives 0 (all items, none are drawn), received "
                f"{self.popularity_power}; set negatives, or leave it out"
            )
        if self.log_q and (has_all or self.kind != "softmax"):
            what = "negatives 0 (all items)" if has_all else self.kind
            raise ValueError(
                f"loss.log_q: expected false with {what}, received true; take a softmax over negatives, or leave it out"
            )
        if self.kind != "gbce" and self.calibration != ItemLossSpec.model_fields["calibration"].default:
            raise ValueError(
                f"loss.calibration: expected it with gbce alone, received {self.calibration} with {self.kind}; take "
                "gbce, or leave it out"
            )
        return self


class SideSpec(Strict):
    """What else is read beside which items they are; the vectors of all of it are added.

    ``items``: labels of items (``data.items`` names their columns) in what is ``read``, or in ``both`` what is read and
    what is sought. ``actions``: what was done with each item (``data.columns.action``). ``gaps``: the time since the
    event before (``data.columns.time``), by powers of 2 seconds.
    """

    items: Literal["read", "both"] | None = None
    actions: bool = False
    gaps: bool = False


class SequenceModelSpec(Strict):
    """What all of them have: width, the longest sequence, whether scores are cosines, what else is read, the loss."""

    batch_size: Annotated[PositiveInt, Field(description="sequences of a step")] = 128
    dim: PositiveInt = 50
    max_length: Annotated[int, Field(ge=2)] = 200
    normalize: Annotated[bool, Field(description="scores are cosines; the temperature makes them sharp")] = True
    dropout: _Dropout = 0.2
    loss: ItemLossSpec = ItemLossSpec(temperature=0.05)
    side: SideSpec = SideSpec()

    @model_validator(mode="after")
    def _has_other_sequences(self) -> Self:
        if self.loss.in_batch and self.batch_size < 2:
            raise ValueError("batch_size: expected 2 or more with loss.in_batch, received 1")
        return self


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
    time_bias: Annotated[
        bool, Field(description="attention also looks at the time between events, which data.columns.time tells")
    ] = False


class CoreSpec(SequenceModelSpec):
    """A session is a mean of its items' own vectors; blocks as SASRec's say how much each of them counts."""

    kind: Literal["core"]
    num_blocks: PositiveInt = 1
    num_heads: PositiveInt = 1
    hidden: PositiveInt | None = None


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
    convolution: Annotated[
        NonNegativeInt, Field(description="in front of each block so many positions to each side are added")
    ] = 0
    mask_share: Annotated[float, Field(gt=0, lt=1, description="share of the items that training hides")] = 0.2
    last_share: Annotated[
        float, Field(ge=0, le=1, description="share of lists that end anywhere, with the last item alone hidden")
    ] = 0.1


class YoutubeDnnSpec(SequenceModelSpec):
    """A tower with ``hidden`` layers over means of what was taken; drawn negatives, corrected for how often."""

    kind: Literal["youtube-dnn"]
    loss: ItemLossSpec = ItemLossSpec(negatives=1024, popularity_power=1.0, log_q=True, temperature=0.07)
    hidden: Annotated[list[PositiveInt], Field(description="outputs of each hidden layer")] = [256, 128]
    windows: Annotated[
        list[PositiveInt], Field(description="a mean of the last so many items for each; empty: one of all")
    ] = []


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
