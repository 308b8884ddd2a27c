"""Baseline rankers that learn from the very rows of a shop's own ranker, and rank the very same candidates.

Legend of shapes: K candidates, R rows, F candidate features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from aisle.features.ranker_inputs import RankerInputs
from aisle.pipeline import Query
from aisle.pipeline.blend import Merged
from aisle.pipeline.calibration import Calibrator, PlattCalibrator
from aisle.pipeline.rank_stage import Featurized, RankedCandidates, RankStage
from aisle.recipe import ShopRecipe
from aisle.recipe.ranker import LogisticSpec
from aisle.train.shop.ranker import ExamplesOf, FittedSnapshot, RankFit
from aisle.train.shop.ranker_snapshots import RankerSnapshots, ranker_of

NUM_TREES = 400
#: Settings of the two-stage sketch among the peers; threads are OpenMP's (OMP_NUM_THREADS).
LIGHTGBM = {
    "objective": "binary",
    "num_leaves": 31,
    "learning_rate": 0.05,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
#: Log loss of rows alone, and steps large and many enough that more of them gain nothing.
LOGISTIC_TRAINING = {"learning_rate": 0.01, "num_epochs": 2, "listwise_weight": 0.0, "pointwise_weight": 1.0}


class Booster:
    """Trees over raw candidate features, with the calibrator of their log odds."""

    def __init__(self, trees: lightgbm.Booster, calibrator: Calibrator) -> None:
        self.trees = trees
        self.calibrator = calibrator

    def with_calibrator(self, calibrator: Calibrator) -> Booster:
        """The same trees under another calibrator."""
        return Booster(self.trees, calibrator)


class BoosterStage(RankStage):
    """A rank stage that scores with trees, on the features as they are. It is measured, never served or saved."""

    ranker: Any

    def rank(
        self, query: Query, merged: Merged, sources: Sequence[str], *, deadline: float | None = None
    ) -> RankedCandidates:
        """Order merged candidates; the budget of serving means nothing here."""
        logits_K = self.logits(query, merged, sources)
        order_K = np.argsort(-logits_K, kind="stable")
        probability_K = self.ranker.calibrator.probabilities(logits_K[order_K]).astype(np.float32)
        return RankedCandidates(merged.rows_K[order_K], probability_K, None)

    def score(self, candidates: Featurized) -> NDArray[np.float32]:
        """The log odds [K] of featurized candidates."""
        if not len(candidates.features_KF):
            return np.zeros(0, np.float32)
        return np.asarray(self.ranker.trees.predict(candidates.features_KF, raw_score=True), np.float32)


def fit_booster(base: FittedSnapshot, examples: Sequence[ExamplesOf], placement: str) -> BoosterStage:
    """Trees on all examples, each row counted by its weight."""
    features_RF, label_R, weight_R = (
        np.concatenate([getattr(one.rows, name) for one in examples]) for name in ("features_RF", "label_R", "weight_R")
    )
    trees = lightgbm.train(LIGHTGBM, lightgbm.Dataset(features_RF, label_R, weight=weight_R), NUM_TREES)
    return BoosterStage(
        featurizer=base.featurizer,
        # A stage knows how features spread, if only to tell of drift.
        inputs=RankerInputs.fit(features_RF, base.featurizer.names, num_buckets=10, id_sizes={}),
        ranker=Booster(trees, PlattCalibrator()),
        placement=placement,
        model="lightgbm",
    )


class BoosterTraining:
    """Trains trees at any time, from what the recipe's ranker of that time learns from; each once."""

    def __init__(self, recipe: ShopRecipe, snapshots: RankerSnapshots) -> None:
        self._placement = ranker_of(recipe).placement
        self._snapshots = snapshots
        self._trained: dict[int, RankFit] = {}

    def train(self, until_ms: int, num_epochs: int | None) -> RankFit:
        """The trees of one time; their number is set, so nothing stops early."""
        if until_ms not in self._trained:
            base = self._snapshots.fitted(until_ms)
            stage = fit_booster(base, self._snapshots.learnt_from(until_ms), self._placement)
            self._trained[until_ms] = RankFit(base, stage, 1)
        return self._trained[until_ms]


def with_logistic_regression(recipe: ShopRecipe) -> ShopRecipe:
    """The recipe with logistic regression over the same buckets and ids as its ranker, trained by log loss."""
    spec = ranker_of(recipe)
    changed = {
        "model": LogisticSpec(kind="logistic", num_buckets=spec.model.num_buckets),
        "members": 1,
        "training": spec.training.model_copy(update=LOGISTIC_TRAINING),
    }
    return recipe.model_copy(update={"ranker": spec.model_copy(update=changed)})
