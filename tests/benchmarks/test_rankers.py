"""Baseline rankers: from the rows of the shop's own, tested by the same code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aisle.assemble import ranker_builder, shop_fitters
from aisle.evaluate.shop_temporal import evaluate_windows
from aisle.evaluate.windows import VARIANT_OF
from aisle.metrics import auc
from aisle.pipeline import Blend
from aisle.train.shop.ranker_snapshots import RankerSnapshots, ranker_of
from aisle.train.shop.rankers import RankerTraining, calibrated_stages
from aisle.train.shop.work_directory import WorkDirectory
from benchmarks.rankers import BoosterTraining, with_logistic_regression
from tests.benchmarks.conftest import RankedShop

DAY_MS = 86_400_000


def test_trees_rank_and_are_calibrated_as_the_shops_own_ranker(ranked_shop: RankedShop) -> None:
    recipe = ranked_shop.recipe()
    snapshots = ranked_shop.snapshots(recipe)
    until_ms = ranked_shop.log.end_ms - 10 * DAY_MS
    training = BoosterTraining(recipe, snapshots)
    (stage,) = calibrated_stages(snapshots, training.train, [until_ms], recipe.windows.horizon_days)
    assert stage.model == "lightgbm"
    assert stage.ranker.calibrator.slope > 0
    trained = training.train(until_ms, None)
    assert training.train(until_ms, 3) is trained, "each once"
    lists = ranked_shop.whole_lists(snapshots, until_ms)
    logits = stage.score(lists.featurized)
    assert np.array_equal(logits, trained.stage.score(lists.featurized)), "calibration moves no log odds"
    assert auc(logits, lists.label_R) > 0.6
    window = snapshots.window(until_ms)
    pipeline = snapshots.fitted(until_ms).pipeline.with_rank_stage(stage)
    asked = window.asked("allow")[0]
    merged = pipeline.retrieve(pipeline.placement("for-you"), asked.query, window.eligible_V(asked, "allow"))
    ranked = stage.rank(asked.query, merged, pipeline.placement("for-you").sources)
    by_row = dict(
        zip(merged.rows_K.tolist(), stage.ranker.calibrator.probabilities(logits[lists.list_R == 0]), strict=True)
    )
    assert ranked.probability_K.tolist() == pytest.approx([by_row[row] for row in ranked.rows_K.tolist()])
    assert ranked.probability_K.tolist() == sorted(ranked.probability_K.tolist(), reverse=True)


def test_logistic_regression_learns_from_the_same_rows(ranked_shop: RankedShop) -> None:
    recipe = ranked_shop.recipe("ranker.members=2")
    changed = with_logistic_regression(recipe)
    spec = ranker_of(changed)
    assert (spec.model.kind, spec.model.num_buckets, spec.members, spec.training.listwise_weight) == (
        "logistic",
        4,
        1,
        0,
    )
    assert spec.examples == ranker_of(recipe).examples
    snapshots = ranked_shop.snapshots(recipe)
    fitters = replace(shop_fitters(recipe), build_ranker=ranker_builder(changed, spec))
    until_ms = ranked_shop.log.end_ms - 10 * DAY_MS
    training = RankerTraining(changed, snapshots, fitters, WorkDirectory(ranked_shop.directory / "logistic"))
    stages = calibrated_stages(snapshots, training.train, [until_ms], 10)
    assert [stage.model for stage in stages] == ["logistic"]


def test_seeds_share_what_depends_on_none(ranked_shop: RankedShop) -> None:
    recipe = ranked_shop.recipe()
    fitters = shop_fitters(recipe)
    fits = []

    def counted(snapshot):  # type: ignore[no-untyped-def]
        fits.append(snapshot.until_ms)
        return fitters.fit_generators(snapshot)

    work = WorkDirectory(ranked_shop.directory / "seeds")
    until_ms = ranked_shop.log.end_ms - 10 * DAY_MS
    found = []
    for seed in (0, 1):
        seeded = recipe.model_copy(update={"seed": seed})
        place = work if seed == 0 else work.for_seed(seed)
        snapshots = RankerSnapshots(seeded, ranked_shop.log, replace(fitters, fit_generators=counted), place)
        found.append(snapshots.examples(until_ms).rows)
    assert fits == [until_ms], "generators are fitted once"
    assert not np.array_equal(found[0].items_R, found[1].items_R), "negatives are drawn by each seed"
    assert found[0].label_R.sum() == found[1].label_R.sum()


def test_the_report_beside_the_blend(ranked_shop: RankedShop) -> None:
    recipe = ranked_shop.recipe()
    snapshots = ranked_shop.snapshots(recipe)
    until_ms = ranked_shop.log.end_ms - 10 * DAY_MS
    (stage,) = calibrated_stages(snapshots, BoosterTraining(recipe, snapshots).train, [until_ms], 10)
    bare = snapshots.fitted(until_ms).pipeline
    where = bare.placement("for-you")
    even = dict.fromkeys(VARIANT_OF, Blend(dict.fromkeys(where.sources, 1.0)))
    pipeline = bare.with_placements({"for-you": replace(where, blends=even)}).with_rank_stage(stage)
    report = evaluate_windows([(snapshots.window(until_ms), pipeline)], {})
    assert report["ranker"]["counts"]["lists"] == 8
    assert report["ranker"]["metrics"]["test/auc/candidates"] > 0.6
    assert report["methods"]["for-you"]["metrics"] != report["methods"]["for-you by blend"]["metrics"]
