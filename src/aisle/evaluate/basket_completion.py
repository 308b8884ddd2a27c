"""The protocol *basket-completion*: the hidden item of each basket is sought from its visible ones, all items ranked.

Fit and candidates as in shop-temporal; baskets are those of known users in the window with at least 3 candidates; the
visible items are masked; scores are summed over them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aisle.evaluate.baselines import BasketBaseline
from aisle.evaluate.baskets import Basket
from aisle.evaluate.report import MethodScores, measure, report_of
from aisle.evaluate.shop_temporal import LENGTH, best_rows, padded
from aisle.evaluate.windows import Window
from aisle.metrics import Targets
from aisle.pipeline import Pipeline
from aisle.progress import Progress, silent

PROTOCOL = "basket-completion"
PLACEMENT = "bought-together"
METRICS = ("hr@10", "mrr@10", "ndcg@20")


def evaluate_baskets(
    window: Window,
    pipeline: Pipeline,
    baskets: Sequence[Basket],
    baselines: Mapping[str, BasketBaseline],
    *,
    progress: Progress = silent,
) -> dict[str, Any]:
    """The report over the baskets of one window."""
    targets = Targets.from_lists([np.array([basket.hidden]) for basket in baskets])
    methods = {PLACEMENT: MethodScores("placement")}
    ranked = [
        pipeline.recommend(
            PLACEMENT,
            basket.query(window.snapshot),
            repeat="allow",
            limit=LENGTH,
            eligible_V=basket.eligible_V(window.candidates_V),
        ).rows_n
        for basket in baskets
    ]
    methods[PLACEMENT].per_question = measure(padded(ranked, LENGTH), targets, METRICS)
    for done, (name, baseline) in enumerate(baselines.items()):
        progress("baskets: baselines", done, len(baselines))
        score = baseline(window)
        best = []
        for basket in baskets:
            rows = np.flatnonzero(basket.eligible_V(window.candidates_V))
            best.append(best_rows(score(basket.visible), rows, LENGTH))
        methods[name] = MethodScores("baseline", measure(padded(best, LENGTH), targets, METRICS))
    paired = tuple(metric for metric in methods[PLACEMENT].per_question if "@10" in metric)
    counts = {"baskets": len(baskets), "candidates": int(window.candidates_V.sum())}
    return report_of(PROTOCOL, methods, placement=PLACEMENT, paired_metrics=paired, counts=counts)
