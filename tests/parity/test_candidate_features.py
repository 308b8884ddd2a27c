"""Offline is online, and a featurizer's values are the aggregates' own, on the simulated shop and on Online Retail."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data import datasets
from aisle.data.simulate import simulate_shop
from aisle.data.snapshots import ShopLog, Snapshot
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
from aisle.workspace import Workspace
from tests.profiles import Seen, log_of_canonical, offline_profiles, online_profile

SOURCES = ("ease", "popular")
TARGET = "purchase"
RETAIL = datasets.get("online_retail")
DECAYS = [field.name for field in dataclasses.fields(CandidateSettings) if field.name.endswith("half_life_days")]


@dataclass(frozen=True)
class Parity:
    """A shop's snapshot and its fitted featurizer; each user's profile offline and online."""

    snapshot: Snapshot
    events: ShopEvents
    fitted: CandidateFeaturizer
    offline: dict[int, Seen]
    online: dict[int, Seen]

    def compare(self, offline: CandidateFeaturizer, online: CandidateFeaturizer) -> None:
        """Features of training rows and of the same requests are equal."""
        random = np.random.default_rng(0)
        for user, profile in self.offline.items():
            question = some_candidates(profile, self.snapshot.num_items, random)
            ours = offline.features(profile, *question)
            assert np.isfinite(ours).all()
            np.testing.assert_allclose(online.features(self.online[user], *question), ours, rtol=0, atol=1e-6)


def some_candidates(
    profile: Seen, num_items: int, random: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """Own items and others, with scores and ranks."""
    others = random.choice(np.arange(2, num_items), 60, replace=False)
    rows = np.unique(np.concatenate([np.unique(profile.rows_n)[:60], others])).astype(np.int32)
    shape = (len(rows), len(SOURCES))
    return rows, random.random(shape).astype(np.float32), random.integers(0, 99, shape).astype(np.int32)


def make_parity(
    directory: Path, log: ShopLog, events: pl.DataFrame, num_users: int, strengths: dict[str, float]
) -> Parity:
    """Fit three weeks before the end; import what these users did before it, and read it back."""
    snapshot = log.before(log.end_ms - 21 * 86_400_000)
    shop = ShopEvents.of_snapshot(snapshot, strengths, TARGET)
    fitted = CandidateFeaturizer.fit(
        shop, ItemColumns.of_snapshot(snapshot), until_ms=snapshot.until_ms, sources=SOURCES
    )
    counts = shop.users_N[shop.users_N > 0]
    users, lengths = np.unique(counts, return_counts=True)
    users = np.random.default_rng(0).permutation(users[lengths < 900])[:num_users]
    names = [snapshot.user_ids[user] for user in users]
    before = events.filter(pl.col("timestamp").dt.epoch("ms") < snapshot.until_ms, pl.col("user_id").is_in(names))
    before.write_parquet(directory / "events.parquet")
    workspace = Workspace.create(directory / "shop")
    with closing(workspace.open_store()) as store:
        assert (
            import_files(store, workspace.imports, "events", [directory / "events.parquet"]).as_dict()["rejected"] == 0
        )
        online = {
            int(user): online_profile(
                store.history(name, None, 1000), snapshot.item_row_of, snapshot.until_ms, strengths, TARGET
            )
            for user, name in zip(users, names, strict=True)
        }
    offline = offline_profiles(snapshot, users.tolist(), strengths, TARGET, with_prices=False)
    return Parity(snapshot, shop, fitted, offline, online)


@pytest.fixture(scope="module", params=["simulated", pytest.param("online_retail", marks=pytest.mark.data)])
def parity(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parity]:
    directory = tmp_path_factory.mktemp("parity")
    if request.param == "simulated":
        shop = simulate_shop(num_users=320, num_items=120, num_days=200, seed=1)
        log = log_of_canonical(shop.items, shop.events)
        yield make_parity(directory, log, shop.events, 300, {"purchase": 1.0, "view": 0.2})
        return
    if datasets.locate(RETAIL) is None:
        pytest.skip("needs Online Retail in AISLE_DATA or the user's cache")
    prepared = datasets.load(RETAIL)
    log = log_of_canonical(prepared.items, prepared.events)
    yield make_parity(directory, log, prepared.events, 200, {"purchase": 1.0})


def test_offline_features_are_online_features(parity: Parity, tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "bundle") as writer:
        parity.fitted.save(writer)
    assert sum(len(profile.rows_n) for profile in parity.online.values()) > 20 * len(parity.online) >= 4000
    parity.compare(parity.fitted, CandidateFeaturizer.load(Bundle.open(tmp_path / "bundle")))


@pytest.mark.parametrize("name", DECAYS)
def test_one_altered_decay_constant_is_found(parity: Parity, name: str) -> None:
    fitted = parity.fitted
    settings = dataclasses.replace(fitted.settings, **{name: getattr(fitted.settings, name) * 1.05})
    tables = fitted.tables
    if name in ("visitor_half_life_days", "price_half_life_days"):  # which the item tables know too
        prices_V = ItemColumns.of_snapshot(parity.snapshot).prices_V
        tables = fit_item_tables(parity.events, prices_V, until_ms=parity.snapshot.until_ms, settings=settings)
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
        parity.compare(fitted, altered)


def test_values_are_those_of_the_aggregates_over_all_profiles(parity: Parity) -> None:
    """The featurizer reads one profile; the aggregates here read everybody's purchases at once."""
    strengths = {"purchase": 1.0, "view": 0.2}
    profiles = offline_profiles(parity.snapshot, list(parity.offline), strengths, TARGET, with_prices=True)
    table, users, items = whole_table(profiles)
    random = np.random.default_rng(1)
    asked = {user: some_candidates(one, parity.snapshot.num_items, random) for user, one in profiles.items()}
    matrix = np.concatenate([parity.fitted.features(profiles[user], *question) for user, question in asked.items()])
    found = dict(zip(parity.fitted.names, matrix.T, strict=True))
    rows = np.concatenate([question[0] for question in asked.values()]).astype(np.int64)
    who = np.repeat(list(asked), [len(question[0]) for question in asked.values()])
    codes = parity.fitted.category_V
    expected = values_of_aggregates(
        parity.fitted.settings,
        np.full(len(rows), parity.snapshot.until_ms),
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


def whole_table(profiles: dict[int, Seen]) -> tuple[EventTable, NDArray[np.int64], NDArray[np.int64]]:
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
