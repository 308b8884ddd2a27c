"""Several ranks against one process: the same losses, checkpoints and bundles; and what happens to who fails."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from aisle.assemble import table_ranker
from aisle.errors import BackendUnavailableError, ConfigError, DataError
from aisle.recipe import TableRecipe
from aisle.train.engine.checkpoints import Checkpoint, Checkpoints
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.sharding import distributed
from aisle.train.sharding.distributed import RankTraining, check_ranker, check_ranks, train_on_ranks
from aisle.train.sharding.stored_rows import StoredRows
from aisle.train.tables.data import PreparedTable, prepare_table
from aisle.train.tables.directory import TableDirectory
from aisle.train.tables.evaluation import evaluate_table
from aisle.train.tables.session import train_table_recipe
from tests.contracts.rankers import HISTORY, NUM_DENSE, RankerCase
from tests.tables import DLRM, make_recipe, write_table

with_torchrec = pytest.mark.skipif(
    find_spec("torchrec") is None, reason="the extra `scale` is not installed (docs/scale.md)"
)
SHARED = {"table_optimizer": "row_wise_adagrad"}
#: Sums in another order; weights after some hundred steps differ by a little more.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


class _StoppedError(Exception):
    """Stands for a kill."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _recipe(directory: Path, **training: Any) -> TableRecipe:
    # 3 rows more than whole batches: the last of an epoch is small, and its parts are not alike.
    table = write_table(directory / "table.parquet", 1254)
    return make_recipe(table, model=DLRM, training={**SHARED, **training})


class _Case:
    """One training, in one process or on two ranks, that may go on from the other's checkpoint."""

    def __init__(self, directory: Path, **training: Any) -> None:
        recipe = _recipe(directory, unknown_rate=0.05, warmup_steps=5, **training)
        table: PreparedTable = prepare_table(recipe, directory / "prepared")
        self.build = partial(table_ranker, recipe, table.dense_names, table.table_sizes)
        self.rows, self.later = table.rows["train"], table.rows["valid"]
        self.settings = LoopSettings(**recipe.training.model_dump(), seed=recipe.seed)

    def alone(self, place: Path, **options: Any) -> None:
        checkpoints = Checkpoints(place, every_steps=7)
        train_ranker(
            self.build(), self.rows, self.later, self.settings, checkpoints=checkpoints, resume=True, **options
        )

    def on_ranks(self, place: Path, **options: Any) -> None:
        training = RankTraining(
            build=self.build,
            rows=StoredRows.of(self.rows),
            later=StoredRows.of(self.later),
            settings=self.settings,
            checkpoints=place,
            every_steps=7,
            resume=True,
        )
        train_on_ranks(training, 2, **options)


def _read(place: Path) -> Checkpoint:
    found = Checkpoints(place).read()
    assert found is not None
    return found


def _assert_alike(one: Checkpoint, other: Checkpoint) -> None:
    """The same weights, optimizers' state and evaluations, but for the order of sums."""
    assert one.tensors.keys() == other.tensors.keys()
    assert one.state["fingerprint"] == other.state["fingerprint"]
    for name, tensor in one.tensors.items():
        if name != "random":
            torch.testing.assert_close(
                tensor, other.tensors[name], msg=lambda text, name=name: f"{name}: {text}", **CLOSE
            )
    ours, theirs = one.state["position"], other.state["position"]
    assert (ours["num_steps"], ours["finished"]) == (theirs["num_steps"], True)
    for this, that in zip(ours["evaluations"], theirs["evaluations"], strict=True):
        for key in ("num_steps", "train_loss", "log_loss"):
            assert this[key] == pytest.approx(that[key], abs=1e-6)


def _losses(run: TableDirectory) -> list[float]:
    text = (run.path / "train.log").read_text()
    return [float(value) for value in re.findall(r"train_loss=([0-9.]+)", text)]


@with_torchrec
def test_a_run_of_two_ranks_is_that_of_one_process(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, unknown_rate=0.05, patience=9)
    one = train_table_recipe(recipe, tmp_path / "one", table_ranker)
    two = train_table_recipe(recipe, tmp_path / "two", table_ranker, num_ranks=2)
    assert len(_losses(one)) == 8
    assert _losses(two) == pytest.approx(_losses(one), abs=1e-6)
    mine, other = (run.read_metrics() for run in (one, two))
    assert other["metrics"] == pytest.approx(mine["metrics"], abs=1e-5)
    assert (other["parameters"], other["model_bytes"]) == (mine["parameters"], mine["model_bytes"])
    np.testing.assert_allclose(two.predictions("test").logit_R, one.predictions("test").logit_R, **CLOSE)
    assert {entry.name for entry in two.path.iterdir()} == {entry.name for entry in one.path.iterdir()}
    assert evaluate_table(two)["max_logit_difference"] < 1e-5


@with_torchrec
def test_two_ranks_go_on_from_the_checkpoint_of_one_process(tmp_path: Path) -> None:
    case = _Case(tmp_path, table_optimizer="adagrad")
    case.alone(tmp_path / "whole")

    def stop(stage: str, done: int, total: int | None) -> None:
        if done == 10:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        case.alone(tmp_path / "stopped", progress=stop)
    assert _read(tmp_path / "stopped").state["position"]["num_steps"] == 7
    case.on_ranks(tmp_path / "stopped")
    _assert_alike(_read(tmp_path / "stopped"), _read(tmp_path / "whole"))


@with_torchrec
def test_a_killed_rank_is_one_clear_error_and_one_process_goes_on(tmp_path: Path) -> None:
    case = _Case(tmp_path, num_epochs=20, patience=99, evaluations_per_epoch=1)

    def kill_one(stage: str, done: int, total: int | None) -> None:
        if done == 10:
            victim = multiprocessing.active_children()[0].pid
            assert victim is not None
            os.kill(victim, signal.SIGKILL)

    with pytest.raises(DataError, match=r"expected rank \d of 2 to go on, it was ended by SIGKILL.*--resume goes on"):
        case.on_ranks(tmp_path / "killed", progress=kill_one)
    assert not multiprocessing.active_children(), "the other one has been ended"
    done = _read(tmp_path / "killed").state["position"]
    assert not done["finished"] and 7 <= done["num_steps"] < case.settings.num_epochs * 11

    case.alone(tmp_path / "killed")
    case.alone(tmp_path / "whole")
    _assert_alike(_read(tmp_path / "killed"), _read(tmp_path / "whole"))


def _listen_to(*messages: Any) -> list[tuple[Any, ...]]:
    """What two ranks say that then end, the second with an exit code of 1 if anything failed."""
    heard: list[tuple[Any, ...]] = []
    ranks: list[tuple[Any, Connection]] = []
    for rank in range(2):
        mine, theirs = multiprocessing.Pipe(duplex=False)
        for message in messages[rank]:
            theirs.send(message)
        theirs.close()
        ranks.append((SimpleNamespace(exitcode=0, join=lambda: None), mine))
    distributed._listen(ranks, lambda *step: heard.append(step))
    return heard


def test_what_a_rank_raises_on_purpose_comes_before_what_follows_from_it() -> None:
    assert _listen_to([("train the ranker", 1, 2)], []) == [("train the ranker", 1, 2)]
    with pytest.raises(DataError, match="a finite loss"):
        _listen_to([RuntimeError("connection closed")], [DataError("expected a finite loss")])
    with pytest.raises(RuntimeError, match="something else"):
        _listen_to([RuntimeError("something else")], [])


def test_what_ranks_would_train_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "find_spec", lambda name: None)
    recipe = _recipe(tmp_path)
    with pytest.raises(BackendUnavailableError, match=r"torchrec and fbgemm_gpu cannot be imported.*docs/scale.md"):
        train_table_recipe(recipe, tmp_path / "run", table_ranker, num_ranks=2)
    monkeypatch.setattr(distributed, "find_spec", lambda name: name)
    for rule in ("row_wise_adagrad", "adagrad", "sgd"):
        check_ranks(rule, 0)
    with pytest.raises(ConfigError, match="received adam with 0"):
        train_table_recipe(_recipe(tmp_path, table_optimizer="adam"), tmp_path / "run", table_ranker, num_ranks=2)
    with pytest.raises(ConfigError, match=r"without table_l2, received sgd with 0\.1"):
        check_ranks("sgd", 0.1)
    assert not (tmp_path / "run").exists()
    tables = {"embedding_dim": 4, "by_feature": {"shop": {"kind": "hashed", "num_buckets": 10}}}
    hashed = make_recipe(tmp_path / "table.parquet", model=DLRM, tables=tables, training=SHARED)
    with pytest.raises(ConfigError, match="table shop has the kind hashed"):
        train_table_recipe(hashed, tmp_path / "run", table_ranker, num_ranks=2)
    case = RankerCase("dien", {"histories": {"item": HISTORY}, "length_column": NUM_DENSE - 1})
    with pytest.raises(ConfigError, match="received one with the auxiliary_weight 1;"):
        check_ranker(case.build())
    check_ranker(replace(case, fields=case.fields | {"auxiliary_weight": 0.0}).build())
