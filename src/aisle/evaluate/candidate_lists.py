"""The protocol *candidates*: how good a ranker's probabilities are on the lists that it is given in serving.

Visitors of a window are drawn; each is asked for, repeats allowed, and every candidate that the sources bring is a row,
none left out, none weighted: its calibrated probability against whether the visitor took it in the window.

Legend of shapes: R rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.evaluate.windows import Window
from aisle.metrics import auc, calibration, gauc, log_loss, normalized_entropy
from aisle.pipeline import Pipeline

PROTOCOL = "candidates"
#: So many visitors are drawn.
MAX_LISTS = 400
CALIBRATION_BINS = 10


@dataclass(frozen=True)
class ScoredLists:
    """Whole candidate lists with what a ranker says of them.

    Attributes:
        probability_R: Calibrated.
        label_R: 1 where the visitor took the item in the window.
        list_R: Numbers of the lists, rising from 0.
        num_lists: How many visitors were asked for.
    """

    probability_R: NDArray[np.float64]
    label_R: NDArray[np.float64]
    list_R: NDArray[np.int64]
    num_lists: int

    @classmethod
    def joined(cls, parts: Sequence[ScoredLists]) -> ScoredLists:
        """The lists of several windows, or of one ranker's several seeds, one behind the other."""
        first = np.cumsum([0, *(part.num_lists for part in parts)])
        moved = [part.list_R + start for part, start in zip(parts, first[:-1], strict=True)]
        return cls(
            np.concatenate([part.probability_R for part in parts]),
            np.concatenate([part.label_R for part in parts]),
            np.concatenate(moved),
            int(first[-1]),
        )


def score_lists(
    window: Window, pipeline: Pipeline, placement: str, *, max_lists: int = MAX_LISTS, seed: int = 0
) -> ScoredLists:
    """Ask for visitors of a window, drawn by the seed, and score all their candidates.

    Raises:
        ValueError: the pipeline has no ranker of the placement.
    """
    stage = pipeline.rank_stage
    if stage is None or stage.placement != placement:
        raise ValueError(f"expected a pipeline with a ranker of {placement!r}, received one without")
    asked = window.asked("allow")
    kept = np.arange(len(asked))
    if len(asked) > max_lists:
        kept = np.sort(np.random.default_rng(seed).choice(kept, max_lists, replace=False))
    where = pipeline.placement(placement)
    parts = [ScoredLists(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), 0)]
    for question in (asked[at] for at in kept):
        merged = pipeline.retrieve(where, question.query, window.eligible_V(question, "allow"))
        logits = stage.logits(question.query, merged, where.sources)
        taken = np.isin(merged.rows_K, question.targets).astype(np.float64)
        parts.append(
            ScoredLists(stage.ranker.calibrator.probabilities(logits), taken, np.zeros(len(taken), np.int64), 1)
        )
    return ScoredLists.joined(parts)


def measure_lists(lists: ScoredLists) -> dict[str, Any]:
    """Counts, metrics named ``test/auc/candidates`` and the like, and the table of calibration.

    What has no value, for want of rows or of one of the labels, is left out. ``test/calibration`` is all that was
    predicted over all that was taken; 1 is best.
    """
    probability_R, label_R = lists.probability_R, lists.label_R
    counts = {"lists": lists.num_lists, "rows": len(label_R), "positives": int(label_R.sum())}
    if not len(label_R):
        return {"counts": counts, "metrics": {}, "calibration": []}
    table = calibration(probability_R, label_R, num_bins=CALIBRATION_BINS)
    values = {
        "auc": auc(probability_R, label_R),
        "gauc": gauc(probability_R, label_R, lists.list_R),
        "logloss": log_loss(probability_R, label_R),
        "normalized_entropy": normalized_entropy(probability_R, label_R),
        "calibration": table.ratio,
        "calibration_error": table.error,
    }
    bins = zip(table.predicted.tolist(), table.observed.tolist(), table.weight.tolist(), strict=True)
    return {
        "counts": counts,
        "metrics": {f"test/{name}/{PROTOCOL}": value for name, value in values.items() if math.isfinite(value)},
        "calibration": [
            {"predicted": predicted, "observed": observed, "rows": int(rows)} for predicted, observed, rows in bins
        ],
    }
