"""The run directory of a recipe of actions, or of its trainings under several seeds.

``predictions/test`` holds log odds and labels of the test questions, one per person, and ``predictions/NAME`` those of
each baseline; `aisle compare` reads them. Nothing here needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aisle.errors import DataError
from aisle.recipe import ActionRecipe, load
from aisle.train.recipe_run import PredictedRun
from aisle.train.run_files import RECIPE_NAME

#: The model's folder in the bundle.
MODEL_FOLDER = "model"


@dataclass(frozen=True)
class ActionDirectory(PredictedRun):
    """The files of one run of a recipe of actions, or of a group of such runs."""

    def recipe(self) -> ActionRecipe:
        """The resolved recipe.

        Raises:
            DataError: the run is none of a recipe of actions.
        """
        recipe = self.resolved_recipe()
        if not isinstance(recipe, ActionRecipe):
            raise DataError(f"{self.path}: expected a run of an action recipe, it is of a {recipe.kind} recipe")
        return recipe


def is_action_run(path: Path) -> bool:
    """Whether a directory is of a recipe of actions, finished or not."""
    recipe = path / RECIPE_NAME
    return recipe.is_file() and isinstance(load(recipe), ActionRecipe)
