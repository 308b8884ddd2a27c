"""What a ranker predicts for rows, and how good that is.

Legend of shapes: R rows, K tasks of a ranker of several labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from aisle.metrics import auc, log_loss, normalized_entropy
from aisle.models import MultiTaskRanker, Ranker
from aisle.nn.sparse import SparseFeatures
from aisle.pipeline.calibration import sigmoid
from aisle.train.engine.batches import RankerRows, in_order
from aisle.train.engine.devices import device_of

_BATCH_SIZE = 8192


@dataclass(frozen=True)
class Evaluation:
    """How the ranker does on the later slice after so many steps.

    Attributes:
        of_tasks: Of a ranker of several labels: each one's measures, as ``click/auc``; the others are their means, or
            those of one task.
    """

    num_steps: int
    train_loss: float
    log_loss: float
    auc: float
    normalized_entropy: float
    of_tasks: Mapping[str, float] = field(default_factory=dict)


def predict(ranker: Ranker, rows: RankerRows) -> NDArray[np.float32]:
    """The logits [R] of rows, or [R, K], computed where the ranker lies."""
    ranker.train(False)
    device = device_of(ranker)
    with torch.inference_mode():
        batches = (batch.to(device) for batch in in_order(rows, _BATCH_SIZE))
        logits = [ranker(batch.dense_BN, SparseFeatures(batch.sparse_BS)).cpu().numpy() for batch in batches]
    return np.concatenate(logits)


def evaluate(
    ranker: Ranker,
    rows: RankerRows,
    num_steps: int = 0,
    train_loss: float = float("nan"),
    *,
    task: str | None = None,
) -> Evaluation:
    """Measure a ranker's own probabilities (before any calibration) on rows.

    Args:
        ranker: Of one label, or of several.
        rows: With as many labels.
        num_steps: What the evaluation says of them.
        train_loss: What it says of that.
        task: Of several labels the one whose measures count; missing: the means over all.
    """
    logits = predict(ranker, rows).astype(np.float64)
    if not isinstance(ranker, MultiTaskRanker):
        return Evaluation(num_steps, train_loss, *_measures(logits, rows.label_R, rows.weight_R))
    columns = (logits.T, rows.label_R.T, rows.weight_R.T)
    of_task = {name: _measures(*one) for name, *one in zip(ranker.tasks, *columns, strict=True)}
    chosen = list(of_task.values()) if task is None else [of_task[task]]
    named = {
        f"{name}/{measure}": value
        for name, found in of_task.items()
        for measure, value in zip(("log_loss", "auc", "normalized_entropy"), found, strict=True)
        if np.isfinite(value)
    }
    means = [float(np.mean(values)) for values in zip(*chosen, strict=True)]
    return Evaluation(num_steps, train_loss, means[0], means[1], means[2], named)


def _measures(
    logits_R: NDArray[np.float64], label_R: NDArray[np.float32], weight_R: NDArray[np.float32]
) -> tuple[float, float, float]:
    """Log loss, AUC and normalized entropy."""
    probability_R = sigmoid(logits_R)
    return (
        log_loss(probability_R, label_R, weight_R),
        auc(logits_R, label_R, weight_R),
        normalized_entropy(probability_R, label_R, weight_R),
    )
