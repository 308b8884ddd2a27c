"""One training in a workspace: the run it leaves, the registered bundle, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aisle.bundle import Bundle
from aisle.data.snapshots import ShopLog
from aisle.errors import BundleError, ConfigError, DataError
from aisle.evaluate.shop_temporal import evaluate_windows
from aisle.pipeline import Pipeline
from aisle.recipe import ShopRecipe, load
from aisle.schema import DAY_MS
from aisle.train.run_files import write_atomically
from aisle.train.shop.activation import GUARDED_METRIC, is_worse
from aisle.train.shop.run_directory import open_run
from tests.histories import Line, at
from tests.train.conftest import REGULARS, TrainingShop


def with_windows(recipe: ShopRecipe, **windows: int) -> ShopRecipe:
    return recipe.model_copy(update={"windows": recipe.windows.model_copy(update=windows)})


def test_a_run_and_its_bundle(shop: TrainingShop, small_recipe: ShopRecipe) -> None:
    result = shop.train(with_windows(small_recipe, test=2))
    assert result.activated
    run = result.run.path
    assert run.parent == shop.workspace.runs.resolve()
    assert sorted(path.name for path in run.iterdir()) == [
        *("bundle", "metrics.json", "recipe.yaml", "splits", "train.log"),
    ]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics == result.metrics == result.run.read_metrics()
    assert (metrics["model"], metrics["seed"], metrics["version"]) == ("small", 0, result.version)
    end_ms = (max(round(line.day * 1000) for line in REGULARS) // 1000 + 1) * DAY_MS + at(0)
    assert (metrics["fitted_until_ms"], metrics["split_ms"]) == (end_ms, end_ms - 10 * DAY_MS)
    split_ms = metrics["split_ms"]
    num_train = sum(at(line.day) < split_ms for line in REGULARS)
    num_valid = sum(split_ms - 10 * DAY_MS <= at(line.day) < split_ms for line in REGULARS)
    assert metrics["data"] == {
        "train_rows": num_train,
        "valid_rows": num_valid,
        "test_rows": len(REGULARS) - num_train,
    }
    assert metrics["counts"]["users/all"] == 8
    assert 0 < metrics["metrics"]["test/ndcg@20/full/all"] <= 1
    assert metrics["timing"]["train_seconds"] > 0
    bundle = Bundle.open(run / "bundle")
    assert bundle.manifest.cut_offs == {"fitted_until": end_ms, "split": end_ms - 10 * DAY_MS}
    assert bundle.manifest.name == "small"
    assert metrics["model_bytes"] == bundle.num_bytes > 0
    assert "fitted in" in (run / "train.log").read_text()
    active = shop.store.active_bundle()
    assert active is not None
    assert (active.version, active.metrics) == (result.version, {**metrics["metrics"], "split_ms": split_ms})
    assert active.path == f"runs/{result.version}/bundle"
    assert active.manifest_sha256 == bundle.manifest_sha256


def test_a_run_is_read_back_as_it_was_tested(shop: TrainingShop, small_recipe: ShopRecipe) -> None:
    recipe = with_windows(small_recipe, test=2)
    result = shop.train(recipe)
    opened = open_run(result.run.path)
    assert opened.recipe() == recipe
    assert load(result.run.path / "recipe.yaml") == recipe
    tests = opened.tests(ShopLog.read(shop.store))
    splits = [window.snapshot.until_ms for window, _ in tests]
    assert splits == [result.metrics["split_ms"], result.metrics["split_ms"] - 10 * DAY_MS]
    assert [pipeline.fitted_until_ms for _, pipeline in tests] == splits
    report = evaluate_windows(tests, {})
    assert report["methods"]["for-you"]["metrics"] == result.metrics["metrics"]
    opened.write_evaluation(report)
    assert json.loads((result.run.path / "evaluate.json").read_text())["protocol"] == "shop-temporal"


def test_the_served_bundle_knows_all_data_and_the_split_does_not(shop: TrainingShop, small_recipe: ShopRecipe) -> None:
    shop.happens([Line(44.5, "u1", "latest")])
    result = shop.train(small_recipe)
    served = Pipeline.load(Bundle.open(result.run.bundle))
    ((_, split),) = open_run(result.run.path).tests(ShopLog.read(shop.store))
    assert "latest" in served.item_ids
    assert "latest" not in split.item_ids
    assert {name: set(one.blends) for name, one in served.placements.items()} == {
        name: {"allow", "exclude"} for name in ("for-you", "bought-together", "popular")
    }
    for_you = served.placements["for-you"].blends
    assert sum(for_you["allow"].weights.values()) == pytest.approx(1)
    assert for_you["allow"].weights["own_30d"] > 0.1, "these users buy their favourites again and again"
    assert for_you["exclude"].weights["own_30d"] == 0, "which says nothing where repeats are left out"


def test_the_same_seed_gives_the_same_files(shop: TrainingShop, small_recipe: ShopRecipe) -> None:
    one, again = (shop.train(small_recipe) for _ in range(2))
    files = [
        {name: entry.sha256 for name, entry in Bundle.open(result.run.bundle).manifest.files.items()}
        for result in (one, again)
    ]
    assert files[0] == files[1]
    assert one.metrics["metrics"] == again.metrics["metrics"]
    assert one.version != again.version


def test_a_worse_bundle_is_registered_and_not_activated(shop: TrainingShop, small_recipe: ShopRecipe) -> None:
    first = shop.train(small_recipe)
    popular_only = small_recipe.placements["for-you"].model_copy(update={"sources": ["popular_10d"], "fit": "none"})
    worse = small_recipe.model_copy(update={"placements": {**small_recipe.placements, "for-you": popular_only}})
    second = shop.train(worse)
    assert second.metrics["metrics"][GUARDED_METRIC] < first.metrics["metrics"][GUARDED_METRIC] - 0.01
    assert (first.activated, second.activated) == (True, False)
    active = shop.store.active_bundle()
    assert active is not None
    assert active.version == first.version
    assert [record.version for record in shop.store.bundles()] == [second.version, first.version]


def test_worse_is_lower_by_more_than_the_tolerance() -> None:
    assert is_worse({GUARDED_METRIC: 0.30}, {GUARDED_METRIC: 0.32})
    assert not is_worse({GUARDED_METRIC: 0.312}, {GUARDED_METRIC: 0.32})
    assert not is_worse({GUARDED_METRIC: 0.4}, {GUARDED_METRIC: 0.32})
    assert not is_worse({}, {GUARDED_METRIC: 0.32}), "nothing was tested, so nothing is known to be worse"
    assert not is_worse({GUARDED_METRIC: 0.1}, {})
    busy, quiet = {GUARDED_METRIC: 0.36, "split_ms": 1}, {GUARDED_METRIC: 0.32, "split_ms": 2}
    assert not is_worse(quiet, busy), "two months, not two models"


def test_too_little_data_says_how_to_go_on_and_following_it_works(
    shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    with pytest.raises(DataError) as refused:
        shop.train(with_windows(small_recipe, horizon_days=28), output)
    assert str(refused.value) == (
        "expected at least 84 days of events (1 test and 1 validation windows of 28 days, and as much before them), "
        "received 44; import more, or --set windows.horizon_days=14"
    )
    assert shop.store.bundles() == []
    assert shop.train(with_windows(small_recipe, horizon_days=14), output).activated, "into the same directory"


def test_so_little_data_that_no_window_fits(empty_shop: TrainingShop, small_recipe: ShopRecipe) -> None:
    with pytest.raises(DataError, match="received an empty workspace; run `aisle import events FILE`"):
        empty_shop.train(small_recipe)
    empty_shop.happens([Line(0.5, "u", "a"), Line(1.5, "u", "a")])
    with pytest.raises(DataError, match=r"received 2; import more$"):
        empty_shop.train(small_recipe)


def test_a_shop_of_strangers_trains(empty_shop: TrainingShop, small_recipe: ShopRecipe) -> None:
    lines = [
        Line(day, None, item, session=f"s{day}", order=f"o{day}") for day in range(45) for item in ("ab", "ac")[day % 2]
    ]
    empty_shop.happens(lines)
    result = empty_shop.train(small_recipe)
    assert result.activated
    assert result.metrics["metrics"] == {}, "nobody is known, so nobody can be asked"
    assert "nobody who is known" in result.run.log.read_text()
    served = Pipeline.load(Bundle.open(result.run.bundle))
    assert served.placements["bought-together"].sources == ("together_cosine", "popular_10d")


def test_a_window_in_which_nobody_took_anything_is_an_error(empty_shop: TrainingShop, small_recipe: ShopRecipe) -> None:
    empty_shop.happens([Line(day, f"u{day % 5}", "ab", "view") for day in range(45)])
    with pytest.raises(DataError, match=r"expected a 'purchase' .*--set target=view"):
        empty_shop.train(small_recipe)
    assert empty_shop.train(small_recipe.model_copy(update={"target": "view"})).metrics["metrics"]


def test_what_the_data_gives_nothing_for_is_left_out_and_logged(
    shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path
) -> None:
    texts = load("shop").generators["content"]
    generators = {**small_recipe.generators, "content": texts}
    sources = ["content", "together_cosine"]
    similar = small_recipe.placements["bought-together"].model_copy(update={"sources": sources, "fit": "same-category"})
    placements = {**small_recipe.placements, "similar-items": similar}
    result = shop.train(small_recipe.model_copy(update={"generators": generators, "placements": placements}))
    assert "similar-items: the data gives nothing for content, left out" in result.run.log.read_text()
    served = Pipeline.load(Bundle.open(result.run.bundle))
    assert served.placements["similar-items"].sources == ("together_cosine",)


def test_a_directory_with_files_is_left_alone(shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="expected a new or empty directory, it has files; choose another with -o"):
        shop.train(small_recipe, tmp_path / "taken")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["notes.txt"]


def test_a_run_outside_the_workspace_is_registered_with_its_whole_path(
    shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path
) -> None:
    result = shop.train(small_recipe, tmp_path / "elsewhere")
    active = shop.store.active_bundle()
    assert active is not None
    assert Path(active.path) == (tmp_path / "elsewhere" / "bundle").resolve()
    assert result.run.path == (tmp_path / "elsewhere").resolve()


def test_a_bundle_is_no_run(shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path) -> None:
    result = shop.train(small_recipe)
    with pytest.raises(BundleError) as refused:
        open_run(result.run.bundle)
    assert "a bundle was fitted on all data, the test windows included; evaluate its run instead" in str(refused.value)
    assert str(result.run.path) in str(refused.value)
    with pytest.raises(DataError, match=r"expected a run directory with metrics.json; `aisle train` writes one"):
        open_run(tmp_path)


def test_a_run_whose_past_was_changed_since_is_refused(shop: TrainingShop, small_recipe: ShopRecipe) -> None:
    result = shop.train(small_recipe)
    shop.happens([Line(1, "u9", "imported later")])
    with pytest.raises(DataError, match=r"older data was imported since: train again"):
        open_run(result.run.path).tests(ShopLog.read(shop.store))


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"one")
    write_atomically(tmp_path / "file", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"two"
