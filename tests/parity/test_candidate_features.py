"""Offline is online: training rows and requests at their own times have equal features, those of the aggregates.

On a simulated shop and on Online Retail: at several times, everything is fitted on what came before, as training does;
visitors are asked for from the snapshot, and from a store that was told the same events up to that time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from aisle.assemble import generator_fitter
from aisle.bundle import Bundle, BundleWriter
from aisle.data import datasets
from aisle.data.simulate import simulate_shop
from aisle.data.snapshots import ShopLog, Snapshot
from aisle.evaluate.windows import visitor_queries
from aisle.features.aggregates import (
    Aggregate,
    DecayedCount,
    EventTable,
    Frequency,
    Interval,
    LogMean,
    Recency,
    Sums,
    pair_keys,
)
from aisle.features.candidates import CandidateFeaturizer
from aisle.features.item_tables import CandidateSettings, ItemColumns, ShopEvents, fit_item_tables
from aisle.ingest import import_files
from aisle.pipeline import Catalogue, Pipeline, Placement, Query
from aisle.pipeline.rank_stage import Featurized
from aisle.pipeline.visitor_query import visitor_query
from aisle.recipe import ShopRecipe, load
from aisle.retrieval import Signals
from aisle.schema import DAY_MS
from aisle.store import SqlStore
from aisle.workspace import Workspace
from tests.profiles import log_of_canonical
from tests.shops import RANKED

RETAIL = datasets.get("online_retail")
DECAYS = [field.name for field in dataclasses.fields(CandidateSettings) if field.name.endswith("half_life_days")]
HISTORY_LIMIT = 200
NUM_TIMES, NUM_USERS = 4, 250


@dataclass(frozen=True)
class Moment:
    """One time: what was fitted before it, in training and as a server loads it, and the profiles that both build."""

    snapshot: Snapshot
    events: ShopEvents
    pipeline: Pipeline
    fitted: CandidateFeaturizer
    loaded_pipeline: Pipeline
    loaded: CandidateFeaturizer
    offline: dict[int, Query]
    online: dict[int, Query]

    def compare(self, online: CandidateFeaturizer) -> int:
        """Ask for all users both ways; how many candidates were equal in all features."""
        num_candidates = 0
        for user, query in self.offline.items():
            ours = candidates_of(self.pipeline, self.fitted, query)
            theirs = candidates_of(self.loaded_pipeline, online, self.online[user])
            assert np.isfinite(ours.features_KF).all()
            np.testing.assert_array_equal(theirs.items_K, ours.items_K)
            np.testing.assert_array_equal(theirs.codes_K2, ours.codes_K2)
            np.testing.assert_allclose(theirs.features_KF, ours.features_KF, rtol=0, atol=1e-6)
            num_candidates += len(ours.items_K)
        return num_candidates


def candidates_of(pipeline: Pipeline, featurizer: CandidateFeaturizer, query: Query) -> Featurized:
    """The merged candidates of a question with all that a ranker sees of them, as training and serving collect them."""
    placement = pipeline.placement("for-you")
    merged = pipeline.retrieve(placement, query, np.array([bool(item_id) for item_id in pipeline.item_ids]))
    return Featurized.of(featurizer, query, merged, placement.sources)


class Replay:
    """A shop's history told to a store up to one time after the other."""

    def __init__(self, directory: Path, log: ShopLog, events: pl.DataFrame, recipe: ShopRecipe) -> None:
        self._directory, self._log, self._recipe = directory, log, recipe
        self._events = events.with_columns(time_ms=pl.col("timestamp").dt.epoch("ms"))
        self._signals = Signals(recipe.signals, recipe.target)
        self._fit = generator_fitter(recipe)

    def moments(self) -> list[Moment]:
        workspace = Workspace.create(self._directory / "shop")
        random = np.random.default_rng(0)
        ends = [self._log.end_ms - weeks * 7 * DAY_MS + 12_345 for weeks in (9, 6, 3, 1)[-NUM_TIMES:]]
        told_ms = 0
        asked: set[str] = set()
        moments = []
        with closing(workspace.open_store()) as store:
            names = self._events.filter(pl.col("time_ms") < ends[0])["user_id"].drop_nulls().unique().sort()
            asked.update(random.permutation(names.to_list())[:NUM_USERS])
            for until_ms in ends:
                self._tell(store, workspace, asked, told_ms, until_ms)
                moments.append(self._moment(store, sorted(asked), until_ms))
                told_ms = until_ms
        return moments

    def _tell(self, store: SqlStore, workspace: Workspace, asked: set[str], from_ms: int, until_ms: int) -> None:
        told = self._events.filter(
            pl.col("time_ms").is_between(from_ms, until_ms, closed="left"), pl.col("user_id").is_in(list(asked))
        )
        path = self._directory / f"until-{until_ms}.parquet"
        told.drop("time_ms").write_parquet(path)
        assert import_files(store, workspace.imports, "events", [path]).as_dict()["rejected"] == 0

    def _moment(self, store: SqlStore, names: Sequence[str], until_ms: int) -> Moment:
        snapshot = self._log.before(until_ms)
        recipe, signals = self._recipe, self._signals
        sources = recipe.placements["for-you"].sources
        pipeline = Pipeline(
            item_ids=snapshot.item_ids,
            generators=self._fit(snapshot),
            placements={"for-you": Placement("for-you", "history", tuple(sources), {})},
            signals=recipe.signals,
            target=recipe.target,
            candidates_per_source=recipe.candidates_per_source,
            history_limit=HISTORY_LIMIT,
            fitted_until_ms=until_ms,
        )
        events = ShopEvents.of_snapshot(snapshot, signals.strengths, signals.target)
        fitted = CandidateFeaturizer.fit(events, ItemColumns.of_snapshot(snapshot), until_ms=until_ms, sources=sources)
        place = self._directory / f"bundle-{until_ms}"
        with BundleWriter(place) as writer:
            pipeline.save(writer)
            fitted.save(writer)
        bundle = Bundle.open(place)
        users = {snapshot.user_ids.index(name): name for name in names}
        offline = visitor_queries(snapshot, list(users), signals=signals, history_limit=HISTORY_LIMIT)
        served, catalogue = Pipeline.load(bundle), Catalogue(pipeline.item_ids)
        online = {
            user: visitor_query(served, catalogue, store.history(name, None, HISTORY_LIMIT), until_ms)
            for user, name in users.items()
        }
        loaded = CandidateFeaturizer.load(bundle)
        return Moment(snapshot, events, pipeline, fitted, served, loaded, offline, online)


@pytest.fixture(scope="module", params=["simulated", pytest.param("online_retail", marks=pytest.mark.data)])
def moments(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Moment]]:
    directory = tmp_path_factory.mktemp("parity")
    (directory / "recipe.yaml").write_text(RANKED)
    recipe = load(directory / "recipe.yaml")
    if request.param == "simulated":
        shop = simulate_shop(num_users=320, num_items=120, num_days=200, seed=1, impressions=False)
        items, events = shop.items, shop.events
    else:
        if datasets.locate(RETAIL) is None:
            pytest.skip("needs Online Retail in AISLE_DATA or the user's cache")
        prepared = datasets.load(RETAIL)
        items, events = prepared.items, prepared.events
    yield Replay(directory, log_of_canonical(items, events), events, recipe).moments()


def test_a_thousand_requests_have_the_features_of_training_rows(moments: list[Moment]) -> None:
    assert sum(len(moment.online) for moment in moments) == NUM_TIMES * NUM_USERS == 1000
    assert sum(len(query.rows_n) for moment in moments for query in moment.online.values()) > 10_000
    num_candidates = [moment.compare(moment.loaded) for moment in moments]
    assert min(num_candidates) > 40 * NUM_USERS
    ranks = [moment.loaded.names.index("rank_together_cosine") for moment in moments]
    some = candidates_of(moments[-1].pipeline, moments[-1].fitted, next(iter(moments[-1].offline.values())))
    assert len(np.unique(some.features_KF[:, ranks[-1]])) > 5, "what the sources say is compared too"


@pytest.mark.parametrize("name", DECAYS)
def test_one_altered_decay_constant_is_found(moments: list[Moment], name: str) -> None:
    moment = moments[-1]
    fitted = moment.fitted
    settings = dataclasses.replace(fitted.settings, **{name: getattr(fitted.settings, name) * 1.05})
    tables = fitted.tables
    if name in ("visitor_half_life_days", "price_half_life_days"):  # which the item tables know too
        prices_V = ItemColumns.of_snapshot(moment.snapshot).prices_V
        tables = fit_item_tables(moment.events, prices_V, until_ms=moment.snapshot.until_ms, settings=settings)
    altered = CandidateFeaturizer(
        tables=tables,
        category_V=fitted.category_V,
        brand_V=fitted.brand_V,
        categories=fitted.categories,
        brands=fitted.brands,
        sources=fitted.sources,
        settings=settings,
        fitted_until_ms=fitted.fitted_until_ms,
    )
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        moment.compare(altered)


def test_values_are_those_of_the_aggregates_over_all_profiles(moments: list[Moment]) -> None:
    """The featurizer reads one profile; the aggregates here read everybody's purchases at once."""
    moment = moments[-1]
    table, users, items = whole_table(moment.offline)
    asked = {user: candidates_of(moment.pipeline, moment.fitted, query) for user, query in moment.offline.items()}
    matrix = np.concatenate([one.features_KF for one in asked.values()])
    found = dict(zip(moment.fitted.names, matrix.T, strict=True))
    rows = np.concatenate([one.items_K for one in asked.values()]).astype(np.int64)
    who = np.repeat(list(asked), [len(one.items_K) for one in asked.values()])
    codes = moment.fitted.category_V
    expected = values_of_aggregates(
        moment.fitted.settings,
        np.full(len(rows), moment.snapshot.until_ms),
        (table.with_keys(pair_keys(users, items)), pair_keys(who, rows)),
        (table.with_keys(users), who),
        (table.with_keys(pair_keys(users, codes[items])), pair_keys(who, codes[rows])),
    )
    expected["category_decayed"] = np.where(codes[rows] > 0, expected["category_decayed"], 0.0)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=1e-6, err_msg=name)
        assert len(np.unique(values)) > 3, name


Keyed = tuple[EventTable, NDArray[np.int64]]


def values_of_aggregates(
    settings: CandidateSettings, times: NDArray[np.int64], pair: Keyed, user: Keyed, category: Keyed
) -> dict[str, NDArray[np.float64]]:
    """What the named columns should hold, from tables of all events and the keys to be read."""

    def read(aggregate: Aggregate[Any], keyed: Keyed, column: int) -> NDArray[np.float64]:
        values: NDArray[np.float64] = aggregate.as_of(*keyed, times)[:, column]
        return values

    return {
        "own_decayed": read(DecayedCount(settings.own_half_life_days), pair, 0),
        "own_recent": read(DecayedCount(settings.recent_half_life_days), pair, 0),
        "own_last": np.log1p(read(Recency(), pair, 0)),
        "own_first": np.log1p(read(Recency(), pair, 1)),
        "own_days": np.log1p(read(Frequency(), pair, 0)),
        "own_quantity": np.log1p(read(Sums(), pair, 1)),
        "own_due": np.log1p(read(Interval(), pair, 2)),
        "user_spend": np.log1p(read(Sums(), user, 2)),
        "user_gap": np.log1p(read(Interval(), user, 0)),
        "user_log_price": read(LogMean("price", settings.price_half_life_days), user, 0),
        "category_decayed": np.log1p(read(DecayedCount(settings.group_half_life_days), category, 0)),
    }


def whole_table(profiles: dict[int, Query]) -> tuple[EventTable, NDArray[np.int64], NDArray[np.int64]]:
    """Everybody's purchases in one table, with whose and what each is."""
    taken = {user: profile.taken_n for user, profile in profiles.items()}
    columns = {
        name: np.concatenate([getattr(profile, name)[taken[user]] for user, profile in profiles.items()])
        for name in ("rows_n", "times_ms_n", "quantities_n", "prices_n")
    }
    users = np.repeat(list(taken), [int(mask.sum()) for mask in taken.values()])
    items = columns["rows_n"].astype(np.int64)
    quantities, prices = columns["quantities_n"], columns["prices_n"]
    return EventTable.of(items, columns["times_ms_n"], quantities=quantities, prices=prices), users, items
