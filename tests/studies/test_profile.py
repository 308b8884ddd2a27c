"""The profile of a training: parts that add up, the backward pass by part, known bytes, the same weights as without."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aisle.models.ranking import DLRM
from aisle.nn.sparse import SparseFeatures
from aisle.studies.observed_step import LOSS, REST_OF_MODEL, REST_OF_STEP, TABLE_OPTIMIZER, ObservedStep, Part
from aisle.studies.profile import profile_recipe, profile_training
from aisle.studies.profile_chart import profile_chart
from aisle.studies.step_memory import batch_bytes, measure_memory
from aisle.studies.step_times import DATA, Stopwatch
from aisle.train.engine.batches import Batch, Batches, RankerRows
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.engine.table_optimizers import TableOptimizer
from tests.contracts.rankers import FEATURES, HISTORY, NUM_DENSE, RankerCase
from tests.rankers import generator, make_embeddings, make_rows
from tests.tables import DLRM as SMALL_DLRM
from tests.tables import make_recipe, write_table

ROW_WISE = LoopSettings(batch_size=32, table_optimizer="row_wise_adagrad", learning_rate=0.05)


class Clock:
    """Stands still unless somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Work(torch.autograd.Function):
    """Takes so long forward and backward, and changes nothing."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, clock: Clock, forward: float, backward: float) -> Tensor:
        ctx.clock, ctx.seconds = clock, backward
        clock.now += forward
        return input.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        ctx.clock.now += ctx.seconds
        return gradient, None, None, None


class Worker(nn.Module):
    def __init__(self, clock: Clock, forward: float, backward: float) -> None:
        super().__init__()
        self._work = (clock, forward, backward)

    def forward(self, input: Tensor) -> Tensor:
        worked: Tensor = Work.apply(input, *self._work)
        return worked


class Workers(nn.Module):
    """A ranker of parts that take known times."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.embeddings = make_embeddings(1)
        self.num_dense = 3
        self.bias = nn.Parameter(torch.zeros(()))
        self._clock = clock
        self.first_part = Worker(clock, 3, 5)
        self.others = nn.ModuleList([Worker(clock, 7, 11), Worker(clock, 13, 17)])

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BF1: Tensor) -> Tensor:
        hidden = self.others[0](self.first_part(embedded_BF1.sum(dim=(1, 2)) + self.bias))
        between: Tensor = Work.apply(hidden, self._clock, 100, 1000)
        logits_B: Tensor = self.others[1](between)
        return logits_B


def batches_of(rows: RankerRows, batch_size: int = 32) -> list[Batch]:
    return list(Batches(rows, batch_size=batch_size, seed=0).epoch(0))


def test_time_is_of_the_part_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(TableOptimizer, "step", lambda *_: setattr(clock, "now", clock.now + 10_000))
    step = ObservedStep(Workers(clock), ROW_WISE)
    (batch,) = batches_of(make_rows(32))
    watch = Stopwatch(clock)
    with step.observed_by(watch):
        for _ in range(2):  # nothing of a step is left for the next
            watch.start(REST_OF_STEP)
            watch.enter(DATA)
            clock.now += 0.5
            watch.leave()
            step(batch)
            seconds = watch.stop()
    assert {part: spent for part, spent in seconds.items() if spent} == {
        DATA: 0.5,
        Part("first part", "forward"): 3,
        Part("first part", "backward"): 5,
        Part("others", "forward"): 20,
        Part("others", "backward"): 28,
        Part(REST_OF_MODEL, "forward"): 100,
        Part(REST_OF_MODEL, "backward"): 1000,
        Part(TABLE_OPTIMIZER, "update"): 10_000,
    }
    assert {Part("embeddings", "backward"), Part(LOSS, "backward"), Part("embeddings", "forward")} < set(seconds)


CASES = [
    RankerCase("deepfm", {"deep_layers": (8,), "dropout": 0.5}),
    RankerCase("dien", {"histories": {"item": HISTORY}, "length_column": NUM_DENSE - 1, "deep_layers": (8,)}),
    RankerCase("din", {"histories": {"item": HISTORY}, "length_column": NUM_DENSE - 1, "deep_layers": (8,)}),
    RankerCase("dlrm", {"dense_layers": (8,), "over_layers": (8,)}),
    RankerCase("finalmlp", {"streams": ((8,), (8,)), "num_heads": 2}),
    RankerCase("logistic"),
]


def make_case_rows(num_rows: int) -> RankerRows:
    draw = np.random.default_rng(0)
    dense_RN = draw.integers(0, len(HISTORY), (num_rows, NUM_DENSE)).astype(np.float32)
    sparse_RS = draw.integers(0, 7, (num_rows, len(FEATURES)))
    return RankerRows(
        dense_RN, sparse_RS, draw.integers(0, 2, num_rows).astype(np.float32), np.ones(num_rows, np.float32)
    )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_observed_step_is_the_same_step_of_any_model(case: RankerCase, precision: Any) -> None:
    settings = LoopSettings(batch_size=32, table_optimizer="adam", precision=precision)
    watch = Stopwatch()
    losses: list[list[float]] = []
    for observed in (False, True):
        step = ObservedStep(case.build(), settings)
        torch.manual_seed(0)
        watch.start(REST_OF_STEP)
        losses.append([])
        for batch in batches_of(make_case_rows(96)):
            if observed:
                with step.observed_by(watch):
                    losses[-1].append(step(batch))
            else:
                losses[-1].append(step(batch))
    assert losses[0] == losses[1]
    seconds = watch.stop()
    called = {part.name for part in seconds if part.phase == "forward"}
    assert {"embeddings", REST_OF_MODEL, LOSS} <= called <= {*step.part_names, LOSS}
    backward = {part.name for part in seconds if part.phase == "backward"}
    # Fields may pass vectors on as they are.
    assert called - {REST_OF_MODEL, "fields"} <= backward, "each part has a backward pass"


def test_bytes_by_part() -> None:
    ranker = DLRM(make_embeddings(4), num_dense=3, dense_layers=(8,), over_layers=(16,), generator=generator())
    step = ObservedStep(ranker, ROW_WISE)
    (batch,) = batches_of(make_rows(32))
    memory = measure_memory(step, ranker, batch)
    # 12 + 7 rows of 4; 3-8-4; 4 numbers and 3 products, 7-16-1.
    dense, over = 4 * (4 * 8 + 9 * 4), 4 * (8 * 16 + 17)
    assert memory["weights"] == {"embeddings": 4 * 19 * 4, "dense arch": dense, "over arch": over}
    assert memory["gradients"] == {"dense arch": dense, "over arch": over}
    # AdamW's two moments and a count per tensor; a sum per row and the count of steps.
    assert memory["optimizer_state"] == {
        "embeddings": 4 * 19 + 8,
        "dense arch": 2 * dense + 16,
        "over arch": 2 * over + 16,
    }
    # Two ids of eight bytes; outputs of hidden layers and of the dense arch; three vectors, padded to 16 numbers; the
    # interaction's 7 numbers, which the first layer keeps, and the hidden ones.
    assert memory["activations"]["embeddings"] == 32 * 2 * 8
    assert memory["activations"]["dense arch"] == 32 * 4 * (8 + 4)
    assert memory["activations"]["interaction"] == 32 * 4 * 3 * 16
    assert memory["activations"]["over arch"] == 32 * 4 * (7 + 16)
    assert batch_bytes(batch) == 32 * (3 * 4 + 2 * 8 + 4 + 4 + 8)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    directory = tmp_path_factory.mktemp("profile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
        recipe = make_recipe(write_table(directory / "table.parquet"), model=SMALL_DLRM)
        before = torch.get_num_threads()
        yield profile_recipe(recipe, directory / "trace.json", num_steps=6, threads=1), directory / "trace.json"
        assert torch.get_num_threads() == before


def test_parts_add_up(result: tuple[dict[str, Any], Path]) -> None:
    found, _ = result
    parts = {part["name"]: part for part in found["parts"]}
    assert list(parts) == [
        *("data", "embeddings", "dense arch", "interaction", "over arch", REST_OF_MODEL),
        *(LOSS, TABLE_OPTIMIZER, "dense optimizer", "rest of the step"),
    ]
    assert sum(part["ms"] for part in parts.values()) == pytest.approx(found["step"]["parts_ms"])
    assert sum(part["share"] for part in parts.values()) == pytest.approx(1)
    for part in parts.values():
        assert part["ms"] == pytest.approx(sum(value for key, value in part.items() if key.endswith("_ms")))
    assert found["step"]["parts_ms"] < found["step"]["observed_ms"]
    assert found["threads"] == 1 and found["rows"]["train"] == 1200


def test_operators_are_those_of_a_step(result: tuple[dict[str, Any], Path]) -> None:
    found, trace = result
    operators = {one["name"]: one for one in found["operators"]}
    assert operators["aisle::gather_rows"]["calls"] == 1 and operators["aisle::adam"]["calls"] == 1
    assert operators["aten::addmm"]["calls"] == 4, "layers of DLRM"
    own = sum(one["ms"] for one in operators.values())
    assert own + found["outside_operators_ms"] == pytest.approx(found["step"]["profiled_ms"])
    assert 0 < own < found["step"]["profiled_ms"]
    names = {event.get("name") for event in json.loads(trace.read_text())["traceEvents"]}
    assert {"data", "step", "over arch (forward)", "over arch (backward)", "aisle::gather_rows", "aten::addmm"} <= names


def test_bars_are_as_long_as_parts(result: tuple[dict[str, Any], Path]) -> None:
    found, _ = result
    svg = profile_chart(found)
    bars = [
        (float(x), float(width))
        for x, width in re.findall(r'x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="14.0"', svg)
    ]
    ends = max(x + width for x, width in bars)
    longest = max(found["parts"], key=lambda part: part["ms"])
    assert ends == pytest.approx(190 + 420, abs=0.3)
    assert f"{longest['ms']:.2f} ms, {longest['share']:.1%}" in svg


@pytest.mark.timing
def test_the_parts_are_close_to_a_step_without_hooks(tmp_path: Path) -> None:
    layers = (256, 256)
    ranker = DLRM(make_embeddings(4), num_dense=3, dense_layers=layers, over_layers=layers, generator=generator())
    settings = LoopSettings(batch_size=4096, table_optimizer="adam")
    step = profile_training(ranker, make_rows(20_480), settings, tmp_path / "trace.json", 24)["step"]
    assert step["parts_ms"] == pytest.approx(step["unobserved_ms"], rel=0.25)
    assert abs(step["overhead"]) < 0.25
