"""Measures as pure functions of NumPy arrays: of ranked lists, one value per list, and of probabilities, row by row."""

from aisle.metrics.drift import population_stability_index
from aisle.metrics.intervals import Interval, bootstrap_mean, paired_bootstrap
from aisle.metrics.pointwise import CalibrationTable, auc, calibration, gauc, log_loss, normalized_entropy
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
    "Interval",
    "Targets",
    "auc",
    "bootstrap_mean",
    "calibration",
    "coverage",
    "gauc",
    "hit_rate",
    "hits",
    "intra_list_diversity",
    "log_loss",
    "mrr",
    "ndcg",
    "normalized_entropy",
    "paired_bootstrap",
    "population_stability_index",
    "recall",
    "recall_plain",
]
