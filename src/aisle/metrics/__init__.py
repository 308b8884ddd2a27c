"""Measures as pure functions of NumPy arrays: of ranked lists, one value per list, and of probabilities, row by row."""

from aisle.metrics.drift import population_stability_index
from aisle.metrics.intervals import Interval, bootstrap_mean, paired_bootstrap
from aisle.metrics.paired import Components, auc_components, log_loss_components, resampled_auc
from aisle.metrics.pointwise import (
    CalibrationTable,
    accuracy,
    auc,
    calibration,
    gauc,
    log_loss,
    log_loss_rows,
    normalized_entropy,
)
from aisle.metrics.ranking import (
    Targets,
    coverage,
    hit_rate,
    hits,
    intra_list_diversity,
    mrr,
    ndcg,
    recall,
    recall_plain,
)

__all__ = [
    "CalibrationTable",
    "Components",
    "Interval",
    "Targets",
    "accuracy",
    "auc",
    "auc_components",
    "bootstrap_mean",
    "calibration",
    "coverage",
    "gauc",
    "hit_rate",
    "hits",
    "intra_list_diversity",
    "log_loss",
    "log_loss_components",
    "log_loss_rows",
    "mrr",
    "ndcg",
    "normalized_entropy",
    "paired_bootstrap",
    "population_stability_index",
    "recall",
    "recall_plain",
    "resampled_auc",
]
