"""What is denied on stored lists is what a refit would not have; stored lists are measured as answers are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aisle.assemble import shop_fitters
from aisle.errors import ConfigError
from aisle.evaluate.shop_temporal import score_pipeline
from aisle.evaluate.windows import VARIANT_OF
from aisle.train.shop.training import train_shop
from aisle.train.shop.work_directory import WorkDirectory
from benchmarks.ablation import Denied, blend_scores, measure_ranked, of_policies, stage_scores
from tests.benchmarks.conftest import RankedShop

torch.set_num_threads(1)


def test_a_source_denied_is_a_refit_without_it(ranked_shop: RankedShop) -> None:
    # Few candidates of each source, so that some are listed by one source alone.
    whole = ranked_shop.recipe("candidates_per_source=5")
    sources = ["own_30d", "together_cosine"]
    without = ranked_shop.recipe("candidates_per_source=5", f"placements.for-you.sources={sources}")
    snapshots, refitted = ranked_shop.snapshots(whole, "few"), ranked_shop.snapshots(without, "fewer")
    until_ms = ranked_shop.log.end_ms - 10 * 86_400_000
    lists, expected = (ranked_shop.whole_lists(one, until_ms) for one in (snapshots, refitted))
    featurizer, other = snapshots.fitted(until_ms).featurizer, refitted.fitted(until_ms).featurizer
    found = Denied(sources=("popular_10d",)).rows(lists, featurizer)
    assert len(found) < len(lists), "popular items that nothing else listed are gone"
    for name in ("items_R", "codes_R2", "list_R", "label_R", "weight_R"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
    kept = [featurizer.names.index(name) for name in other.names]
    assert {*featurizer.names} - {*other.names} == {"score_popular_10d", "rank_popular_10d"}
    same = [place for place, name in enumerate(other.names) if name != "own_rank"]
    assert np.array_equal(found.features_RF[:, kept][:, same], expected.features_RF[:, same])
    held = [featurizer.names.index(name) for name in ("score_popular_10d", "rank_popular_10d")]
    assert not found.features_RF[:, held].any()
    assert lists.features_RF[:, held].any(), "the stored lists are as they were"


def test_a_source_shuffled_says_nothing_in_as_many_columns(ranked_shop: RankedShop) -> None:
    snapshots = ranked_shop.snapshots(ranked_shop.recipe("candidates_per_source=5"), "few")
    until_ms = ranked_shop.log.end_ms - 10 * 86_400_000
    lists, featurizer = ranked_shop.whole_lists(snapshots, until_ms), snapshots.fitted(until_ms).featurizer
    without = Denied(sources=("popular_10d",)).rows(lists, featurizer)
    found = Denied(sources=("popular_10d",), is_shuffled=True).rows(lists, featurizer)
    assert np.array_equal(found.items_R, without.items_R), "what it alone listed is gone all the same"
    denied = [name in ("score_popular_10d", "rank_popular_10d") for name in featurizer.names]
    assert np.array_equal(found.features_RF[:, np.invert(denied)], without.features_RF[:, np.invert(denied)])
    kept_R = np.isin(lists.list_R * 10_000 + lists.items_R, found.list_R * 10_000 + found.items_R)
    true_R2, shuffled_R2 = lists.features_RF[kept_R][:, denied], found.features_RF[:, denied]
    assert not np.array_equal(true_R2, shuffled_R2)
    for number in np.unique(found.list_R):
        is_here_R = found.list_R == number
        assert sorted(map(tuple, true_R2[is_here_R])) == sorted(map(tuple, shuffled_R2[is_here_R]))


def test_features_are_held_at_zero_by_pattern(ranked_shop: RankedShop) -> None:
    snapshots = ranked_shop.snapshots(ranked_shop.recipe())
    until_ms = ranked_shop.log.end_ms - 10 * 86_400_000
    featurizer = snapshots.fitted(until_ms).featurizer
    lists = ranked_shop.whole_lists(snapshots, until_ms)
    found = Denied(features=("own_*", "num_sources")).rows(lists, featurizer)
    denied = [name.startswith("own_") or name == "num_sources" for name in featurizer.names]
    assert not found.features_RF[:, denied].any()
    assert np.array_equal(found.features_RF[:, ~np.array(denied)], lists.features_RF[:, ~np.array(denied)])
    with pytest.raises(ConfigError, match=r"received 'won_\*'"):
        Denied(features=("won_*",)).columns(featurizer.names)


def test_lists_of_a_policy_are_left_out(ranked_shop: RankedShop) -> None:
    snapshots = ranked_shop.snapshots(ranked_shop.recipe())
    until_ms = ranked_shop.log.end_ms - 10 * 86_400_000
    examples, window = snapshots.examples(until_ms).rows, snapshots.window(until_ms)
    num_all, num_new = len(window.asked("allow")), len(window.asked("exclude"))
    assert examples.list_R[-1] + 1 == num_all + num_new
    with_repeats, without = (of_policies(examples, window, 99, [repeat]) for repeat in ("exclude", "allow"))
    assert np.unique(with_repeats.list_R).tolist() == list(range(num_all))
    assert np.unique(without.list_R).tolist() == list(range(num_new))
    both = np.concatenate([with_repeats.features_RF, without.features_RF])
    assert np.array_equal(both, examples.features_RF)
    own = list(snapshots.fitted(until_ms).featurizer.names).index("own_count")
    assert with_repeats.features_RF[:, own].any()
    assert not without.features_RF[:, own].any(), "what is asked without repeats was never bought before"


def test_stored_lists_are_measured_as_answers_are(ranked_shop: RankedShop) -> None:
    recipe = ranked_shop.recipe()
    fitters = shop_fitters(recipe)
    work = WorkDirectory(ranked_shop.directory / "measured")
    ((window, pipeline),) = train_shop(recipe, ranked_shop.log, fitters, work).tests
    snapshots = ranked_shop.snapshots(recipe, "measured", fitters=fitters)
    until_ms = window.snapshot.until_ms
    lists = ranked_shop.whole_lists(snapshots, until_ms)
    assert pipeline.rank_stage is not None
    found = measure_ranked(window, lists, stage_scores(pipeline.rank_stage, lists), "placement")
    expected = score_pipeline(window, pipeline, "placement")
    assert {*found.per_question} == {*expected.per_question}
    for metric, values in expected.per_question.items():
        assert np.array_equal(found.per_question[metric], values), metric
    assert found.means()["test/ndcg@20/full/all"] > 0.3
    placement = pipeline.placement("for-you")
    num_allow = len(window.asked("allow"))
    by_blend = blend_scores(placement.blends, snapshots.fitted(until_ms).featurizer, lists, num_allow)
    lists_asked = [(repeat, asked) for repeat in VARIANT_OF for asked in window.asked(repeat)]
    for number, (repeat, asked) in enumerate(lists_asked):
        merged = pipeline.retrieve(placement, asked.query, window.eligible_V(asked, repeat))
        shares = placement.blends[repeat].shares_KS(merged, placement.sources).sum(axis=1)
        assert by_blend[lists.list_R == number] == pytest.approx(shares, abs=1e-6)
