"""Online Retail through the public import: protocols' counts, parity with serving, nothing known of the future."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aisle import recipe as recipes
from aisle.assemble import shop_fitters
from aisle.bundle import BundleWriter
from aisle.data import datasets
from aisle.data.online_retail import Prepared, prepare_online_retail
from aisle.data.snapshots import ShopLog
from aisle.evaluate.baskets import hide_one_of_each
from aisle.evaluate.windows import Window, build_window, cut_windows, visitor_queries
from aisle.ingest import import_files
from aisle.pipeline import Catalogue, Pipeline
from aisle.pipeline.visitor_query import visitor_query
from aisle.retrieval import Signals
from aisle.schema import DAY_MS
from aisle.store import SqlStore
from aisle.train.shop.training import train_shop
from aisle.train.shop.work_directory import WorkDirectory
from aisle.workspace import Workspace

pytestmark = pytest.mark.data

SIGNALS = Signals({"purchase": 1.0}, "purchase")
HORIZON_DAYS = 28
SPLIT = dt.datetime(2011, 11, 12)
RAW = datasets.locate(datasets.get("online_retail"))


def read_shop(prepared: Prepared, directory: Path) -> tuple[Workspace, SqlStore]:
    """In through the public import."""
    workspace = Workspace.create(directory)
    store = workspace.open_store()
    paths = datasets.write_canonical(prepared, directory / "files")
    for kind in ("items", "events"):
        report = import_files(store, workspace.imports, kind, [paths[kind]])  # type: ignore[arg-type]
        assert report.as_dict()["rejected"] == 0
    return workspace, store


@dataclass(frozen=True)
class Shop:
    store: SqlStore
    log: ShopLog
    window: Window


@pytest.fixture(scope="module")
def raw() -> pl.DataFrame:
    if RAW is None:
        pytest.skip("needs Online Retail in AISLE_DATA or the user's cache")
    return pl.read_parquet(RAW)


@pytest.fixture(scope="module")
def shop(raw: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The whole shop, and its last window."""
    _, store = read_shop(prepare_online_retail(raw), tmp_path_factory.mktemp("retail") / "shop")
    with closing(store):
        log = ShopLog.read(store)
        (cut,) = cut_windows(log, horizon_days=HORIZON_DAYS, count=1)
        window = build_window(log, log.before(cut), horizon_days=HORIZON_DAYS, signals=SIGNALS, history_limit=1000)
        yield Shop(store, log, window)


def test_the_counts_of_the_protocol(shop: Shop) -> None:
    assert shop.window.snapshot.until_ms == int(SPLIT.replace(tzinfo=dt.UTC).timestamp() * 1000)
    assert shop.window.candidates_V.sum() == 3625
    assert len(shop.window.asked("allow")) == 1300
    assert len(shop.window.asked("exclude")) == 1189
    taken = shop.window.snapshot.of_type("purchase").filter(pl.col("user") > 0)
    assert taken["user"].n_unique() == 4108


def test_the_hidden_items_are_those_of_the_file(shop: Shop) -> None:
    baskets = hide_one_of_each(shop.log, shop.window, "purchase")
    assert len(baskets) == 2177
    assert RAW is not None
    path = RAW.with_name("basket_completion_hidden.parquet")
    if not path.is_file():
        pytest.skip("needs the file of hidden items beside the data")
    file = dict(pl.read_parquet(path).select("InvoiceNo", "hidden").iter_rows())
    assert {one.order_id: shop.window.snapshot.item_ids[one.hidden] for one in baskets} == file


def test_evaluation_asks_what_a_server_asks(shop: Shop) -> None:
    """200 users at the end of the data, the one with the longest history (7,668 lines) among them."""
    snapshot = shop.log.before(shop.log.end_ms)
    known = snapshot.events.filter(pl.col("user") > 0)
    by_length = known.group_by("user").len().sort("len", "user")["user"].to_list()
    users = [by_length[at] for at in np.linspace(0, len(by_length) - 1, 200).astype(int)]
    offline = visitor_queries(snapshot, users, signals=SIGNALS, history_limit=1000)
    pipeline = Pipeline(
        item_ids=snapshot.item_ids,
        generators={},
        placements={},
        signals=SIGNALS.strengths,
        target=SIGNALS.target,
        candidates_per_source=1,
        history_limit=1000,
        fitted_until_ms=snapshot.until_ms,
    )
    catalogue = Catalogue(snapshot.item_ids)
    for user in users:
        history = shop.store.history(snapshot.user_ids[user], None, 1000)
        online = visitor_query(pipeline, catalogue, history, snapshot.until_ms)
        assert len(online.rows_n) > 0 or set(history.types) == {"return"}
        for name in ("rows_n", "times_ms_n", "strengths_n", "taken_n"):
            assert np.array_equal(getattr(offline[user], name), getattr(online, name)), (user, name)
    assert len(offline[users[-1]].rows_n) > 900


def another_future(raw: pl.DataFrame) -> pl.DataFrame:
    """The same lines before the split; after it other products, titles, prices, customers and a new range of goods."""
    draw = np.random.default_rng(3)
    before, after = raw.filter(pl.col("InvoiceDate") < SPLIT), raw.filter(pl.col("InvoiceDate") >= SPLIT)
    last = after.filter(pl.col("InvoiceDate") == after["InvoiceDate"].max())
    mixed = after.with_columns(
        StockCode=after["StockCode"].gather(draw.permutation(after.height)),
        Description=pl.lit("CHANGED ") + pl.col("Description"),
        UnitPrice=pl.col("UnitPrice") * 3 + 1,
    ).sample(fraction=0.5, seed=3)
    fresh = after.head(200).with_columns(
        StockCode=pl.lit("99999") + pl.col("StockCode"),
        CustomerID=(pl.int_range(pl.len()) + 900_000).cast(raw.schema["CustomerID"]),
    )
    return pl.concat([before, mixed, fresh, last])


def fitted_before_the_split(raw: pl.DataFrame, directory: Path) -> dict[str, str]:
    """The hash of every file of the pipeline fitted before the split, and of the titles and prices it was fitted on."""
    small = ["ranker.members=1", "ranker.examples.snapshots=2", "ranker.examples.negatives=10"]
    recipe = recipes.load("shop-quick", ["generators.content.dimension=32", *small])
    _, store = read_shop(prepare_online_retail(raw), directory / "shop")
    with closing(store):
        log = ShopLog.read(store)
        ((window, pipeline),) = train_shop(recipe, log, shop_fitters(recipe), WorkDirectory(directory / "work")).tests
    assert window.snapshot.until_ms == log.end_ms - HORIZON_DAYS * DAY_MS
    with BundleWriter(directory / "split") as writer:
        pipeline.save(writer)
        writer.write_frame("catalogue", window.snapshot.catalogue)
    assert writer.manifest is not None
    assert window.snapshot.num_items > 200
    return {name: entry.sha256 for name, entry in writer.manifest.files.items()}


def test_another_future_changes_nothing_fitted_before_it(raw: pl.DataFrame, tmp_path: Path) -> None:
    # One product in eight, one customer in twelve and some strangers: the fits take seconds.
    is_known = (pl.col("CustomerID") % 12 == 0) | (pl.col("InvoiceNo").str.slice(-2) == "11")
    few = raw.filter(is_known & (pl.col("StockCode").str.slice(3, 1) == "7"))
    one = fitted_before_the_split(few, tmp_path / "one")
    other = fitted_before_the_split(another_future(few), tmp_path / "other")
    assert {"ranker/score.onnx", "ranker/calibrator.json", "ids/items.arrow"} < set(one)
    assert one == other
