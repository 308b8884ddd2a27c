"""How far predicted ratings are from those that were given.

Legend of shapes: E targets of all questions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aisle.data.questions import ListSplit, Questions
from aisle.data.ratings import ratings_of


@runtime_checkable
class PredictsRatings(Protocol):
    """A recommender whose scores are ratings."""

    def rate(self, questions: Questions) -> NDArray[np.float64]:
        """The rating [E] that each target would get."""
        ...


def rating_errors(recommender: object, split: ListSplit, parts: Iterable[str]) -> dict[str, float]:
    """The root of the mean squared error over all targets of a part, by name, as ``test/rmse``.

    Args:
        recommender: What is measured; one that predicts no ratings has no such errors.
        split: The data; parts whose ratings it does not know have none either.
        parts: Of ``test`` and ``valid``.
    """
    if not isinstance(recommender, PredictsRatings):
        return {}
    ratings_A, errors = ratings_of(split.actions), {}
    for part in parts:
        questions: Questions = getattr(split, part)
        actions_E = questions.target_actions_E
        if actions_E is None or not (actions_E >= 0).any():
            continue
        is_rated_E = actions_E >= 0
        missed_E = recommender.rate(questions)[is_rated_E] - ratings_A[actions_E[is_rated_E]]
        errors[f"{part}/rmse"] = float(np.sqrt(np.mean(missed_E**2)))
    return errors
