"""What comes after a split changes nothing that was fitted before it; and the test notices where it does."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aisle import recipe as recipes
from aisle.assemble import generator_fitter, shop_fitters
from aisle.bundle import BundleWriter
from aisle.data.simulate import Simulated, simulate_shop
from aisle.data.snapshots import ShopLog, Snapshot
from aisle.evaluate.windows import Question, Window, visitor_queries
from aisle.features.candidates import CandidateFeaturizer
from aisle.ingest import import_files
from aisle.recipe import ShopRecipe
from aisle.recipe.ranker import RankerSpec
from aisle.schema import DAY_MS
from aisle.train.shop.pipelines import ShopPipelines, signals_of
from aisle.train.shop.ranker_examples import RankerExamples, collect_examples
from aisle.train.shop.ranker_snapshots import RankerSnapshots, example_times
from aisle.train.shop.rankers import RankerTraining, calibrated_stages
from aisle.train.shop.training import train_shop
from aisle.train.shop.work_directory import WorkDirectory
from aisle.workspace import Workspace

HORIZON_DAYS = 20
RECIPE = recipes.load(
    "shop", [f"windows.horizon_days={HORIZON_DAYS}", "generators.content.dimension=16", "ranker=null"]
)
_TIME = pl.Datetime("ms", "UTC")


def read_shop(shop: Simulated, directory: Path) -> ShopLog:
    """In through the public import, and out of the store again."""
    workspace = Workspace.create(directory)
    with closing(workspace.open_store()) as store:
        for kind, frame in (("items", shop.items), ("events", shop.events)):
            path = directory / f"{kind}.parquet"
            frame.write_parquet(path)
            import_files(store, workspace.imports, kind, [path])
        log = ShopLog.read(store)
        catalogues = {time: store.catalogue_as_of(time) for time in _cuts(log)}
    return ShopLog(log.events, log._item_ids, log._user_ids, lambda time: catalogues[time])


def _cuts(log: ShopLog) -> list[int | None]:
    """The times just before all windows and the end; and today's catalogue, for the leak that reads it."""
    return [log.end_ms - number * HORIZON_DAYS * DAY_MS - 1 for number in range(5)] + [None]


def change_the_future(shop: Simulated, split: dt.datetime) -> Simulated:
    """The same shop up to the split, and another one from there on."""
    draw = np.random.default_rng(7)
    before, after = shop.events.filter(pl.col("timestamp") < split), shop.events.filter(pl.col("timestamp") >= split)
    mixed = after.with_columns(
        item_id=after["item_id"].gather(draw.permutation(after.height)),
        quantity=pl.lit(9.0),
        price=pl.lit(0.5),
        type=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("impression")).otherwise("type"),
    ).sample(fraction=0.6, seed=1)
    fresh = after.head(300).with_columns(
        user_id=pl.lit("a-new-user-") + (pl.int_range(pl.len()) % 9).cast(pl.String),
        item_id=pl.lit("a-new-item-") + (pl.int_range(pl.len()) % 7).cast(pl.String),
    )
    # The last event stays, for windows are counted back from the last day.
    events = pl.concat([before, pl.concat([mixed, fresh, after.tail(1)]).unique().sort("timestamp")])
    known = shop.items.filter(pl.col("updated_at") < split)
    renamed = known.with_columns(
        title=pl.lit("Renamed ") + pl.col("title").str.reverse(),
        price=pl.col("price") * 7,
        category=pl.lit(["Elsewhere"], dtype=pl.List(pl.String)),
        updated_at=pl.lit(split + dt.timedelta(hours=1), dtype=_TIME),
    )
    launched = known.head(5).with_columns(
        item_id=pl.lit("a-launched-") + pl.int_range(pl.len()).cast(pl.String),
        updated_at=pl.lit(split, dtype=_TIME),
    )
    items = pl.concat([launched.head(2), known, renamed, launched.tail(3)])
    return Simulated(items, events, shop.truth)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShopLog, ShopLog]:
    """The history of a simulated shop, and that of one with another future."""
    shop = simulate_shop(num_users=80, num_items=60, num_days=100, seed=2, impressions=False)
    last = shop.events["timestamp"].max()
    assert isinstance(last, dt.datetime)
    split = last.replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=HORIZON_DAYS - 1)
    folder = tmp_path_factory.mktemp("leaks")
    one = read_shop(shop, folder / "one")
    other = read_shop(change_the_future(shop, split), folder / "other")
    assert one.end_ms - HORIZON_DAYS * DAY_MS == int(split.timestamp() * 1000)
    assert one.end_ms == other.end_ms
    assert one.events.height != other.events.height
    return one, other


def split_of(log: ShopLog) -> int:
    return log.end_ms - HORIZON_DAYS * DAY_MS


def assert_same_snapshot(one: Snapshot, other: Snapshot) -> None:
    assert one.item_ids == other.item_ids
    assert one.user_ids == other.user_ids
    assert one.catalogue.equals(other.catalogue), "titles, prices and categories"
    assert one.events.equals(other.events)


def fitted_files(recipe: ShopRecipe, log: ShopLog, directory: Path) -> dict[str, str]:
    """The hash of every file of the pipeline that was fitted before the split: id map, arrays, blend weights."""
    fit = train_shop(recipe, log, shop_fitters(recipe), WorkDirectory(directory.with_name(f"{directory.name}-work")))
    window, pipeline = fit.tests[0]
    assert window.snapshot.until_ms == pipeline.fitted_until_ms == split_of(log)
    with BundleWriter(directory) as writer:
        pipeline.save(writer)
    assert writer.manifest is not None
    return {name: entry.sha256 for name, entry in writer.manifest.files.items()}


def test_a_snapshot_knows_nothing_of_what_comes_after(logs: tuple[ShopLog, ShopLog]) -> None:
    one, other = logs
    snapshot = one.before(split_of(one))
    assert snapshot.events.height > 1000
    assert_same_snapshot(snapshot, other.before(split_of(other)))
    assert one.before(one.end_ms).item_ids != other.before(other.end_ms).item_ids, "else the futures are alike"


def test_nothing_that_was_fitted_before_the_split_changes(logs: tuple[ShopLog, ShopLog], tmp_path: Path) -> None:
    one, other = (fitted_files(RECIPE, log, tmp_path / name) for log, name in zip(logs, ("one", "other"), strict=True))
    folders = {name.split("/")[1] for name in one if name.startswith("generators/")}
    assert folders == {
        *("ease", "basket", "together_cosine", "together_lift", "own_due", "content", "towers", "towers_new"),
        *("popular_5d", "popular_20d", "popular_60d", "trending", "arrivals"),
    }
    assert {"ids/items.arrow", "pipeline.json"} < set(one)
    assert one == other


def _all_events(before: Callable[[ShopLog, int], Snapshot]) -> Callable[[ShopLog, int], Snapshot]:
    def leaky(log: ShopLog, until_ms: int) -> Snapshot:
        whole = before(log, log.end_ms)
        return Snapshot(until_ms, whole.events, whole.item_ids, whole.user_ids, whole.catalogue)

    return leaky


def _present_catalogue(before: Callable[[ShopLog, int], Snapshot]) -> Callable[[ShopLog, int], Snapshot]:
    def leaky(log: ShopLog, until_ms: int) -> Snapshot:
        return before(ShopLog(log.events, log._item_ids, log._user_ids, lambda _: log._catalogue_as_of(None)), until_ms)

    return leaky


@pytest.mark.parametrize("leak", [_all_events, _present_catalogue])
def test_a_leaking_snapshot_is_noticed(
    logs: tuple[ShopLog, ShopLog],
    monkeypatch: pytest.MonkeyPatch,
    leak: Callable[[Callable[[ShopLog, int], Snapshot]], Callable[[ShopLog, int], Snapshot]],
) -> None:
    monkeypatch.setattr(ShopLog, "before", leak(ShopLog.before))
    one, other = (log.before(split_of(log)) for log in logs)
    with pytest.raises(AssertionError):
        assert_same_snapshot(one, other)
    with pytest.raises(AssertionError):
        assert_same_fits(one, other)


def assert_same_fits(one: Snapshot, other: Snapshot) -> None:
    """The cheap generators that read events, and the one that reads titles."""
    few = {name: RECIPE.generators[name] for name in ("popular", "content")}
    fit = generator_fitter(RECIPE.model_copy(update={"generators": few}))
    ours, theirs = fit(one), fit(other)
    assert np.array_equal(ours["popular_20d"].scores_V, theirs["popular_20d"].scores_V)  # type: ignore[attr-defined]
    assert np.array_equal(ours["content"]._vectors_VD, theirs["content"]._vectors_VD)  # type: ignore[attr-defined]


def test_blends_fitted_on_the_tested_window_are_noticed(
    logs: tuple[ShopLog, ShopLog], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    examples = ShopPipelines._examples

    def leaky(pipelines: ShopPipelines, until_ms: int) -> object:
        is_tested_next = until_ms == split_of(pipelines._log) - HORIZON_DAYS * DAY_MS
        return examples(pipelines, split_of(pipelines._log) if is_tested_next else until_ms)

    monkeypatch.setattr(ShopPipelines, "_examples", leaky)
    one, other = (fitted_files(RECIPE, log, tmp_path / name) for log, name in zip(logs, ("one", "other"), strict=True))
    assert {name for name in one if one[name] != other[name]} == {"pipeline.json"}


RANKED = RECIPE.model_copy(
    update={
        "candidates_per_source": 15,
        "ranker": RankerSpec.model_validate(
            {
                "examples": {"snapshots": 2, "every_days": HORIZON_DAYS, "negatives": 10, "max_questions": 25},
                "model": {
                    "kind": "dlrm",
                    "embedding_dim": 2,
                    "num_buckets": 4,
                    "dense_layers": [4],
                    "over_layers": [4],
                },
                "ids": ["item", "category"],
                "training": {"batch_size": 128, "num_epochs": 4, "learning_rate": 0.03},
                "calibration_questions": 30,
            }
        ),
    }
)


def ranker_files(log: ShopLog, directory: Path) -> dict[str, str]:
    """The hash of every file of the rank stage that was fitted before the split, and of the rows it learnt from."""
    fitters, work = shop_fitters(RANKED), WorkDirectory(directory / "work")
    snapshots = RankerSnapshots(RANKED, log, fitters, work)
    training = RankerTraining(RANKED, snapshots, fitters, work)
    (stage,) = calibrated_stages(snapshots, training.train, [split_of(log)], HORIZON_DAYS)
    with BundleWriter(directory / "stage") as writer:
        stage.save(writer)
    assert writer.manifest is not None
    rows = [path for path in work.path.rglob("*.npy") if path.parent.name in ("examples", "lists")]
    hashes = {path.relative_to(work.path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in rows}
    return hashes | {name: entry.sha256 for name, entry in writer.manifest.files.items()}


def test_nothing_of_a_ranker_that_was_fitted_before_the_split_changes(
    logs: tuple[ShopLog, ShopLog], tmp_path: Path
) -> None:
    one, other = (ranker_files(log, tmp_path / name) for log, name in zip(logs, ("one", "other"), strict=True))
    assert {"ranker/score.onnx", "ranker/calibrator.json", "features/candidates/visitors_VW.npy"} < set(one)
    rows = [name for name in one if name.endswith("features_RF.npy")]
    assert len(rows) == 3, "the examples of two times, and the whole lists of one"
    assert one == other


class _Rows:
    """The training rows of one history, for the questions of another."""

    def __init__(self, log: ShopLog, directory: Path) -> None:
        self._log = log
        self.snapshots = RankerSnapshots(RANKED, log, shop_fitters(RANKED), WorkDirectory(directory))

    def at(self, until_ms: int, asked: Sequence[Question], *, leaks: bool = False) -> RankerExamples:
        """Rows of these users at a snapshot's time, labelled by what they took in the other history.

        With ``leaks`` features are fitted on what came one horizon later, too.
        """
        fitted, window = self.snapshots.fitted(until_ms), self.snapshots.window(until_ms)
        featurizer = self._of_later(until_ms) if leaks else fitted.featurizer
        users = [one.user for one in asked]
        queries = visitor_queries(window.snapshot, users, signals=signals_of(RANKED), history_limit=1000)
        taken = window.snapshot.of_type("purchase")
        owned = {user: taken.filter(pl.col("user") == user)["item"].unique().sort().to_numpy() for user in users}
        questions = [Question(one.user, queries[one.user], owned[one.user], one.targets) for one in asked]
        return collect_examples(
            fitted.pipeline,
            featurizer,
            Window(window.snapshot, HORIZON_DAYS, window.candidates_V, questions),
            placement="for-you",
            repeats=("allow", "exclude"),
            negatives=12,
            max_questions=20,
            seed=0,
        )

    def _of_later(self, until_ms: int) -> CandidateFeaturizer:
        later = self._log.before(until_ms + HORIZON_DAYS * DAY_MS)
        featurizer = self.snapshots._fit_featurizer(later)
        featurizer.fitted_until_ms = until_ms  # what it says; else it would be refused
        return featurizer


@pytest.fixture(scope="module")
def shop() -> Simulated:
    return simulate_shop(num_users=80, num_items=60, num_days=100, seed=2, impressions=False)


#: In horizons back from the end; the one before has too little history behind it.
EVERY_SNAPSHOT = (1, 2, 3)


@pytest.mark.parametrize("horizons_back", EVERY_SNAPSHOT)
def test_what_comes_after_a_snapshot_changes_no_training_row(
    shop: Simulated, logs: tuple[ShopLog, ShopLog], tmp_path: Path, horizons_back: int
) -> None:
    log = logs[0]
    until_ms = log.end_ms - horizons_back * HORIZON_DAYS * DAY_MS
    trainings = [log.end_ms - number * HORIZON_DAYS * DAY_MS for number in (0, 1, 2)]
    times = {time for training in trainings for time in example_times(RANKED, log, training)}
    assert times == {log.end_ms - number * HORIZON_DAYS * DAY_MS for number in EVERY_SNAPSHOT}
    changed = change_the_future(shop, dt.datetime.fromtimestamp(until_ms / 1000, dt.UTC))
    other = read_shop(changed, tmp_path / "other")
    assert other.end_ms == log.end_ms and other.events.height != log.events.height
    ours = _Rows(log, tmp_path / "ours")
    asked = ours.snapshots.window(until_ms).questions
    expected = ours.at(until_ms, asked)
    assert len(expected) > 300 and expected.label_R.any() and expected.features_RF.std(axis=0).astype(bool).sum() > 40
    theirs = _Rows(other, tmp_path / "theirs")
    found = theirs.at(until_ms, asked)
    for column in dataclasses.fields(expected):
        assert np.array_equal(getattr(expected, column.name), getattr(found, column.name)), column.name

    leaky, leaky_other = (rows.at(until_ms, asked, leaks=True) for rows in (ours, theirs))
    assert not np.array_equal(leaky.features_RF, leaky_other.features_RF), "else this test sees no leak"
