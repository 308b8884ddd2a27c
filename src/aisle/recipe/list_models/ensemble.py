"""The average of finished runs over lists."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from aisle.recipe.strict import Strict


class EnsembleSpec(Strict):
    """Each run's scores, standardized over the items of a question, averaged by ``weights`` (missing: equal ones)."""

    kind: Literal["ensemble"]
    runs: Annotated[list[str], Field(min_length=2, description="directories of runs on the same data")]
    weights: Annotated[
        list[PositiveFloat] | None, Field(description="one of each run; each seed of a run with seeds has it")
    ] = None

    @model_validator(mode="after")
    def _weighs_each_run(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.runs):
            raise ValueError(f"weights: expected one of each of {len(self.runs)} runs, received {len(self.weights)}")
        return self
