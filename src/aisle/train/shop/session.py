"""One training in a workspace, from its events to a registered bundle."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aisle.bundle import Bundle
from aisle.data.snapshots import LogMark, ShopLog
from aisle.errors import AisleError, DataError
from aisle.evaluate.shop_temporal import evaluate_windows
from aisle.pipeline import Pipeline
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.schema import DAY_MS
from aisle.store.contract import Store
from aisle.train.run_log import log_to
from aisle.train.shop.activation import Activate, register
from aisle.train.shop.parts import Bench
from aisle.train.shop.pipelines import Fitters
from aisle.train.shop.run_directory import Begun, RunDirectory
from aisle.train.shop.side_by_side import Processes, default_jobs
from aisle.train.shop.training import ShopFit, train_shop
from aisle.train.shop.unfinished import new_run, run_to_resume
from aisle.workspace import Workspace

if TYPE_CHECKING:
    from aisle.train.shop.warm_start import WarmStart

logger = logging.getLogger(__name__)

#: Gives what makes the parts of a recipe.
FittersOf = Callable[[ShopRecipe], Fitters]


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind."""

    run: RunDirectory
    version: str
    metrics: dict[str, Any]
    activated: bool


def train_in_workspace(
    workspace: Workspace,
    store: Store,
    recipe: ShopRecipe,
    fitters_of: FittersOf,
    *,
    output: Path | None = None,
    resume: bool = False,
    activate: Activate = "auto",
    jobs: int | None = 1,
    progress: Progress = silent,
) -> TrainingResult:
    """Train a shop recipe on a workspace's events, write the run, register its bundle, activate it if not worse.

    Args:
        workspace: Where.
        store: The workspace's.
        recipe: What to train.
        fitters_of: Gives what makes the recipe's parts; with more than one job a function that processes can import.
        output: The run directory; one under the workspace's ``runs`` where missing.
        resume: Go on with the unfinished training of this recipe, on the events that it began with: the one at
            ``output``, or the workspace's latest. Where there is none, one begins; one that is finished at ``output``
            is left as it is.
        activate: ``auto``: unless :func:`aisle.train.shop.activation.is_worse`.
        jobs: Processes that make parts of it side by side, each with the memory of one; 1: none beside this one;
            ``None``: by the number of events and cores.
        progress: Told of each step.

    Raises:
        ConfigError: the output directory has files and no unfinished training of this recipe, or another process
            trains there.
        DataError: too little data.
    """
    run = run_to_resume(workspace, recipe, output) if resume else None
    version = _new_version()
    fitters_of(recipe)  # say now what is not installed
    if run is None:
        run = new_run(output or workspace.runs / version)
    with run.held():
        is_finished = run.is_written and run.begun() is None
        if not run.is_written:
            with log_to(run.log):
                _train(_Task(workspace, store, run, recipe, fitters_of, jobs, progress), version)
        progress("register the bundle", 0, None)
        bundle, metrics = Bundle.open(run.bundle), run.read_metrics()
        if not is_finished:
            register(workspace, store, run, bundle, metrics, activate)
        run.finish()
    active = store.active_bundle()
    activated = active is not None and active.version == bundle.version
    return TrainingResult(run, bundle.version, metrics, activated)


@dataclass(frozen=True)
class _Task:
    """One training, and where it happens."""

    workspace: Workspace
    store: Store
    run: RunDirectory
    recipe: ShopRecipe
    fitters_of: FittersOf
    jobs: int | None
    progress: Progress


def _train(task: _Task, version: str) -> None:
    """Fit and write everything, metrics last."""
    run, recipe, progress = task.run, task.recipe, task.progress
    run.clear_remains()
    started = time.perf_counter()
    logger.info("recipe %s, seed %d", recipe.name, recipe.seed)
    progress("read events", 0, None)
    begun = run.begun()
    mark = LogMark.of(task.store) if begun is None else begun.mark
    try:
        log = ShopLog.read(task.store, mark)
        if begun is None:
            begun = Begun(version, recipe, mark, log.events.height, _starts_from(task))
            run.begin(begun)
        _check_unchanged(begun, log)
        bench = _bench(task.workspace, task.store, run, begun, log, task.fitters_of)
        with _processes(task, log) as processes:
            fit = train_shop(recipe, log, bench.fitters, bench.work, processes=processes, progress=progress)
    except AisleError:  # what is wrong with the data or the recipe, going on will not mend
        run.abandon()
        raise
    seconds = time.perf_counter() - started
    progress("write the bundle", 0, None)
    bundle = run.write_fit(recipe, fit, version=begun.version, num_events=log.events.height)
    progress("evaluate", 0, None)
    metrics = _metrics(recipe, fit, bundle, log, seconds)
    logger.info("fitted in %.1f s: %s", seconds, metrics["metrics"])
    run.write_metrics(metrics)


def _processes(task: _Task, log: ShopLog) -> AbstractContextManager[Processes | None]:
    jobs = default_jobs(log.events.height) if task.jobs is None else task.jobs
    if jobs == 1:
        return nullcontext()
    return Processes(_OpenBench(task.workspace.directory, task.run.path, task.fitters_of), jobs)


@dataclass(frozen=True)
class _OpenBench:
    """Opens the training at a run directory in another process."""

    workspace: Path
    run: Path
    fitters_of: FittersOf

    @contextmanager
    def __call__(self) -> Iterator[Bench]:
        workspace, run = Workspace.open(self.workspace), RunDirectory(self.run)
        begun = run.begun()
        assert begun is not None, "a training notes what it trains before it starts others"
        with closing(workspace.open_store()) as store, log_to(run.log):
            log = ShopLog.read(store, begun.mark)
            yield _bench(workspace, store, run, begun, log, self.fitters_of)


def _bench(
    workspace: Workspace, store: Store, run: RunDirectory, begun: Begun, log: ShopLog, fitters_of: FittersOf
) -> Bench:
    warm_start = _warm_start(workspace, store, begun.starts_from)
    return Bench(begun.recipe, log, replace(fitters_of(begun.recipe), warm_start=warm_start), run.work)


def _starts_from(task: _Task) -> str | None:
    """The version of the bundle that the ranker starts from, if the recipe says so and one is active."""
    if task.recipe.ranker is None or not task.recipe.ranker.training.warm_start:
        return None
    active = task.store.active_bundle()
    if active is None:
        logger.info("the ranker starts anew: no bundle is active")
    return None if active is None else active.version


def _warm_start(workspace: Workspace, store: Store, version: str | None) -> WarmStart | None:
    if version is None:
        return None
    record = next((record for record in store.bundles() if record.version == version), None)
    if record is None:
        raise DataError(
            f"expected the bundle {version} that the training began from, it was deleted since; train again without "
            "--resume"
        )
    from aisle.train.shop.warm_start import WarmStart

    bundle = Bundle.open(workspace.directory / record.path, manifest_sha256=record.manifest_sha256)
    warm_start = WarmStart.of(version, Pipeline.load(bundle))
    if warm_start is None:
        logger.info("the ranker starts anew: the active bundle %s has none", version)
    return warm_start


def _check_unchanged(begun: Begun, log: ShopLog) -> None:
    """What was finished before a kill speaks of the events that there were."""
    if log.events.height != begun.num_events:
        raise DataError(
            f"expected the {begun.num_events} events that the training began with, received {log.events.height}: some "
            "were removed since; train again without --resume"
        )


def _new_version() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]


def _metrics(recipe: ShopRecipe, fit: ShopFit, bundle: Bundle, log: ShopLog, seconds: float) -> dict[str, Any]:
    report = evaluate_windows(fit.tests[:1], {})
    window = fit.tests[0][0]
    split_ms = window.snapshot.until_ms
    validation_ms = recipe.windows.validation * recipe.windows.horizon_days * DAY_MS
    return {
        "model": recipe.name,
        "seed": recipe.seed,
        "parameters": _num_parameters(bundle),
        "model_bytes": bundle.num_bytes,
        "metrics": report["methods"]["for-you"]["metrics"] | report.get("ranker", {}).get("metrics", {}),
        "protocol": report["protocol"],
        "counts": report["counts"],
        "timing": {
            "train_seconds": round(seconds, 3),
            "samples_per_second": round(log.events.height / seconds, 1),
            "epochs": 1,
        },
        "data": {
            "train_rows": window.snapshot.events.height,
            "valid_rows": log.events["time_ms"].is_between(split_ms - validation_ms, split_ms, closed="left").sum(),
            "test_rows": log.events.height - window.snapshot.events.height,
        },
        "version": bundle.version,
        "fitted_until_ms": fit.serving.fitted_until_ms,
        "split_ms": split_ms,
    }


def _num_parameters(bundle: Bundle) -> int:
    """How many real numbers were fitted (not the ids and offsets beside them)."""
    arrays = (bundle.directory / name for name in bundle.names() if name.endswith(".npy"))
    loaded = (np.load(path, mmap_mode="r", allow_pickle=False) for path in arrays)
    return sum(array.size for array in loaded if array.dtype.kind == "f")
