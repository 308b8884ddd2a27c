"""Out-of-fold predictions, and a student that learns from them."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from aisle.assemble import table_ranker
from aisle.bundle import Bundle
from aisle.errors import ConfigError, DataError
from aisle.metrics import auc
from aisle.nn.losses import weighted_bce
from aisle.pipeline.table_ranker import load_table_ranker
from aisle.recipe import TableRecipe
from aisle.recipe.distillation import DistillSpec
from aisle.train.recipe_run import RunPlan
from aisle.train.tables.directory import TableDirectory
from aisle.train.tables.distillation import soft_labels
from aisle.train.tables.folds import folds_of
from aisle.train.tables.session import train_table_recipe
from tests.tables import DLRM, make_recipe


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


#: Enough steps at a rate that learns noise by heart.
_OVERFITTING = {"num_epochs": 12, "patience": 100, "learning_rate": 0.2, "batch_size": 50, "schedule": "constant"}


def _noise(path: Path) -> Path:
    """Rows whose labels nothing explains, in shops of five rows each."""
    draw = np.random.default_rng(0)
    rows = {
        "label": draw.integers(0, 2, 1000),
        "price": draw.normal(size=1000),
        "colour": draw.choice(["red", "green"], 1000),
        "shop": draw.integers(0, 200, 1000).astype(str),
    }
    pl.DataFrame(rows).write_parquet(path)
    return path


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("folds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
        recipe = make_recipe(_noise(directory / "noise.parquet"), training=_OVERFITTING)
        train_table_recipe(recipe, directory / "folds", table_ranker, plan=RunPlan(folds=3))
        train_table_recipe(recipe, directory / "whole", table_ranker)
    return directory


def test_each_row_is_predicted_by_the_model_that_has_not_seen_it(folds: Path) -> None:
    group = TableDirectory(folds / "folds")
    rows = pl.read_parquet(folds / "noise.parquet").head(800)
    predicted = group.predictions("train")
    assert predicted.label_R.tolist() == rows["label"].to_list()
    fold_R = folds_of(800, 3, 0)
    assert set(fold_R.tolist()) == {0, 1, 2} and np.bincount(fold_R).min() > 200
    metrics = group.read_metrics()
    assert (metrics["folds"], metrics["data"]["train_rows"]) == (3, 800)
    for fold in range(3):
        run = group.of_fold(fold)
        assert run.read_metrics()["data"]["train_rows"] == int((fold_R != fold).sum())
        ranker = load_table_ranker(Bundle.open(run.bundle))
        held_out = rows.filter(pl.Series(fold_R == fold))
        expected = ranker.logits(held_out)
        np.testing.assert_allclose(predicted.logit_R[fold_R == fold], expected, atol=1e-6)
        learnt = rows.filter(pl.Series(fold_R != fold))
        assert auc(ranker.logits(learnt), learnt["label"].to_numpy()) > 0.6, "it knows its own rows by heart"
        assert 0.4 < auc(expected, held_out["label"].to_numpy()) < 0.6, "and nothing of the others"
    assert not group.checkpoints.exists()


class _StoppedError(Exception):
    """Stands for a kill."""


def test_interrupted_folds_go_on(folds: Path, tmp_path: Path) -> None:
    recipe = TableDirectory(folds / "folds").recipe()

    def stop(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("train the folds", 1):
            raise _StoppedError

    plan = RunPlan(folds=3)
    with pytest.raises(_StoppedError):
        train_table_recipe(recipe, tmp_path / "run", table_ranker, plan=plan, progress=stop)
    again = train_table_recipe(recipe, tmp_path / "run", table_ranker, plan=plan, resume=True)
    expected = TableDirectory(folds / "folds").predictions("train")
    assert again.predictions("train").logit_R.tolist() == expected.logit_R.tolist()


def test_soft_labels_by_hand(folds: Path) -> None:
    label_R = TableDirectory(folds / "folds").predictions("train").label_R
    teacher_R = TableDirectory(folds / "folds").predictions("train").probability_R
    data = TableDirectory(folds / "folds").recipe().data
    spec = DistillSpec(runs=[str(folds / "folds")], weight=0.25)
    np.testing.assert_allclose(soft_labels(spec, data, label_R), 0.75 * label_R + 0.25 * teacher_R, atol=1e-7)


def test_the_loss_on_soft_labels_is_the_sum_of_both() -> None:
    logits, label, teacher = (
        torch.tensor([0.3, -2.0, 1.0]),
        torch.tensor([1.0, 0.0, 0.0]),
        torch.tensor([0.9, 0.2, 0.4]),
    )
    weight = torch.tensor([1.0, 2.0, 0.5])
    both = 0.4 * weighted_bce(logits, label, weight) + 0.6 * weighted_bce(logits, teacher, weight)
    assert weighted_bce(logits, 0.4 * label + 0.6 * teacher, weight).item() == pytest.approx(both.item())


def test_teachers_that_know_the_rows_by_heart_are_warned_of(folds: Path, caplog: pytest.LogCaptureFixture) -> None:
    label_R = TableDirectory(folds / "folds").predictions("train").label_R
    data = TableDirectory(folds / "folds").recipe().data
    with caplog.at_level(logging.WARNING):
        soft_labels(DistillSpec(runs=[str(folds / "folds")]), data, label_R)
        assert not caplog.records
        found = soft_labels(DistillSpec(runs=[str(folds / "whole")], weight=1), data, label_R)
    assert "flatters itself" in caplog.text and "--folds" in caplog.text
    assert auc(found, label_R) > 0.6
    # Kept for the next student.
    assert TableDirectory(folds / "whole").predictions("train").probability_R == pytest.approx(found, abs=1e-6)


def _student(table: Path, teacher: Path, weight: float, **sections: object) -> TableRecipe:
    return make_recipe(table, distill={"runs": [str(teacher)], "weight": weight}, **sections)


def test_a_student_comes_to_say_what_its_teacher_does(table_runs: Path, tmp_path: Path) -> None:
    table = table_runs / "table.parquet"
    teacher = shutil.copytree(table_runs / "dlrm", tmp_path / "teacher")
    training = {"num_epochs": 8, "patience": 100}
    alone = train_table_recipe(make_recipe(table, model=DLRM, training=training), tmp_path / "alone", table_ranker)
    recipe = _student(table, teacher, 1.0, model=DLRM, training=training)
    student = train_table_recipe(recipe, tmp_path / "student", table_ranker)
    expected = TableDirectory(teacher).predictions("test").logit_R
    distances = [np.abs(run.predictions("test").logit_R - expected).mean() for run in (alone, student)]
    assert distances[1] < 0.6 * distances[0]
    assert student.predictions("test").label_R.max() == 1, "tested on the labels"
    assert student.recipe().distill == DistillSpec(runs=[str(teacher)], weight=1.0)


def test_teachers_of_other_rows_are_refused(table_runs: Path, folds: Path, tmp_path: Path) -> None:
    recipe = _student(table_runs / "table.parquet", folds / "folds", 0.5)
    with pytest.raises(DataError, match=r"trained on this recipe's 1,200 training rows, received a run of 800 rows"):
        train_table_recipe(recipe, tmp_path / "run", table_ranker)
    with pytest.raises(ConfigError, match="a recipe without distill"):
        train_table_recipe(recipe, tmp_path / "run", table_ranker, plan=RunPlan(folds=2))
