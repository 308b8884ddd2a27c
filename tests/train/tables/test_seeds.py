"""Several seeds of a table recipe: mean, spread, the mean prediction with intervals, and going on where it stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.assemble import table_ranker
from aisle.errors import ConfigError
from aisle.evaluate.predictions import Predictions
from aisle.train.recipe_run import RunPlan
from aisle.train.tables.directory import TableDirectory
from aisle.train.tables.session import train_table_recipe
from tests.tables import make_recipe, write_table


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_mean_spread_and_intervals(table_runs: Path) -> None:
    group = TableDirectory(table_runs / "seeds")
    metrics = group.read_metrics()
    each = [run.read_metrics() for run in group.trainings()]
    assert metrics["seeds"] == [0, 1] == [one["seed"] for one in each]
    for name in ("valid/auc", "test/logloss", "later/accuracy"):
        values = [one["metrics"][name] for one in each]
        assert metrics["per_run"][name] == values
        assert metrics["metrics"][name] == pytest.approx(np.mean(values))
        assert metrics["deviations"][name] == pytest.approx(np.std(values, ddof=1))
    assert each[0]["metrics"]["test/logloss"] != each[1]["metrics"]["test/logloss"]
    mean = Predictions.mean([run.predictions("later") for run in group.trainings()])
    assert group.predictions("later").logit_R.tolist() == mean.logit_R.tolist()
    found = metrics["mean_prediction"]
    assert found["metrics"]["later/auc"] == pytest.approx(mean.metrics()["auc"])
    assert set(found["intervals"]) == {f"{part}/{m}" for part in ("valid", "test", "later") for m in ("auc", "logloss")}
    low, high = found["intervals"]["later/auc"]["interval"]
    assert low < found["metrics"]["later/auc"] < high
    assert metrics["timing"]["train_seconds"] == pytest.approx(sum(one["timing"]["train_seconds"] for one in each))


class _StoppedError(Exception):
    """Stands for a kill."""


def test_it_goes_on_at_the_seed_where_it_stopped(tmp_path: Path) -> None:
    recipe = make_recipe(write_table(tmp_path / "table.parquet"))
    plan = RunPlan(seeds=(4, 7))

    def stop(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("train the seeds", 1):
            raise _StoppedError

    with pytest.raises(_StoppedError):
        train_table_recipe(recipe, tmp_path / "run", table_ranker, plan=plan, progress=stop)
    first = tmp_path / "run" / "seed-4" / "metrics.json"
    written = first.stat().st_mtime_ns
    assert TableDirectory(tmp_path / "run").plan() == plan
    with pytest.raises(ConfigError, match="seeds or folds"):
        train_table_recipe(recipe, tmp_path / "run", table_ranker, plan=RunPlan(seeds=(4, 8)), resume=True)
    group = train_table_recipe(recipe, tmp_path / "run", table_ranker, plan=plan, resume=True)
    assert first.stat().st_mtime_ns == written
    assert group.read_metrics()["seeds"] == [4, 7]
    assert not group.checkpoints.exists()
    assert [run.recipe().seed for run in group.trainings()] == [4, 7]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (RunPlan(seeds=(1,)), "two or more different seeds"),
        (RunPlan(seeds=(1, 1)), "two or more different seeds"),
        (RunPlan(seeds=(0, 1), folds=3), "received both"),
        (RunPlan(folds=1), "from 2 to 255"),
    ],
)
def test_plans_that_are_none(tmp_path: Path, plan: RunPlan, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_table_recipe(make_recipe(tmp_path / "table.parquet"), tmp_path / "run", table_ranker, plan=plan)
