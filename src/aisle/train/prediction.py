"""What a ranker predicts for rows, and how good that is.

Legend of shapes: R rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from aisle.metrics import auc, log_loss, normalized_entropy
from aisle.models import Ranker
from aisle.nn.sparse import SparseFeatures
from aisle.pipeline.calibration import sigmoid
from aisle.train.batches import RankerRows, in_order

_BATCH_SIZE = 8192


@dataclass(frozen=True)
class Evaluation:
    """How the ranker does on the later slice after so many steps."""

    num_steps: int
    train_loss: float
    log_loss: float
    auc: float
    normalized_entropy: float


def predict(ranker: Ranker, rows: RankerRows) -> NDArray[np.float32]:
    """The logits [R] of rows."""
    ranker.train(False)
    device = next(iter(ranker.named_parameters()))[1].device
    with torch.inference_mode():
        batches = (batch.to(device) for batch in in_order(rows, _BATCH_SIZE))
        logits = [ranker(batch.dense_BN, SparseFeatures(batch.sparse_BS)).cpu().numpy() for batch in batches]
    return np.concatenate(logits)


def evaluate(ranker: Ranker, rows: RankerRows, num_steps: int = 0, train_loss: float = float("nan")) -> Evaluation:
    """Measure a ranker's own probabilities (before any calibration) on rows."""
    logits_R = predict(ranker, rows).astype(np.float64)
    probability_R = sigmoid(logits_R)
    label_R, weight_R = rows.label_R, rows.weight_R
    return Evaluation(
        num_steps,
        train_loss,
        log_loss(probability_R, label_R, weight_R),
        auc(logits_R, label_R, weight_R),
        normalized_entropy(probability_R, label_R, weight_R),
    )
