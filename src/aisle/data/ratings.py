"""Ratings: actions whose names are numbers.

Legend of shapes: A actions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aisle.errors import DataError


def ratings_of(actions: Sequence[str]) -> NDArray[np.float64]:
    """The rating [A] that each action is.

    Raises:
        DataError: there are no actions, or one is not a finite number.
    """
    if not actions:
        raise DataError("expected ratings, received none; name their column in data.columns.action")
    try:
        ratings_A = np.array([float(name) for name in actions])
    except ValueError as error:
        raise DataError(f"data.columns.action: expected ratings, which are numbers ({error})") from error
    if not np.isfinite(ratings_A).all():
        raise DataError(f"data.columns.action: expected finite ratings, received {', '.join(actions)}")
    return ratings_A
