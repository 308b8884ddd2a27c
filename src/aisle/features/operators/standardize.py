"""Numbers to mean 0 and standard deviation 1, both fitted on finite values and merged without cancellation.

A column that does not vary is only shifted; with ``clip`` results are held within ``[-clip, clip]``, infinite ones too.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aisle.features.arrays import Array, Columns, as_numbers, flat
from aisle.features.fitting import Moments
from aisle.features.frames import finite, number
from aisle.features.operators.base import NUMERIC, FittedOperator, dense_column, single
from aisle.features.operators.contract import State
from aisle.recipe.features import StandardizeSpec
from aisle.schema import Column


class Standardize(FittedOperator[StandardizeSpec, Moments]):
    """See the module; missing stays missing."""

    kind = "standardize"

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._expect(NUMERIC)
        self._source = single(self.inputs)

    def fit(self, partition: pl.DataFrame) -> Moments:
        """The moments of the finite values."""
        return Moments.of(finite(partition[self._source.name]))

    def merge(self, one: Moments, other: Moments) -> Moments:
        """The moments of both."""
        return one.merge(other)

    def _conclude(self, partial: Moments) -> State:
        moments = partial.checked(self._source.name)
        return State(values={"mean": moments.mean, "deviation": moments.deviation})

    def _load(self, state: State) -> None:
        self._mean = float(state.values["mean"])
        # A constant column has no scale; dividing by rounding errors would make one up.
        deviation = float(state.values["deviation"])
        self._scale = deviation if deviation > 1e-12 * max(abs(self._mean), 1e-300) else 1.0

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""
        assert self.state is not None
        value = (number(pl.col(self._source.name)) - self._mean) / self._scale
        if self.spec.clip is not None:
            value = value.clip(-self.spec.clip, self.spec.clip)
        return [value.alias(self.spec.output)]

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        assert self.state is not None
        values = (as_numbers(flat(columns, self._source.name)) - self._mean) / self._scale
        if self.spec.clip is not None:
            values = np.clip(values, -self.spec.clip, self.spec.clip)
        return {self.spec.output: values}

    def output_columns(self) -> list[Column]:
        """One number."""
        return [dense_column(self.spec.output, self._source)]
