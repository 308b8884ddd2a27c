"""Whether two models differ on the same rows: over other rows of the kind, and over other seeds of their trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy.special import ndtri, stdtrit

from aisle.errors import DataError
from aisle.evaluate.predictions import PAIRED_METRICS, Predictions, metric_name
from aisle.metrics import Components

#: Measures of which more is better.
_RISING = ("auc",)


@dataclass(frozen=True)
class Difference:
    """One measure of a method minus that of the reference.

    Attributes:
        value: The difference of the means over each one's seeds.
        low: Lower end of the interval.
        high: Upper end.
        row_standard_error: Over other test rows.
        seed_standard_error: Beyond that over other seeds; missing where a method has one seed alone: of that one the
            interval speaks as it was trained.
        verdict: ``better`` or ``worse`` where the interval excludes 0, else ``tie``.
    """

    value: float
    low: float
    high: float
    row_standard_error: float
    seed_standard_error: float | None
    verdict: str


def difference(
    method: Sequence[Predictions], reference: Sequence[Predictions], metric: str, *, confidence: float = 0.95
) -> Difference:
    """How a method differs from a reference, with an interval over rows and seeds.

    The variance over rows is that of the paired row-wise differences, averaged over seeds (for the AUC by DeLong). To
    it adds the variance over each method's trainings, whose seeds have nothing in common, less what the rows' has of
    it already (that each training errs on other rows). Few seeds widen the interval as the t distribution says.

    Args:
        method: Its predictions under one or more seeds.
        reference: The reference's, of the same rows.
        metric: ``auc`` or ``logloss``.
        confidence: How often such an interval covers the truth.

    Source of the degrees of freedom: Welch, "The generalization of 'Student's' problem when several different
    population variances are involved", 1947.
    """
    ours, theirs = ([one.components(metric) for one in several] for several in (method, reference))
    gap = Components.mean(ours) - Components.mean(theirs)
    over_rows = gap.standard_error**2
    over_seeds = [_OverSeeds.of(several) for several in (ours, theirs) if len(several) > 1]
    beyond_rows = max(0.0, sum(one.variance - one.within_rows for one in over_seeds))
    total = over_rows + beyond_rows
    half = _quantile(confidence, total, over_seeds) * np.sqrt(total)
    low, high = float(gap.value - half), float(gap.value + half)
    return Difference(
        gap.value,
        low,
        high,
        gap.standard_error,
        float(np.sqrt(beyond_rows)) if len(over_seeds) == 2 else None,
        _verdict(low, high, metric in _RISING),
    )


def compare(runs: Mapping[str, Sequence[Predictions]], *, test_set: str, confidence: float = 0.95) -> dict[str, Any]:
    """The report of several methods on one test set, each beside the first.

    Args:
        runs: By name each method's predictions, one per seed.
        test_set: What the set is called.
        confidence: Of the intervals.

    Raises:
        DataError: there are not two methods, they are of other rows, or the rows have one label alone.
    """
    names = list(runs)
    if len(names) < 2:
        raise DataError(f"expected two or more runs to compare, received {len(names)}")
    reference = runs[names[0]]
    _check_rows(runs, test_set)
    methods = {
        name: {
            "num_seeds": len(several),
            "metrics": _means(several, test_set),
            "deviations": _spread(several, test_set),
        }
        for name, several in runs.items()
    }
    differences = {
        name: {
            metric_name(test_set, metric): asdict(difference(runs[name], reference, metric, confidence=confidence))
            for metric in PAIRED_METRICS
        }
        for name in names[1:]
    }
    return {
        "protocol": "paired-rows",
        "set": test_set,
        "rows": len(reference[0]),
        "confidence": confidence,
        "reference": names[0],
        "methods": methods,
        "differences": differences,
    }


def _check_rows(runs: Mapping[str, Sequence[Predictions]], test_set: str) -> None:
    first = next(iter(runs.values()))[0]
    for name, several in runs.items():
        if not all(one.has_rows_of(first) for one in several):
            raise DataError(
                f"{name}: expected the {test_set} rows of {next(iter(runs))} ({len(first):,} rows), received "
                f"{len(several[0]):,} rows with other labels or weights; train both on the same data and split"
            )
    if len(np.unique(first.label_R)) < 2:
        raise DataError(f"expected {test_set} rows with both labels, received {len(first):,} with one")


def _means(several: Sequence[Predictions], test_set: str) -> dict[str, float]:
    metrics = [one.metrics() for one in several]
    return {metric_name(test_set, name): float(np.mean([one[name] for one in metrics])) for name in metrics[0]}


def _spread(several: Sequence[Predictions], test_set: str) -> dict[str, float]:
    """The sample standard deviation over seeds; nothing of one seed."""
    if len(several) < 2:
        return {}
    metrics = [one.metrics() for one in several]
    return {metric_name(test_set, name): float(np.std([one[name] for one in metrics], ddof=1)) for name in metrics[0]}


@dataclass(frozen=True)
class _OverSeeds:
    """How a measure's mean over seeds varies: in all, and by what each training errs on rows of its own."""

    variance: float
    within_rows: float
    num_seeds: int

    @classmethod
    def of(cls, several: Sequence[Components]) -> Self:
        num_seeds, mean = len(several), Components.mean(several)
        variance = float(np.var([one.value for one in several], ddof=1)) / num_seeds
        own = float(np.sum([(one - mean).standard_error ** 2 for one in several])) / (num_seeds - 1)
        return cls(variance, own / num_seeds, num_seeds)


def _quantile(confidence: float, total: float, over_seeds: Sequence[_OverSeeds]) -> float:
    """Of the t distribution, its degrees of freedom those of the seeds' share in the variance.

    They are never fewer than those of the method with the fewest seeds, as Welch's are not: where two methods err on
    the same rows under each seed, little is left of the variance once the rows' is taken off.
    """
    upper = (1 + confidence) / 2
    from_seeds = sum(one.variance**2 / (one.num_seeds - 1) for one in over_seeds)
    if not from_seeds:
        return float(ndtri(upper))
    fewest = min(one.num_seeds for one in over_seeds) - 1
    return float(stdtrit(max(total**2 / from_seeds, fewest), upper))


def _verdict(low: float, high: float, rising: bool) -> str:
    if not (low > 0 or high < 0):
        return "tie"
    return "better" if (low > 0) == rising else "worse"
