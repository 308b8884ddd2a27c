"""A stated value, or the fitted mean or median, in the place of missing ones; optionally where they were missing.

The median comes from a sketch: exact up to 4,096 different values, then within 0.1 % of the truth.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aisle.errors import SchemaError
from aisle.features.arrays import Array, Columns, as_numbers, as_text, flat
from aisle.features.fitting import Moments, QuantileSketch
from aisle.features.frames import finite, number
from aisle.features.operators.base import NUMERIC, FittedOperator, dense_column, single, tags
from aisle.features.operators.contract import State
from aisle.recipe.features import FillMissingSpec
from aisle.schema import Column, ColumnType

Summary = tuple[Moments, QuantileSketch]


class FillMissing(FittedOperator[FillMissingSpec, Summary]):
    """See the module. A stated value needs no fit."""

    kind = "fill_missing"

    def _stated(self) -> State | None:
        return State(values={"value": self.spec.value}) if self.spec.by == "value" else None

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._source = single(self.inputs)
        self._is_text = self._source.type is ColumnType.TEXT
        self._expect([ColumnType.TEXT] if self._is_text else NUMERIC)
        if self._is_text != (self.spec.by == "value" and isinstance(self.spec.value, str)):
            raise SchemaError(
                f"fill_missing of column {self._source.name!r}: expected a {self._source.type.value} to fill with, "
                f"received by: {self.spec.by}, value: {self.spec.value!r}"
            )

    def fit(self, partition: pl.DataFrame) -> Summary:
        """What the mean or the median needs, of the finite values."""
        if self.spec.by == "value":
            return Moments(), QuantileSketch()
        values = finite(partition[self._source.name])
        by_mean = self.spec.by == "mean"
        return (Moments.of(values), QuantileSketch()) if by_mean else (Moments(), QuantileSketch.of(values))

    def merge(self, one: Summary, other: Summary) -> Summary:
        """Both together."""
        return one[0].merge(other[0]), one[1].merge(other[1])

    def _conclude(self, partial: Summary) -> State:
        moments, sketch = partial
        if self.spec.by == "mean":
            return State(values={"value": moments.checked(self._source.name).mean})
        median = float(sketch.quantiles([0.5])[0]) if sketch.count else 0.0
        return State(values={"value": median})

    def _load(self, state: State) -> None:
        self._value: float | str = state.values["value"]

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""
        assert self.state is not None
        source = pl.col(self._source.name)
        value = source if self._is_text else number(source)
        filled = [value.fill_null(pl.lit(self._value)).alias(self.spec.output)]
        if self.spec.indicator:
            filled.append(value.is_null().cast(pl.Float64).alias(f"{self.spec.output}_missing"))
        return filled

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        assert self.state is not None
        array = flat(columns, self._source.name)
        outputs: dict[str, Array]
        if self._is_text:
            texts = as_text(array)
            missing = np.fromiter((value is None for value in texts), np.bool_, len(texts))
            filled = array.astype(object)
            filled[missing] = self._value
            outputs = {self.spec.output: filled}
        else:
            values = as_numbers(array)
            missing = np.isnan(values)
            outputs = {self.spec.output: np.where(missing, self._value, values)}
        if self.spec.indicator:
            outputs[f"{self.spec.output}_missing"] = missing.astype(np.float64)
        return outputs

    def output_columns(self) -> list[Column]:
        """The filled column, and where it was missing."""
        text = Column(name=self.spec.output, type=ColumnType.TEXT, tags=tags([self._source]))
        filled = [text if self._is_text else dense_column(self.spec.output, self._source)]
        if self.spec.indicator:
            filled.append(dense_column(f"{self.spec.output}_missing", self._source))
        return filled
