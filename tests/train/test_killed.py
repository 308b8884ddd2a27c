"""A whole training with a ranker, killed at random moments of every stage and resumed, ends as one left in peace."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from aisle.bundle.manifest import MANIFEST_NAME
from aisle.data.simulate import simulate_shop
from aisle.ingest import import_files
from aisle.workspace import Workspace
from tests.train.killed_shop_training import RANKED, train_on

#: How many kills fall into each stage; in "train the ranker" a ranker is also exported.
KILLS = {
    "read events": 3,
    "fit generators": 4,
    "collect candidates": 3,
    "collect ranker examples": 4,
    "train the ranker": 4,
    "write the bundle": 2,
    "evaluate": 2,
}
MIN_KILLS = 20
ORDER = list(KILLS)


@dataclass
class Shop:
    """A workspace, and what trains in it."""

    directory: Path
    context: ForkServerContext

    def start(self, run: Path) -> tuple[ForkServerProcess, Path]:
        """A training, and the file in which it names its stages."""
        stages = run.with_suffix(".stages")
        stages.unlink(missing_ok=True)
        arguments = (self.directory, self.directory / "ranked.yaml", run, stages)
        process = self.context.Process(target=train_on, args=arguments)
        process.start()
        return process, stages

    def versions(self) -> list[str]:
        """The registered bundles, the active one first."""
        with closing(Workspace.open(self.directory).open_store()) as store:
            return [record.version for record in sorted(store.bundles(), key=lambda record: not record.is_active)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """30 visitors, 30 items, 80 days."""
    directory = tmp_path_factory.mktemp("killed") / "shop"
    simulated = simulate_shop(num_users=30, num_items=30, num_days=80, seed=1, impressions=False)
    workspace = Workspace.create(directory)
    with closing(workspace.open_store()) as store:
        for kind, frame in (("items", simulated.items), ("events", simulated.events)):
            path = directory / f"{kind}.parquet"
            frame.write_parquet(path)
            import_files(store, workspace.imports, kind, [path])
    (directory / "ranked.yaml").write_text(RANKED)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.train.preloaded"])
    return Shop(directory, context)


def seen(stages: Path) -> list[str]:
    """The stages that began, the first one first."""
    return stages.read_text().split("\n")[:-1] if stages.exists() else []


def furthest(stages: Path) -> int:
    return max((ORDER.index(stage) for stage in seen(stages) if stage in KILLS), default=-1)


def left_by(run: Path) -> tuple[dict[str, str], dict[str, float]]:
    """The hash of every file but those that name the version or a time, and the metrics."""
    assert sorted(path.name for path in run.iterdir()) == [
        *("bundle", "metrics.json", "recipe.yaml", "splits", "train.log")
    ]
    (split,) = (run / "splits").iterdir()
    files = [
        path
        for folder in (run / "bundle", split)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST_NAME
    ]
    hashes = {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    hashes["recipe.yaml"] = hashlib.sha256((run / "recipe.yaml").read_bytes()).hexdigest()
    return hashes, json.loads((run / "metrics.json").read_text())["metrics"]


def durations(shop: Shop, run: Path) -> dict[str, float]:
    """How long the longest part of each stage of an undisturbed training took."""
    process, stages = shop.start(run)
    longest: dict[str, float] = {}
    last: tuple[int, str] = (0, "")
    began = time.monotonic()
    while process.is_alive():
        now, names = time.monotonic(), seen(stages)
        if names and (len(names), names[-1]) != last:
            last, began = (len(names), names[-1]), now
        if names:
            longest[names[-1]] = max(longest.get(names[-1], 0.0), now - began)
        time.sleep(0.002)
    assert process.exitcode == 0
    return longest


def wait_for(process: ForkServerProcess, stages: Path, number: int) -> None:
    deadline = time.monotonic() + 60
    while furthest(stages) < number and process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def stages_to_kill_in(killed: Counter[str]) -> Iterator[str]:
    """Each as often as it should be; more where some kills came too late."""
    for stage, number in KILLS.items():
        yield from [stage] * number
    while killed.total() < MIN_KILLS:
        yield "fit generators"


def test_a_training_killed_in_every_stage_ends_as_an_undisturbed_one(shop: Shop, tmp_path: Path) -> None:
    longest = durations(shop, tmp_path / "undisturbed")
    assert set(KILLS) < set(longest)
    expected = left_by(tmp_path / "undisturbed")
    assert any(name.startswith("bundle/ranker/tables") for name in expected[0]) and len(expected[1]) >= 8
    draw = random.Random(11)
    killed: Counter[str] = Counter()
    finished = 0
    for stage in stages_to_kill_in(killed):
        run = tmp_path / f"run-{finished}"
        process, stages = shop.start(run)
        wait_for(process, stages, ORDER.index(stage))
        process.join(draw.uniform(0.0, 0.7 * longest[stage]))
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            killed[seen(stages)[-1]] += 1
        else:  # past its end before the kill: as good as any, and the next one begins anew
            assert process.exitcode == 0 and left_by(run) == expected
            finished += 1
    assert len(killed) >= 6, killed
    run = tmp_path / f"run-{finished}"
    process, stages = shop.start(run)
    process.join(60)
    assert process.exitcode == 0
    assert left_by(run) == expected
    if not finished:
        assert seen(stages).count("train the ranker") == 0, "what was finished was not done again"
    active = shop.versions()[0]
    assert json.loads((run / "metrics.json").read_text())["version"] == active
