"""One training in a workspace, from its events to a registered bundle."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aisle.bundle import Bundle
from aisle.data.snapshots import LogMark, ShopLog
from aisle.errors import AisleError, ConfigError
from aisle.evaluate.shop_temporal import evaluate_windows
from aisle.progress import Progress, silent
from aisle.recipe import ShopRecipe
from aisle.schema import DAY_MS
from aisle.store.contract import BundleRecord, Store
from aisle.train.run_directory import LOG_NAME, RECIPE_NAME, Begun, RunDirectory
from aisle.train.shop import Fitters, ShopFit, train_shop
from aisle.workspace import Workspace

logger = logging.getLogger(__name__)

GUARDED_METRIC = "test/ndcg@20/full/all"
#: A new bundle is worse than the active one when its metric is lower by more than this, about one standard error.
TOLERANCE = 0.01


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
            ``output``, or the workspace's latest. Where there is none, one begins.
        progress: Told of each step.

    Raises:
        ConfigError: the output directory has files and no unfinished training of this recipe.
        DataError: too little data.
    """
    run = _unfinished(workspace, recipe, output) if resume else None
    begun = None if run is None else run.begun()
    if run is None or begun is None:
        begun = Begun(_new_version(), LogMark(store.last_seq(), store.now_ms()))
        run = _new_run(output or workspace.runs / begun.version)
        run.begin(recipe, begun)
    with _log_to(run.log):
        started = time.perf_counter()
        logger.info("recipe %s, seed %d", recipe.name, recipe.seed)
        progress("read events", 0, None)
        log = ShopLog.read(store, begun.mark)
        try:
            fit = train_shop(recipe, log, fitters, run.work, progress=progress)
        except AisleError:  # what is wrong with the data or the recipe, going on will not mend
            run.abandon()
            raise
        seconds = time.perf_counter() - started
        bundle = run.write_fit(recipe, fit, version=begun.version, num_events=log.events.height)
        metrics = _metrics(recipe, fit, bundle, log, seconds)
        logger.info("fitted in %.1f s: %s", seconds, metrics["metrics"])
    run.write_metrics(metrics)
    activated = _register(workspace, store, run, bundle, metrics)
    run.work.remove()
    return TrainingResult(run, begun.version, metrics, activated)


def unfinished_runs(workspace: Workspace) -> list[RunDirectory]:
    """The workspace's runs whose training was interrupted, the latest first."""
    runs = (RunDirectory(path.resolve()) for path in sorted(workspace.runs.glob("*"), reverse=True))
    return [run for run in runs if run.begun() is not None]


def _unfinished(workspace: Workspace, recipe: ShopRecipe, output: Path | None) -> RunDirectory | None:
    runs = unfinished_runs(workspace) if output is None else [RunDirectory(output.resolve())]
    for run in runs:
        if run.begun() is not None and run.recipe() == recipe:
            return run
        if run.begun() is not None and output is not None:
            raise ConfigError(
                f"{output}: expected an unfinished training of this recipe, it is of another; see "
                f"{run.path / RECIPE_NAME}, or choose another directory with -o"
            )
    return None


def _new_version() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]


def _new_run(path: Path) -> RunDirectory:
    run = RunDirectory(path.resolve())
    # The log of a training that failed is no obstacle to the next.
    if run.path.exists() and {entry.name for entry in run.path.iterdir()} - {LOG_NAME}:
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


def _register(workspace: Workspace, store: Store, run: RunDirectory, bundle: Bundle, metrics: dict[str, Any]) -> bool:
    root = workspace.directory.resolve()
    path = run.bundle.relative_to(root) if run.bundle.is_relative_to(root) else run.bundle
    recorded = {**metrics["metrics"], "split_ms": metrics["split_ms"]}
    if all(record.version != bundle.version for record in store.bundles()):  # else: killed after this, and resumed
        store.register_bundle(
            BundleRecord(
                version=bundle.version,
                path=str(path),
                manifest_sha256=bundle.manifest_sha256,
                created_ms=store.now_ms(),
                is_active=False,
                metrics=recorded,
            )
        )
    active = store.active_bundle()
    if active is not None and active.version == bundle.version:
        return True
    if active is not None and is_worse(recorded, active.metrics):
        return False
    store.activate_bundle(bundle.version)
    return True


def is_worse(new: dict[str, float], active: dict[str, float]) -> bool:
    """Whether a bundle's recorded metric lies below the active one's by more than the tolerance.

    Only metrics of the same test window can be compared: a quiet month after a busy one makes no model worse.
    """
    if new.get("split_ms") != active.get("split_ms") or GUARDED_METRIC not in new or GUARDED_METRIC not in active:
        return False
    return new[GUARDED_METRIC] < active[GUARDED_METRIC] - TOLERANCE


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
