"""The run directory of a table recipe, or of several trainings of one: recipe, metrics, bundle, predictions.

``predictions/<set>/`` hold log odds and labels of each test set, which comparing and averaging read. A directory of
several trainings has each in one of its own below (``seed-0/``, ``fold-0/``). ``checkpoints/`` is there while a
training is unfinished. Nothing here needs torch.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from aisle.errors import ConfigError, DataError
from aisle.evaluate.predictions import Predictions
from aisle.recipe import TableRecipe, dump, load
from aisle.train.run_files import (
    BUNDLE_NAME,
    CHECKPOINTS_NAME,
    EVALUATION_NAME,
    LOG_NAME,
    METRICS_NAME,
    RECIPE_NAME,
    hold_run,
    write_atomically,
)
from aisle.train.run_log import log_to

PREDICTIONS_NAME = "predictions"
PLAN_NAME = "plan.json"
#: The name of the training rows' predictions: of rows that a run was trained on, or out of fold.
TRAIN_SET = "train"


@dataclass(frozen=True)
class TablePlan:
    """What an unfinished directory is for, beside its recipe.

    Attributes:
        seeds: One training for each.
        folds: Trainings that each leave out a part of the training rows.
    """

    seeds: tuple[int, ...] = ()
    folds: int = 0


@dataclass(frozen=True)
class TableDirectory:
    """The files of one run, or of a group of runs."""

    path: Path

    @property
    def bundle(self) -> Path:
        """The trained model."""
        return self.path / BUNDLE_NAME

    @property
    def checkpoints(self) -> Path:
        """The state of an unfinished training."""
        return self.path / CHECKPOINTS_NAME

    @property
    def is_written(self) -> bool:
        """Whether a training has written all that it leaves here."""
        return (self.path / METRICS_NAME).is_file()

    @contextmanager
    def training(self) -> Iterator[None]:
        """Hold the directory for one training and keep what it logs there.

        Raises:
            ConfigError: another process trains here.
        """
        with hold_run(self.path), log_to(self.path / LOG_NAME):
            yield

    def begin(self, recipe: TableRecipe, plan: TablePlan = TablePlan(), *, resume: bool = False) -> None:
        """Write what is trained; where a training is unfinished, or finished, check that it is of the same.

        Args:
            recipe: What is trained.
            plan: How often.
            resume: Go on with what is there.

        Raises:
            ConfigError: the directory has other files, or is of another recipe.
        """
        remains = {CHECKPOINTS_NAME, LOG_NAME}
        if resume and (self.path / RECIPE_NAME).is_file():
            self._check_same(recipe, plan)
        elif self.path.exists() and {entry.name for entry in self.path.iterdir()} - remains:
            raise ConfigError(
                f"{self.path}: expected a new or empty directory, it has files; choose another with -o, or --resume"
            )
        if not self.is_written:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            content = {"seeds": plan.seeds, "folds": plan.folds}
            write_atomically(self.checkpoints / PLAN_NAME, orjson.dumps(content))
            write_atomically(self.path / RECIPE_NAME, dump(recipe).encode())

    def _check_same(self, recipe: TableRecipe, plan: TablePlan) -> None:
        other = self.recipe()
        names = [name for name in TableRecipe.model_fields if getattr(other, name) != getattr(recipe, name)]
        if self.plan() != plan:
            names.append("seeds or folds")
        if names:
            raise ConfigError(
                f"{self.path}: expected a training of this recipe, it is of another (other {', '.join(names)}); go on "
                "with that one by --resume and -o alone, or choose another directory"
            )

    def plan(self) -> TablePlan:
        """What the directory is for."""
        path = self.checkpoints / PLAN_NAME
        content = orjson.loads(path.read_bytes()) if path.is_file() else self.read_metrics()
        return TablePlan(tuple(content.get("seeds", ())), int(content.get("folds", 0)))

    def finish(self) -> None:
        """Remove what only an unfinished training needs."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def recipe(self) -> TableRecipe:
        """The resolved recipe.

        Raises:
            DataError: the run is none of a table recipe.
        """
        path = self.path / RECIPE_NAME
        recipe = load(path) if path.is_file() else None
        if not isinstance(recipe, TableRecipe):
            raise DataError(f"{self.path}: expected a run of a table recipe; `aisle train RECIPE -o RUN` makes one")
        return recipe

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write ``metrics.json``, which says that the run is whole."""
        write_atomically(self.path / METRICS_NAME, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))

    def read_metrics(self) -> dict[str, Any]:
        """Read ``metrics.json``.

        Raises:
            DataError: the run is not finished.
        """
        if not self.is_written:
            raise DataError(
                f"{self.path}: expected a finished run with {METRICS_NAME}; `aisle train -o RUN` writes one"
            )
        result: dict[str, Any] = orjson.loads((self.path / METRICS_NAME).read_bytes())
        return result

    def write_evaluation(self, report: Mapping[str, Any]) -> None:
        """Write ``evaluate.json``."""
        write_atomically(self.path / EVALUATION_NAME, orjson.dumps(report, option=orjson.OPT_INDENT_2))

    def save_predictions(self, name: str, predictions: Predictions) -> None:
        """Keep the predictions of one set."""
        place = self.path / PREDICTIONS_NAME / name
        shutil.rmtree(place, ignore_errors=True)  # of a training that was killed
        predictions.save(place)

    def predictions(self, name: str) -> Predictions:
        """The predictions of one set.

        Raises:
            DataError: the run is not finished, or has no such set.
        """
        self.read_metrics()
        place = self.path / PREDICTIONS_NAME / name
        if not place.is_dir():
            names = ", ".join(self.prediction_names()) or "none"
            raise DataError(f"{self.path}: expected predictions of {name!r}, received those of {names}")
        return Predictions.load(place)

    def prediction_names(self) -> list[str]:
        """The sets that there are predictions of."""
        return sorted(place.name for place in (self.path / PREDICTIONS_NAME).glob("*") if place.is_dir())

    def of_seed(self, seed: int) -> TableDirectory:
        """The training of one seed."""
        return TableDirectory(self.path / f"seed-{seed}")

    def of_fold(self, fold: int) -> TableDirectory:
        """The training that leaves out one fold."""
        return TableDirectory(self.path / f"fold-{fold}")

    def trainings(self) -> list[TableDirectory]:
        """The trainings of a group of seeds, or this one."""
        seeds = self.read_metrics().get("seeds", ())
        return [self.of_seed(seed) for seed in seeds] or [self]


def is_table_run(path: Path) -> bool:
    """Whether a directory is of a table recipe, finished or not, or of an ensemble of such runs."""
    if (path / PREDICTIONS_NAME).is_dir():
        return True
    recipe = path / RECIPE_NAME
    return recipe.is_file() and isinstance(load(recipe), TableRecipe)
