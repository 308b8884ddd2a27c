"""What a model predicted for the rows of a test set: kept beside their labels, measured, compared, averaged.

Of a model of several labels each task's predictions are a set of their own: those of the test set's main label are
``test``, those of all are ``test@click`` and so on.

Legend of shapes: R rows, S resamples, K tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.errors import DataError
from aisle.metrics import (
    Components,
    accuracy,
    auc,
    auc_components,
    log_loss,
    log_loss_components,
    log_loss_rows,
    normalized_entropy,
    resampled_auc,
)
from aisle.pipeline.calibration import sigmoid

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
#: The measures that are compared.
PAIRED_METRICS = ("auc", "logloss")
_TAIL = 0.025
_BLOCK_VALUES = 4_000_000
_OF_TASK = "@"


@dataclass(frozen=True)
class Predictions:
    """Log odds of rows and what happened.

    Attributes:
        logit_R: float32.
        label_R: float32, 0 or 1.
        weight_R: float32; missing: every row weighs 1.
    """

    logit_R: NDArray[np.float32]
    label_R: NDArray[np.float32]
    weight_R: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        shapes = {one.shape for one in (self.logit_R, self.label_R, self.weight_R) if one is not None}
        if len(shapes) != 1 or self.logit_R.ndim != 1 or not len(self.logit_R):
            raise ValueError(f"expected one logit, label and weight per row, received the shapes {sorted(shapes)}")

    def __len__(self) -> int:
        return len(self.logit_R)

    @property
    def probability_R(self) -> Floats:
        """The predicted probabilities."""
        return sigmoid(self.logit_R.astype(np.float64))

    def metrics(self) -> dict[str, float]:
        """AUC, log loss, accuracy and normalized entropy; those that need both labels are left out without them."""
        probability_R, labels = self.probability_R, (self.label_R, self.weight_R)
        found = {
            "auc": auc(self.logit_R, *labels),
            "logloss": log_loss(probability_R, *labels),
            "accuracy": accuracy(probability_R, *labels),
            "normalized_entropy": normalized_entropy(probability_R, *labels),
        }
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def components(self, metric: str) -> Components:
        """One of :data:`PAIRED_METRICS` row by row.

        Raises:
            ValueError: it is another; or of the AUC, that there are not both labels.
        """
        if metric == "auc":
            return auc_components(self.logit_R, self.label_R, self.weight_R)
        if metric == "logloss":
            return log_loss_components(self.probability_R, self.label_R, self.weight_R)
        raise ValueError(f"expected one of {', '.join(PAIRED_METRICS)}, received {metric!r}")

    def has_rows_of(self, other: Predictions) -> bool:
        """Whether labels and weights are the same, row by row: then the rows are taken to be."""
        if not np.array_equal(self.label_R, other.label_R):
            return False
        ours, theirs = ((np.ones(len(one)) if one.weight_R is None else one.weight_R) for one in (self, other))
        return bool(np.array_equal(ours, theirs))

    @classmethod
    def mean(cls, several: Sequence[Predictions]) -> Self:
        """The mean of the logits of several models on the same rows.

        Raises:
            DataError: they are of other rows.
        """
        first = several[0]
        if not all(one.has_rows_of(first) for one in several):
            raise DataError(
                f"expected predictions of the same rows, received {[len(one) for one in several]} rows with other "
                "labels or weights; train all runs on the same data with the same split"
            )
        logit_MR = np.stack([one.logit_R for one in several])
        logit_R: NDArray[np.float32] = logit_MR.mean(axis=0, dtype=np.float64).astype(np.float32)
        return cls(logit_R, first.label_R, first.weight_R)

    def save(self, directory: Path) -> None:
        """Write ``logits.npy``, ``labels.npy`` and where rows are weighted ``weights.npy``."""
        directory.mkdir(parents=True, exist_ok=True)
        arrays = {"logits": self.logit_R, "labels": self.label_R, "weights": self.weight_R}
        for name, array in arrays.items():
            if array is not None:
                np.save(directory / f"{name}.npy", array, allow_pickle=False)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: there are none, or not whole.
        """
        try:
            weights = directory / "weights.npy"
            return cls(
                np.load(directory / "logits.npy", allow_pickle=False),
                np.load(directory / "labels.npy", allow_pickle=False),
                np.load(weights, allow_pickle=False) if weights.exists() else None,
            )
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{directory}: expected the predictions of a run ({error}); train again") from error


def sets_of(
    name: str,
    logits: NDArray[np.float32],
    label: NDArray[np.float32],
    weight: NDArray[np.float32],
    *,
    tasks: Sequence[str] = (),
    main: str = "",
) -> dict[str, Predictions]:
    """What a model predicted for the rows of a test set, by the name of each set.

    Args:
        name: Of the test set.
        logits: [R], or [R, K] of several tasks.
        label: As many.
        weight: As many.
        tasks: The K tasks; none of a model of one label.
        main: The one whose predictions stand for the test set.
    """
    if not tasks:
        return {name: Predictions(logits, label, None if np.all(weight == 1) else weight)}
    found: dict[str, Predictions] = {}
    for task, *columns in zip(tasks, logits.T, label.T, weight.T, strict=True):
        logit_R, label_R, weight_R = (np.ascontiguousarray(one) for one in columns)
        of_task = sets_of(name, logit_R, label_R, weight_R)[name]
        found |= ({name: of_task} if task == main else {}) | {f"{name}{_OF_TASK}{task}": of_task}
    return found


def metric_name(name: str, metric: str) -> str:
    """A metric of a set of predictions: ``test/auc``, or of a task ``test/auc/click``."""
    part, _, task = name.partition(_OF_TASK)
    return f"{part}/{metric}/{task}" if task else f"{part}/{metric}"


def named_metrics(sets: Mapping[str, Predictions]) -> dict[str, float]:
    """The metrics of sets by :func:`metric_name`."""
    return {metric_name(name, metric): value for name, one in sets.items() for metric, value in one.metrics().items()}


def bootstrap_ensemble(
    members: Sequence[Predictions], *, num_resamples: int = 1000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """The metrics of the mean of several models' logits, and what the mean gains over one of them, with intervals.

    Args:
        members: Of the same rows.
        num_resamples: How often the rows are drawn with replacement, the same for all members: differences are paired.
        seed: Same seed, same intervals.

    Returns:
        By metric: ``value`` with its 95 % ``interval``, and ``gain`` over the mean of the members' metrics with
        ``gain_interval``.

    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    several = [Predictions.mean(members), *members]
    found: dict[str, dict[str, Any]] = {}
    resampled = _resampled(several, num_resamples, seed)
    for metric, value_MS in resampled.items():
        values = [one.metrics().get(metric, float("nan")) for one in several]
        gain_S = value_MS[0] - value_MS[1:].mean(axis=0)
        found[metric] = {
            "value": values[0],
            "interval": _central(value_MS[0]),
            "gain": values[0] - float(np.mean(values[1:])),
            "gain_interval": _central(gain_S),
        }
    return found


def _resampled(several: Sequence[Predictions], num_resamples: int, seed: int) -> dict[str, Floats]:
    """The metrics [predictions, S] of resamples, those that are undefined left out."""
    first, num_rows = several[0], len(several[0])
    weight_R = np.ones(num_rows) if first.weight_R is None else first.weight_R.astype(np.float64)
    loss_MR = np.stack([log_loss_rows(one.probability_R, one.label_R) for one in several])
    draw = np.random.default_rng(seed)
    auc_parts, loss_parts = [], []
    block = max(1, _BLOCK_VALUES // num_rows)
    for start in range(0, num_resamples, block):
        num = min(block, num_resamples - start)
        drawn = (np.bincount(draw.integers(0, num_rows, num_rows), minlength=num_rows) for _ in range(num))
        count_SR = np.stack(list(drawn)) * weight_R
        auc_parts.append(np.stack([resampled_auc(one.logit_R, one.label_R, count_SR) for one in several]))
        loss_parts.append(loss_MR @ count_SR.T / count_SR.sum(axis=1))
    found = {"auc": np.concatenate(auc_parts, axis=1), "logloss": np.concatenate(loss_parts, axis=1)}
    return {metric: value_MS for metric, value_MS in found.items() if np.isfinite(value_MS).all()}


def _central(value_S: Floats) -> list[float]:
    return [float(value) for value in np.quantile(value_S, [_TAIL, 1 - _TAIL])]
