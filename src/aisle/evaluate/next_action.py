"""How well the next action is told: log odds of the good actions, and how they differ from those of baselines.

Legend of shapes: R questions, K candidates, A actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from aisle.data.action_lists import ActionLists, ActionQuestions
from aisle.evaluate.comparison import difference
from aisle.evaluate.predictions import PAIRED_METRICS, Predictions, bootstrap_ensemble, metric_name, named_metrics

#: What the metrics are of: the last action of each person.
PROTOCOL = "leave-one-out"


class RanksActions(Protocol):
    """Tells what a person will do with an item."""

    def logits(self, histories: ActionLists, candidates_RK: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """The logits [R, K, A] of each action with each candidate, would it come next."""
        ...


def predict_actions(ranker: RanksActions, questions: ActionQuestions, is_positive_A: NDArray[np.bool_]) -> Predictions:
    """The log odds of a good action for each question, beside whether it was one."""
    logits_RA = ranker.logits(questions.histories, questions.item_R[:, None])[:, 0].astype(np.float64)
    odds_R = logsumexp(logits_RA[:, is_positive_A], axis=1) - logsumexp(logits_RA[:, ~is_positive_A], axis=1)
    return Predictions(odds_R.astype(np.float32), is_positive_A[questions.action_R].astype(np.float32))


def report_actions(ranker: Predictions, baselines: Mapping[str, Predictions]) -> dict[str, Any]:
    """The metrics of a ranker on the test with 95 % intervals, and how it differs from baselines on the same rows.

    Returns:
        ``metrics`` and ``intervals`` (bootstrap over people) by name, as ``test/auc``, and ``baselines``, see
        :func:`compare_with_baselines`.
    """
    intervals = {name: found["interval"] for name, found in bootstrap_ensemble([ranker]).items()}
    return {
        "metrics": named_metrics({"test": ranker}),
        "intervals": {metric_name("test", name): interval for name, interval in intervals.items()},
        "baselines": compare_with_baselines([ranker], baselines),
    }


def compare_with_baselines(seeds: Sequence[Predictions], baselines: Mapping[str, Predictions]) -> dict[str, Any]:
    """How a ranker, trained once or under several seeds, differs from baselines on the same rows.

    Returns:
        By the baseline's name its ``metrics`` and the ranker's ``differences`` from it, paired over people; of several
        seeds the intervals cover other seeds too.
    """
    return {
        name: {
            "metrics": named_metrics({"test": one}),
            "differences": {
                metric_name("test", metric): asdict(difference(seeds, [one], metric)) for metric in PAIRED_METRICS
            },
        }
        for name, one in baselines.items()
    }
