"""A run of a table recipe: what it leaves, the same again, resumed exactly, and scored by its bundle alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aisle.assemble import table_ranker
from aisle.bundle import Bundle
from aisle.errors import ConfigError, DataError
from aisle.evaluate.predictions import Predictions
from aisle.metrics import auc, log_loss
from aisle.pipeline.table_ranker import load_table_ranker
from aisle.recipe import TableRecipe
from aisle.train.tables.directory import TableDirectory
from aisle.train.tables.evaluation import evaluate_table
from aisle.train.tables.session import prepared, train_table_recipe
from tests.tables import DLRM, make_recipe, make_table, write_table


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _train(recipe: TableRecipe, output: Path, **options: Any) -> TableDirectory:
    return train_table_recipe(recipe, output, table_ranker, **options)


def test_what_a_run_leaves(table_runs: Path) -> None:
    run = TableDirectory(table_runs / "dlrm")
    names = {"bundle", "metrics.json", "predictions", "recipe.yaml", "train.log"}
    assert {entry.name for entry in run.path.iterdir()} - {"evaluate.json"} == names
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert (metrics["model"], metrics["seed"]) == ("dlrm", 3)
    measures = ("auc", "logloss", "accuracy", "normalized_entropy")
    assert set(metrics["metrics"]) == {f"{part}/{name}" for part in ("valid", "test", "later") for name in measures}
    assert metrics["data"] == {"train_rows": 1200, "valid_rows": 150, "test_rows": 150, "later_rows": 400}
    # 4 colours and 40 shops with padding, unknown; MLPs 1-8-4 and (4 + 3 products)-8-1.
    assert metrics["parameters"] == (6 + 42) * 4 + (8 + 8) + (32 + 4) + (7 * 8 + 8) + (8 + 1)
    assert metrics["model_bytes"] > 4 * metrics["parameters"]
    assert set(metrics["timing"]) == {"train_seconds", "samples_per_second", "epochs", "best_epoch"}
    assert 0 < metrics["timing"]["epochs"] <= 2
    assert run.recipe() == make_recipe(
        table_runs / "table.parquet",
        model=DLRM,
        data={"extra_tests": {"later": str(table_runs / "later.parquet")}},
        seed=3,
    )
    later = make_table(400, seed=1)
    predicted = run.predictions("later")
    assert predicted.label_R.tolist() == later["label"].to_list()
    assert metrics["metrics"]["later/auc"] == pytest.approx(auc(predicted.logit_R, later["label"].to_numpy()))
    assert metrics["metrics"]["later/auc"] > 0.75, "it has learnt what the rows mean"
    assert "aisle.train.engine.loop: after" in (run.path / "train.log").read_text()


@pytest.mark.parametrize("name", ["dlrm", "seeds/seed-0"])
def test_the_bundle_alone_gives_raw_rows_what_training_gave(table_runs: Path, name: str) -> None:
    run = TableDirectory(table_runs / name)
    report = evaluate_table(run)
    assert report["max_logit_difference"] < 1e-5
    assert report["metrics"] == pytest.approx(run.read_metrics()["metrics"], abs=1e-6)
    assert report["counts"] == {"valid": 150, "test": 150, "later": 400}
    assert json.loads((run.path / "evaluate.json").read_text()) == report


def test_evaluating_a_run_imports_no_torch(table_runs: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from aisle.train.tables.directory import TableDirectory\n"
        "from aisle.train.tables.evaluation import evaluate_table\n"
        "evaluate_table(TableDirectory(Path(sys.argv[1])))\n"
        "print(*{'torch', 'onnx', 'onnxscript', 'safetensors'} & set(sys.modules), 'done')\n"
    )
    command = [sys.executable, "-c", script, str(table_runs / "dlrm")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert done.stdout.split() == ["done"]


def test_a_bundle_scores_any_rows_and_says_what_it_reads(table_runs: Path) -> None:
    ranker = load_table_ranker(Bundle.open(table_runs / "dlrm" / "bundle"))
    assert set(ranker.schema.names) == {"price", "colour", "shop"}
    frame = pl.DataFrame({"price": [1.0, 1.0], "colour": ["red", "never seen"], "shop": ["3", None]})
    logits = ranker.logits(frame)
    assert logits.dtype == np.float32 and logits[0] > logits[1]
    assert ranker.logits(frame.clear()).shape == (0,)
    with pytest.raises(DataError, match="expected finite numbers in price"):
        ranker.logits(frame.with_columns(price=pl.lit(float("inf"))))


class _StoppedError(Exception):
    """Stands for a kill."""


def test_an_interrupted_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    recipe = make_recipe(write_table(tmp_path / "table.parquet"), model=DLRM, training={"num_epochs": 4})
    whole = _train(recipe, tmp_path / "whole")

    def stop(stage: str, done: int, total: int | None) -> None:
        if stage == "write the run" or (stage == "train the ranker" and done >= 20):
            raise _StoppedError

    for number in range(2):  # within training, and behind it
        with pytest.raises(_StoppedError):
            _train(recipe, tmp_path / "stopped", resume=True, progress=stop if number == 0 else _at_the_end)
        assert not TableDirectory(tmp_path / "stopped").is_written
        assert (tmp_path / "stopped" / "checkpoints").is_dir()
    again = _train(recipe, tmp_path / "stopped", resume=True)
    assert again.predictions("test").logit_R.tolist() == whole.predictions("test").logit_R.tolist()
    assert again.read_metrics()["metrics"] == whole.read_metrics()["metrics"]
    assert not again.checkpoints.exists()
    before = (again.path / "metrics.json").stat().st_mtime_ns
    _train(recipe, tmp_path / "stopped", resume=True)
    assert (again.path / "metrics.json").stat().st_mtime_ns == before, "a finished run is left as it is"


def _at_the_end(stage: str, done: int, total: int | None) -> None:
    if stage == "write the run":
        raise _StoppedError


def test_a_directory_is_of_one_training(table_runs: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(table_runs / "dlrm", tmp_path / "dlrm")
    recipe = TableDirectory(copy).recipe()
    with pytest.raises(ConfigError, match="expected a new or empty directory"):
        _train(recipe, copy)
    with pytest.raises(ConfigError, match=r"of another \(other seed\)"):
        _train(recipe.model_copy(update={"seed": 4}), copy, resume=True)
    with pytest.raises(DataError, match="expected a run of a table recipe"):
        TableDirectory(tmp_path).recipe()
    with pytest.raises(DataError, match="expected a finished run"):
        TableDirectory(tmp_path).predictions("test")
    with pytest.raises(DataError, match="predictions of 'nowhere', received those of later, test, valid"):
        TableDirectory(copy).predictions("nowhere")


def test_data_that_changed_is_noticed(table_runs: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(table_runs / "dlrm", tmp_path / "dlrm")
    run = TableDirectory(copy)
    kept = run.predictions("test")
    run.save_predictions("test", Predictions(kept.logit_R, 1 - kept.label_R))
    with pytest.raises(DataError, match="the data has changed since"):
        evaluate_table(run)


def test_weights_count_in_training_and_in_metrics(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.parquet")
    plain = _train(make_recipe(table), tmp_path / "plain")
    weighed = _train(make_recipe(table, data={"weight": "weight"}), tmp_path / "weighed")
    predicted = weighed.predictions("test")
    weights = pl.read_parquet(table)["weight"].to_numpy()[1350:]
    assert predicted.weight_R is not None and predicted.weight_R.tolist() == weights.tolist()
    expected = log_loss(predicted.probability_R, predicted.label_R, weights)
    assert weighed.read_metrics()["metrics"]["test/logloss"] == pytest.approx(expected)
    assert plain.predictions("test").weight_R is None
    assert not np.allclose(plain.predictions("test").logit_R, predicted.logit_R)
    assert evaluate_table(weighed)["max_logit_difference"] < 1e-5


def test_rows_are_prepared_once_for_all_models(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.parquet")
    stages: list[str] = []
    first = prepared(make_recipe(table), lambda stage, done, total: stages.append(stage))
    assert any(stage.startswith("transform") for stage in stages)
    stages.clear()
    second = prepared(make_recipe(table, model=DLRM, seed=5), lambda stage, done, total: stages.append(stage))
    assert second.directory == first.directory and not stages
    assert first.directory.is_relative_to(tmp_path / "cache" / "aisle" / "prepared")


def test_a_model_that_does_not_fit_is_one_clear_error(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.parquet")
    inputs = {"dense": [], "sparse": ["colour", "shop"]}
    with pytest.raises(ConfigError, match="model dlrm: expected at least one dense feature"):
        _train(make_recipe(table, model=DLRM, inputs=inputs), tmp_path / "run")
    run = _train(make_recipe(table, inputs=inputs), tmp_path / "sparse")
    assert evaluate_table(run)["max_logit_difference"] < 1e-5, "without a single number"
