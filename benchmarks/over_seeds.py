"""Differences of two rankers that were trained under the same seeds, with intervals over users and over seeds.

An interval over users alone says how sure a difference of these very models is. Another seed gives other models.

Legend of shapes: S seeds, L lists, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.evaluate.report import MethodScores
from aisle.metrics.intervals import Interval

NUM_RESAMPLES = 2000


def difference_over_seeds(gap_SL: NDArray[np.float64], *, seed: int = 0) -> Interval:
    """The mean of differences with its central 95 % interval, seeds and lists drawn anew, each by itself.

    The interval is rather too wide than too narrow where both matter, and means little of few seeds.

    Args:
        gap_SL: What one method has over the other on each list, under each seed; two seeds at least.
        seed: Same seed, same interval.

    Raises:
        ValueError: there are fewer than two seeds, or no lists.

    Source: Owen, "The pigeonhole bootstrap", 2007.
    """
    if gap_SL.ndim != 2 or gap_SL.shape[0] < 2 or not gap_SL.shape[1]:
        raise ValueError(f"expected differences of two seeds or more on some lists, received the shape {gap_SL.shape}")
    draw = np.random.default_rng(seed)
    num_seeds, num_lists = gap_SL.shape
    seeds_BS = draw.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), NUM_RESAMPLES) / num_seeds
    means = np.empty(NUM_RESAMPLES)
    for number, seeds_S in enumerate(seeds_BS):
        means[number] = (seeds_S @ gap_SL)[draw.integers(0, num_lists, num_lists)].mean()
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(gap_SL.mean()), float(low), float(high))


def compare_over_seeds(
    runs: Mapping[str, Sequence[Sequence[MethodScores]]], reference: str, metrics: Sequence[str]
) -> dict[str, Any]:
    """What a method has over each other one, with its interval and the difference under each seed.

    Args:
        runs: Of each method the scores by window and seed; all of the same questions under the same seeds.
        reference: The method that the others are compared with.
        metrics: Which of their metrics.
    """
    values = {
        name: {
            metric: np.concatenate([[run.per_question[metric] for run in window] for window in windows], axis=1)
            for metric in metrics
        }
        for name, windows in runs.items()
    }
    differences: dict[str, Any] = {}
    for name, found in values.items():
        if name == reference:
            continue
        for metric, values_SL in found.items():
            gap_SL = values[reference][metric] - values_SL
            gap = difference_over_seeds(gap_SL)
            differences.setdefault(name, {})[metric] = {
                "difference": gap.mean,
                "low": gap.low,
                "high": gap.high,
                "by_seed": gap_SL.mean(axis=1).tolist(),
            }
    return {"reference": reference, "differences": differences}
