"""The run directory of a table recipe, or of several trainings of one: recipe, metrics, bundle, predictions.

``predictions/<set>/`` hold log odds and labels of each test set, which comparing and averaging read. A directory of
several trainings has each in one of its own below (``seed-0/``, ``fold-0/``). ``checkpoints/`` is there while a
training is unfinished. Nothing here needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aisle.errors import DataError
from aisle.recipe import TableRecipe, load
from aisle.train.recipe_run import PREDICTIONS_NAME, PredictedRun
from aisle.train.run_files import RECIPE_NAME

#: The name of the training rows' predictions: of rows that a run was trained on, or out of fold.
TRAIN_SET = "train"


@dataclass(frozen=True)
class TableDirectory(PredictedRun):
    """The files of one run of a table recipe, or of a group of such runs."""

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

    def of_fold(self, fold: int) -> TableDirectory:
        """The training that leaves out one fold."""
        return TableDirectory(self.path / f"fold-{fold}")


def is_table_run(path: Path) -> bool:
    """Whether a directory is of a table recipe, finished or not, or of an ensemble of such runs."""
    if (path / PREDICTIONS_NAME).is_dir():
        return True
    recipe = path / RECIPE_NAME
    return recipe.is_file() and isinstance(load(recipe), TableRecipe)
