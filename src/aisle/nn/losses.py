"""Losses.

Legend of shapes: B batch.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def weighted_bce(logits_B: Tensor, label_B: Tensor, weight_B: Tensor) -> Tensor:
    """The weighted mean of the binary cross-entropy of logits (log loss, in nats).

    Args:
        logits_B: Log odds.
        label_B: 0 or 1 (or a probability between).
        weight_B: Not negative; a sampled negative weighs the inverse of its rate. The sum must be positive.
    """
    loss_B = functional.binary_cross_entropy_with_logits(logits_B, label_B, reduction="none")
    return (loss_B * weight_B).sum() / weight_B.sum()
