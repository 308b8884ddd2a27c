"""Measures of recommendations as pure functions of NumPy arrays, one value per list, so that methods can be paired."""

from aisle.metrics.intervals import Interval, bootstrap_mean, paired_bootstrap
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
    "Interval",
    "Targets",
    "bootstrap_mean",
    "coverage",
    "hit_rate",
    "hits",
    "intra_list_diversity",
    "mrr",
    "ndcg",
    "paired_bootstrap",
    "recall",
    "recall_plain",
]
