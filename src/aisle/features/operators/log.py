"""The logarithm of numbers that may be zero: ``log1p(max(x, 0))``, or with ``signed`` ``sign(x) log1p(|x|)``."""

from __future__ import annotations

import numpy as np
import polars as pl

from aisle.features.arrays import Array, Columns, as_numbers, flat
from aisle.features.frames import number
from aisle.features.operators.base import NUMERIC, RowOperator, dense_column, single
from aisle.recipe.features import LogSpec
from aisle.schema import Column


class Log(RowOperator[LogSpec]):
    """See the module; missing stays missing."""

    kind = "log"

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._expect(NUMERIC)
        self._source = single(self.inputs)

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""
        value = number(pl.col(self._source.name))
        if self.spec.signed:
            return [(value.sign() * value.abs().log1p()).alias(self.spec.output)]
        return [value.clip(lower_bound=0.0).log1p().alias(self.spec.output)]

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        values = as_numbers(flat(columns, self._source.name))
        if self.spec.signed:
            return {self.spec.output: np.sign(values) * np.log1p(np.abs(values))}
        return {self.spec.output: np.log1p(np.maximum(values, 0.0))}

    def output_columns(self) -> list[Column]:
        """One number."""
        return [dense_column(self.spec.output, self._source)]
