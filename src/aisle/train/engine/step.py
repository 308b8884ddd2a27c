"""One step of training: forward in the chosen precision, loss, backward, and the move of every weight."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from aisle.models import Ranker
from aisle.nn.sparse import SparseFeatures
from aisle.train.engine.batches import Batch
from aisle.train.engine.devices import device_of
from aisle.train.engine.optimizers import Optimizers

Precision = Literal["float32", "bfloat16"]
Loss = Callable[[Tensor, Batch], Tensor]


class TrainingStep:
    """What a ranker does with one batch.

    Args:
        ranker: On its device.
        optimizers: Of its weights.
        loss: Of the logits [B], in float32, and the batch.
        precision: Of the products in the networks; the weights, the embedding tables and all updates are float32.
    """

    def __init__(self, ranker: Ranker, optimizers: Optimizers, loss: Loss, precision: Precision) -> None:
        self._ranker = ranker
        self._optimizers = optimizers
        self._loss = loss
        self._is_short = precision == "bfloat16"
        self._device = device_of(ranker)

    def __call__(self, batch: Batch, factor: float = 1.0) -> float:
        """Learn from a batch at the learning rates times ``factor``; gives its loss.

        Where the loss is not finite, nothing moves.
        """
        batch = batch.to(self._device)
        if not self._ranker.training:  # to say it anew to each module of it costs as much as a small product
            self._ranker.train(True)
        self._optimizers.begin(factor)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_short):
            logits_B = self._ranker(batch.dense_BN, SparseFeatures(batch.sparse_BS))
        loss = self._loss(logits_B.float(), batch)
        self._optimizers.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without types
        value = float(loss.detach())
        if math.isfinite(value):
            self._optimizers.step(factor)
        return value
