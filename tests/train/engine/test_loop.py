"""Training: deterministic, stopped in time, resumed exactly, also after kills."""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aisle.errors import DataError
from aisle.metrics import auc
from aisle.models.ranking import DLRM
from aisle.train.engine import loop
from aisle.train.engine.batches import RankerRows
from aisle.train.engine.checkpoints import CHECKPOINT_NAME, Checkpoint, Checkpoints
from aisle.train.engine.devices import DeviceName
from aisle.train.engine.loop import Fit, train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.engine.prediction import evaluate
from aisle.train.engine.schedules import linear_decay
from tests.rankers import make_dlrm, make_logistic_regression, make_rows
from tests.train.killed_training import train_to_the_end

CPU = torch.device("cpu")
SETTINGS = LoopSettings(batch_size=64, num_epochs=3, evaluations_per_epoch=2, patience=10, unknown_rate=0.05)


class _StoppedError(Exception):
    """Stands for a kill."""


def _train(
    model: DLRM,
    checkpoints: Checkpoints | None = None,
    *,
    stop_at: int | None = None,
    device: DeviceName = "auto",
) -> Fit:
    def progress(stage: str, done: int, total: int | None) -> None:
        assert stage == "train the ranker" and total == 24
        if stop_at is not None and done >= stop_at:
            raise _StoppedError

    return train_ranker(
        model,
        make_rows(500),
        make_rows(300, seed=1),
        replace(SETTINGS, device=device),
        checkpoints=checkpoints,
        resume=checkpoints is not None,
        progress=progress,
    )


def _assert_same(one: DLRM, other: DLRM) -> None:
    ours, theirs = one.state_dict(), other.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_same_seed_gives_the_same_bits() -> None:
    one, other = make_dlrm(dropout=0.1), make_dlrm(dropout=0.1)
    first = _train(one)
    torch.rand(7)  # what else draws from the global generator changes nothing
    assert _train(other) == first
    _assert_same(one, other)
    assert first.num_steps == 24 and [one.num_steps for one in first.evaluations] == [4, 8, 12, 16, 20, 24]


def test_training_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    _train(make_dlrm(dropout=0.1))
    assert torch.equal(torch.rand(1), expected)


def test_it_learns_what_later_rows_confirm() -> None:
    later = make_rows(2000, seed=1)
    truth = auc(2 * later.dense_RN[:, 0] + 1.5 * (later.sparse_RS[:, 0] % 2 == 0), later.label_R)
    settings = LoopSettings(batch_size=100, num_epochs=3, learning_rate=0.01)
    fit = train_ranker(make_dlrm(), make_rows(8000), later, settings)
    assert fit.best is not None and truth - 0.01 < fit.best.auc < truth + 0.005


def test_a_training_goes_on_from_the_checkpoint_of_another_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The processor stands for the GPU, so that the end is the same to the last bit.
    monkeypatch.setattr(loop, "training_device", {"cuda": CPU, "cpu": CPU}.__getitem__)
    undisturbed, resumed = make_dlrm(), make_dlrm()
    expected = _train(undisturbed, device="cuda")
    with pytest.raises(_StoppedError):
        _train(make_dlrm(), Checkpoints(tmp_path, every_steps=3), stop_at=10, device="cuda")
    read = Checkpoints(tmp_path).read()
    assert read is not None and read.state["position"]["num_steps"] == 9
    assert _train(resumed, Checkpoints(tmp_path), device="cpu") == expected
    _assert_same(resumed, undisturbed)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_resumed_training_ends_where_an_undisturbed_one_does(tmp_path: Path, dropout: float) -> None:
    undisturbed = make_dlrm(dropout=dropout)
    expected = _train(undisturbed)
    with pytest.raises(_StoppedError):
        _train(make_dlrm(dropout=dropout), Checkpoints(tmp_path, every_steps=3), stop_at=10)
    with pytest.raises(_StoppedError):
        _train(make_dlrm(dropout=dropout), Checkpoints(tmp_path, every_steps=7), stop_at=20)
    resumed = make_dlrm(dropout=dropout)
    assert _train(resumed, Checkpoints(tmp_path, every_steps=5)) == expected
    _assert_same(resumed, undisturbed)
    again = make_dlrm(dropout=dropout)
    assert _train(again, Checkpoints(tmp_path), stop_at=1) == expected, "a finished training is not trained again"
    _assert_same(again, undisturbed)


def test_a_training_killed_at_20_random_moments_ends_with_the_same_bits(tmp_path: Path) -> None:
    # Processes are forked from a server that has imported torch, so that a start costs no seconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.train.killed_training"])
    whole_s, expected = _run(context, tmp_path / "undisturbed")
    draw = random.Random(5)
    kills = finished = halfway = 0
    while kills < 20:
        directory = tmp_path / str(finished)
        process = context.Process(target=train_to_the_end, args=(directory,))
        process.start()
        _wait_for_start(directory, process)
        process.join(draw.uniform(0.0, whole_s / 4))
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            (directory / "started").unlink(missing_ok=True)
            kills += 1
            halfway += (directory / CHECKPOINT_NAME).exists() and not (directory / "result").exists()
        else:
            assert _result(directory) == expected
            finished += 1
    assert halfway >= 10, "most kills fell between the first checkpoint and the end"
    assert _run(context, tmp_path / str(finished))[1] == expected


def _run(context: multiprocessing.context.ForkServerContext, directory: Path) -> tuple[float, bytes]:
    process = context.Process(target=train_to_the_end, args=(directory,))
    process.start()
    _wait_for_start(directory, process)
    started = time.monotonic()
    process.join(60)
    assert process.exitcode == 0
    return time.monotonic() - started, _result(directory)


def _result(directory: Path) -> bytes:
    return (directory / "result").read_bytes()


def _wait_for_start(directory: Path, process: multiprocessing.process.BaseProcess) -> None:
    deadline = time.monotonic() + 60
    while not (directory / "started").exists() and process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_bfloat16_costs_little_quality_and_no_determinism() -> None:
    rows, later = make_rows(4000), make_rows(2000, seed=1)
    settings = LoopSettings(batch_size=100, num_epochs=2, learning_rate=0.01)
    fits = [
        train_ranker(make_dlrm(), rows, later, replace(settings, precision=precision))
        for precision in ("float32", "bfloat16", "bfloat16")
    ]
    assert fits[1] == fits[2] != fits[0]
    assert fits[0].best is not None and fits[1].best is not None
    assert abs(fits[0].best.log_loss - fits[1].best.log_loss) < 0.005


def test_training_stops_when_later_rows_no_longer_improve_and_keeps_the_best() -> None:
    draw = np.random.default_rng(0)
    noise = RankerRows(
        draw.normal(size=(64, 3)).astype(np.float32),
        draw.integers(2, 7, (64, 2)),
        draw.integers(0, 2, 64).astype(np.float32),
        np.ones(64, np.float32),
    )
    model = make_dlrm()
    later = make_rows(500)
    fit = train_ranker(model, noise, later, LoopSettings(batch_size=16, num_epochs=100, learning_rate=0.05, patience=3))
    losses = [one.log_loss for one in fit.evaluations]
    assert fit.best is not None and fit.best.log_loss == min(losses)
    assert len(losses) == losses.index(min(losses)) + 1 + 3 < 100
    assert evaluate(model, later).log_loss == fit.best.log_loss


def _in_lists(rows: RankerRows, size: int) -> RankerRows:
    return RankerRows(rows.dense_RN, rows.sparse_RS, rows.label_R, rows.weight_R, np.arange(len(rows)) // size)


def test_lists_are_learnt_from_alike_each_time_also_resumed(tmp_path: Path) -> None:
    rows = _in_lists(make_rows(600), 12)
    settings = LoopSettings(batch_size=60, num_epochs=2, learning_rate=0.02, listwise_weight=1.0, unknown_rate=0.1)
    models = [make_dlrm(dropout=0.1) for _ in range(3)]
    fits = [train_ranker(model, rows, None, settings) for model in models[:2]]
    assert fits[0] == fits[1] and fits[0].num_steps == 20
    _assert_same(models[0], models[1])

    def stop(stage: str, done: int, total: int | None) -> None:
        if done >= 10:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        train_ranker(
            make_dlrm(dropout=0.1),
            rows,
            None,
            settings,
            checkpoints=Checkpoints(tmp_path, every_steps=4),
            progress=stop,
        )
    train_ranker(models[2], rows, None, settings, checkpoints=Checkpoints(tmp_path), resume=True)
    _assert_same(models[0], models[2])
    pointwise = make_dlrm(dropout=0.1)
    train_ranker(pointwise, rows, None, replace(settings, listwise_weight=0.0))
    assert not torch.equal(pointwise.skip.weight, models[0].skip.weight)


def test_a_listwise_loss_needs_lists() -> None:
    with pytest.raises(ValueError, match="listwise_weight: expected rows that say which lists they are of"):
        train_ranker(make_dlrm(), make_rows(10), None, LoopSettings(listwise_weight=1.0))


def test_a_row_without_weight_teaches_nothing() -> None:
    rows = make_rows(2000)
    label = rows.label_R.copy()
    label[1000:] = 1 - label[1000:]
    weight = rows.weight_R.copy()
    weight[1000:] = 0
    model = make_logistic_regression()
    settings = LoopSettings(batch_size=100, num_epochs=10, learning_rate=0.05)
    train_ranker(model, RankerRows(rows.dense_RN, rows.sparse_RS, label, weight), None, settings)
    assert model.weight_N[0].item() > 1


@pytest.mark.parametrize("other", [make_dlrm(seed=9), make_dlrm(dropout=0.5)], ids=["weights", "parts"])
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, other: DLRM) -> None:
    _train(make_dlrm(), Checkpoints(tmp_path, every_steps=5))
    with pytest.raises(DataError, match="this very training"):
        _train(other, Checkpoints(tmp_path))


def test_a_training_from_the_start_forgets_the_checkpoint(tmp_path: Path) -> None:
    _train(make_dlrm(), Checkpoints(tmp_path, every_steps=5))
    model = make_dlrm(seed=9)
    fit = train_ranker(model, make_rows(500), None, SETTINGS, checkpoints=Checkpoints(tmp_path), resume=False)
    assert fit.num_steps == 24 and fit.best is None and fit.evaluations == ()


def test_a_loss_that_is_not_finite_is_said(tmp_path: Path) -> None:
    rows = make_rows(100)
    rows.dense_RN[:] = np.inf
    with pytest.raises(DataError, match="expected a finite loss"):
        train_ranker(make_dlrm(), rows, None, LoopSettings(batch_size=50))


def test_settings_and_rows_are_checked() -> None:
    rows = make_rows(10)
    with pytest.raises(ValueError, match="num_epochs"):
        train_ranker(make_dlrm(), rows, None, LoopSettings(num_epochs=0))
    with pytest.raises(ValueError, match="expected some of f0, f1"):
        train_ranker(make_dlrm(), rows, None, LoopSettings(unknown_features=("x",)))
    narrow = RankerRows(rows.dense_RN[:, :2], rows.sparse_RS, rows.label_R, rows.weight_R)
    with pytest.raises(ValueError, match="3 dense and 2 sparse"):
        train_ranker(make_dlrm(), narrow, None, LoopSettings())


def test_a_checkpoint_is_replaced_whole_and_reads_back(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, every_steps=2, every_seconds=None)
    assert checkpoints.read() is None
    assert [checkpoints.is_due(step) for step in (1, 2, 3, 4)] == [False, True, False, True]
    state = {"loss": 0.1 + 0.2, "steps": [1, 2]}
    checkpoints.write(Checkpoint({"model/a": torch.arange(3), "best/b": torch.ones(())}, state))
    with _no_write(tmp_path), pytest.raises(OSError, match="disk"):
        checkpoints.write(Checkpoint({}, {}))
    found = checkpoints.read()
    assert found is not None and found.state == state
    assert found.tensors_of("model")["a"].tolist() == [0, 1, 2] and found.tensors_of("best")["b"].shape == ()
    (tmp_path / CHECKPOINT_NAME).write_bytes(b"\x00" * 20)
    with pytest.raises(DataError, match="expected a checkpoint"):
        checkpoints.read()


@contextmanager
def _no_write(directory: Path) -> Iterator[None]:
    def refuse(descriptor: int) -> None:
        raise OSError("disk full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        yield
    assert (directory / CHECKPOINT_NAME).exists()


def test_a_checkpoint_is_due_by_time(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every_steps >= 1"):
        Checkpoints(tmp_path, every_steps=0)
    assert Checkpoints(tmp_path, every_seconds=0.0).is_due(1)
    assert not Checkpoints(tmp_path, every_seconds=1000).is_due(1)


def test_the_schedule_rises_and_falls() -> None:
    assert [linear_decay(step, 4) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]
    assert [linear_decay(step, 4, warmup_steps=2) for step in range(4)] == [0.5, 1.0, 1.0, 0.5]
    with pytest.raises(ValueError, match="expected 0 <= step"):
        linear_decay(4, 4)
    assert math.isclose(sum(linear_decay(step, 100) for step in range(100)), 50.5)
