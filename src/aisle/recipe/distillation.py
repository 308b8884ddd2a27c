"""How a student learns from the predictions of trained runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aisle.recipe.strict import Strict


class DistillSpec(Strict):
    """A row's loss is ``(1 - weight)`` its log loss and ``weight`` the cross-entropy against the teachers.

    The teachers' probability is the mean of those of ``runs`` on the training rows. Of a run with folds (``aisle train
    --folds``) each row's is that of the model that has not seen the row; models that have seen it flatter themselves.
    """

    runs: Annotated[list[str], Field(min_length=1, description="run directories of table recipes on the same rows")]
    weight: Annotated[float, Field(gt=0, le=1)] = 0.5
