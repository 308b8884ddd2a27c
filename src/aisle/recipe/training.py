"""How a ranker over tables is trained: optimizers of dense parts and of tables, schedule, precision, early stopping."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from aisle.recipe.strict import Strict


class TableTrainingSpec(Strict):
    """See ``aisle.train.engine.loop_settings.LoopSettings``, whose names these are.

    ``table_optimizer`` updates only the rows of a batch; ``table_l2`` and ``weight_decay`` regularize tables and dense
    parts apart. ``metric`` chooses the evaluation on the validation rows whose weights are kept; of several labels it
    is the mean over them, or that of ``task`` alone. ``device: auto`` is a GPU where PyTorch finds one; a training goes
    on from its checkpoint on any device.
    """

    batch_size: PositiveInt = 1024
    num_epochs: PositiveInt = 2
    learning_rate: PositiveFloat = 1e-3
    table_learning_rate: Annotated[PositiveFloat | None, Field(description="the same if missing")] = None
    table_optimizer: Literal["adam", "row_wise_adagrad", "adagrad", "sgd"] = "adam"
    table_l2: NonNegativeFloat = 0.0
    weight_decay: NonNegativeFloat = 0.0
    warmup_steps: NonNegativeInt = 0
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    evaluations_per_epoch: PositiveInt = 4
    patience: PositiveInt = 4
    metric: Literal["auc", "log_loss"] = "log_loss"
    task: str | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    unknown_rate: Annotated[float, Field(ge=0, lt=1)] = 0.0
