"""How a ranker is trained: the settings of the loop, and the batches, loss and optimizers that follow from them.

Legend of shapes: B rows of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from aisle.models import AuxiliaryRanker, MultiTaskRanker, Ranker
from aisle.nn.losses import listwise_softmax, multi_task_bce, weighted_bce
from aisle.train.engine.batches import Batch, Batches, RankerRows
from aisle.train.engine.devices import DeviceName
from aisle.train.engine.optimizers import DenseRule, OptimizerSettings
from aisle.train.engine.schedules import Schedule
from aisle.train.engine.step import Loss, Precision
from aisle.train.engine.table_optimizers import TableRule


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How a ranker is trained.

    Attributes:
        batch_size: Rows of a step.
        num_epochs: At most so many passes over the rows; the schedule spans all of them.
        optimizer: Of the dense parts.
        learning_rate: Of the dense parts.
        weight_decay: Of the dense parts.
        table_optimizer: Of the rows that a batch looks up; missing: see
            :class:`aisle.train.engine.optimizers.OptimizerSettings`.
        table_learning_rate: Of the embedding tables; the same if missing.
        table_l2: The L2 penalty of whole tables; a row pays it for all steps since it was looked up last when it is
            looked up again, see :class:`aisle.train.engine.table_optimizers.TableOptimizer`.
        schedule: How the learning rates fall after the warm-up.
        warmup_steps: Steps over which the learning rates rise.
        evaluations_per_epoch: How often the later slice is looked at.
        patience: Training stops after so many evaluations in a row without a new best.
        metric: What is best on the later rows: the least log loss or the largest AUC.
        task: Of a ranker of several labels: the one whose metric that is; missing: the mean over all.
        unknown_rate: The share of ids that training replaces by the unknown one.
        unknown_features: In which features; all that the model looks up if missing.
        pointwise_weight: What the log loss of each row counts.
        listwise_weight: What that of a softmax over each candidate list counts; the rows must say which lists they are
            of. By itself it leaves open what all logits of a list have in common.
        list_power: See :func:`aisle.nn.losses.listwise_softmax`.
        precision: Of the products in training; ``bfloat16`` is about twice as fast where the processor knows it. The
            weights, their updates and all evaluation are float32 in any case.
        device: Where the ranker is trained and evaluated, see :func:`aisle.train.engine.devices.training_device`; it
            stays there. A checkpoint of one device is gone on from on any.
        seed: Orders the rows, and draws what is dropped.
    """

    batch_size: int = 2048
    num_epochs: int = 1
    optimizer: DenseRule = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    table_optimizer: TableRule | None = None
    table_learning_rate: float | None = None
    table_l2: float = 0.0
    schedule: Schedule = "linear"
    warmup_steps: int = 0
    evaluations_per_epoch: int = 1
    patience: int = 2
    metric: Literal["log_loss", "auc"] = "log_loss"
    task: str | None = None
    unknown_rate: float = 0.0
    unknown_features: tuple[str, ...] | None = None
    pointwise_weight: float = 1.0
    listwise_weight: float = 0.0
    list_power: float = 0.5
    precision: Precision = "float32"
    device: DeviceName = "cpu"
    seed: int = 0


def training_batches(ranker: Ranker, rows: RankerRows, settings: LoopSettings) -> Batches:
    """The batches of a training."""
    return Batches(
        rows,
        batch_size=settings.batch_size,
        seed=settings.seed,
        unknown_rate=settings.unknown_rate,
        unknown_columns=_unknown_columns(ranker, settings),
    )


def training_loss(ranker: Ranker, settings: LoopSettings) -> Loss:
    """What a training minimizes; the ranker's own loss, if it has one, counts as it says itself."""
    auxiliary = ranker if isinstance(ranker, AuxiliaryRanker) and ranker.auxiliary_weight > 0 else None

    def loss(logits_B: Tensor, batch: Batch) -> Tensor:
        pointwise = multi_task_bce if logits_B.ndim == 2 else weighted_bce
        value = settings.pointwise_weight * pointwise(logits_B, batch.label_B, batch.weight_B)
        if settings.listwise_weight > 0:
            power = settings.list_power
            of_lists = listwise_softmax(logits_B, batch.label_B, batch.weight_B, batch.list_B, power=power)
            value = value + settings.listwise_weight * of_lists
        return value if auxiliary is None else value + auxiliary.take_auxiliary_loss()

    return loss


def optimizer_settings(settings: LoopSettings) -> OptimizerSettings:
    """How a training moves weights."""
    return OptimizerSettings(
        dense=settings.optimizer,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        tables=settings.table_optimizer,
        table_learning_rate=settings.table_learning_rate,
        table_l2=settings.table_l2,
    )


def _unknown_columns(ranker: Ranker, settings: LoopSettings) -> list[int]:
    names = ranker.embeddings.feature_names
    chosen = names if settings.unknown_features is None else list(settings.unknown_features)
    missing = [name for name in chosen if name not in names]
    if missing:
        raise ValueError(f"unknown_features: expected some of {', '.join(names)}, received {', '.join(missing)}")
    return [names.index(name) for name in chosen]


def check_rows(ranker: Ranker, rows: RankerRows, settings: LoopSettings) -> None:
    """Refuse rows and settings that a ranker cannot be trained by.

    Raises:
        ValueError: rows have other columns or labels than the ranker, or the settings contradict them or themselves.
    """
    num_sparse = len(ranker.embeddings.feature_names)
    if rows.dense_RN.shape[1] != ranker.num_dense or rows.sparse_RS.shape[1] != num_sparse:
        raise ValueError(
            f"expected rows with {ranker.num_dense} dense and {num_sparse} sparse features, received "
            f"{rows.dense_RN.shape[1]} and {rows.sparse_RS.shape[1]}"
        )
    tasks = ranker.tasks if isinstance(ranker, MultiTaskRanker) else ()
    if rows.label_R.shape[1:] != ((len(tasks),) if tasks else ()):
        raise ValueError(f"expected labels of the tasks {tasks or '(one)'}, received the shape {rows.label_R.shape}")
    if settings.task is not None and settings.task not in tasks:
        raise ValueError(f"task: expected one of {tasks or 'none'}, received {settings.task!r}")
    if tasks and settings.listwise_weight > 0:
        raise ValueError(f"listwise_weight: expected 0 for several tasks, received {settings.listwise_weight}")
    if settings.listwise_weight > 0 and rows.list_R is None:
        raise ValueError("listwise_weight: expected rows that say which lists they are of, received rows without")
    if settings.table_l2 > 0 and settings.table_optimizer is None:
        raise ValueError("table_l2: expected a table_optimizer, whose rows pay it when looked up, received none")
    if settings.num_epochs < 1 or settings.patience < 1 or settings.evaluations_per_epoch < 1:
        raise ValueError(f"expected num_epochs, patience and evaluations_per_epoch >= 1, received {settings}")
