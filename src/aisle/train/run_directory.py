"""A run directory: the resolved recipe, the split fits, metrics, and the bundle that will serve.

``splits/<date>/`` hold the pipelines that were fitted before each test window, which evaluation reads; ``bundle/``
holds the one fitted on all data, which serves. ``metrics.json`` speaks of the latest split. ``checkpoints/`` is there
while a training is unfinished: what it has finished so far.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from aisle.bundle import Bundle, BundleWriter
from aisle.data.snapshots import LogMark, ShopLog
from aisle.errors import BundleError, DataError
from aisle.evaluate.windows import Window
from aisle.pipeline import Pipeline
from aisle.recipe import ShopRecipe, dump, load
from aisle.train.shop import ShopFit, window_of
from aisle.train.work_directory import WorkDirectory

RECIPE_NAME = "recipe.yaml"
METRICS_NAME = "metrics.json"
EVALUATION_NAME = "evaluate.json"
LOG_NAME = "train.log"
BUNDLE_NAME = "bundle"
SPLITS_NAME = "splits"
CHECKPOINTS_NAME = "checkpoints"
BEGUN_NAME = "begun.json"


@dataclass(frozen=True)
class Begun:
    """A training that has begun: the version of its bundle, and how far the history was read."""

    version: str
    mark: LogMark


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run."""

    path: Path

    @property
    def bundle(self) -> Path:
        """The bundle fitted on all data."""
        return self.path / BUNDLE_NAME

    @property
    def log(self) -> Path:
        """What training said."""
        return self.path / LOG_NAME

    @property
    def work(self) -> WorkDirectory:
        """What an unfinished training has finished so far."""
        return WorkDirectory(self.path / CHECKPOINTS_NAME)

    def begin(self, recipe: ShopRecipe, begun: Begun) -> None:
        """Note what is trained, on which data, so that it can go on after a kill."""
        self.work.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / RECIPE_NAME, dump(recipe).encode())
        write_atomically(self.work.path / BEGUN_NAME, orjson.dumps(begun))

    def abandon(self) -> None:
        """Forget a training that cannot be finished; its log stays."""
        self.work.remove()
        (self.path / RECIPE_NAME).unlink(missing_ok=True)

    def begun(self) -> Begun | None:
        """What :meth:`begin` noted; ``None`` where no training is unfinished."""
        path = self.work.path / BEGUN_NAME
        if not path.is_file():
            return None
        document = orjson.loads(path.read_bytes())
        return Begun(document["version"], LogMark(**document["mark"]))

    def write_fit(self, recipe: ShopRecipe, fit: ShopFit, *, version: str, num_events: int) -> Bundle:
        """Write the split fits and the bundle; returns the bundle, opened and verified."""
        for window, pipeline in fit.tests:
            start = dt.datetime.fromtimestamp(window.snapshot.until_ms / 1000, dt.UTC).strftime("%Y-%m-%d")
            writer = BundleWriter(
                self.path / SPLITS_NAME / start,
                name=recipe.name,
                version=f"{version}-{start}",
                cut_offs={"fitted_until": pipeline.fitted_until_ms},
                extra={"horizon_days": window.horizon_days},
            )
            _save(pipeline, writer)
        cut_offs = {
            "fitted_until": fit.serving.fitted_until_ms,
            "split": fit.tests[0][1].fitted_until_ms,
        }
        extra = {"num_events": num_events}
        _save(fit.serving, BundleWriter(self.bundle, name=recipe.name, version=version, cut_offs=cut_offs, extra=extra))
        return Bundle.open(self.bundle)

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write ``metrics.json``."""
        write_atomically(self.path / METRICS_NAME, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))

    def read_metrics(self) -> dict[str, Any]:
        """Read ``metrics.json``."""
        result: dict[str, Any] = orjson.loads((self.path / METRICS_NAME).read_bytes())
        return result

    def write_evaluation(self, report: Mapping[str, Any]) -> None:
        """Write ``evaluate.json``."""
        write_atomically(self.path / EVALUATION_NAME, orjson.dumps(report, option=orjson.OPT_INDENT_2))

    def recipe(self) -> ShopRecipe:
        """The resolved recipe."""
        return load(self.path / RECIPE_NAME)

    def tests(self, log: ShopLog) -> list[tuple[Window, Pipeline]]:
        """The split fits with their windows, the latest first, as training tested them.

        Args:
            log: The history of the workspace that the run was trained in.

        Raises:
            DataError: this is no finished run, or what lies before a split differs from what the split was fitted on.
        """
        directories = sorted((self.path / SPLITS_NAME).glob("*-*-*"), reverse=True)
        if not directories:
            raise DataError(f"{self.path}: expected a finished run with {SPLITS_NAME}/; train again")
        recipe = self.recipe()
        return [self._test(directory, recipe, log) for directory in directories]

    def _test(self, directory: Path, recipe: ShopRecipe, log: ShopLog) -> tuple[Window, Pipeline]:
        pipeline = Pipeline.load(Bundle.open(directory))
        snapshot = log.before(pipeline.fitted_until_ms)
        if snapshot.item_ids != pipeline.item_ids:
            raise DataError(
                f"{directory}: the workspace's items before the split differ from those the split was fitted on "
                f"({snapshot.num_items} and {len(pipeline.item_ids)} rows); older data was imported since: train again"
            )
        return window_of(recipe, log, snapshot), pipeline


def _save(pipeline: Pipeline, writer: BundleWriter) -> None:
    """Write a pipeline where a training that was killed has not yet; bundles appear whole."""
    if writer.directory.exists():
        return
    with writer:
        pipeline.save(writer)


def open_run(path: Path) -> RunDirectory:
    """A run directory for evaluation.

    Raises:
        BundleError: it is a bundle, which has seen the test data.
        DataError: it is no run.
    """
    if (path / "manifest.json").is_file():
        run = path.parent if path.name == BUNDLE_NAME else "the run directory"
        raise BundleError(
            f"{path}: a bundle was fitted on all data, the test windows included; evaluate its run instead: {run}"
        )
    if not (path / METRICS_NAME).is_file():
        raise DataError(f"{path}: expected a run directory with {METRICS_NAME}; `aisle train` writes one under runs/")
    return RunDirectory(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a power cut, sees the old one or the new one whole."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
