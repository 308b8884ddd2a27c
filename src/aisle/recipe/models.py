"""The rankers of table recipes: one specification per model of the ranking family.

A specification's fields are the keywords of the model's class, whose docstring says what they mean; its width and its
tables stand in the recipe's ``tables``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

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


class FwFmModelSpec(Strict):
    """The factorization machine with a weight per pair of fields."""

    kind: Literal["fwfm"]
    numeric: Numeric = "embed"


class AfmModelSpec(Strict):
    """The factorization machine whose pairs a network weighs."""

    kind: Literal["afm"]
    attention_size: PositiveInt = 16
    numeric: Numeric = "embed"
    dropout: Dropout = 0.0


class NfmModelSpec(Strict):
    """An MLP over the pooled products of all pairs of fields."""

    kind: Literal["nfm"]
    deep_layers: Layers = [256, 128]
    numeric: Numeric = "embed"
    dropout: Dropout = 0.0


class WideDeepModelSpec(Strict):
    """A linear model beside an MLP."""

    kind: Literal["wide-deep"]
    deep_layers: Layers = [256, 128]
    numeric: Numeric = "linear"
    dropout: Dropout = 0.0


class DnnModelSpec(Strict):
    """An MLP over everything side by side."""

    kind: Literal["dnn"]
    deep_layers: Layers = [512, 256, 128]
    powers: Annotated[bool, Field(description="numbers also enter as their squares and square roots")] = False
    numeric: Numeric = "linear"
    dropout: Dropout = 0.0


class DeepFmModelSpec(Strict):
    """A factorization machine and an MLP over the same vectors."""

    kind: Literal["deepfm"]
    deep_layers: Layers = [256, 128]
    numeric: Numeric = "embed"
    dropout: Dropout = 0.0


class XDeepFmModelSpec(Strict):
    """First order terms, a compressed interaction network and an MLP."""

    kind: Literal["xdeepfm"]
    cin_layers: SomeLayers = [32, 32]
    deep_layers: Layers = [256, 128]
    numeric: Numeric = "embed"
    dropout: Dropout = 0.0


class DcnModelSpec(Strict):
    """Cross layers with a weight per input, beside an MLP."""

    kind: Literal["dcn"]
    cross_layers: PositiveInt = 3
    deep_layers: SomeLayers = [256, 128]
    numeric: Numeric = "linear"
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


class AutoIntModelSpec(Strict):
    """Self-attention between fields; with ``deep_layers`` an MLP beside it."""

    kind: Literal["autoint"]
    attention_layers: PositiveInt = 3
    num_heads: PositiveInt = 2
    head_size: PositiveInt = 16
    deep_layers: Layers = []
    numeric: Numeric = "embed"
    dropout: Dropout = 0.0


class FinalMlpModelSpec(Strict):
    """Two MLPs over gated inputs, fused; ``contexts`` are the embedded features that each one's gate reads."""

    kind: Literal["finalmlp"]
    streams: tuple[SomeLayers, SomeLayers] = ([256, 128], [256, 128])
    contexts: tuple[list[str], list[str]] = ([], [])
    gate_layers: Layers = [64]
    num_heads: PositiveInt = 4
    numeric: Numeric = "embed"
    dropout: Dropout = 0.0


class MaskNetModelSpec(Strict):
    """Blocks that multiply hidden values by masks of the example's own, and an MLP."""

    kind: Literal["masknet"]
    blocks: SomeLayers = [64, 64, 64]
    structure: Literal["parallel", "serial"] = "parallel"
    reduction: Annotated[PositiveFloat, Field(description="hidden values of a mask per input")] = 1.0
    deep_layers: Layers = [128]
    numeric: Numeric = "embed"
    dropout: Dropout = 0.0


class HistoryModelSpec(Strict):
    """What a model over a visitor's history reads; the features of ``histories`` share their candidate's table.

    ``histories``: for each candidate feature the features that are its history's places, taken ones first; ranges
    (``history_1..history_20``) are allowed.
    """

    histories: Annotated[dict[str, Annotated[list[str], Field(min_length=1)]], Field(min_length=1)]
    length_column: Annotated[
        str | Annotated[int, Field(ge=0)],
        Field(description="the dense input that is the history's plain length, by its name or its place from 0"),
    ]
    deep_layers: Layers = [200, 80]
    numeric: Numeric = "linear"
    dropout: Dropout = 0.0

    @model_validator(mode="before")
    @classmethod
    def _has_a_history(cls, data: Any) -> Any:
        missing = [name for name in ("histories", "length_column") if isinstance(data, dict) and name not in data]
        if missing:
            names = " and ".join(missing)
            raise ValueError(f"expected {names}, as the recipe ml-1m-din has, received none; give them with the kind")
        return data


class DinModelSpec(HistoryModelSpec):
    """Target attention over a history; ``pooling: mean`` is the same model without attention."""

    kind: Literal["din"]
    pooling: Literal["attention", "mean"] = "attention"
    attention_layers: Layers = [80, 40]


class BstModelSpec(HistoryModelSpec):
    """Transformer blocks over a history and its candidate."""

    kind: Literal["bst"]
    num_blocks: PositiveInt = 1
    num_heads: PositiveInt = 2


class DienModelSpec(HistoryModelSpec):
    """Recurrent layers over a history, the second one weighted by the candidate."""

    kind: Literal["dien"]
    auxiliary_weight: Annotated[
        NonNegativeFloat, Field(description="what telling the next place from another visitor's counts in the loss")
    ] = 1.0


class DlrmModelSpec(Strict):
    """Sparse arch, dense arch, interaction arch, over arch."""

    kind: Literal["dlrm"]
    dense_layers: Layers = [256, 64]
    over_layers: Layers = [256, 64]
    interaction: Literal["dot", "cat"] = "dot"
    raw_dense: bool = False
    linear_skip: bool = False
    dropout: Dropout = 0.0


class AttentionDlrmModelSpec(Strict):
    """DLRM whose products of vectors attention pools, in place of the dot products or beside them."""

    kind: Literal["attention-dlrm"]
    dense_layers: Layers = [256, 64]
    over_layers: Layers = [256, 64]
    attention: Literal["replace", "beside"] = "beside"
    attention_size: PositiveInt = 16
    dropout: Dropout = 0.0


TableModelSpec = Annotated[
    LogisticModelSpec
    | FmModelSpec
    | FwFmModelSpec
    | AfmModelSpec
    | NfmModelSpec
    | WideDeepModelSpec
    | DnnModelSpec
    | DeepFmModelSpec
    | XDeepFmModelSpec
    | DcnModelSpec
    | DcnV2ModelSpec
    | AutoIntModelSpec
    | FinalMlpModelSpec
    | MaskNetModelSpec
    | DinModelSpec
    | BstModelSpec
    | DienModelSpec
    | DlrmModelSpec
    | AttentionDlrmModelSpec,
    Field(discriminator="kind"),
]
