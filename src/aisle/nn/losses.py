"""Losses.

Legend of shapes: B batch, L candidate lists, K tasks.
"""

from __future__ import annotations

import torch
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


def multi_task_bce(logits_BK: Tensor, label_BK: Tensor, weight_BK: Tensor) -> Tensor:
    """The sum over tasks of :func:`weighted_bce`; a task of which no row says anything counts nothing.

    Args:
        logits_BK: Log odds.
        label_BK: 0 or 1 (or a probability between); anything finite where the weight is 0.
        weight_BK: Not negative; 0 where a row says nothing of a task.
    """
    loss_BK = functional.binary_cross_entropy_with_logits(logits_BK, label_BK, reduction="none")
    total_K = weight_BK.sum(dim=0)
    return ((loss_BK * weight_BK).sum(dim=0) / torch.where(total_K > 0, total_K, 1.0)).sum()


def listwise_softmax(
    logits_B: Tensor, label_B: Tensor, weight_B: Tensor, list_B: Tensor, *, power: float = 0.5
) -> Tensor:
    """The cross-entropy of a softmax over each candidate list, of which some negatives were sampled.

    A sampled negative stands for as many as its weight says: its exponential is multiplied by it, so that the
    denominator is an unbiased estimate of the whole list's.

    Sources: Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", 2007; Bengio and Senecal,
    "Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model", 2008.

    Args:
        logits_B: Any scores.
        label_B: 0 or 1.
        weight_B: Above 0; 1 for what was not sampled.
        list_B: int64 numbers of the lists, from 0; lists without a positive count nothing.
        power: A list's positives weigh together their number to the power 1 - ``power``: with 0 all positives count
            the same, with 1 all lists do.
    """
    num_lists = int(list_B.max()) + 1
    scores_B = logits_B + torch.log(weight_B)
    highest_L = scores_B.new_full((num_lists,), -torch.inf).scatter_reduce(0, list_B, scores_B.detach(), "amax")
    sum_L = scores_B.new_zeros(num_lists).index_add(0, list_B, torch.exp(scores_B - highest_L[list_B]))
    log_share_B = logits_B - (highest_L + torch.log(sum_L))[list_B]
    positives_L = scores_B.new_zeros(num_lists).index_add(0, list_B, label_B).clamp(min=1)
    has_positive_L = scores_B.new_zeros(num_lists).scatter_reduce(0, list_B, label_B, "amax")
    total = (has_positive_L * positives_L ** (1 - power)).sum().clamp(min=1e-12)
    return -(log_share_B * label_B / positives_L[list_B] ** power).sum() / total
