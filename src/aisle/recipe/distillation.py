"""How a student learns from the predictions of trained runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aisle.recipe.strict import Strict


class DistillSpec(Strict):
    """The loss is ``(1 - weight)`` that of the data and ``weight`` the cross-entropy against the teachers.

    The teachers' probability is the mean of those of ``runs``. Of a table it is that of each training row: of a run
    with folds (``aisle train --folds``) that of the model that has not seen the row, as models that have seen it
    flatter themselves. Of sequences it is that of every item at every position.
    """

    runs: Annotated[list[str], Field(min_length=1, description="run directories of recipes on the same training data")]
    weight: Annotated[float, Field(gt=0, le=1)] = 0.5
