"""Models of the next item that score each candidate behind the whole history."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from aisle.recipe.list_models.sequential import ItemLossSpec
from aisle.recipe.strict import Strict


class CandidateModelSpec(Strict):
    """What models have that read a history once for each candidate.

    ``positions``: in each epoch so many positions of each list are asked, drawn anew; missing: all of them. A step
    scores its targets and what the loss draws beside them, each behind each of its histories.
    """

    batch_size: Annotated[PositiveInt, Field(description="positions of a step")] = 128
    positions: PositiveInt | None = None
    dim: PositiveInt = 32
    max_length: Annotated[int, Field(ge=2)] = 50
    dropout: Annotated[float, Field(ge=0, lt=1, description="share of values that training drops")] = 0.0
    loss: ItemLossSpec = ItemLossSpec(negatives=64, popularity_power=0.5, log_q=True)

    @model_validator(mode="after")
    def _leaves_nothing_out(self) -> Self:
        if self.loss.skip_known:
            raise ValueError("loss.skip_known: expected false with a model that scores candidates, received true")
        return self

    @model_validator(mode="after")
    def _has_other_positions(self) -> Self:
        if self.loss.in_batch and self.batch_size < 2:
            raise ValueError("batch_size: expected 2 or more with loss.in_batch, received 1")
        return self


class InterestModelSpec(CandidateModelSpec):
    """Those with an MLP over a candidate and the interest in it."""

    hidden: Annotated[list[PositiveInt], Field(description="hidden sizes of the MLP")] = [64]


class ListDinSpec(InterestModelSpec):
    """Target attention over a history; it knows no order."""

    kind: Literal["din"]
    attention_layers: Annotated[list[PositiveInt], Field(min_length=1, description="hidden sizes of its unit")] = [
        32,
        16,
    ]


class ListBstSpec(InterestModelSpec):
    """A history and its candidate as one sequence, through a transformer block."""

    kind: Literal["bst"]
    num_heads: PositiveInt = 2


class ListDienSpec(InterestModelSpec):
    """Recurrent layers over a history, the second one weighted by the candidate."""

    kind: Literal["dien"]
    auxiliary_weight: Annotated[
        NonNegativeFloat, Field(description="what telling the next item from another list's counts in the loss")
    ] = 1.0


class ListHstuRankerSpec(CandidateModelSpec):
    """HSTU over items and what was done with them, in turn: which item comes next, and what is done with it."""

    kind: Literal["hstu-ranker"]
    num_layers: PositiveInt = 2
    num_heads: PositiveInt = 1


#: All of them.
ByCandidateSpec = ListDinSpec | ListBstSpec | ListDienSpec | ListHstuRankerSpec
