"""The rankers of table recipes: one specification per model of the ranking family.

A specification's fields are the keywords of the model's class, whose docstring says what they mean; its width and its
tables stand in the recipe's ``tables``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from aisle.recipe.strict import Strict

Layers = list[PositiveInt]
SomeLayers = Annotated[list[PositiveInt], Field(min_length=1)]
Dropout = Annotated[float, Field(ge=0, lt=1, description="share of hidden values that training drops")]
Numeric = Annotated[
    Literal["embed", "periodic", "linear", "none"],
    Field(description="a number becomes a vector times its value, a vector of waves, itself, or nothing"),
]


class LogisticModelSpec(Strict):
    """Logistic regression."""

    kind: Literal["logistic"]


class FmModelSpec(Strict):
    """The factorization machine."""

    kind: Literal["fm"]
    numeric: Numeric = "embed"


class DeepFmModelSpec(Strict):
    """A factorization machine and an MLP over the same vectors."""

    kind: Literal["deepfm"]
    deep_layers: Layers = [256, 128]
    numeric: Numeric = "embed"
    dropout: Dropout = 0.0


class DcnV2ModelSpec(Strict):
    """Cross layers and an MLP; with a ``rank``, mixtures of experts of that rank instead of whole matrices."""

    kind: Literal["dcn-v2"]
    cross_layers: PositiveInt = 3
    rank: PositiveInt | None = None
    num_experts: PositiveInt = 4
    deep_layers: SomeLayers = [256, 128]
    structure: Literal["stacked", "parallel"] = "parallel"
    numeric: Numeric = "linear"
    dropout: Dropout = 0.0


class DlrmModelSpec(Strict):
    """Sparse arch, dense arch, interaction arch, over arch."""

    kind: Literal["dlrm"]
    dense_layers: Layers = [256, 64]
    over_layers: Layers = [256, 64]
    interaction: Literal["dot", "cat"] = "dot"
    raw_dense: bool = False
    linear_skip: bool = False
    dropout: Dropout = 0.0


TableModelSpec = Annotated[
    DcnV2ModelSpec | DeepFmModelSpec | DlrmModelSpec | FmModelSpec | LogisticModelSpec, Field(discriminator="kind")
]
