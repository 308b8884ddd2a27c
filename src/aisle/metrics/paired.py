"""Measures of probabilities as means over rows, so that a difference of two on the same rows has a standard error.

Shapes: R rows, P positive and M negative rows, S resamples. Labels are 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aisle.metrics.pointwise import checked_rows, log_loss_rows

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """What each row contributes to a measure.

    Attributes:
        parts: Independent samples of rows, each with one value per row; the weighted mean of each is the measure. The
            log loss has one part (all rows), the AUC two (the positive and the negative rows).
        weights: Of the rows of each part.
    """

    parts: tuple[Floats, ...]
    weights: tuple[Floats, ...]

    @property
    def value(self) -> float:
        """The measure."""
        return float(np.average(self.parts[0], weights=self.weights[0]))

    @property
    def standard_error(self) -> float:
        """How far the measure would vary over other rows of the same kind; NaN where a part has a single row."""
        if min(len(part) for part in self.parts) < 2:
            return float("nan")
        return float(np.sqrt(sum(map(_variance_of_mean, self.parts, self.weights))))

    def __sub__(self, other: Components) -> Components:
        """The difference of two on the same rows: what both find hard cancels out."""
        pairs = list(zip(self.weights, other.weights, strict=True))
        if not all(np.array_equal(a, b) for a, b in pairs):
            raise ValueError(
                f"expected components of the same rows with the same weights, received {[len(a) for a, _ in pairs]} "
                f"and {[len(b) for _, b in pairs]} rows"
            )
        return Components(tuple(a - b for a, b in zip(self.parts, other.parts, strict=True)), self.weights)

    @classmethod
    def mean(cls, several: Sequence[Components]) -> Self:
        """The mean measure of several predictions of the same rows (of models under several seeds)."""
        if not several:
            raise ValueError("expected components of at least one prediction, received none")
        parts = zip(*(one.parts for one in several), strict=True)
        return cls(tuple(np.mean(part, axis=0) for part in parts), several[0].weights)


def auc_components(score_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None = None) -> Components:
    """The AUC row by row: how many of the other kind a positive beats, or a negative loses to, ties counted half.

    Sources: DeLong, DeLong and Clarke-Pearson, "Comparing the Areas under Two or More Correlated Receiver Operating
    Characteristic Curves", 1988; by ranks, so in O(R log R): Sun and Xu, "Fast Implementation of DeLong's Algorithm for
    Comparing the Areas Under Correlated Receiver Operating Characteristic Curves", 2014. A rank here is the weight of
    the rows below and half that of ties.

    Raises:
        ValueError: there are not both kinds of rows.
    """
    score_R, label_R, weight_R = checked_rows(score_R, label_R, weight_R)
    _, level_R = np.unique(score_R, return_inverse=True)
    is_positive_R = label_R == 1
    weight_P, weight_M = weight_R[is_positive_R], weight_R[~is_positive_R]
    if not weight_P.sum() or not weight_M.sum():
        raise ValueError(
            f"expected positive and negative rows with weight, received {len(weight_P)} and {len(weight_M)} rows"
        )
    positive = _share_below(np.bincount(level_R, weight_R * is_positive_R))
    negative = _share_below(np.bincount(level_R, weight_R * ~is_positive_R))
    return Components((negative[level_R[is_positive_R]], 1 - positive[level_R[~is_positive_R]]), (weight_P, weight_M))


def log_loss_components(probability_R: ArrayLike, label_R: ArrayLike, weight_R: ArrayLike | None = None) -> Components:
    """The log loss row by row."""
    loss_R = log_loss_rows(probability_R, label_R)
    return Components((loss_R,), (checked_rows(loss_R, label_R, weight_R)[2],))


def resampled_auc(score_R: ArrayLike, label_R: ArrayLike, count_SR: NDArray[np.number[Any]]) -> Floats:
    """The AUC [S] of resamples of the rows; NaN for one without both kinds.

    Args:
        score_R: Scores.
        label_R: Labels.
        count_SR: What each resample counts each row as; the same for two predictions makes their resamples pairs.
    """
    score_R, label_R, _ = checked_rows(score_R, label_R, None)
    order = np.argsort(score_R, kind="stable")
    sorted_R = score_R[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_R[1:] != sorted_R[:-1]]))
    is_positive_R = label_R[order]
    values_S = np.empty(len(count_SR))
    for number, count_R in enumerate(count_SR):
        in_order_R = count_R[order]
        positive = np.add.reduceat(in_order_R * is_positive_R, starts)
        negative = np.add.reduceat(in_order_R * (1 - is_positive_R), starts)
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        values_S[number] = (positive * (below + negative / 2)).sum() / pairs if pairs else np.nan
    return values_S


def _variance_of_mean(values: Floats, weights: Floats) -> float:
    """Of a weighted mean; with equal weights the unbiased variance over the number of rows."""
    deviations = weights * (values - np.average(values, weights=weights))
    return float((deviations**2).sum() / weights.sum() ** 2 * len(values) / (len(values) - 1))


def _share_below(weight_of_level: NDArray[np.number[Any]]) -> Floats:
    """For each level the share of the weight that lies below it, ties counted half."""
    share: Floats = (np.cumsum(weight_of_level) - weight_of_level / 2) / weight_of_level.sum()
    return share
