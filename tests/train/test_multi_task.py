"""Several labels in a recipe: clicks and purchases whose rules are known, missing labels, and what a run says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aisle.assemble import table_ranker
from aisle.bundle import Bundle
from aisle.data.impressions import impression_table
from aisle.data.simulate import simulate_shop
from aisle.errors import ConfigError, DataError
from aisle.evaluate.comparison import compare
from aisle.metrics import auc, log_loss
from aisle.pipeline.calibration import sigmoid
from aisle.pipeline.table_ranker import load_table_ranker
from aisle.recipe import TableRecipe, dump, load, parse_strict
from aisle.train.recipe_run import RunPlan
from aisle.train.tables.directory import TableDirectory
from aisle.train.tables.ensemble import ensemble_runs
from aisle.train.tables.evaluation import evaluate_table
from aisle.train.tables.session import prepared, train_table_recipe

TASKS = ("click", "purchase")
#: P(click), by the colour; P(purchase after a click), by the size.
CLICK = {"red": 0.8, "green": 0.4, "blue": 0.1}
BUY = {"s": 0.9, "m": 0.5, "l": 0.1}
ESMM = {"kind": "esmm", "tower_layers": [16]}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "multi-task-cache"))


def impressions(num_rows: int, seed: int = 0) -> pl.DataFrame:
    """A click depends on the colour alone, a purchase on a click and on the size."""
    draw = np.random.default_rng(seed)
    colour, size = draw.choice(list(CLICK), num_rows), draw.choice(list(BUY), num_rows)
    click = draw.random(num_rows) < np.array([CLICK[one] for one in colour])
    purchase = click & (draw.random(num_rows) < np.array([BUY[one] for one in size]))
    return pl.DataFrame(
        {
            "click": click.astype(np.int8),
            "purchase": purchase.astype(np.int8),
            "colour": colour,
            "size": size,
            "trust": draw.choice([0.5, 2.0], num_rows),
        }
    )


def make_recipe(path: Path, model: dict[str, Any], **sections: Any) -> TableRecipe:
    data = {"train": str(path), "labels": list(TASKS), **sections.pop("data", {})}
    training = {"batch_size": 200, "num_epochs": 6, "learning_rate": 0.02, "evaluations_per_epoch": 1}
    document = {
        "kind": "table",
        "name": "tasks",
        "data": data,
        "features": [{"kind": "categorify", "columns": ["colour", "size"]}],
        "inputs": {"sparse": ["colour", "size"]},
        "tables": {"embedding_dim": 4},
        "model": model,
        "training": training | sections.pop("training", {}),
        **sections,
    }
    return parse_strict(TableRecipe, document, "recipe")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tasks") / "impressions.parquet"
    impressions(6000).write_parquet(path)
    return path


@pytest.fixture(scope="module")
def esmm(path: Path, tmp_path_factory: pytest.TempPathFactory) -> TableDirectory:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "multi-task-cache"))
        return train_table_recipe(make_recipe(path, ESMM), tmp_path_factory.mktemp("runs") / "esmm", table_ranker)


def every_kind() -> pl.DataFrame:
    pairs = [(colour, size) for colour in CLICK for size in BUY]
    return pl.DataFrame(pairs, schema=["colour", "size"], orient="row")


def truth() -> np.ndarray[Any, np.dtype[np.float64]]:
    """P(click) and P(click and purchase) of each kind of row."""
    return np.array([(CLICK[one], CLICK[one] * BUY[other]) for one, other in every_kind().rows()])


def test_esmm_finds_both_rules(esmm: TableDirectory) -> None:
    ranker = load_table_ranker(Bundle.open(esmm.bundle))
    assert ranker.tasks == TASKS
    logits = ranker.logits(every_kind())
    assert logits.shape == (9, 2) and ranker.logits(every_kind().clear()).shape == (0, 2)
    probability = sigmoid(logits.astype(np.float64))
    assert probability == pytest.approx(truth(), abs=0.08)
    # A purchase is a click and what comes after it, which depends on the size alone.
    after_click = (probability[:, 1] / probability[:, 0]).reshape(3, 3)
    assert after_click[:2] == pytest.approx(np.tile([0.9, 0.5, 0.1], (2, 1)), abs=0.1)
    assert after_click[2] == pytest.approx(np.array([0.9, 0.5, 0.1]), abs=0.2), "of the blue ones a tenth is clicked"
    assert np.all(probability[:, 1] < probability[:, 0])


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "shared-bottom", "bottom_layers": [16], "tower_layers": [8]},
        {"kind": "mmoe", "num_experts": 2, "expert_layers": [16], "tower_layers": [8]},
    ],
    ids=lambda model: str(model["kind"]),
)
def test_every_model_of_several_labels_finds_them(path: Path, tmp_path: Path, model: dict[str, Any]) -> None:
    run = train_table_recipe(make_recipe(path, model), tmp_path / "run", table_ranker)
    logits = load_table_ranker(Bundle.open(run.bundle)).logits(every_kind())
    assert sigmoid(logits.astype(np.float64)) == pytest.approx(truth(), abs=0.1)


def test_a_run_says_each_task_and_the_main_one(esmm: TableDirectory, path: Path) -> None:
    metrics = esmm.read_metrics()["metrics"]
    test = pl.read_parquet(path)[-600:]
    for task in TASKS:
        predicted = esmm.predictions(f"test@{task}")
        assert predicted.label_R.tolist() == test[task].to_list()
        assert metrics[f"test/auc/{task}"] == pytest.approx(auc(predicted.logit_R, test[task].to_numpy()))
        expected = log_loss(predicted.probability_R, test[task].to_numpy())
        assert metrics[f"test/logloss/{task}"] == pytest.approx(expected)
    assert metrics["test/auc"] == metrics["test/auc/click"] != metrics["test/auc/purchase"]
    assert "'purchase/auc': " in (esmm.path / "train.log").read_text()
    report = evaluate_table(esmm)
    assert report["max_logit_difference"] < 1e-5
    assert report["metrics"] == pytest.approx(metrics, abs=1e-6)
    assert parse_strict(TableRecipe, esmm.recipe().model_dump(), "again") == esmm.recipe()
    assert "label: click" in dump(esmm.recipe())


def test_seeds_comparing_and_averaging_know_tasks(path: Path, tmp_path: Path, esmm: TableDirectory) -> None:
    short = make_recipe(path, {"kind": "shared-bottom", "bottom_layers": [8]}, training={"num_epochs": 1})
    group = train_table_recipe(short, tmp_path / "seeds", table_ranker, plan=RunPlan(seeds=(0, 1)))
    assert len(group.read_metrics()["per_run"]["test/auc/purchase"]) == 2
    assert "test/auc/purchase" in group.read_metrics()["mean_prediction"]["intervals"]
    runs = {"esmm": [esmm.predictions("test@purchase")], "short": [group.predictions("test@purchase")]}
    assert set(compare(runs, test_set="test@purchase")["differences"]["short"]) == {
        "test/auc/purchase",
        "test/logloss/purchase",
    }
    mean = ensemble_runs([group.path, esmm.path], tmp_path / "mean")
    assert mean.read_metrics()["metrics"]["test/auc/purchase"] > 0.8
    assert evaluate_table(mean)["max_logit_difference"] < 1e-5


def test_a_missing_label_says_nothing(tmp_path: Path) -> None:
    """Purchases are known of every second row alone; the others would say the opposite, and are cut in another file."""
    frame = impressions(1000).with_row_index()
    is_known = pl.col("index") % 2 == 0
    frame.with_columns(purchase=pl.when(is_known).then("purchase")).write_parquet(tmp_path / "some.parquet")
    data = {"weight": "trust", "task_weights": {"purchase": "trust"}}
    rows = prepared(make_recipe(tmp_path / "some.parquet", ESMM, data=data)).rows["train"]
    known, trust = (frame["index"] % 2 == 0).to_numpy()[:800], frame["trust"].to_numpy()[:800]
    assert rows.label_R[:, 0].tolist() == frame["click"].to_list()[:800]
    assert rows.label_R[known, 1].tolist() == frame["purchase"].to_numpy()[:800][known].tolist()
    assert rows.weight_R[:, 0] == pytest.approx(trust)
    assert rows.weight_R[:, 1] == pytest.approx(np.where(known, trust**2, 0))


def test_training_stops_by_the_task_that_is_named(path: Path, tmp_path: Path) -> None:
    """The metric that is best is that of one task, or the mean over both."""
    lines = {}
    for task in (None, "purchase"):
        training = {"task": task, "num_epochs": 1}
        run = train_table_recipe(make_recipe(path, ESMM, training=training), tmp_path / str(task), table_ranker)
        metrics = run.read_metrics()["metrics"]
        values = [metrics[f"valid/logloss/{one}"] for one in TASKS]
        lines[task] = (np.mean(values) if task is None else values[1], (run.path / "train.log").read_text())
    for value, log in lines.values():
        assert f"log_loss={value:.6f}"[:-2] in log


@pytest.mark.parametrize(
    ("model", "sections", "message"),
    [
        ({"kind": "dnn"}, {}, "model dnn: expected one label, received 2 label"),
        (ESMM, {"data": {"labels": None}}, "esmm: expected several data.labels, as simulated-multi-task has"),
        (ESMM, {"data": {"labels": ["click", "purchase", "return"]}}, "esmm: expected data.labels of a click and a"),
        (ESMM, {"data": {"labels": ["click", "click"]}}, "expected labels that differ"),
        (ESMM, {"data": {"label": "order"}}, "label among them, received .* and order"),
        (ESMM, {"data": {"label_above": 1}}, "label_above: expected it with one label"),
        (ESMM, {"data": {"task_weights": {"order": "trust"}}}, "task_weights: expected some of the labels"),
        (ESMM, {"training": {"task": "order"}}, "training.task: expected one of data.labels, received 'order'"),
        (ESMM, {"distill": {"runs": ["a"], "weight": 0.5}}, "distill: expected a recipe of one label"),
    ],
)
def test_what_does_not_fit_is_refused(path: Path, model: Any, sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_recipe(path, model, **sections)


def test_labels_are_no_features_and_must_be_there(path: Path, tmp_path: Path) -> None:
    recipe = make_recipe(path, ESMM)
    reads = recipe.model_copy(update={"inputs": recipe.inputs.model_copy(update={"dense": ["purchase"]})})
    with pytest.raises(ConfigError, match="'purchase' is the label, a model that reads it learns nothing"):
        prepared(reads)
    impressions(100).with_columns(purchase=pl.lit(None, pl.Int8)).write_parquet(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="expected rows that say purchase, received 80 rows with the weight 0"):
        prepared(make_recipe(tmp_path / "none.parquet", ESMM))
    with pytest.raises(ConfigError, match="--folds: expected a recipe of one label"):
        train_table_recipe(recipe, tmp_path / "folds", table_ranker, plan=RunPlan(folds=2))


def test_the_recipe_of_a_simulated_shop_fits_its_table(tmp_path: Path) -> None:
    shop = simulate_shop(150, 60, 40, seed=1)
    table = impression_table(shop.items, shop.events)
    table.write_parquet(tmp_path / "impressions.parquet")
    recipe = load("simulated-multi-task", [f"data.train={tmp_path / 'impressions.parquet'}"])
    assert isinstance(recipe, TableRecipe)
    rows = prepared(recipe).rows["train"]
    assert tuple(rows.label_R.sum(axis=0).astype(int)) == table.select(TASKS)[: len(rows)].sum().row(0)
    assert rows.weight_R.shape == rows.label_R.shape == (len(rows), 2) and rows.weight_R.min() == 1
