"""The average of runs: their logits' mean, a bundle that gives the same, and runs that cannot be averaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from aisle.errors import ConfigError, DataError
from aisle.evaluate.comparison import compare
from aisle.evaluate.predictions import Predictions
from aisle.train.tables.directory import TableDirectory
from aisle.train.tables.ensemble import ensemble_runs
from aisle.train.tables.evaluation import evaluate_table


def test_it_is_the_mean_of_the_logits_and_its_bundle_gives_it(table_runs: Path, tmp_path: Path) -> None:
    ensemble = ensemble_runs([table_runs / "seeds", table_runs / "dlrm"], tmp_path / "mean")
    members = [*TableDirectory(table_runs / "seeds").trainings(), TableDirectory(table_runs / "dlrm")]
    predicted = ensemble.predictions("later")
    expected = np.mean([run.predictions("later").logit_R for run in members], axis=0)
    np.testing.assert_allclose(predicted.logit_R, expected, atol=1e-6)
    metrics = ensemble.read_metrics()
    assert metrics["model"] == "ensemble" and metrics["average"] == "mean of logits"
    assert [(one["model"], one["seed"]) for one in metrics["members"]] == [
        ("logistic", 0),
        ("logistic", 1),
        ("dlrm", 3),
    ]
    assert metrics["metrics"]["later/auc"] == pytest.approx(predicted.metrics()["auc"])
    assert metrics["parameters"] == sum(run.read_metrics()["parameters"] for run in members)
    assert metrics["intervals"]["later/logloss"]["value"] == pytest.approx(metrics["metrics"]["later/logloss"])
    report = evaluate_table(ensemble)
    assert report["max_logit_difference"] < 1e-5
    assert report["metrics"] == pytest.approx(metrics["metrics"], abs=1e-6)
    # It is a run as any other: compared, and averaged again.
    runs = {"mean": [predicted], "dlrm": [members[-1].predictions("later")]}
    assert compare(runs, test_set="later")["rows"] == 400
    assert (
        len(ensemble_runs([tmp_path / "mean", table_runs / "dlrm"], tmp_path / "again").read_metrics()["members"]) == 2
    )
    assert evaluate_table(TableDirectory(tmp_path / "again"))["max_logit_difference"] < 1e-5


def test_without_a_members_bundle_there_are_predictions_alone(table_runs: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(table_runs / "dlrm", tmp_path / "dlrm")
    shutil.rmtree(copy / "bundle")
    ensemble = ensemble_runs([copy, table_runs / "seeds"], tmp_path / "mean")
    assert not ensemble.bundle.exists() and ensemble.read_metrics()["bundle_bytes"] is None
    with pytest.raises(DataError, match="expected a run with a bundle"):
        evaluate_table(ensemble)
    with pytest.raises(DataError, match="evaluate one of its runs: seed-0, seed-1"):
        evaluate_table(TableDirectory(table_runs / "seeds"))


def test_what_cannot_be_averaged(table_runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two or more runs to average, received 1"):
        ensemble_runs([table_runs / "dlrm"], tmp_path / "mean")
    copy = shutil.copytree(table_runs / "dlrm", tmp_path / "dlrm")
    run = TableDirectory(copy)
    kept = run.predictions("test")
    run.save_predictions("test", Predictions(kept.logit_R, 1 - kept.label_R))
    with pytest.raises(DataError, match="predictions of the same rows"):
        ensemble_runs([copy, table_runs / "dlrm"], tmp_path / "mean")
    with pytest.raises(ConfigError, match="expected a new or empty directory"):
        ensemble_runs([table_runs / "seeds"], copy)
    shutil.rmtree(copy / "predictions")
    with pytest.raises(DataError, match="predictions of the same test sets"):
        ensemble_runs([copy, table_runs / "dlrm"], tmp_path / "mean")
