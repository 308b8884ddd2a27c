"""Measures of predicted probabilities against what happened, row by row.

Shapes: R rows. Labels are 0 or 1; weights (default: all 1) count a row as so many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
_SMALLEST = 1e-15  # keeps the logarithm of a probability of 0 or 1 finite


def auc(score_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None = None) -> float:
    """The chance that a random positive scores above a random negative, ties counted half; NaN without both.

    Source: Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic curve", 1982.
    """
    score_R, label_R, weight_R = checked_rows(score_R, label_R, weight_R)
    _, level_R = np.unique(score_R, return_inverse=True)
    positive = np.bincount(level_R, weight_R * label_R)
    negative = np.bincount(level_R, weight_R * (1 - label_R))
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs)


def gauc(score_R: ArrayLike, label_R: ArrayLike, group_R: NDArray[Any], weight_R: ArrayLike | None = None) -> float:
    """The mean AUC of groups (users, requests), each counted by the weight of its rows; NaN without any.

    Groups whose labels are all alike have no AUC and are left out.

    Source: Zhu et al., "Optimized Cost per Click in Taobao Display Advertising", 2017.
    """
    score_R, label_R, weight_R = checked_rows(score_R, label_R, weight_R)
    if group_R.shape != score_R.shape:
        raise ValueError(f"expected one group per row, received the shapes {group_R.shape} and {score_R.shape}")
    _, group_R = np.unique(group_R, return_inverse=True)
    order = np.lexsort((score_R, group_R))
    score_R, label_R, weight_R, group_R = score_R[order], label_R[order], weight_R[order], group_R[order]
    # Levels: runs of one score within one group; within a group they stand in rising order.
    fresh_R = np.ones(len(order), np.bool_)
    fresh_R[1:] = (score_R[1:] != score_R[:-1]) | (group_R[1:] != group_R[:-1])
    level_R = np.cumsum(fresh_R) - 1
    group_of_level = group_R[fresh_R]
    positive = np.bincount(level_R, weight_R * label_R)
    negative = np.bincount(level_R, weight_R * (1 - label_R))
    group_positive = np.bincount(group_of_level, positive)
    group_negative = np.bincount(group_of_level, negative)
    before_group = np.cumsum(group_negative) - group_negative
    below = np.cumsum(negative) - negative - before_group[group_of_level]
    won = np.bincount(group_of_level, positive * (below + negative / 2))
    pairs = group_positive * group_negative
    kept = pairs > 0
    if not kept.any():
        return float("nan")
    return float(np.average(won[kept] / pairs[kept], weights=(group_positive + group_negative)[kept]))


def log_loss(probability_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None = None) -> float:
    """The mean of ``-ln`` of the probability given to what happened (probabilities kept 1e-15 away from 0 and 1)."""
    loss_R = log_loss_rows(probability_R, label_R)
    return float(np.average(loss_R, weights=checked_rows(loss_R, label_R, weight_R)[2]))


def log_loss_rows(probability_R: ArrayLike, label_R: ArrayLike) -> Floats:
    """The log loss [R] of each row; see :func:`log_loss`."""
    probability_R, label_R, _ = checked_rows(probability_R, label_R, None, probabilities=True)
    probability_R = np.clip(probability_R, _SMALLEST, 1 - _SMALLEST)
    loss_R: Floats = -(label_R * np.log(probability_R) + (1 - label_R) * np.log1p(-probability_R))
    return loss_R


def accuracy(probability_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None = None) -> float:
    """The share of rows whose label is the likelier one by the prediction (0.5 counts as a 1)."""
    probability_R, label_R, weight_R = checked_rows(probability_R, label_R, weight_R, probabilities=True)
    return float(np.average((probability_R >= 0.5) == (label_R == 1), weights=weight_R))


def normalized_entropy(probability_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None = None) -> float:
    """Log loss over that of always predicting the mean label: below 1 is better than knowing the mean alone.

    NaN where all labels are alike.

    Source: He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", 2014.
    """
    _, checked_R, checked_weight_R = checked_rows(probability_R, label_R, weight_R, probabilities=True)
    mean = float(np.average(checked_R, weights=checked_weight_R))
    if mean in (0.0, 1.0):
        return float("nan")
    entropy = -(mean * np.log(mean) + (1 - mean) * np.log(1 - mean))
    return float(log_loss(probability_R, label_R, weight_R) / entropy)


@dataclass(frozen=True)
class CalibrationTable:
    """Rows in bins of rising prediction.

    Attributes:
        predicted: The mean prediction of each bin.
        observed: The mean label of each bin.
        weight: The weight of the rows of each bin.
        ratio: All that was predicted over all that was observed: 1 is calibrated on the whole; NaN without positives.
        error: The mean distance of predicted and observed, bins counted by weight (expected calibration error).
    """

    predicted: Floats
    observed: Floats
    weight: Floats
    ratio: float
    error: float


def calibration(
    probability_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None = None, *, num_bins: int = 10
) -> CalibrationTable:
    """Predicted against observed, in bins of as equal a number of rows as ties allow (equal predictions share a bin).

    Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015 (the error; bins here
    hold equally many rows, as purchases are rare and equal widths would put all rows in the first bin).
    """
    if num_bins < 1:
        raise ValueError(f"expected num_bins >= 1, received {num_bins}")
    probability_R, label_R, weight_R = checked_rows(probability_R, label_R, weight_R, probabilities=True)
    sorted_R = np.sort(probability_R)
    edges = np.unique(sorted_R[np.linspace(0, len(sorted_R), num_bins, endpoint=False).astype(np.int64)])
    bin_R = np.searchsorted(edges, probability_R, side="right") - 1
    weight = np.bincount(bin_R, weight_R, minlength=len(edges)).astype(np.float64)
    filled = weight > 0
    predicted = np.bincount(bin_R, weight_R * probability_R, minlength=len(edges))[filled]
    observed = np.bincount(bin_R, weight_R * label_R, minlength=len(edges))[filled]
    weight = weight[filled]
    ratio = float(predicted.sum() / observed.sum()) if observed.sum() > 0 else float("nan")
    error = float(np.abs(predicted - observed).sum() / weight.sum())
    return CalibrationTable(predicted / weight, observed / weight, weight, ratio, error)


def checked_rows(
    value_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None, *, probabilities: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Values, labels and weights as float64, one each per row.

    Raises:
        ValueError: naming what is not as expected.
    """
    values, labels = np.asarray(value_R, np.float64), np.asarray(label_R, np.float64)
    weights = np.ones_like(values) if weight_R is None else np.asarray(weight_R, np.float64)
    if values.ndim != 1 or not values.size or labels.shape != values.shape or weights.shape != values.shape:
        raise ValueError(
            f"expected one value, label and weight per row, received {values.shape}, {labels.shape}, {weights.shape}"
        )
    if not np.isin(labels, (0.0, 1.0)).all() or not np.isfinite(values).all():
        raise ValueError("expected labels 0 or 1 and finite values, received others")
    if (weights < 0).any() or not weights.sum() > 0 or not np.isfinite(weights).all():
        raise ValueError("expected finite weights >= 0 with a positive sum, received others")
    if probabilities and (values.min() < 0 or values.max() > 1):
        raise ValueError(f"expected probabilities, received values from {values.min()} to {values.max()}")
    return values, labels, weights
