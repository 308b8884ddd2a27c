"""The average of finished runs over lists."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aisle.recipe.strict import Strict


class EnsembleSpec(Strict):
    """Each run's scores, standardized over the items of a question, averaged with equal weights."""

    kind: Literal["ensemble"]
    runs: Annotated[list[str], Field(min_length=2, description="directories of runs on the same data")]
