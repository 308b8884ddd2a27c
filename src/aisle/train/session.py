"""One training in a workspace, from its events to a registered bundle."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aisle.bundle import Bundle
from aisle.data.snapshots import LogMark, ShopLog
from aisle.errors import AisleError, ConfigError, DataError
from aisle.evaluate.shop_temporal import evaluate_windows
from aisle.pipeline import Pipeline
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.schema import DAY_MS
from aisle.store.contract import Store
from aisle.train.activation import Activate, register
from aisle.train.run_directory import CHECKPOINTS_NAME, LOG_NAME, Begun, RunDirectory
from aisle.train.shop import Fitters, ShopFit, train_shop
from aisle.workspace import Workspace

if TYPE_CHECKING:
    from aisle.train.warm_start import WarmStart

logger = logging.getLogger(__name__)


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
    fitters: Fitters,
    *,
    output: Path | None = None,
    resume: bool = False,
    activate: Activate = "auto",
    progress: Progress = silent,
) -> TrainingResult:
    """Train a shop recipe on a workspace's events, write the run, register its bundle, activate it if not worse.

    Args:
        workspace: Where.
        store: The workspace's.
        recipe: What to train.
        fitters: See there.
        output: The run directory; one under the workspace's ``runs`` where missing.
        resume: Go on with the unfinished training of this recipe, on the events that it began with: the one at
            ``output``, or the workspace's latest. Where there is none, one begins; one that is finished at ``output``
            is left as it is.
        activate: ``auto``: unless :func:`aisle.train.activation.is_worse`.
        progress: Told of each step.

    Raises:
        ConfigError: the output directory has files and no unfinished training of this recipe, or another process
            trains there.
        DataError: too little data.
    """
    run = _run_of(workspace, recipe, output) if resume else None
    version = _new_version()
    if run is None:
        run = _new_run(output or workspace.runs / version)
    with run.held():
        is_finished = run.is_written and run.begun() is None
        if not run.is_written:
            with _log_to(run.log):
                _train(_Task(workspace, store, run, recipe, fitters, progress), version)
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
    fitters: Fitters
    progress: Progress


def _train(task: _Task, version: str) -> None:
    """Fit and write everything, metrics last."""
    run, recipe = task.run, task.recipe
    run.clear_remains()
    started = time.perf_counter()
    logger.info("recipe %s, seed %d", recipe.name, recipe.seed)
    task.progress("read events", 0, None)
    begun = run.begun()
    mark = LogMark.of(task.store) if begun is None else begun.mark
    try:
        log = ShopLog.read(task.store, mark)
        if begun is None:
            begun = Begun(version, recipe, mark, log.events.height, _starts_from(task))
            run.begin(begun)
        _check_unchanged(begun, log)
        fitters = replace(task.fitters, warm_start=_warm_start(task, begun.starts_from))
        fit = train_shop(recipe, log, fitters, run.work, progress=task.progress)
    except AisleError:  # what is wrong with the data or the recipe, going on will not mend
        run.abandon()
        raise
    seconds = time.perf_counter() - started
    task.progress("write the bundle", 0, None)
    bundle = run.write_fit(recipe, fit, version=begun.version, num_events=log.events.height)
    task.progress("evaluate", 0, None)
    metrics = _metrics(recipe, fit, bundle, log, seconds)
    logger.info("fitted in %.1f s: %s", seconds, metrics["metrics"])
    run.write_metrics(metrics)


def _starts_from(task: _Task) -> str | None:
    """The version of the bundle that the ranker starts from, if the recipe says so and one is active."""
    if task.recipe.ranker is None or not task.recipe.ranker.training.warm_start:
        return None
    active = task.store.active_bundle()
    if active is None:
        logger.info("the ranker starts anew: no bundle is active")
    return None if active is None else active.version


def _warm_start(task: _Task, version: str | None) -> WarmStart | None:
    if version is None:
        return None
    record = next((record for record in task.store.bundles() if record.version == version), None)
    if record is None:
        raise DataError(
            f"expected the bundle {version} that the training began from, it was deleted since; train again without "
            "--resume"
        )
    from aisle.train.warm_start import WarmStart

    bundle = Bundle.open(task.workspace.directory / record.path, manifest_sha256=record.manifest_sha256)
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


def unfinished_training(workspace: Workspace, output: Path | None = None) -> tuple[Path, ShopRecipe] | None:
    """The directory and the recipe of the workspace's latest training that was interrupted; or of the one at
    ``output``, also where it is finished."""
    return next(_resumable(workspace, output), None)


def _resumable(workspace: Workspace, output: Path | None) -> Iterator[tuple[Path, ShopRecipe]]:
    paths = sorted(workspace.runs.glob("*"), reverse=True) if output is None else [output]
    for path in paths:
        run = RunDirectory(path.resolve())
        begun = run.begun()
        if begun is not None:
            yield run.path, begun.recipe
        elif output is not None and run.is_written:
            yield run.path, run.recipe()


def _run_of(workspace: Workspace, recipe: ShopRecipe, output: Path | None) -> RunDirectory | None:
    """Where a training of a recipe goes on, if there is one."""
    for path, other in _resumable(workspace, output):
        if other == recipe:
            return RunDirectory(path)
        if output is not None:
            names = [name for name in ShopRecipe.model_fields if getattr(other, name) != getattr(recipe, name)]
            raise ConfigError(
                f"{output}: expected a training of this recipe, it is of another (other {', '.join(names)}); go on "
                "with that one by --resume and -o alone, or choose another directory"
            )
    return None


def _new_version() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]


def _new_run(path: Path) -> RunDirectory:
    run = RunDirectory(path.resolve())
    # What a training left that failed, or was killed before it noted anything, is no obstacle to the next.
    remains = {LOG_NAME} if run.begun() is not None else {LOG_NAME, CHECKPOINTS_NAME}
    if run.path.exists() and {entry.name for entry in run.path.iterdir()} - remains:
        raise ConfigError(
            f"{run.path}: expected a new or empty directory, it has files; choose another with -o, or --resume"
        )
    run.path.mkdir(parents=True, exist_ok=True)
    return run


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


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Keep what training logs in the run directory."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    package = logging.getLogger("aisle")
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        handler.close()
