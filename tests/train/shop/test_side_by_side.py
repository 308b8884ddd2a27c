"""Parts made by processes of their own are the parts that a training makes by itself; processes end with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from aisle import recipe as recipes
from aisle.bundle import Bundle
from aisle.errors import DataError
from aisle.pipeline import Pipeline
from aisle.recipe import ShopRecipe
from aisle.train.shop.parts import Bench, BlendsPart, SnapshotPart, StagePart, fit_parts, snapshot_parts
from aisle.train.shop.pipelines import Fitters
from aisle.train.shop.run_directory import RunDirectory
from aisle.train.shop.side_by_side import Processes, default_jobs
from aisle.train.shop.work_directory import WorkDirectory
from tests.histories import Line, at, log_of
from tests.train.conftest import SMALL, TrainingShop
from tests.train.killed_shop_training import train_on

RANKER = """
ranker:
  examples: {snapshots: 2, every_days: 5, negatives: 5}
  model: {kind: logistic, num_buckets: 4}
"""
LOG = log_of([Line(0, "ann", "tea"), Line(99.5, "ann", "tea")])


@pytest.fixture
def ranked_recipe(tmp_path: Path) -> ShopRecipe:
    path = tmp_path / "ranked.yaml"
    path.write_text(SMALL + RANKER)
    return recipes.load(path)


def test_the_parts_of_a_recipe_are_all_that_it_fits(ranked_recipe: ShopRecipe) -> None:
    unranked = ranked_recipe.model_copy(update={"ranker": None})
    assert snapshot_parts(unranked, LOG) == [SnapshotPart(at(day)) for day in (100, 90, 80)]
    assert fit_parts(unranked, LOG) == [BlendsPart(at(100)), BlendsPart(at(90))]
    # Rankers of days 100, 90 and 80, each of examples 10 and 15 days before; lists to calibrate on at 90 and 80.
    assert snapshot_parts(ranked_recipe, LOG) == [
        SnapshotPart(at(100), is_ranked=True),
        SnapshotPart(at(90), is_ranked=True, has_examples=True, has_lists=True),
        SnapshotPart(at(85), is_ranked=True, has_examples=True),
        SnapshotPart(at(80), is_ranked=True, has_examples=True, has_lists=True),
        SnapshotPart(at(75), is_ranked=True, has_examples=True),
        SnapshotPart(at(70), is_ranked=True, has_examples=True),
        SnapshotPart(at(65), is_ranked=True, has_examples=True),
    ]
    assert fit_parts(ranked_recipe, LOG)[0] == StagePart(at(80))


def test_two_processes_train_what_one_does(shop: TrainingShop, ranked_recipe: ShopRecipe) -> None:
    alone = shop.train(ranked_recipe)
    stages: list[str] = []
    together = shop.train(ranked_recipe, jobs=2, progress=lambda stage, done, total: stages.append(stage))
    assert {"make snapshots", "fit blends", "train the rankers"} < set(stages)
    assert not {"collect candidates", "collect ranker examples", "train the ranker"} & set(stages), "read, not made"
    one, other = (RunDirectory(run.run.path).bundle for run in (alone, together))
    ours, theirs = Pipeline.load(Bundle.open(one)), Pipeline.load(Bundle.open(other))
    assert ours.placement("for-you").blends == theirs.placement("for-you").blends
    assert together.metrics["metrics"] == pytest.approx(alone.metrics["metrics"], abs=1e-4)
    assert np.isclose(ours.rank_stage.ranker.calibrator.slope, theirs.rank_stage.ranker.calibrator.slope, rtol=1e-3)  # type: ignore[union-attr]


@contextmanager
def open_empty(recipe: ShopRecipe) -> Iterator[Bench]:
    """A bench on which nothing can be fitted."""
    yield Bench(recipe, LOG, Fitters(lambda snapshot: {}), WorkDirectory(Path("nowhere")))


@dataclass(frozen=True)
class Refused:
    def make(self, bench: Bench) -> None:
        raise DataError(f"expected more than {bench.log.events.height} events")


@dataclass(frozen=True)
class Broken:
    def make(self, bench: Bench) -> None:
        raise ZeroDivisionError("a mistake")


@dataclass(frozen=True)
class OutOfMemory:
    def make(self, bench: Bench) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Slow:
    def make(self, bench: Bench) -> None:
        time.sleep(600)


@pytest.mark.parametrize(
    ("part", "error", "message"),
    [
        (Refused(), DataError, "expected more than 2 events"),
        (Broken(), RuntimeError, "ZeroDivisionError: a mistake"),
        (OutOfMemory(), DataError, r"it ended with -9; .* --resume --jobs 1"),
    ],
)
def test_what_a_part_raises_is_raised_and_the_others_are_ended(
    ranked_recipe: ShopRecipe, part: object, error: type[Exception], message: str
) -> None:
    started = time.monotonic()
    with pytest.raises(error, match=message), Processes(partial(open_empty, ranked_recipe), 2) as processes:
        processes.make([Slow(), part], "make", lambda stage, done, total: None)  # type: ignore[list-item]
    assert time.monotonic() - started < 500, "the slow one was ended"
    assert not multiprocessing.active_children()


def children_of(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, ppid = status.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(ppid) == parent:
            found.append(int(status.parent.name))
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_processes_of_a_killed_training_end_and_another_goes_on(
    shop: TrainingShop, ranked_recipe: ShopRecipe, tmp_path: Path
) -> None:
    expected = shop.train(ranked_recipe, tmp_path / "alone").metrics["metrics"]
    run, stages = tmp_path / "run", tmp_path / "stages"
    arguments = (shop.workspace.directory, tmp_path / "ranked.yaml", run, stages, 2)
    training = multiprocessing.get_context("spawn").Process(target=train_on, args=arguments)
    training.start()
    assert training.pid is not None
    wait_until(lambda: len(list((run / "checkpoints").glob("2*"))) > 0)  # a process has begun to put something there
    workers = children_of(training.pid)
    assert len(workers) >= 2
    os.kill(training.pid, signal.SIGKILL)
    training.join()
    wait_until(lambda: not any(is_alive(worker) for worker in workers))
    resumed = shop.train(ranked_recipe, run, resume=True, jobs=2)
    assert resumed.metrics["metrics"] == pytest.approx(expected, abs=1e-4)


def test_a_small_shop_starts_no_processes() -> None:
    assert default_jobs(10_000) == 1
    assert default_jobs(500_000) == min(2, os.cpu_count() or 1)


@dataclass(frozen=True)
class SaysThreads:
    def make(self, bench: Bench) -> None:
        raise DataError(f"{os.environ['OMP_NUM_THREADS']} threads")


def test_processes_share_the_cores(ranked_recipe: ShopRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = os.cpu_count() or 1
    monkeypatch.setenv("OMP_NUM_THREADS", str(10 * cores))
    with (
        pytest.raises(DataError, match=f"^{max(1, cores // 2)} threads"),
        Processes(partial(open_empty, ranked_recipe), 2) as processes,
    ):
        processes.make([SaysThreads(), SaysThreads()], "make", lambda stage, done, total: None)
    assert os.environ["OMP_NUM_THREADS"] == str(10 * cores)
