"""Reports over several methods: metrics named by protocol, intervals, paired differences, and a table.

Legend of shapes: R asked users or baskets, K positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisle.metrics import Targets, bootstrap_mean, hit_rate, mrr, ndcg, paired_bootstrap, recall, recall_plain

Role = Literal["placement", "baseline", "stage", "ablation"]
Measure = Callable[[NDArray[np.int64], Targets, int], NDArray[np.float64]]

MEASURES: dict[str, Measure] = {
    "ndcg": ndcg,
    "recall": recall,
    "recall_plain": recall_plain,
    "hr": hit_rate,
    "mrr": mrr,
}


@dataclass
class MethodScores:
    """One method's values per question, by metric name; those of one name are in the order of the questions."""

    role: Role
    per_question: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def add(self, metric: str, values_R: NDArray[np.float64]) -> None:
        """Append the values of further questions (another window)."""
        before = self.per_question.get(metric)
        self.per_question[metric] = values_R if before is None else np.concatenate([before, values_R])

    @classmethod
    def averaged(cls, parts: Sequence[MethodScores]) -> MethodScores:
        """Question by question the mean of one method's runs under several seeds, so that intervals are over questions.

        Raises:
            ValueError: the runs were not asked the same questions.
        """
        names = parts[0].per_question
        sizes = [{name: len(values_R) for name, values_R in part.per_question.items()} for part in parts]
        if any(size != sizes[0] for size in sizes):
            raise ValueError(f"expected runs on the same questions, received {sizes}")
        means = {name: np.mean([part.per_question[name] for part in parts], axis=0) for name in names}
        return cls(parts[0].role, means)

    def means(self) -> dict[str, float]:
        """The mean of each metric."""
        return {metric: float(values.mean()) for metric, values in self.per_question.items() if len(values)}


def measure(
    ranked_RK: NDArray[np.int64], targets: Targets, names: tuple[str, ...], *, variant: str | None = None
) -> dict[str, NDArray[np.float64]]:
    """Values per question, named ``test/ndcg@20/full[/variant]``.

    Args:
        ranked_RK: Ranked item rows, padded with -1.
        targets: What should have been found.
        names: ``ndcg@20`` and the like.
        variant: Appended to the names.
    """
    values = {}
    for name in names:
        kind, _, k = name.partition("@")
        full = f"test/{name}/full" + (f"/{variant}" if variant else "")
        values[full] = MEASURES[kind](ranked_RK, targets, int(k))
    return values


def report_of(
    protocol: str,
    methods: Mapping[str, MethodScores],
    *,
    placement: str,
    paired_metrics: tuple[str, ...],
    counts: Mapping[str, int],
    seed: int = 0,
) -> dict[str, Any]:
    """The JSON report.

    Args:
        protocol: Its name.
        methods: All methods, asked the same questions in the same order.
        placement: The method that the others are compared with.
        paired_metrics: Metrics that get 95 % bootstrap intervals, and for each other method the interval of
            ``placement`` minus method over the same questions.
        counts: How much was tested.
        seed: Of the bootstrap.
    """
    chosen = {metric: methods[placement].per_question[metric] for metric in paired_metrics}
    intervals: dict[str, Any] = {}
    paired: dict[str, Any] = {}
    for name, scores in methods.items():
        for metric, reference in chosen.items():
            values = scores.per_question.get(metric)
            if values is None or len(values) == 0:
                continue
            low_high = bootstrap_mean(values, seed=seed)
            intervals.setdefault(name, {})[metric] = [low_high.low, low_high.high]
            if name != placement:
                gap = paired_bootstrap(reference, values, seed=seed)
                paired.setdefault(name, {})[metric] = {"difference": gap.mean, "low": gap.low, "high": gap.high}
    return {
        "protocol": protocol,
        "counts": dict(counts),
        "methods": {name: {"role": scores.role, "metrics": scores.means()} for name, scores in methods.items()},
        "intervals": intervals,
        "paired": {"reference": placement, "differences": paired},
    }
