"""Offline is online: evaluation asks what a server would ask, and is answered the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from aisle.bundle import Bundle
from aisle.data.snapshots import ShopLog, Snapshot
from aisle.evaluate.windows import visitor_queries
from aisle.pipeline import Catalogue, Pipeline, Query, RecommendationRequest, Recommender, RepeatPolicy
from aisle.pipeline.rerank import Cap
from aisle.pipeline.visitor_query import visitor_query
from aisle.retrieval import Signals
from aisle.store import SqlStore
from aisle.workspace import Workspace
from tests.shops import NO_HASTE


@dataclass(frozen=True)
class Shop:
    """A trained shop as a server sees it, and as evaluation does at the same time."""

    workspace: Workspace
    store: SqlStore
    pipeline: Pipeline
    snapshot: Snapshot

    @property
    def eligible_V(self) -> NDArray[np.bool_]:
        """Which items are in stock."""
        return np.r_[[False, False], self.snapshot.catalogue["available"].fill_null(value=True).to_numpy()]

    @property
    def family_V(self) -> NDArray[np.int64]:
        """Numbers shared by the variants of a product."""
        catalogue = self.snapshot.catalogue
        families = catalogue.select(pl.coalesce("parent_id", "item_id").rank("dense").cast(pl.Int64)).to_series()
        return np.r_[[-1, -1], families.to_numpy()]

    def without(self, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which items are in stock but for some and their variants."""
        return self.eligible_V & ~np.isin(self.family_V, self.family_V[rows])


@pytest.fixture
def shop(trained_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    workspace = Workspace.open(shutil.copytree(trained_shop, tmp_path / "copy"))
    workspace.settings_path.write_text(NO_HASTE)
    with closing(workspace.open_store()) as store:
        active = store.active_bundle()
        assert active is not None
        pipeline = Pipeline.load(Bundle.open(workspace.directory / active.path))
        # The bundle was fitted on everything: what a server asks at its cut-off is what evaluation asks there.
        monkeypatch.setattr(store, "now_ms", lambda: pipeline.fitted_until_ms)
        yield Shop(workspace, store, pipeline, ShopLog.read(store).before(pipeline.fitted_until_ms))


def assert_same_query(ours: Query, theirs: Query) -> None:
    plain = ["now_ms", "num_rows", "user_id"]
    assert [getattr(ours, name) for name in plain] == [getattr(theirs, name) for name in plain]
    for column in fields(Query):
        if column.name in plain:
            continue
        one, other = getattr(ours, column.name), getattr(theirs, column.name)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), column.name


@pytest.mark.parametrize("history_limit", [1000, 7])
def test_evaluation_asks_what_a_server_asks(shop: Shop, history_limit: int) -> None:
    users = list(range(2, shop.snapshot.num_users))
    signals = Signals(shop.pipeline.signals, shop.pipeline.target)
    offline = visitor_queries(shop.snapshot, users, signals=signals, history_limit=history_limit)
    assert shop.snapshot.item_ids == shop.pipeline.item_ids
    catalogue = Catalogue(shop.pipeline.item_ids)
    num_entries = 0
    for user in users:
        user_id = shop.snapshot.user_ids[user]
        history = shop.store.history(user_id, None, history_limit)
        online = visitor_query(shop.pipeline, catalogue, history, shop.snapshot.until_ms, user_id)
        assert_same_query(offline[user], online)
        num_entries += len(online.rows_n)
    assert num_entries > 5 * len(users)
    assert len({query.rows_n.tobytes() for query in offline.values()}) > len(users) / 2


def test_a_user_without_a_fitting_event_asks_with_nothing(shop: Shop) -> None:
    query = visitor_queries(shop.snapshot, [10**6], signals=Signals({"purchase": 1.0}, "purchase"), history_limit=9)
    assert len(query[10**6].rows_n) == 0


@pytest.mark.parametrize("repeat", ["allow", "exclude"])
def test_a_pipeline_answers_the_same_in_evaluation_and_live(shop: Shop, repeat: RepeatPolicy) -> None:
    snapshot, pipeline = shop.snapshot, shop.pipeline
    live = Recommender(shop.store, shop.workspace.config, shop.workspace.directory)
    users = list(range(2, snapshot.num_users))[:40]
    signals = Signals(pipeline.signals, pipeline.target)
    queries = visitor_queries(snapshot, users, signals=signals, history_limit=pipeline.history_limit)
    for user in users:
        request = RecommendationRequest("for-you", user_id=snapshot.user_ids[user], limit=20, repeat=repeat)
        answer = live.recommend(request)
        assert answer.degraded == []
        query = queries[user]
        eligible_V = shop.without(query.rows_n[query.taken_n]) if repeat == "exclude" else shop.eligible_V
        ranked = pipeline.recommend(
            "for-you", query, repeat=repeat, limit=20, eligible_V=eligible_V, caps=[Cap(shop.family_V, 1)]
        )
        assert [one.item_id for one in answer.items] == [snapshot.item_ids[row] for row in ranked.rows_n]
        assert [one.score for one in answer.items] == pytest.approx(ranked.scores_n.tolist(), rel=1e-6)


def test_a_cart_is_answered_the_same_in_evaluation_and_live(shop: Shop) -> None:
    live = Recommender(shop.store, shop.workspace.config, shop.workspace.directory)
    for cart in ([2], [3, 9, 40], [25, 4]):
        ids = tuple(shop.snapshot.item_ids[row] for row in cart)
        answer = live.recommend(RecommendationRequest("bought-together", items=ids, limit=20))
        query = Query.of_items(
            np.array(cart, np.int32), now_ms=shop.pipeline.fitted_until_ms, num_rows=shop.snapshot.num_items
        )
        ranked = shop.pipeline.recommend(
            "bought-together",
            query,
            repeat="allow",
            limit=20,
            eligible_V=shop.without(np.array(cart, np.int32)),
            caps=[Cap(shop.family_V, 1)],
        )
        assert [one.item_id for one in answer.items] == [shop.snapshot.item_ids[row] for row in ranked.rows_n]
