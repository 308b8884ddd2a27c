"""Whether recommenders over lists differ on the same questions: paired differences with bootstrap intervals.

Legend of shapes: R questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import DataError
from aisle.metrics import paired_bootstrap

PROTOCOL = "paired-questions"


@dataclass(frozen=True)
class AnsweredQuestions:
    """What each test question was worth to one method, under one or more seeds.

    Attributes:
        values: By metric, for each seed a value per question [R]; NaN where the metric does not speak of a question.
        asked: What the questions come from; methods are compared only where it is the same.
    """

    values: Mapping[str, Sequence[NDArray[np.float64]]]
    asked: object

    @property
    def num_seeds(self) -> int:
        """How many trainings."""
        return len(next(iter(self.values.values())))

    @property
    def num_questions(self) -> int:
        """R."""
        return len(next(iter(self.values.values()))[0])


def compare_answers(methods: Mapping[str, AnsweredQuestions], *, confidence: float = 0.95) -> dict[str, Any]:
    """The report of several methods, each beside the first, by the metrics that all of them have.

    Questions are drawn in pairs, each worth the mean over a method's seeds. The interval therefore speaks of other
    questions to these very trainings, not of other seeds; ``deviations`` say how far seeds are apart.

    Args:
        methods: By name.
        confidence: Of the intervals.

    Raises:
        DataError: there are not two methods, they were asked other questions, or they share no metric.
    """
    names = list(methods)
    if len(names) < 2:
        raise DataError(f"expected two or more runs to compare, received {len(names)}")
    first = methods[names[0]]
    metrics = [metric for metric in first.values if all(metric in one.values for one in methods.values())]
    for name in names[1:]:
        _check_same(names[0], first, name, methods[name])
    if not metrics:
        raise DataError(
            f"expected runs with a metric in common, received {[list(one.values) for one in methods.values()]}"
        )
    return {
        "protocol": PROTOCOL,
        "questions": first.num_questions,
        "confidence": confidence,
        "reference": names[0],
        "methods": {name: _summary(one, metrics) for name, one in methods.items()},
        "differences": {
            name: {metric: _difference(methods[name], first, metric, confidence) for metric in metrics}
            for name in names[1:]
        },
    }


def _check_same(reference: str, first: AnsweredQuestions, name: str, other: AnsweredQuestions) -> None:
    if other.asked != first.asked or other.num_questions != first.num_questions:
        raise DataError(
            f"{name}: expected the {first.num_questions:,} test questions of {reference}, received "
            f"{other.num_questions:,} of other data or another split; train both on the same data and split"
        )


def _summary(method: AnsweredQuestions, metrics: Sequence[str]) -> dict[str, Any]:
    of_seeds = {metric: [float(np.nanmean(values_R)) for values_R in method.values[metric]] for metric in metrics}
    several = method.num_seeds > 1
    return {
        "num_seeds": method.num_seeds,
        "metrics": {metric: float(np.mean(values)) for metric, values in of_seeds.items()},
        "deviations": {metric: float(np.std(values, ddof=1)) for metric, values in of_seeds.items()} if several else {},
    }


def _difference(
    method: AnsweredQuestions, reference: AnsweredQuestions, metric: str, confidence: float
) -> dict[str, float | str]:
    ours_R, theirs_R = (np.mean(one.values[metric], axis=0) for one in (method, reference))
    speaks_R = ~np.isnan(theirs_R)
    gap = paired_bootstrap(ours_R[speaks_R], theirs_R[speaks_R], seed=0, confidence=confidence)
    verdict = "better" if gap.low > 0 else "worse" if gap.high < 0 else "tie"
    return {"value": gap.mean, "low": gap.low, "high": gap.high, "verdict": verdict}
