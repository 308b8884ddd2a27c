"""Numbers to table rows: 0 padding, 1 missing, then one row per interval between edges; an edge begins its interval.

The edges are given, or quantiles of the finite values (from a sketch: exact up to 4,096 different values, then within
0.1 % of the truth), or those of ``floor(ln(x)^2)``, which libffm's authors used for Criteo's counts (2014): 0 to 2 have
rows of their own and numbers below 0 share one. Both executions search the same edges, so they agree exactly.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aisle.features.arrays import Array, Columns, Floats, Ints, as_numbers, flat
from aisle.features.fitting import QuantileSketch
from aisle.features.frames import finite, number
from aisle.features.operators.base import NUMERIC, FittedOperator, index_column, single
from aisle.features.operators.contract import State
from aisle.recipe.features import BucketizeSpec
from aisle.schema import Column

MISSING_ROW = 1
FIRST_ROW = 2


class Bucketize(FittedOperator[BucketizeSpec, QuantileSketch]):
    """See the module. Only quantiles need a fit."""

    kind = "bucketize"

    def _stated(self) -> State | None:
        if self.spec.by == "quantiles":
            return None
        by_edges = self.spec.by == "edges"
        edges = np.array(self.spec.edges, np.float64) if by_edges else ln_squared_edges(self.spec.max_ln_squared)
        return State(arrays={"edges": edges})

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _check(self) -> None:
        self._expect(NUMERIC)
        self._source = single(self.inputs)

    def fit(self, partition: pl.DataFrame) -> QuantileSketch:
        """A sketch of the finite values."""
        if self.spec.by != "quantiles":
            return QuantileSketch()
        return QuantileSketch.of(finite(partition[self._source.name]))

    def merge(self, one: QuantileSketch, other: QuantileSketch) -> QuantileSketch:
        """The sketch of both."""
        return one.merge(other)

    def _conclude(self, partial: QuantileSketch) -> State:
        shares = np.arange(1, self.spec.num_buckets) / self.spec.num_buckets
        # Where one value fills several buckets they become one; below the least value there is nothing to keep apart.
        edges = np.unique(partial.quantiles(shares.tolist())) if partial.count else np.empty(0)
        return State(arrays={"edges": edges[edges > partial.values[0]] if partial.count else edges})

    def _load(self, state: State) -> None:
        self._edges: Floats = np.asarray(state.arrays["edges"], np.float64)

    def expressions(self) -> list[pl.Expr]:
        """Offline execution."""
        assert self.state is not None

        def rows(series: pl.Series) -> pl.Series:
            return pl.Series(series.name, self._rows(series.fill_null(float("nan")).to_numpy()))

        values = number(pl.col(self._source.name))
        found = values.map_batches(rows, return_dtype=pl.Int64, is_elementwise=True)
        return [found.alias(self.spec.output)]

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        assert self.state is not None
        return {self.spec.output: self._rows(as_numbers(flat(columns, self._source.name)))}

    def output_columns(self) -> list[Column]:
        """One index."""
        num_rows = FIRST_ROW + len(self._edges) + 1 if self.is_fitted else None
        return [index_column(self.spec.output, self._source, num_rows)]

    def _rows(self, values: Floats) -> Ints:
        rows = np.searchsorted(self._edges, values, side="right") + FIRST_ROW
        return np.where(np.isnan(values), MISSING_ROW, rows)


def ln_squared_edges(max_ln_squared: int) -> Floats:
    """Where ``floor(ln(x)^2)`` steps up for x > 2 (first at e, to 1), after one interval each for 0, 1 and 2.

    Larger numbers than those of ``max_ln_squared`` share its interval.
    """
    beyond_two = np.nextafter(2.0, 3.0)
    with np.errstate(over="ignore"):
        steps = np.exp(np.sqrt(np.arange(1, max_ln_squared + 1, dtype=np.float64)))
    return np.concatenate([[0.0, 1.0, 2.0, beyond_two], steps])
