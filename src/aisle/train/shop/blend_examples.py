"""What a blend is fitted on: the merged candidates of questions whose answer is known.

Legend of shapes: R questions, K candidates (padded to the longest), S sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.snapshots import FIRST_ROW, ShopLog
from aisle.evaluate.baskets import hide_one_of_each
from aisle.evaluate.visits import hide_last_of_each
from aisle.evaluate.windows import Window
from aisle.pipeline import Pipeline, Placement, Query, RepeatPolicy
from aisle.recipe.shop import PlacementSpec
from aisle.retrieval import Signals
from aisle.schema import DAY_MS

#: Fitting a handful of weights needs no more.
MAX_BASKETS = 1500
MAX_VISITS = 1500
MAX_SIMILAR_QUESTIONS = 1500


@dataclass(frozen=True)
class Examples:
    """Candidates with their normalized scores and whether they were right.

    Attributes:
        features_RKS: Normalized source scores; 0 in padding.
        labels_RK: Right answers.
        num_targets_R: Right answers in all, found as a candidate or not.
    """

    features_RKS: NDArray[np.float32]
    labels_RK: NDArray[np.bool_]
    num_targets_R: NDArray[np.int64]


_Case = tuple[Query, NDArray[np.bool_], NDArray[np.int32]]  # the query, what is eligible, the targets


def build_examples(
    pipeline: Pipeline,
    placement: Placement,
    spec: PlacementSpec,
    repeat: RepeatPolicy,
    window: Window,
    log: ShopLog,
) -> Examples:
    """Ask the placement's sources what is known to have an answer in the window."""
    if spec.fit == "next-window":
        cases = _next_window(window, repeat)
    elif spec.fit == "repeats":
        cases = _repeats(window)
    elif spec.fit == "baskets":
        cases = _baskets(window, log, pipeline.target)
    elif spec.fit == "next-item":
        cases = _next_items(window, log, Signals(pipeline.signals, pipeline.target))
    else:
        cases = _same_category(window, log, pipeline.target)
    features, labels, num_targets = [], [], []
    for query, eligible_V, targets in cases:
        merged = pipeline.retrieve(placement, query, eligible_V)
        features.append(merged.normalized_KS())
        labels.append(np.isin(merged.rows_K, targets))
        num_targets.append(len(targets))
    return pad_examples(features, labels, num_targets, len(placement.sources))


def _next_window(window: Window, repeat: RepeatPolicy) -> Iterable[_Case]:
    for asked in window.asked(repeat):
        yield asked.query, window.eligible_V(asked, repeat), asked.targets


def _repeats(window: Window) -> Iterable[_Case]:
    """What users take again of what they took before."""
    for asked in window.questions:
        again = np.intersect1d(asked.targets, asked.owned)
        if len(again):
            eligible = np.zeros_like(window.candidates_V)
            eligible[asked.owned] = True
            yield asked.query, eligible, again


def _baskets(window: Window, log: ShopLog, target: str) -> Iterable[_Case]:
    for basket in hide_one_of_each(log, window, target, most=MAX_BASKETS):
        hidden = np.array([basket.hidden], np.int32)
        yield basket.query(window.snapshot), basket.eligible_V(window.candidates_V), hidden


def _next_items(window: Window, log: ShopLog, signals: Signals) -> Iterable[_Case]:
    for visit in hide_last_of_each(log, window, signals, most=MAX_VISITS):
        yield visit.query, visit.eligible_V(window.candidates_V), np.array([visit.hidden], np.int32)


def _same_category(window: Window, log: ShopLog, target: str) -> Iterable[_Case]:
    """For an item that a user takes in the window: the others of its most special category that the user takes then."""
    snapshot = window.snapshot
    categories = snapshot.catalogue["category"].list.last().to_list()
    until_ms = snapshot.until_ms + window.horizon_days * DAY_MS
    later = log.during(snapshot, until_ms, target).filter(pl.col("user") > 0).select("user", "item").unique()
    questions = []
    for _, items in later.sort("user", "item").group_by("user", maintain_order=True).agg("item").iter_rows():
        rows = [row for row in items if window.candidates_V[row] and categories[row - FIRST_ROW] is not None]
        for row in rows:
            others = [
                other for other in rows if other != row and categories[other - FIRST_ROW] == categories[row - FIRST_ROW]
            ]
            if others:
                questions.append((row, np.array(others, np.int32)))
    if len(questions) > MAX_SIMILAR_QUESTIONS:
        questions = [questions[at] for at in np.linspace(0, len(questions) - 1, MAX_SIMILAR_QUESTIONS).astype(int)]
    for row, wanted in questions:
        eligible = window.candidates_V.copy()
        eligible[row] = False
        query = Query.of_items(np.array([row], np.int32), now_ms=snapshot.until_ms, num_rows=snapshot.num_items)
        yield query, eligible, wanted


def pad_examples(
    features: Sequence[NDArray[np.float32]],
    labels: Sequence[NDArray[np.bool_]],
    num_targets: Sequence[int],
    num_sources: int,
) -> Examples:
    """Examples of questions with different numbers of candidates, which are padded to the most."""
    longest = max((len(one) for one in labels), default=0)
    features_RKS = np.zeros((len(features), longest, num_sources), np.float32)
    labels_RK = np.zeros((len(features), longest), np.bool_)
    for number, (rows, right) in enumerate(zip(features, labels, strict=True)):
        features_RKS[number, : len(rows)] = rows
        labels_RK[number, : len(right)] = right
    return Examples(features_RKS, labels_RK, np.array(num_targets, np.int64))
