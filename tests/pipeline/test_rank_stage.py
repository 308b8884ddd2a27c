"""The rank stage over a live store: its order, what newer items bring, and that it answers the same when read again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aisle.bundle import Bundle, BundleWriter
from aisle.pipeline import Answer, Blend, Merged, Pipeline, Query, Ranked, RecommendationRequest, Recommender
from aisle.pipeline.rank_stage import OverBudgetError, RankStage
from aisle.schema import Event, Item
from aisle.store import SqlStore
from aisle.workspace import Workspace
from tests.shops import NO_HASTE

USERS = ("user-00003", "user-00042", "user-00077", "a stranger")


class Shop:
    """A trained shop with a ranker, open."""

    def __init__(self, workspace: Workspace, store: SqlStore) -> None:
        self.workspace, self.store = workspace, store
        self.recommender = Recommender(store, workspace.config, workspace.directory)
        active = store.active_bundle()
        assert active is not None
        self.bundle = Bundle.open(workspace.directory / active.path)
        self.pipeline = Pipeline.load(self.bundle)
        assert self.pipeline.rank_stage is not None
        self.stage: RankStage = self.pipeline.rank_stage

    def ask(self, user: str, **fields: Any) -> Answer:
        return self.recommender.recommend(RecommendationRequest("for-you", user_id=user, **fields))

    def query(self, *rows: int) -> Query:
        return Query.of_items(
            np.array(rows, np.int32), now_ms=self.pipeline.fitted_until_ms, num_rows=len(self.pipeline.item_ids)
        )

    def merged(self, query: Query) -> Merged:
        placement = self.pipeline.placement("for-you")
        return self.pipeline.retrieve(placement, query, np.array([bool(one) for one in self.pipeline.item_ids]))


@pytest.fixture
def shop(ranked_shop: Path, tmp_path: Path) -> Iterator[Shop]:
    workspace = Workspace.open(shutil.copytree(ranked_shop, tmp_path / "copy"))
    workspace.settings_path.write_text(NO_HASTE)
    with closing(workspace.open_store()) as store:
        yield Shop(workspace, store)


def test_answers_are_in_the_order_of_the_rankers_probabilities(shop: Shop) -> None:
    for user in USERS:
        answer = shop.ask(user, limit=30)
        assert (answer.policy, answer.degraded, len(answer.items)) == ("field-dlrm", [], 30)
        scores = [one.score for one in answer.items]
        assert scores == sorted(scores, reverse=True)
        assert 0 < scores[-1] < scores[0] < 1
    query = shop.query(9, 40)
    merged = shop.merged(query)
    sources = shop.pipeline.placement("for-you").sources
    logits = shop.stage.logits(query, merged, sources)
    ranked = shop.stage.rank(query, merged, sources)
    assert ranked.rows_K.tolist() == merged.rows_K[np.argsort(-logits, kind="stable")].tolist()
    calibrator = shop.stage.ranker.calibrator
    assert ranked.probability_K == pytest.approx(np.sort(calibrator.probabilities(logits))[::-1], rel=1e-6)
    with pytest.raises(OverBudgetError):
        shop.stage.rank(query, merged, sources, deadline=0.0)


def test_read_again_it_answers_the_same(shop: Shop, tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "again") as writer:
        shop.stage.save(writer)
    again = RankStage.load(Bundle.open(tmp_path / "again"))
    assert (again.placement, again.model) == (shop.stage.placement, shop.stage.model) == ("for-you", "field-dlrm")
    sources = shop.pipeline.placement("for-you").sources
    for rows in ((), (9,), (9, 40, 41, 9)):
        query = shop.query(*rows)
        merged = shop.merged(query)
        ours, theirs = (stage.rank(query, merged, sources) for stage in (shop.stage, again))
        assert ours.rows_K.tolist() == theirs.rows_K.tolist()
        assert ours.probability_K.tolist() == theirs.probability_K.tolist()
        assert ours.observed is not None and theirs.observed is not None
        assert ours.observed.as_vector().tolist() == theirs.observed.as_vector().tolist()
        assert ours.observed.num_candidates == len(merged.rows_K)


def test_what_was_observed_are_the_features_of_training_in_bins(shop: Shop) -> None:
    reference = shop.stage.reference
    assert reference is not None
    assert reference.names == tuple(shop.stage.inputs.dense_names)
    counts = np.split(reference.counts_T, np.cumsum(reference.num_bins_N)[:-1])
    assert len({float(one.sum()) for one in counts}) == 1, "each candidate has a value of each feature"
    assert 0.001 < reference.mean_label < 0.5
    assert reference.num_bins_N.max() == 10
    query = shop.query(9, 40)
    merged = shop.merged(query)
    observed = shop.stage.rank(query, merged, shop.pipeline.placement("for-you").sources).observed
    assert observed is not None
    per_feature = np.split(observed.counts_T, np.cumsum(reference.num_bins_N)[:-1])
    assert [one.sum() for one in per_feature] == [len(merged.rows_K)] * len(reference.names)
    # One visitor has one value of "how many purchases", so that all candidates lie in one bin of it.
    assert np.count_nonzero(per_feature[reference.names.index("user_count")]) == 1
    unchanged = replace(observed, counts_T=reference.counts_T)
    assert set(reference.drift(unchanged).values()) == {0.0}
    assert reference.drift(observed)["user_count"] > 1


def test_a_newer_item_counts_with_its_price_category_and_brand(shop: Shop) -> None:
    twin = shop.store.get_item("item-0007")
    assert twin is not None
    row = len(shop.pipeline.item_ids)
    shop.ask("user-00003")
    for price in (3.5, 70.0):  # a change of its record is felt too
        new = twin.model_copy(update={"item_id": "brand-new", "price": price, "updated_at": None})
        shop.store.put_items([new, Item(item_id="nothing known")])
        shop.ask("user-00003")
        pipeline = shop.recommender.pipeline
        assert pipeline is not None and pipeline.rank_stage is not None
        stage = pipeline.rank_stage
        scores, ranks = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.int32)
        features = stage.featurizer.features(shop.query(9), np.array([row, row + 1], np.int32), scores, ranks)
        found = dict(zip(stage.featurizer.names, features.T, strict=True))
        assert found["item_log_price"][0] == pytest.approx(np.log(price))
        codes = stage.featurizer.item_codes(np.array([row, row + 1, shop.pipeline.item_ids.index("item-0007")]))
        assert codes[0].tolist() == codes[2].tolist()
        assert codes[0, 0] > 0
        assert codes[1].tolist() == [0, 0]
        assert found["category_count"][0] == pytest.approx(np.log1p(1)), "the visitor took item-0007 once"
    assert shop.stage.featurizer.tables.num_rows == row, "what is fitted stays as it is"


def test_only_sources_that_spoke_are_named(shop: Shop) -> None:
    shop.store.add_events([Event(type="purchase", user_id="u", item_id="item-0007")], ["e"])
    for user in (*USERS, "u"):
        for one in shop.ask(user, limit=40, explain=True).items:
            assert one.source in one.sources or one.source == "together_cosine", "the latest rule has a source too"
            if one.source in one.sources:
                named = one.sources[one.source]
                assert named.score > 0
                assert named.share == max(share.share for share in one.sources.values())

    blend = Blend({"own_60d": 1.0})
    placement = replace(shop.pipeline.placement("for-you"), blends={"allow": blend, "exclude": blend}, latest=None)
    pipeline = shop.pipeline.with_placements({"for-you": placement})
    query = shop.query(9)
    eligible = np.array([bool(one) for one in pipeline.item_ids])
    ranked = pipeline.recommend("for-you", query, repeat="allow", limit=100, eligible_V=eligible)
    assert ranked.policy == "field-dlrm"
    without = [row for row in ranked.rows_n if row != 9]
    assert len(without) > 20, "a weight of 0 is no reason for the ranker to leave an item out"
    for row in without:
        assert_listed(ranked, int(row))
    assert ranked.source_of(int(np.searchsorted(ranked.merged.rows_K, 9))) == "own_60d"


def assert_listed(ranked: Ranked, row: int) -> None:
    """The source that is named listed the item, none listed it earlier."""
    at = int(np.searchsorted(ranked.merged.rows_K, row))
    ranks = dict(zip(ranked.sources, ranked.merged.ranks_KS[at].tolist(), strict=True))
    named = ranks[ranked.source_of(at)]
    assert named > 0
    assert named == min(rank for rank in ranks.values() if rank > 0)
