"""Trainings that were interrupted: what they leave, what goes on, and what is refused."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from aisle import recipe as recipes
from aisle.bundle import Bundle
from aisle.errors import ConfigError, DataError
from aisle.progress import Progress
from aisle.recipe import ShopRecipe
from aisle.schema import Item
from aisle.store import SqlStore
from aisle.train.shop.run_directory import RunDirectory
from aisle.train.shop.session import TrainingResult
from aisle.train.shop.unfinished import unfinished_training
from tests.histories import Line, at
from tests.train.conftest import REGULARS, SMALL, TrainingShop

LOGISTIC = """
ranker:
  examples: {snapshots: 1, negatives: 5}
  model: {kind: logistic, num_buckets: 4}
"""
STAGES = ("read events", "collect candidates", "fit blends", "write the bundle", "evaluate")


def stop_at(stage: str, number: int = 1) -> Progress:
    """A progress that presses Ctrl-C when a stage begins for the n-th time."""
    begun = []

    def progress(name: str, done: int, total: int | None) -> None:
        begun.append(name)
        if name == stage and begun.count(name) == number:
            raise KeyboardInterrupt

    return progress


def files_of(result: TrainingResult) -> dict[str, str]:
    return {name: entry.sha256 for name, entry in Bundle.open(result.run.bundle).manifest.files.items()}


def interrupt(shop: TrainingShop, recipe: ShopRecipe, stage: str, output: Path | None = None) -> None:
    with pytest.raises(KeyboardInterrupt):
        shop.train(recipe, output, resume=True, progress=stop_at(stage))


def test_a_training_interrupted_again_and_again_goes_on(shop: TrainingShop, small_recipe: ShopRecipe) -> None:
    expected = shop.train(small_recipe)
    for stage in STAGES:
        interrupt(shop, small_recipe, stage)
    assert unfinished_training(shop.workspace) is not None
    result = shop.train(small_recipe, resume=True)
    assert unfinished_training(shop.workspace) is None
    assert len(list(shop.workspace.runs.iterdir())) == 3, "the undisturbed, the resumed, and one that read nothing"
    assert files_of(result) == files_of(expected)
    assert result.metrics["metrics"] == expected.metrics["metrics"]
    assert result.activated and result.version > expected.version


def test_what_arrives_in_between_changes_nothing(shop: TrainingShop, tmp_path: Path) -> None:
    (tmp_path / "logistic.yaml").write_text(SMALL + LOGISTIC)
    recipe = recipes.load(tmp_path / "logistic.yaml")
    shop.store.put_items([Item(item_id="shelf-3", title="Shelf", price=3.0, updated_at=at(0))])
    expected = shop.train(recipe)
    interrupt(shop, recipe, "train the ranker")
    # Each claims to have been there all along; rows and prices of what is finished must not shift.
    shop.store.put_items([Item(item_id="another", title="Another", price=9.0, updated_at=at(1))])
    shop.store.put_items([Item(item_id="shelf-3", title="Changed", price=5.0, updated_at=at(2))])
    shop.happens([Line(2.5, "u1", "another"), Line(43.5, "u1", "shelf-3"), Line(60, "u2", "another")])
    result = shop.train(recipe, resume=True)
    assert files_of(result) == files_of(expected)
    assert result.metrics["metrics"] == expected.metrics["metrics"]
    assert files_of(shop.train(recipe)) != files_of(expected), "a training that begins now sees them"


def test_events_that_were_removed_in_between_are_noticed(
    shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path
) -> None:
    interrupt(shop, small_recipe, "fit blends", tmp_path / "run")
    removed = shop.store.delete_user("u3")
    with pytest.raises(DataError, match=rf"expected the {len(REGULARS)} events .* received {len(REGULARS) - removed}"):
        shop.train(small_recipe, tmp_path / "run", resume=True)
    assert shop.train(small_recipe, tmp_path / "run").activated, "what was half done is forgotten"


def test_a_training_of_another_recipe_is_not_gone_on_with(
    shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    interrupt(shop, small_recipe, "collect candidates", run)
    other = small_recipe.model_copy(update={"seed": 3, "history_limit": 50})
    with pytest.raises(ConfigError, match=r"run: .* of another \(other seed, history_limit\); go on with that one"):
        shop.train(other, run, resume=True)
    with pytest.raises(ConfigError, match=r"expected a new or empty directory, it has files; .* or --resume"):
        shop.train(other, run)
    assert unfinished_training(shop.workspace, run) == (run.resolve(), small_recipe)
    assert shop.train(small_recipe, run, resume=True).run.path == run.resolve()


def test_one_killed_before_its_activation_is_activated(
    shop: TrainingShop, small_recipe: ShopRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(store: SqlStore, version: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shop.store, "activate_bundle", lambda version: killed(shop.store, version))
        shop.train(small_recipe)
    (record,) = shop.store.bundles()
    assert not record.is_active
    stages: list[str] = []
    result = shop.train(small_recipe, resume=True, progress=lambda stage, done, total: stages.append(stage))
    assert result.activated and [one.version for one in shop.store.bundles()] == [record.version] == [result.version]
    assert stages == ["register the bundle"], "nothing is fitted again"


def test_a_finished_one_is_left_as_it_is(shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path) -> None:
    first = shop.train(small_recipe, tmp_path / "first")
    second = shop.train(small_recipe, tmp_path / "second")
    again = shop.train(small_recipe, tmp_path / "first", resume=True)
    assert (again.version, again.metrics, again.activated) == (first.version, first.metrics, False)
    assert second.activated and not (tmp_path / "first" / "checkpoints").exists()
    with pytest.raises(ConfigError, match=r"it is of another \(other seed\)"):
        shop.train(small_recipe.model_copy(update={"seed": 3}), tmp_path / "first", resume=True)


def test_what_kills_left_half_written_is_removed(shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    interrupt(shop, small_recipe, "evaluate", run)
    (split,) = (run / "splits").iterdir()
    for half in (run / ".bundle.x1", run / "splits" / f".{split.name}.x2"):
        half.mkdir()
        (half / "part").touch()
    (run / ".metrics.json.partial").touch()
    shop.train(small_recipe, run, resume=True)
    assert sorted(path.name for path in run.iterdir()) == [
        *("bundle", "metrics.json", "recipe.yaml", "splits", "train.log")
    ]
    assert list((run / "splits").iterdir()) == [split]


def test_one_killed_before_it_noted_anything_is_no_obstacle(
    shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path
) -> None:
    interrupt(shop, small_recipe, "read events", tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"checkpoints", "train.log"}
    assert shop.train(small_recipe, tmp_path / "run").activated


def test_a_failed_training_leaves_nothing_to_go_on_with(
    empty_shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="empty workspace"):
        empty_shop.train(small_recipe, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["train.log"]
    empty_shop.happens(sorted(REGULARS, key=lambda line: line.day))
    assert empty_shop.train(small_recipe, tmp_path / "run", resume=True).activated


def test_two_processes_do_not_train_in_one_directory(
    shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    interrupt(shop, small_recipe, "collect candidates", run)
    with (run / "checkpoints" / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="expected a directory that nobody trains in, another process does"):
            shop.train(small_recipe, run, resume=True)
    assert shop.train(small_recipe, run, resume=True).activated


def test_a_note_of_another_version_is_refused(shop: TrainingShop, small_recipe: ShopRecipe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    interrupt(shop, small_recipe, "collect candidates", run)
    (run / "checkpoints" / "begun.json").write_text('{"version": "1", "mark": {}}')
    with pytest.raises(ConfigError, match="expected the note of a training by this version, received another"):
        RunDirectory(run).begun()


@pytest.mark.parametrize(
    ("activate", "activated"), [("auto", (True, False)), ("always", (True, True)), ("never", (False, False))]
)
def test_a_worse_bundle_is_activated_when_told_to(
    shop: TrainingShop, small_recipe: ShopRecipe, activate: str, activated: tuple[bool, bool]
) -> None:
    popular_only = small_recipe.placements["for-you"].model_copy(update={"sources": ["popular_10d"], "fit": "none"})
    worse = small_recipe.model_copy(update={"placements": {**small_recipe.placements, "for-you": popular_only}})
    results = [shop.train(recipe, activate=activate) for recipe in (small_recipe, worse)]  # type: ignore[arg-type]
    assert tuple(result.activated for result in results) == activated
    active = shop.store.active_bundle()
    assert (None if active is None else active.version) == (
        None if not any(activated) else results[activated[1]].version
    )
