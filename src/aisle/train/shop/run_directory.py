"""A run directory: the resolved recipe, the split fits, metrics, and the bundle that will serve.

``splits/<date>/`` hold the pipelines that were fitted before each test window, which evaluation reads; ``bundle/``
holds the one fitted on all data, which serves. ``metrics.json`` speaks of the latest split. ``checkpoints/`` is there
while a training is unfinished: what it has finished so far.
"""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from aisle.bundle import Bundle, BundleWriter
from aisle.data.snapshots import LogMark, ShopLog
from aisle.errors import BundleError, ConfigError, DataError
from aisle.evaluate.windows import Window
from aisle.pipeline import Pipeline
from aisle.recipe import ShopRecipe, dump, load_shop, parse_strict
from aisle.train.run_files import BUNDLE_NAME, METRICS_NAME, RECIPE_NAME, RunFiles, write_atomically
from aisle.train.shop.pipelines import window_of
from aisle.train.shop.training import ShopFit
from aisle.train.shop.work_directory import WorkDirectory

SPLITS_NAME = "splits"
BEGUN_NAME = "begun.json"


@dataclass(frozen=True)
class Begun:
    """A training that has begun, with all that its result depends on.

    Attributes:
        version: Of its bundle.
        recipe: What is trained.
        mark: How far the history was read.
        num_events: How many events that were.
        starts_from: The version of the bundle whose ranker's vectors are taken over, if any.
    """

    version: str
    recipe: ShopRecipe
    mark: LogMark
    num_events: int
    starts_from: str | None = None


@dataclass(frozen=True)
class RunDirectory(RunFiles):
    """The files of one run."""

    @property
    def work(self) -> WorkDirectory:
        """What an unfinished training has finished so far."""
        return WorkDirectory(self.checkpoints)

    def begin(self, begun: Begun) -> None:
        """Note what is trained, on which data, so that it can go on after a kill."""
        document = asdict(begun) | {"recipe": begun.recipe.model_dump(mode="json")}
        write_atomically(self.work.path / BEGUN_NAME, orjson.dumps(document))

    def abandon(self) -> None:
        """Forget a training that cannot be finished; its log stays."""
        (self.path / RECIPE_NAME).unlink(missing_ok=True)
        shutil.rmtree(self.path / SPLITS_NAME, ignore_errors=True)
        shutil.rmtree(self.bundle, ignore_errors=True)
        self.finish()

    def finish(self) -> None:
        """Remove what only an unfinished training needs, the note that there is one last."""
        self.clear_remains()
        for entry in self.work.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
        (self.work.path / BEGUN_NAME).unlink(missing_ok=True)
        shutil.rmtree(self.work.path)

    def clear_remains(self) -> None:
        """Remove what kills left of files and bundles that were half written."""
        written = (self.path / name for name in (RECIPE_NAME, METRICS_NAME, BUNDLE_NAME))
        half = [half for path in written for half in self.path.glob(f".{path.name}.*")]
        for path in [*half, *(self.path / SPLITS_NAME).glob(".*")]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def begun(self) -> Begun | None:
        """What :meth:`begin` noted; ``None`` where no training is unfinished.

        Raises:
            ConfigError: it was noted by another version of Aisle, which this one cannot go on with.
        """
        path = self.work.path / BEGUN_NAME
        if not path.is_file():
            return None
        document = orjson.loads(path.read_bytes())
        try:
            recipe = parse_strict(ShopRecipe, document.pop("recipe"), str(path))
            return Begun(recipe=recipe, mark=LogMark(**document.pop("mark")), **document)
        except (KeyError, TypeError) as error:
            raise ConfigError(
                f"{path}: expected the note of a training by this version, received another ({error}); remove "
                f"{self.path} and train from the start"
            ) from error

    def write_fit(self, recipe: ShopRecipe, fit: ShopFit, *, version: str, num_events: int) -> Bundle:
        """Write the recipe, the split fits and the bundle; returns the bundle, opened and verified."""
        write_atomically(self.path / RECIPE_NAME, dump(recipe).encode())
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

    def recipe(self) -> ShopRecipe:
        """The resolved recipe."""
        return load_shop(self.path / RECIPE_NAME)

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
