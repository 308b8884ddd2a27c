"""Measures of probabilities as means over rows, so that a difference of two on the same rows has a standard error.

Shapes: R rows, P positive and M negative rows, S resamples. Labels are 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aisle.metrics.pointwise import log_loss_rows

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """What each row contributes to a measure.

    Attributes:
        parts: Independent samples of rows, each with one value per row; the mean of each is the measure. The log loss
            has one part (all rows), the AUC two (the positive and the negative rows).
    """

    parts: tuple[Floats, ...]

    @property
    def value(self) -> float:
        """The measure."""
        return float(self.parts[0].mean())

    @property
    def standard_error(self) -> float:
        """How far the measure would vary over other rows of the same kind; NaN where a part has a single row."""
        if min(len(part) for part in self.parts) < 2:
            return float("nan")
        return float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in self.parts)))

    def __sub__(self, other: Components) -> Components:
        """The difference of two on the same rows: what both find hard cancels out."""
        ours, theirs = ([part.shape for part in one.parts] for one in (self, other))
        if ours != theirs:
            raise ValueError(f"expected components of the same rows, received the shapes {ours} and {theirs}")
        return Components(tuple(a - b for a, b in zip(self.parts, other.parts, strict=True)))

    @classmethod
    def mean(cls, several: Sequence[Components]) -> Self:
        """The mean measure of several predictions of the same rows (of models under several seeds)."""
        if not several:
            raise ValueError("expected components of at least one prediction, received none")
        return cls(tuple(np.mean(parts, axis=0) for parts in zip(*(one.parts for one in several), strict=True)))


def auc_components(score_R: ArrayLike, label_R: ArrayLike) -> Components:
    """The AUC row by row: how many of the other kind a positive beats, or a negative loses to, ties counted half.

    Sources: DeLong, DeLong and Clarke-Pearson, "Comparing the Areas under Two or More Correlated Receiver Operating
    Characteristic Curves", 1988; by ranks, so in O(R log R): Sun and Xu, "Fast Implementation of DeLong's Algorithm for
    Comparing the Areas Under Correlated Receiver Operating Characteristic Curves", 2014.

    Raises:
        ValueError: there are not both kinds of rows.
    """
    score_R, label_R = _checked(score_R, label_R)
    is_positive_R = label_R == 1
    num_positive = int(is_positive_R.sum())
    num_negative = len(label_R) - num_positive
    if not num_positive or not num_negative:
        raise ValueError(f"expected positive and negative rows, received {num_positive} and {num_negative}")
    rank_R = _midranks(score_R)
    beaten_P = (rank_R[is_positive_R] - _midranks(score_R[is_positive_R])) / num_negative
    lost_to_M = 1 - (rank_R[~is_positive_R] - _midranks(score_R[~is_positive_R])) / num_positive
    return Components((beaten_P, lost_to_M))


def log_loss_components(probability_R: ArrayLike, label_R: ArrayLike) -> Components:
    """The log loss row by row."""
    return Components((log_loss_rows(probability_R, label_R),))


def resampled_auc(score_R: ArrayLike, label_R: ArrayLike, count_SR: NDArray[np.integer]) -> Floats:
    """The AUC [S] of resamples of the rows; NaN for one without both kinds.

    Args:
        score_R: Scores.
        label_R: Labels.
        count_SR: How often each resample has each row; the same for two predictions makes their resamples pairs.
    """
    score_R, label_R = _checked(score_R, label_R)
    order = np.argsort(score_R, kind="stable")
    sorted_R = score_R[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_R[1:] != sorted_R[:-1]]))
    is_positive_R = label_R[order]
    values_S = np.empty(len(count_SR))
    for number, count_R in enumerate(count_SR):
        in_order_R = count_R[order]
        positive = np.add.reduceat(in_order_R * is_positive_R, starts)
        negative = np.add.reduceat(in_order_R, starts) - positive
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        values_S[number] = (positive * (below + negative / 2)).sum() / pairs if pairs else np.nan
    return values_S


def _midranks(score_R: Floats) -> Floats:
    """The rank of each row from 1 on; equal scores share the middle of theirs."""
    _, level_R, count = np.unique(score_R, return_inverse=True, return_counts=True)
    middle: Floats = np.cumsum(count) - (count - 1) / 2
    return middle[level_R]


def _checked(score_R: ArrayLike, label_R: ArrayLike) -> tuple[Floats, Floats]:
    scores, labels = np.asarray(score_R, np.float64), np.asarray(label_R, np.float64)
    if scores.ndim != 1 or not scores.size or labels.shape != scores.shape:
        raise ValueError(f"expected one score and label per row, received the shapes {scores.shape}, {labels.shape}")
    if not np.isin(labels, (0.0, 1.0)).all() or not np.isfinite(scores).all():
        raise ValueError("expected labels 0 or 1 and finite scores, received others")
    return scores, labels
