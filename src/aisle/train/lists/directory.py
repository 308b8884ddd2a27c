"""The run directory of a list recipe, or of its trainings under several seeds; what each test question was worth.

``questions.parquet`` holds a column per metric with a value per test question, which comparing runs reads. Nothing here
needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.errors import DataError
from aisle.evaluate.list_comparison import AnsweredQuestions
from aisle.recipe import ListRecipe, load
from aisle.train.recipe_run import RecipeRun
from aisle.train.run_files import RECIPE_NAME

QUESTIONS_NAME = "questions.parquet"
NETWORK_NAME = "network.safetensors"
#: The model's folder in the bundle.
MODEL_FOLDER = "model"


@dataclass(frozen=True)
class ListDirectory(RecipeRun):
    """The files of one run of a list recipe, or of a group of such runs."""

    @property
    def network(self) -> Path:
        """The weights of a trained network that can teach, by their names in torch; students learn from them."""
        return self.path / NETWORK_NAME

    def recipe(self) -> ListRecipe:
        """The resolved recipe.

        Raises:
            DataError: the run is none of a list recipe.
        """
        recipe = self.resolved_recipe()
        if not isinstance(recipe, ListRecipe):
            raise DataError(f"{self.path}: expected a run of a sequence recipe, it is of a {recipe.kind} recipe")
        return recipe

    def save_questions(self, values: Mapping[str, NDArray[np.float64]]) -> None:
        """Keep what each test question was worth by each metric."""
        pl.DataFrame(dict(values)).write_parquet(self.path / QUESTIONS_NAME)

    def answers(self) -> AnsweredQuestions:
        """What each test question was worth by each metric, under one seed or more.

        Raises:
            DataError: the run is not finished.
        """
        parts = []
        for run in self.trainings():
            path = run.path / QUESTIONS_NAME
            if not path.is_file():
                raise DataError(f"{run.path}: expected a finished run with {QUESTIONS_NAME}")
            parts.append(pl.read_parquet(path))
        values = {name: [part[name].to_numpy() for part in parts] for name in parts[0].columns}
        # Whether the validation items train too, and what else is known of items and events, leave the test as it is.
        data = self.recipe().data.model_dump(
            exclude={"split": {"train_on_validation"}, "items": True, "columns": {"action", "time"}}
        )
        return AnsweredQuestions(values, (data, self.read_metrics()["data"]["items"]))

    def questions(self) -> dict[str, NDArray[np.float64]]:
        """What each test question was worth by each metric; of a group the mean over its seeds.

        Raises:
            DataError: the run is not finished.
        """
        return {name: np.mean(seeds, axis=0) for name, seeds in self.answers().values.items()}


def is_list_run(path: Path) -> bool:
    """Whether a directory is of a list recipe, finished or not."""
    recipe = path / RECIPE_NAME
    return recipe.is_file() and isinstance(load(recipe), ListRecipe)
