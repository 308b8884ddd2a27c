"""Training without our kernels: it has none of them, makes the same steps, and leaves the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aisle.evaluate.predictions import Predictions
from aisle.models import Ranker
from aisle.models.ranking import DeepFM
from aisle.train.engine.batches import Batch
from aisle.train.engine.loop import Place
from aisle.train.engine.loop_settings import LoopSettings, optimizer_settings, training_loss
from aisle.train.engine.optimizers import Optimizers, OptimizerSettings
from aisle.train.engine.step import TrainingStep
from aisle.train.tables.evaluation import evaluate_table
from benchmarks.plain_training import place_plainly, train_plainly
from tests.rankers import NUM_DENSE, TABLE_ROWS, generator, make_dlrm, make_embeddings, make_rows
from tests.tables import DLRM, make_recipe, write_table

NUM_STEPS = 20
SETTINGS = LoopSettings(learning_rate=0.01, table_optimizer="adagrad", table_learning_rate=0.05)
PENALTY = 0.01


def make_deepfm() -> DeepFM:
    return DeepFM(make_embeddings(5), num_dense=NUM_DENSE, deep_layers=(16,), generator=generator(1))


MAKERS: list[Callable[[], Ranker]] = [make_dlrm, make_deepfm]


def batches(num_rows: int = 64) -> Iterator[Batch]:
    """Each has every row of every table, often several times, so that a penalty is never owed for later."""
    draw = np.random.default_rng(2)
    for number in range(NUM_STEPS):
        rows = make_rows(num_rows, seed=number)
        ids = np.stack([draw.permutation(np.arange(num_rows) % size) for size in TABLE_ROWS], axis=1)
        arrays = (rows.dense_RN, ids, rows.label_R, rows.weight_R)
        yield Batch(*map(torch.from_numpy, arrays), torch.arange(num_rows))


def place_here(ranker: Ranker, settings: OptimizerSettings) -> tuple[Ranker, Optimizers]:
    """As ``aisle train`` does."""
    return ranker, Optimizers(ranker, settings)


def losses(ranker: Ranker, place: Place, l2: float) -> tuple[list[float], Ranker]:
    """Of each step, the rates falling as by the schedule."""
    settings = replace(SETTINGS, table_l2=l2)
    ranker, optimizers = place(ranker, optimizer_settings(settings))
    step = TrainingStep(ranker, optimizers, training_loss(ranker, settings), "float32")
    return [step(batch, 1 - number / NUM_STEPS) for number, batch in enumerate(batches())], ranker


@pytest.mark.parametrize("l2", [0.0, PENALTY])
@pytest.mark.parametrize("make", MAKERS)
def test_both_make_the_same_steps(make: Callable[[], Ranker], l2: float) -> None:
    (ours, trained), (plain, trained_plainly) = (losses(make(), place, l2) for place in (place_here, place_plainly))
    assert ours == pytest.approx(plain, abs=1e-6)
    assert plain[-1] < plain[0] - 0.05, "nothing was learnt"
    for name, value in trained_plainly.state_dict().items():
        assert torch.allclose(trained.state_dict()[name], value, atol=1e-5), name
    unlike, _ = losses(make(), place_here, l2 + PENALTY)
    assert unlike != pytest.approx(plain, abs=1e-3), "the penalty means nothing"


@pytest.mark.parametrize("make", MAKERS)
def test_no_kernel_and_no_gradient_of_ours_runs(make: Callable[[], Ranker]) -> None:
    names = {}
    for place in (place_here, place_plainly):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            _, ranker = losses(make(), place, PENALTY)
        names[place] = {event.name for event in profiler.events()}
        has_whole_gradient = ranker.embeddings.table.weight.grad is not None
        assert has_whole_gradient == (place is place_plainly)
    # Kernels, and our nodes of autograd's graph.
    ours = {name for name in names[place_here] if name.startswith(("aisle::", "_"))}
    assert {"_Rows", "_RowsBackward", "aisle::gather_rows", "aisle::deal", "aisle::adagrad"} <= ours
    assert ({"_DenseDots", "aisle::dot_pairs", "aisle::dot_gradients"} <= ours) == (make is make_dlrm)
    assert not [name for name in names[place_plainly] if name.startswith(("aisle::", "_"))]
    assert "aten::embedding_dense_backward" in names[place_plainly]


def test_it_goes_on_from_its_state() -> None:
    whole, halves = make_dlrm(), make_dlrm()
    expected, _ = losses(whole, place_plainly, PENALTY)
    settings = optimizer_settings(replace(SETTINGS, table_l2=PENALTY))
    ranker, optimizers = place_plainly(halves, settings)
    found = []
    for number, batch in enumerate(batches()):
        if number == 7:
            tensors = {name: value.clone() for name, value in optimizers.tensors().items()}
            ranker, optimizers = place_plainly(halves, settings)
            optimizers.load_tensors(tensors)
        step = TrainingStep(ranker, optimizers, training_loss(ranker, SETTINGS), "float32")
        found.append(step(batch, 1 - number / NUM_STEPS))
    assert found == expected


def test_a_run_has_the_files_of_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    training = {"table_optimizer": "adagrad", "table_l2": 1e-4, "learning_rate": 0.01}
    recipe = make_recipe(write_table(tmp_path / "table.parquet"), model=DLRM, training=training)
    run = train_plainly(recipe, tmp_path / "run", (0, 1))
    assert run.read_metrics()["metrics"]["test/auc"] > 0.7, "it has learnt what the rows mean"
    assert evaluate_table(run.of_seed(0))["max_logit_difference"] < 1e-5, "its bundle is of another model"
    each = [one.predictions("test") for one in run.trainings()]
    assert len(each) == 2 and not np.array_equal(each[0].logit_R, each[1].logit_R)
    assert np.array_equal(run.predictions("test").label_R, Predictions.mean(each).label_R)
    written = (tmp_path / "run" / "metrics.json").stat().st_mtime_ns
    assert train_plainly(recipe, tmp_path / "run", (0, 1)) == run
    assert (tmp_path / "run" / "metrics.json").stat().st_mtime_ns == written, "it was trained again"


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"precision": "bfloat16"}, "expected a recipe of float32"),
        ({"table_optimizer": "adam"}, "received adamw, adam"),
    ],
)
def test_what_is_not_plain_float32_is_refused(
    training: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = make_recipe(write_table(tmp_path / "table.parquet"), training={"table_optimizer": "adagrad", **training})
    with pytest.raises(ValueError, match=expected):
        train_plainly(recipe, tmp_path / "run", (0, 1))
