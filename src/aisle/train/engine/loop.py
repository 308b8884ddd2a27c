"""Trains a ranker: schedule, early stopping on later rows, checkpoints from which it goes on exactly.

On a CPU and with the same number of threads, the same seed gives the same weights, however often training was killed.

Legend of shapes: B rows of a batch.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import orjson
import torch
from torch import Tensor

from aisle.errors import DataError
from aisle.models import MultiTaskRanker, Ranker
from aisle.nn.losses import listwise_softmax, multi_task_bce, weighted_bce
from aisle.progress import Progress, silent
from aisle.train.engine.batches import Batch, Batches, RankerRows
from aisle.train.engine.checkpoints import Checkpoint, Checkpoints
from aisle.train.engine.optimizers import DenseRule, Optimizers, OptimizerSettings
from aisle.train.engine.prediction import Evaluation, evaluate
from aisle.train.engine.schedules import Schedule, factor_at
from aisle.train.engine.step import Loss, Precision, TrainingStep
from aisle.train.engine.table_optimizers import TableRule

logger = logging.getLogger(__name__)

_REPORT_EVERY = 10

#: Puts an untrained ranker where it is trained, and makes the optimizers of its weights there.
Place = Callable[[Ranker, OptimizerSettings], tuple[Ranker, Optimizers]]


def as_it_is(ranker: Ranker, settings: OptimizerSettings) -> tuple[Ranker, Optimizers]:
    """Train a ranker where it lies."""
    return ranker, Optimizers(ranker, settings)


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
        table_l2: The L2 penalty of the tables; rows pay it when they are looked up.
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
    seed: int = 0


@dataclass(frozen=True)
class Fit:
    """What training did; the ranker holds the weights of ``best`` (the last ones where nothing was evaluated)."""

    num_steps: int
    steps_per_epoch: int
    evaluations: tuple[Evaluation, ...]
    best: Evaluation | None

    @property
    def num_epochs(self) -> int:
        """After how many passes, the last one perhaps not whole, the ranker did best."""
        num_steps = self.num_steps if self.best is None else self.best.num_steps
        return -(-num_steps // self.steps_per_epoch)


@dataclass
class _Position:
    """The plain part of a checkpoint: all that the rest of training depends on beside tensors."""

    num_steps: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    evaluations: list[Evaluation] = field(default_factory=list)
    best: int | None = None
    finished: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> _Position:
        evaluations = []
        for one in document["evaluations"]:
            known: dict[str, Any] = {key: float("nan") if value is None else value for key, value in one.items()}
            evaluations.append(Evaluation(**known))
        return cls(**{**document, "evaluations": evaluations})


def train_ranker(
    ranker: Ranker,
    rows: RankerRows,
    later: RankerRows | None,
    settings: LoopSettings,
    *,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    progress: Progress = silent,
    place: Place = as_it_is,
) -> Fit:
    """Train a ranker in place.

    Args:
        ranker: With its first weights, which must be the same again when training goes on after a kill.
        rows: What it learns from.
        later: Rows of a later time: the weights with the least log loss on them are kept. Missing: the last weights.
        settings: How.
        checkpoints: Where to write the state from time to time; missing: nowhere.
        resume: Go on from the last checkpoint, if there is one; else what stands there is overwritten.
        progress: Told of steps done.
        place: Where; what is put elsewhere leaves its weights in the last checkpoint.

    Raises:
        DataError: the checkpoint is of another training, or the loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        training = _Training(ranker, rows, later, settings, place)
        if checkpoints is not None and resume:
            found = checkpoints.read()
            if found is not None:
                training.restore(found)
        elif checkpoints is not None:
            checkpoints.remove()
        return training.run(checkpoints, progress)


class _Training:
    """One training, with the state that a checkpoint holds."""

    def __init__(
        self, ranker: Ranker, rows: RankerRows, later: RankerRows | None, settings: LoopSettings, place: Place
    ) -> None:
        _check(ranker, rows, settings)
        self.later = later
        self.settings = settings
        self.batches = training_batches(ranker, rows, settings)
        self.num_steps = settings.num_epochs * self.batches.num_batches
        self.fingerprint = _fingerprint(ranker, rows, later, settings)  # of the ranker before it is placed
        self.ranker, self.optimizers = place(ranker, optimizer_settings(settings))
        self.step = TrainingStep(self.ranker, self.optimizers, training_loss(settings), settings.precision)
        self.position = _Position()
        self.best: dict[str, Tensor] = {}

    def run(self, checkpoints: Checkpoints | None, progress: Progress) -> Fit:
        while self.position.num_steps < self.num_steps and not self.position.finished:
            epoch, first = divmod(self.position.num_steps, self.batches.num_batches)
            for batch in self.batches.epoch(epoch, first):
                self._step(batch)
                self._evaluate_if_due()
                done = self.position.num_steps
                if done % _REPORT_EVERY == 0 or done == self.num_steps:
                    progress("train the ranker", done, self.num_steps)
                if self.position.finished:
                    break
                if checkpoints is not None and checkpoints.is_due(done):
                    checkpoints.write(self.checkpoint())
        self.position.finished = True
        if checkpoints is not None:
            checkpoints.write(self.checkpoint())
        if self.best:
            self.ranker.load_state_dict(self.best)
        self.ranker.train(False)
        self.optimizers.release()
        best = self.position.best
        evaluations = tuple(self.position.evaluations)
        found = None if best is None else evaluations[best]
        return Fit(self.position.num_steps, self.batches.num_batches, evaluations, found)

    def _step(self, batch: Batch) -> None:
        done, settings = self.position.num_steps, self.settings
        factor = factor_at(done, self.num_steps, settings.schedule, warmup_steps=settings.warmup_steps)
        value = self.step(batch, factor)
        if not np.isfinite(value):
            raise DataError(
                f"step {done}: expected a finite loss, received {value}; look for values that are not finite, batches "
                "without weight, or lower the learning rate"
            )
        self.position.num_steps += 1
        self.position.loss_sum += value
        self.position.loss_steps += 1

    def _evaluate_if_due(self) -> None:
        done, position = self.position.num_steps, self.position
        every = max(1, self.batches.num_batches // self.settings.evaluations_per_epoch)
        in_epoch = (done - 1) % self.batches.num_batches + 1
        if self.later is None or not (in_epoch == self.batches.num_batches or self._is_regular(in_epoch, every)):
            return
        evaluation = evaluate(
            self.ranker, self.later, done, position.loss_sum / position.loss_steps, task=self.settings.task
        )
        position.evaluations.append(evaluation)
        position.loss_sum, position.loss_steps = 0.0, 0
        logger.info("after %d of %d steps: %s", done, self.num_steps, evaluation)
        if position.best is None or self._is_better(evaluation, position.evaluations[position.best]):
            position.best = len(position.evaluations) - 1
            self.best = {name: value.detach().clone() for name, value in self.ranker.state_dict().items()}
        elif len(position.evaluations) - 1 - position.best >= self.settings.patience:
            position.finished = True

    def _is_better(self, one: Evaluation, other: Evaluation) -> bool:
        return one.auc > other.auc if self.settings.metric == "auc" else one.log_loss < other.log_loss

    def _is_regular(self, in_epoch: int, every: int) -> bool:
        """At each of the epoch's evenly spread places; the last one is the epoch's end, remainder included."""
        return in_epoch % every == 0 and in_epoch // every < self.settings.evaluations_per_epoch

    def checkpoint(self) -> Checkpoint:
        tensors = {f"model/{name}": value for name, value in self.ranker.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        tensors |= {f"optimizers/{name}": value for name, value in self.optimizers.tensors().items()}
        tensors["random"] = torch.get_rng_state()
        return Checkpoint(tensors, {"fingerprint": self.fingerprint, "position": self.position.as_json()})

    def restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.state["fingerprint"] != self.fingerprint:
            raise DataError(
                "expected a checkpoint of this very training, received one of other data, settings or model; "
                "train without --resume, or with what it was begun with"
            )
        self.position = _Position.from_json(checkpoint.state["position"])
        self.ranker.load_state_dict(checkpoint.tensors_of("model"))
        self.best = checkpoint.tensors_of("best")
        self.optimizers.load_tensors(checkpoint.tensors_of("optimizers"))
        torch.set_rng_state(checkpoint.tensors["random"])


def training_batches(ranker: Ranker, rows: RankerRows, settings: LoopSettings) -> Batches:
    """The batches of a training."""
    return Batches(
        rows,
        batch_size=settings.batch_size,
        seed=settings.seed,
        unknown_rate=settings.unknown_rate,
        unknown_columns=_unknown_columns(ranker, settings),
    )


def training_loss(settings: LoopSettings) -> Loss:
    """What a training minimizes."""

    def loss(logits_B: Tensor, batch: Batch) -> Tensor:
        pointwise = multi_task_bce if logits_B.ndim == 2 else weighted_bce
        value = settings.pointwise_weight * pointwise(logits_B, batch.label_B, batch.weight_B)
        if settings.listwise_weight > 0:
            power = settings.list_power
            of_lists = listwise_softmax(logits_B, batch.label_B, batch.weight_B, batch.list_B, power=power)
            value = value + settings.listwise_weight * of_lists
        return value

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


def _check(ranker: Ranker, rows: RankerRows, settings: LoopSettings) -> None:
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
        raise ValueError("table_l2: expected a table_optimizer, which penalizes the rows of a batch, received none")
    if settings.num_epochs < 1 or settings.patience < 1 or settings.evaluations_per_epoch < 1:
        raise ValueError(f"expected num_epochs, patience and evaluations_per_epoch >= 1, received {settings}")


def _fingerprint(ranker: Ranker, rows: RankerRows, later: RankerRows | None, settings: LoopSettings) -> str:
    """What a checkpoint must agree with: data, settings, the model's parts and their first weights."""
    digest = hashlib.sha256(orjson.dumps(asdict(settings)) + str(ranker).encode())
    for part in (rows, later):
        digest.update(b"none" if part is None else part.fingerprint().encode())
    for name, value in ranker.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
