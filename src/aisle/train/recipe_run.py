"""The directory of a run that needs no workspace: recipe, metrics, bundle; the same for every kind of such a recipe.

A directory of several trainings has each in one of its own below (``seed-0/``). ``checkpoints/`` is there while a
training is unfinished. Nothing here needs torch.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import orjson

from aisle.bundle import Bundle
from aisle.errors import ConfigError, DataError
from aisle.evaluate.predictions import Predictions
from aisle.recipe import Recipe, TableRecipe, dump, load
from aisle.train.run_files import BUNDLE_NAME, CHECKPOINTS_NAME, LOG_NAME, RECIPE_NAME, RunFiles, write_atomically
from aisle.train.run_log import log_to

PREDICTIONS_NAME = "predictions"
_PLAN_NAME = "plan.json"


@dataclass(frozen=True)
class RunPlan:
    """What an unfinished directory is for, beside its recipe.

    Attributes:
        seeds: One training for each.
        folds: Trainings that each leave out a part of the training rows.
    """

    seeds: tuple[int, ...] = ()
    folds: int = 0


@dataclass(frozen=True)
class RecipeRun(RunFiles):
    """The files of one run, or of a group of runs."""

    @property
    def is_begun(self) -> bool:
        """Whether a training was ever begun here."""
        return (self.path / RECIPE_NAME).is_file()

    @contextmanager
    def training(self) -> Iterator[None]:
        """Hold the directory for one training and keep what it logs there.

        Raises:
            ConfigError: another process trains here.
        """
        with self.held(), log_to(self.log):
            yield

    def begin(self, recipe: Recipe, plan: RunPlan = RunPlan(), *, resume: bool = False) -> None:
        """Write what is trained; where a training is unfinished, or finished, check that it is of the same.

        Args:
            recipe: What is trained.
            plan: How often.
            resume: Go on with what is there.

        Raises:
            ConfigError: the directory has other files, or is of another recipe.
        """
        remains = {CHECKPOINTS_NAME, LOG_NAME}
        if resume and self.is_begun:
            self._check_same(recipe, plan)
        elif self.path.exists() and {entry.name for entry in self.path.iterdir()} - remains:
            raise ConfigError(
                f"{self.path}: expected a new or empty directory, it has files; choose another with -o, or --resume"
            )
        if not self.is_written:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            content = {"seeds": plan.seeds, "folds": plan.folds}
            write_atomically(self.checkpoints / _PLAN_NAME, orjson.dumps(content))
            write_atomically(self.path / RECIPE_NAME, dump(recipe).encode())

    def _check_same(self, recipe: Recipe, plan: RunPlan) -> None:
        other = self.resolved_recipe()
        if type(other) is not type(recipe):
            raise ConfigError(f"{self.path}: expected a training of a {recipe.kind} recipe, it is of a {other.kind}'s")
        mine, theirs = _on_any_device(recipe), _on_any_device(other)
        names = [name for name in type(recipe).model_fields if getattr(theirs, name) != getattr(mine, name)]
        if self.plan() != plan:
            names.append("seeds or folds")
        if names:
            raise ConfigError(
                f"{self.path}: expected a training of this recipe, it is of another (other {', '.join(names)}); go on "
                "with that one by --resume and -o alone, or choose another directory"
            )

    def resolved_recipe(self) -> Recipe:
        """What is trained here.

        Raises:
            DataError: nothing is.
        """
        path = self.path / RECIPE_NAME
        if not path.is_file():
            raise DataError(f"{self.path}: expected a run with {RECIPE_NAME}; `aisle train RECIPE -o RUN` makes one")
        return load(path)

    def plan(self) -> RunPlan:
        """What the directory is for."""
        path = self.checkpoints / _PLAN_NAME
        content = orjson.loads(path.read_bytes()) if path.is_file() else self.read_metrics()
        return RunPlan(tuple(content.get("seeds", ())), int(content.get("folds", 0)))

    def finish(self) -> None:
        """Remove what only an unfinished training needs."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def open_bundle(self) -> Bundle:
        """The trained model.

        Raises:
            DataError: the run is not finished, or is a group of runs that have one each.
        """
        self.read_metrics()
        if not self.bundle.is_dir():
            parts = ", ".join(place.name for place in sorted(self.path.glob("*-*")) if (place / BUNDLE_NAME).is_dir())
            remedy = f"evaluate one of its runs: {parts}" if parts else "its members have none; evaluate these"
            raise DataError(f"{self.path}: expected a run with a bundle, it has none; {remedy}")
        return Bundle.open(self.bundle)

    def of_seed(self, seed: int) -> Self:
        """The training of one seed."""
        return type(self)(self.path / f"seed-{seed}")

    def trainings(self) -> list[Self]:
        """The trainings of a group of seeds, or this one."""
        seeds = self.read_metrics().get("seeds", ())
        return [self.of_seed(seed) for seed in seeds] or [self]


class PredictedRun(RecipeRun):
    """The files of one run, or of a group, whose test rows have predictions in ``predictions/<set>/``."""

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


def _on_any_device(recipe: Recipe) -> Recipe:
    """A recipe without the device, which is no part of what is trained."""
    if not isinstance(recipe, TableRecipe):
        return recipe
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"device": "auto"})})
