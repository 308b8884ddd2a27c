"""Fits calibrators on a later slice of unsampled candidates.

Legend of shapes: R rows, M points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from aisle.pipeline.calibration import IsotonicCalibrator, PlattCalibrator, sigmoid

_MAX_NEWTON_STEPS = 100
_MAX_HALVINGS = 30
_TOLERANCE = 1e-10


def fit_platt(logits_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None = None) -> PlattCalibrator:
    """Slope and intercept of least weighted log loss, by Newton's method with halved steps.

    Labels are drawn in as Platt proposes, to (positives + 1) / (positives + 2) and 1 / (negatives + 2), which keeps the
    slope finite where the classes separate.

    Source: Platt, 1999; Lin, Lin and Weng, "A note on Platt's probabilistic outputs for support vector machines", 2007.
    """
    logits, labels, weights = _rows(logits_R, label_R, weight_R)
    positives, negatives = float(weights @ labels), float(weights @ (1 - labels))
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    at = np.array([0.0, np.log((positives + 1) / (negatives + 1))])
    loss = _loss(design @ at, target, weights)
    for _ in range(_MAX_NEWTON_STEPS):
        predicted = sigmoid(design @ at)
        gradient = design.T @ (weights * (predicted - target))
        if np.abs(gradient).max() <= _TOLERANCE * weights.sum():
            break
        curvature = weights * predicted * (1 - predicted)
        step = np.linalg.solve(design.T @ (design * curvature[:, None]) + 1e-12 * np.eye(2), gradient)
        for _ in range(_MAX_HALVINGS):
            tried = _loss(design @ (at - step), target, weights)
            if tried <= loss:
                break
            step /= 2
        at, loss = at - step, tried
    return PlattCalibrator(float(at[0]), float(at[1]))


def fit_isotonic(logits_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None = None) -> IsotonicCalibrator:
    """The rising curve of least weighted squared error (pool adjacent violators), one point per block at its mean."""
    logits, labels, weights = _rows(logits_R, label_R, weight_R)
    kept = weights > 0
    values, level = np.unique(logits[kept], return_inverse=True)
    weight = np.bincount(level, weights[kept])
    fitted = isotonic_regression(np.bincount(level, (weights * labels)[kept]) / weight, weights=weight)
    blocks = fitted.blocks[:-1]
    block_weight = np.add.reduceat(weight, blocks)
    middles = np.add.reduceat(weight * values, blocks) / block_weight
    return IsotonicCalibrator(tuple(middles.tolist()), tuple(fitted.x[blocks].tolist()))


def _loss(logits: NDArray[np.float64], target: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float(weights @ (np.logaddexp(0, logits) - target * logits))


def _rows(
    logits_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    logits, labels = np.asarray(logits_R, np.float64), np.asarray(label_R, np.float64)
    weights = np.ones_like(logits) if weight_R is None else np.asarray(weight_R, np.float64)
    if logits.ndim != 1 or labels.shape != logits.shape or weights.shape != logits.shape:
        raise ValueError(
            f"expected one logit, label and weight per row, received {logits.shape}, {labels.shape}, {weights.shape}"
        )
    if not (weights @ labels > 0 and weights @ (1 - labels) > 0):
        raise ValueError("expected rows of both labels, received one; calibrate on a longer slice")
    return logits, labels, weights
