"""The average of finished runs over lists: their scores, standardized question by question.

Legend of shapes: R questions, V items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.errors import ConfigError, DataError
from aisle.evaluate.full_ranking import SavedRecommender
from aisle.recipe import ListRecipe, dump, parse_strict, read_yaml
from aisle.recipe.list_data import ListDataSpec
from aisle.recipe.list_models.ensemble import EnsembleSpec
from aisle.train.lists.directory import MODEL_FOLDER, ListDirectory

#: Opens the model of a recipe in a folder of a bundle.
Open = Callable[[ListRecipe, Bundle, str], SavedRecommender]


class Ensemble:
    """Several recommenders as one.

    Args:
        members: The recommenders, each with the recipe that it is of.
        weights: One of each member; missing: equal ones.
    """

    def __init__(
        self, members: Sequence[tuple[ListRecipe, SavedRecommender]], weights: Sequence[float] | None = None
    ) -> None:
        self._members = list(members)
        self._weights = [1.0] * len(self._members) if weights is None else list(weights)
        if len(self._weights) != len(self._members):
            raise ValueError(
                f"weights: expected one of each of {len(self._members)} members, received {len(self._weights)}"
            )

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The weighted mean of the members' standardized scores [R, V]; one that scores all alike says nothing."""
        scores_RV = self._weighed(0, questions)
        for number in range(1, len(self._members)):
            scores_RV += self._weighed(number, questions)
        return scores_RV / np.float32(sum(self._weights))

    def _weighed(self, number: int, questions: Questions) -> NDArray[np.float32]:
        scores_RV = self._members[number][1].score(questions)
        deviations_R1 = scores_RV.std(axis=1, keepdims=True)
        centred_RV = scores_RV - scores_RV.mean(axis=1, keepdims=True)
        standardized_RV: NDArray[np.float32] = np.zeros_like(centred_RV)
        np.divide(centred_RV, deviations_R1, out=standardized_RV, where=deviations_R1 > 0)
        standardized_RV *= np.float32(self._weights[number])
        return standardized_RV

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write each member with its recipe."""
        writer.write_json(f"{folder}/members", {"number": len(self._members), "weights": self._weights})
        for number, (recipe, member) in enumerate(self._members):
            writer.write_text(f"{folder}/{number}/recipe.yaml", dump(recipe))
            member.save(writer, f"{folder}/{number}/{MODEL_FOLDER}")

    @classmethod
    def load(cls, bundle: Bundle, folder: str, open_member: Open) -> Ensemble:
        """Read what was saved."""
        members, told = [], bundle.read_json(f"{folder}/members")
        for number in range(int(told["number"])):
            name = f"{folder}/{number}/recipe.yaml"
            recipe = parse_strict(ListRecipe, read_yaml(bundle.read_text(name), name), name)
            members.append((recipe, open_member(recipe, bundle, f"{folder}/{number}/{MODEL_FOLDER}")))
        return cls(members, told.get("weights"))  # bundles of before have none: equal ones


def open_ensemble(recipe: ListRecipe, open_member: Open) -> tuple[Ensemble, int]:
    """The runs of a recipe as one recommender, and the number of their parameters.

    Raises:
        ConfigError: a run is of other data than the recipe, or trained on what the recipe validates.
        DataError: one is not there, or not finished.
    """
    assert isinstance(recipe.model, EnsembleSpec), "only called for ensembles"
    members, weights, num_parameters = [], [], 0
    for path, weight in zip(recipe.model.runs, recipe.model.weights or [1.0] * len(recipe.model.runs), strict=True):
        for run in ListDirectory(Path(path)).trainings():
            own = run.recipe()
            if lists_of(own, recipe) != lists_of(recipe, recipe):
                raise ConfigError(f"{path}: expected a run on the data of the ensemble's recipe, it is on other data")
            if not run.bundle.is_dir():
                raise DataError(f"{path}: expected a finished run with a bundle; `aisle train -o RUN` makes one")
            members.append((own, open_member(own, Bundle.open(run.bundle), MODEL_FOLDER)))
            weights.append(weight)
            num_parameters += int(run.read_metrics()["parameters"])
    return Ensemble(members, weights), num_parameters


def lists_of(own: ListRecipe, recipe: ListRecipe) -> ListDataSpec:
    """The data of a member without what items say: one that reads it belongs to others that do not.

    Where the recipe validates nothing, it does not matter which members trained on the validation items.
    """
    split = own.data.split
    if getattr(recipe.data.split, "train_on_validation", False) and hasattr(split, "train_on_validation"):
        split = split.model_copy(update={"train_on_validation": True})
    return own.data.model_copy(update={"items": None, "split": split})
