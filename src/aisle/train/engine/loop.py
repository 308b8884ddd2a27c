"""Trains a ranker: schedule, early stopping on later rows, checkpoints from which it goes on exactly.

On a CPU and with the same number of threads, the same seed gives the same weights, however often training was killed.
On a GPU sums of many numbers are made in any order, so that the same seed gives nearly the same.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import orjson
import torch
from torch import Tensor

from aisle.errors import DataError
from aisle.models import Ranker
from aisle.progress import Progress, silent
from aisle.train.engine.allocator import keep_freed_memory
from aisle.train.engine.batches import Batch, RankerRows
from aisle.train.engine.checkpoints import Checkpoint, Checkpoints
from aisle.train.engine.devices import device_of, random_state, seeded, set_random_state, training_device
from aisle.train.engine.loop_settings import (
    LoopSettings,
    check_rows,
    optimizer_settings,
    training_batches,
    training_loss,
)
from aisle.train.engine.optimizers import Optimizers, OptimizerSettings
from aisle.train.engine.prediction import Evaluation, evaluate
from aisle.train.engine.schedules import factor_at
from aisle.train.engine.step import TrainingStep

logger = logging.getLogger(__name__)

_REPORT_EVERY = 10

#: Puts an untrained ranker where it is trained, and makes the optimizers of its weights there.
Place = Callable[[Ranker, OptimizerSettings], tuple[Ranker, Optimizers]]


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
    place: Place | None = None,
) -> Fit:
    """Train a ranker in place; it stays on the device of the settings.

    Args:
        ranker: With its first weights, which must be the same again when training goes on after a kill.
        rows: What it learns from.
        later: Rows of a later time: the weights with the least log loss on them are kept. Missing: the last weights.
        settings: How.
        checkpoints: Where to write the state from time to time; missing: nowhere.
        resume: Go on from the last checkpoint, if there is one; else what stands there is overwritten.
        progress: Told of steps done.
        place: Where else than on that device; what is put elsewhere leaves its weights in the last checkpoint.

    Raises:
        ConfigError: there is no such device.
        DataError: the checkpoint is of another training, or the loss is not finite.
    """
    keep_freed_memory()
    device = training_device(settings.device if place is None else "cpu")
    with seeded(settings.seed, device):
        training = _Training(ranker, rows, later, settings, place or _on(device))
        if checkpoints is not None and resume:
            found = checkpoints.read()
            if found is not None:
                training.restore(found)
        elif checkpoints is not None:
            checkpoints.remove()
        return training.run(checkpoints, progress)


def _on(device: torch.device) -> Place:
    def place(ranker: Ranker, settings: OptimizerSettings) -> tuple[Ranker, Optimizers]:
        ranker.to(device)  # before optimizers lay out their state beside the weights
        return ranker, Optimizers(ranker, settings)

    return place


class _Training:
    """One training, with the state that a checkpoint holds."""

    def __init__(
        self, ranker: Ranker, rows: RankerRows, later: RankerRows | None, settings: LoopSettings, place: Place
    ) -> None:
        check_rows(ranker, rows, settings)
        self.later = later
        self.settings = settings
        self.batches = training_batches(ranker, rows, settings)
        self.num_steps = settings.num_epochs * self.batches.num_batches
        self.fingerprint = _fingerprint(ranker, rows, later, settings)  # of the ranker before it is placed
        self.ranker, self.optimizers = place(ranker, optimizer_settings(settings))
        self.step = TrainingStep(self.ranker, self.optimizers, training_loss(self.ranker, settings), settings.precision)
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
        tensors |= random_state(device_of(self.ranker))
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
        set_random_state(checkpoint.tensors, device_of(self.ranker))


def _fingerprint(ranker: Ranker, rows: RankerRows, later: RankerRows | None, settings: LoopSettings) -> str:
    """What a checkpoint must agree with: data, settings but the device, the model's parts and their first weights."""
    known = {name: value for name, value in asdict(settings).items() if name != "device"}
    digest = hashlib.sha256(orjson.dumps(known) + str(ranker).encode())
    for part in (rows, later):
        digest.update(b"none" if part is None else part.fingerprint().encode())
    for name, value in ranker.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
