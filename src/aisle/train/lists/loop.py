"""Trains a network over lists: schedule, early stopping on validation questions, exact resumption from checkpoints.

On a CPU and with the same number of threads, the same seed gives the same weights, however often training was killed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from aisle.errors import ConfigError, DataError
from aisle.progress import Progress, silent
from aisle.train.engine.allocator import keep_freed_memory
from aisle.train.engine.checkpoints import Checkpoint, Checkpoints
from aisle.train.engine.schedules import Schedule, factor_at
from aisle.train.lists.trainee import Learner

logger = logging.getLogger(__name__)

Made = TypeVar("Made")
#: How good what a network becomes is on the validation questions; the more, the better.
Judge = Callable[[Made], float]


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How a network is trained.

    Attributes:
        epochs: At most so many passes; the schedule spans all of them.
        learning_rate: Of Adam.
        weight_decay: Decoupled from the gradient (AdamW).
        schedule: How the learning rate falls after the warm-up.
        warmup_steps: Steps over which it rises.
        clip_norm: The gradient is shortened to this length; missing: never.
        evaluate_every: Epochs between looks at the validation questions.
        patience: Training stops after so many looks in a row without a new best.
        precision: Of the products in training; weights and evaluation are float32 in any case.
        seed: Of what the network drops.
    """

    epochs: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    warmup_steps: int = 0
    clip_norm: float | None = None
    evaluate_every: int = 1
    patience: int = 4
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0


@dataclass(frozen=True)
class Look:
    """One look at the validation questions."""

    epoch: int
    value: float
    loss: float


@dataclass(frozen=True)
class ListFit:
    """What training did; the network holds the weights of ``best`` (the last ones where nothing was evaluated)."""

    num_epochs: int
    looks: tuple[Look, ...]
    best: Look | None


@dataclass
class _Position:
    """The plain part of a checkpoint: all that the rest of training depends on beside tensors."""

    num_steps: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    looks: list[Look] = field(default_factory=list)
    best: int | None = None
    finished: bool = False

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> _Position:
        return cls(**{**document, "looks": [Look(**look) for look in document["looks"]]})


def train_lists(
    trainee: Learner[Made],
    settings: LoopSettings,
    judge: Judge[Made] | None,
    *,
    identity: str = "",
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> ListFit:
    """Train a network in place.

    Args:
        trainee: The network with its first weights, which must be the same again when training goes on after a kill.
        settings: How.
        judge: Of the validation questions; the weights that it likes best are kept. Missing: the last weights.
        identity: Of the data and the model; a checkpoint must be of the same.
        checkpoints: Where to write the state from time to time; missing: nowhere.
        resume: Go on from the last checkpoint, if there is one; else what stands there is overwritten.
        progress: Told of steps done.

    Raises:
        ConfigError: the warm-up is as long as the training.
        DataError: the checkpoint is of another training, or the loss is not finite.
    """
    keep_freed_memory()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        training = _Training(trainee, settings, judge, identity)
        found = checkpoints.read() if checkpoints is not None and resume else None
        if found is not None:
            training.restore(found)
        elif checkpoints is not None:
            checkpoints.remove()
        return training.run(checkpoints, progress)


class _Training(Generic[Made]):
    """One training, with the state that a checkpoint holds."""

    def __init__(
        self, trainee: Learner[Made], settings: LoopSettings, judge: Judge[Made] | None, identity: str
    ) -> None:
        if settings.epochs < 1 or settings.evaluate_every < 1 or settings.patience < 1:
            raise ValueError(f"expected epochs, evaluate_every and patience >= 1, received {settings}")
        if trainee.num_batches < 1:
            raise DataError("expected lists to learn from, received none that says anything")
        self.trainee, self.settings, self.judge = trainee, settings, judge
        self.network: nn.Module = trainee.network
        self.num_steps = settings.epochs * trainee.num_batches
        if settings.warmup_steps >= self.num_steps:
            raise ConfigError(
                f"train.warmup_steps: expected fewer than the {self.num_steps} steps of {settings.epochs} epochs, "
                f"received {settings.warmup_steps}"
            )
        # Fused it passes once over what it changes: a quarter of the time on tables that outgrow a cache.
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.identity = f"{identity} {settings}"
        self.position = _Position()
        self.best: dict[str, Tensor] = {}

    def run(self, checkpoints: Checkpoints | None, progress: Progress) -> ListFit:
        steps = self.trainee.num_batches
        while self.position.num_steps < self.num_steps and not self.position.finished:
            epoch, first = divmod(self.position.num_steps, steps)
            self.network.train()
            for batch in islice(self.trainee.epoch(epoch), first, None):
                self._step(batch)
                done = self.position.num_steps
                progress("train the model", done, self.num_steps)
                if done % steps == 0:
                    self._look_if_due(done // steps)
                if checkpoints is not None and checkpoints.is_due(done):
                    checkpoints.write(self.checkpoint())
        self.position.finished = True
        if checkpoints is not None:
            checkpoints.write(self.checkpoint())
        if self.best:
            self.network.load_state_dict(self.best)
        self.network.eval()
        looks = tuple(self.position.looks)
        best = None if self.position.best is None else looks[self.position.best]
        return ListFit(self.position.num_steps // steps, looks, best)

    def _step(self, batch: Any) -> None:
        settings, done = self.settings, self.position.num_steps
        factor = factor_at(done, self.num_steps, settings.schedule, warmup_steps=settings.warmup_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16"):
            loss = self.trainee.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.optimizer.step()
        value = loss.item()
        if not np.isfinite(value):
            raise DataError(f"step {done}: expected a finite loss, received {value}; lower the learning rate")
        self.position.num_steps += 1
        self.position.loss_sum += value
        self.position.loss_steps += 1

    def _look_if_due(self, epoch: int) -> None:
        position, settings = self.position, self.settings
        if self.judge is None or (epoch % settings.evaluate_every and epoch < settings.epochs):
            return
        self.network.eval()
        with torch.no_grad():
            value = self.judge(self.trainee.recommender())
        self.network.train()
        look = Look(epoch, value, position.loss_sum / position.loss_steps)
        position.looks.append(look)
        position.loss_sum, position.loss_steps = 0.0, 0
        logger.info("epoch %d of %d: %s", epoch, settings.epochs, look)
        if position.best is None or value > position.looks[position.best].value:
            position.best = len(position.looks) - 1
            self.best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
        elif len(position.looks) - 1 - position.best >= settings.patience:
            position.finished = True

    def checkpoint(self) -> Checkpoint:
        tensors = {f"model/{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{name}": value for name, value in state.items()}
        tensors["random"] = torch.get_rng_state()
        return Checkpoint(tensors, {"identity": self.identity, "position": asdict(self.position)})

    def restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.state["identity"] != self.identity:
            raise DataError(
                "expected a checkpoint of this very training, received one of other data, settings or model; "
                "train without --resume, or with what it was begun with"
            )
        self.position = _Position.from_json(checkpoint.state["position"])
        self.network.load_state_dict(checkpoint.tensors_of("model"))
        self.best = checkpoint.tensors_of("best")
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in checkpoint.tensors_of("optimizer").items():
            number, _, part = name.partition("/")
            state.setdefault(int(number), {})[part] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        torch.set_rng_state(checkpoint.tensors["random"])
