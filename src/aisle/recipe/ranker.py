"""The configuration of a shop's ranker: from which times its examples come, which model it is, how it is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from aisle.recipe.strict import Strict

Layers = list[PositiveInt]
Share = Annotated[float, Field(ge=0, lt=1)]


class DlrmSpec(Strict):
    """DLRM over bucketized candidate features, the ids of item, category and brand, and standardized features.

    ``interaction``: ``dot`` (each pair of vectors) or ``cat`` (side by side). ``num_buckets``: intervals per feature.
    """

    kind: Literal["dlrm"]
    embedding_dim: PositiveInt = 8
    num_buckets: Annotated[int, Field(ge=2)] = 24
    interaction: Literal["dot", "cat"] = "dot"
    dense_layers: Layers = [128]
    over_layers: Layers = [256, 64]
    dropout: Share = 0.0


class FieldDlrmSpec(Strict):
    """DLRM over fields of related features; the same inputs."""

    kind: Literal["field-dlrm"]
    embedding_dim: PositiveInt = 8
    num_buckets: Annotated[int, Field(ge=2)] = 24
    dense_layers: Layers = [64]
    over_layers: Layers = [128, 64]
    dropout: Share = 0.0


class LogisticSpec(Strict):
    """Logistic regression over the same inputs."""

    kind: Literal["logistic"]
    num_buckets: Annotated[int, Field(ge=2)] = 24


RankerModelSpec = Annotated[DlrmSpec | FieldDlrmSpec | LogisticSpec, Field(discriminator="kind")]


class ExamplesSpec(Strict):
    """Where examples come from: ``snapshots`` times, ``every_days`` apart, each a horizon before what it must predict.

    Of each list (a visitor's candidates at a snapshot's time, with repeats and without) all that were taken are kept,
    and ``negatives`` others, which stand for all others by their weight.
    """

    snapshots: PositiveInt = 8
    every_days: PositiveInt = 14
    negatives: PositiveInt = 40
    max_questions: Annotated[PositiveInt, Field(description="visitors of a snapshot; drawn by the seed")] = 5000


class RankerTrainingSpec(Strict):
    """How the ranker is trained; see ``aisle.train.engine.loop_settings.LoopSettings``.

    ``warm_start``: the vectors of ids start from those of the active bundle's ranker, where that has seen nothing of
    what the new one is tested on.
    """

    batch_size: PositiveInt = 2048
    num_epochs: PositiveInt = 1
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01
    evaluations_per_epoch: PositiveInt = 1
    patience: PositiveInt = 2
    unknown_rate: Share = 0.05
    pointwise_weight: NonNegativeFloat = 1.0
    listwise_weight: NonNegativeFloat = 1.0
    list_power: Annotated[float, Field(ge=0, le=1)] = 0.5
    precision: Literal["float32", "bfloat16"] = "float32"
    warm_start: bool = False


class RankerSpec(Strict):
    """The ranker of a placement; without one a fitted blend ranks, and it stands in where the ranker fails."""

    placement: str = "for-you"
    examples: ExamplesSpec = ExamplesSpec()
    model: RankerModelSpec
    ids: Annotated[
        list[Literal["item", "category", "brand"]],
        Field(description="which ids have tables of their own, beside all that is known of them"),
    ] = ["category", "brand"]
    members: Annotated[PositiveInt, Field(description="so many models, trained from different seeds, are averaged")] = 1
    training: RankerTrainingSpec = RankerTrainingSpec()
    calibration_questions: Annotated[
        PositiveInt, Field(description="so many visitors' whole lists calibrate and measure probabilities")
    ] = 400
