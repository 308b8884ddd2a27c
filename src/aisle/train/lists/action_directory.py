"""The run directory of a recipe of actions.

``predictions/test`` holds log odds and labels of the test questions, one per person, and ``predictions/NAME`` those of
each baseline; `aisle compare` reads them. Nothing here needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aisle.errors import DataError
from aisle.evaluate.predictions import Predictions
from aisle.recipe import ActionRecipe, load
from aisle.train.recipe_run import RecipeRun
from aisle.train.run_files import RECIPE_NAME

#: The model's folder in the bundle.
MODEL_FOLDER = "model"


@dataclass(frozen=True)
class ActionDirectory(RecipeRun):
    """The files of one run of a recipe of actions."""

    def recipe(self) -> ActionRecipe:
        """The resolved recipe.

        Raises:
            DataError: the run is none of a recipe of actions.
        """
        recipe = self.resolved_recipe()
        if not isinstance(recipe, ActionRecipe):
            raise DataError(f"{self.path}: expected a run of an action recipe, it is of a {recipe.kind} recipe")
        return recipe

    def save_predictions(self, name: str, predictions: Predictions) -> None:
        """Keep the predictions of the test questions: of the model as ``test``, of a baseline by its name."""
        predictions.save(self.path / "predictions" / name)


def is_action_run(path: Path) -> bool:
    """Whether a directory is of a recipe of actions, finished or not."""
    recipe = path / RECIPE_NAME
    return recipe.is_file() and isinstance(load(recipe), ActionRecipe)
