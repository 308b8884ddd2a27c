"""The smoothed mean of the label per category: ``(sum + weight * prior) / (count + weight)``.

Serving reads the totals of all fitted rows, the prior being the mean label of all. Training must not see a row's own
label, nor a later one: :meth:`TargetStatistics.prequential` gives each row the statistic of strictly earlier rows alone
(ordered target statistics: Prokhorenkova et al., CatBoost, 2018, with time in the place of a permutation), and the mean
label of all strictly earlier rows as its prior (before the first: ``initial_prior``). A missing or new category has the
prior; a row without a label takes no part in any sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from aisle.errors import DataError
from aisle.features.arrays import Array, Columns, Floats, flat
from aisle.features.fitting import KeyLookup, KeyTotals
from aisle.features.frames import number
from aisle.features.operators.base import CATEGORIES, FittedOperator, dense_column, key_dtype, single
from aisle.features.operators.contract import State
from aisle.recipe.features import TargetStatisticsSpec
from aisle.schema import Column

_ROW, _KEY, _TIME, _LABEL = "__row", "__key", "__time", "__label"


@dataclass(frozen=True)
class Totals:
    """Counts and label sums per key, in memory or spilled, and over all rows."""

    keys: KeyTotals
    count: int
    total: float


@dataclass(frozen=True)
class Earlier:
    """What training rows have seen so far: totals per key and of all rows, and the time of the last of them."""

    keys: pl.DataFrame
    count: int
    total: float
    last_time: int


class TargetStatistics(FittedOperator[TargetStatisticsSpec, Totals]):
    """See the module. Fitting is bounded by ``max_keys_in_memory``; prequential rows hold all keys so far."""

    kind = "target_statistics"

    def _reads(self) -> list[str]:
        return self.spec.columns

    def _also_fits_on(self) -> list[str]:
        return [self.spec.label, self.spec.time]

    def _check(self) -> None:
        self._expect(CATEGORIES, remedy="numbers are bucketized first (bucketize)")
        self._source = single(self.inputs)

    def fit(self, partition: pl.DataFrame) -> Totals:
        """Add up the labels per key, and of all rows."""
        rows = partition.select(self._key(), number(pl.col(self.spec.label)).alias(_LABEL)).drop_nulls(_LABEL)
        keys = KeyTotals.of(rows[_KEY].alias("key"), rows[_LABEL], self.spec.max_keys_in_memory)
        return Totals(keys, len(rows), float(rows[_LABEL].sum()))

    def merge(self, one: Totals, other: Totals) -> Totals:
        """Both together."""
        return Totals(one.keys.merge(other.keys), one.count + other.count, one.total + other.total)

    def _conclude(self, partial: Totals) -> State:
        prior = partial.total / partial.count if partial.count else self.spec.initial_prior
        return State(values={"prior": prior}, frames={"totals": partial.keys.commonest(1, self.spec.max_size)})

    def _load(self, state: State) -> None:
        self._prior = float(state.values["prior"])
        totals = state.frames["totals"]
        self._keys = totals["key"]
        self._lookup = KeyLookup(self._keys)
        sums, counts = totals["total"].to_numpy(), totals["count"].to_numpy()
        rates = (sums + self.spec.prior_weight * self._prior) / (counts + self.spec.prior_weight)
        # The prior stands last, where -1 (a missing or new key) finds it.
        self._rates: Floats = np.append(rates, self._prior)

    def expressions(self) -> list[pl.Expr]:
        """Offline execution with the totals, as in serving."""
        assert self.state is not None
        key = pl.col(self._source.name).cast(key_dtype(self._source))
        if not len(self._keys):
            return [(key.is_null().cast(pl.Float64) * 0.0 + self._prior).alias(self.spec.output)]
        rates = pl.Series(self._rates[:-1])
        found = key.replace_strict(self._keys, rates, default=self._prior, return_dtype=pl.Float64)
        return [found.alias(self.spec.output)]

    def online(self, columns: Columns) -> dict[str, Array]:
        """Online execution."""
        assert self.state is not None
        places, _ = self._lookup.find(flat(columns, self._source.name))
        return {self.spec.output: self._rates[places]}

    def output_columns(self) -> list[Column]:
        """One number."""
        return [dense_column(self.spec.output, self._source)]

    def prequential(self, frame: pl.DataFrame, earlier: Earlier | None = None) -> tuple[pl.DataFrame, Earlier]:
        """Training rows with the statistic of strictly earlier rows; needs no fit.

        Args:
            frame: Training rows in any order; they keep it.
            earlier: What a call on earlier rows gave. All rows of this frame must be later than all of those.

        Raises:
            DataError: a time is missing, or a row is not later than the earlier ones.
        """
        rows = frame.select(
            pl.int_range(pl.len()).alias(_ROW),
            self._key(),
            pl.col(self.spec.time).cast(pl.Int64).alias(_TIME),
            number(pl.col(self.spec.label)).alias(_LABEL),
        )
        before = earlier or Earlier(pl.DataFrame(schema=_totals_schema(rows)), 0, 0.0, -(2**63))
        self._check_times(rows, earlier)
        per_key = _sums_before(rows, [_KEY]).join(before.keys, on=_KEY, how="left", nulls_equal=False)
        per_all = _sums_before(rows, [])
        joined = rows.join(per_key, on=[_KEY, _TIME], how="left", nulls_equal=True).join(
            per_all, on=_TIME, how="left", suffix="_all"
        )
        count_all, sum_all = pl.col("count_all") + before.count, pl.col("sum_all") + before.total
        prior = pl.when(count_all > 0).then(sum_all / count_all).otherwise(self.spec.initial_prior)
        count, total = (
            pl.when(pl.col(_KEY).is_null()).then(0).otherwise(pl.col(name) + pl.col(f"{name}_before").fill_null(0))
            for name in ("count", "sum")
        )
        rate = (total + self.spec.prior_weight * prior) / (count + self.spec.prior_weight)
        rates = joined.select(_ROW, rate.alias(self.spec.output)).sort(_ROW)[self.spec.output]
        return frame.with_columns(rates), _later(before, rows)

    def _key(self) -> pl.Expr:
        return pl.col(self._source.name).cast(key_dtype(self._source)).alias(_KEY)

    def _check_times(self, rows: pl.DataFrame, earlier: Earlier | None) -> None:
        if rows[_TIME].null_count():
            raise DataError(
                f"column {self.spec.time!r}: expected a time in every training row, "
                f"received {rows[_TIME].null_count()} rows without; drop them"
            )
        first = rows.select(pl.col(_TIME).min()).item()
        if earlier is not None and first is not None and first <= earlier.last_time:
            raise DataError(
                f"column {self.spec.time!r}: expected partitions in the order of time, each later than those before "
                f"it (after {earlier.last_time}), received {first}; part the rows at times"
            )


def _totals_schema(rows: pl.DataFrame) -> dict[str, pl.DataType]:
    return {_KEY: rows.schema[_KEY], "count_before": pl.Int64(), "sum_before": pl.Float64()}


def _sums_before(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Counts and label sums of strictly earlier rows of this frame, for each time (of each key)."""
    labelled = pl.col(_LABEL).is_not_null()
    at_time = rows.group_by([*by, _TIME]).agg(
        labelled.sum().cast(pl.Int64).alias("count"), pl.col(_LABEL).sum().alias("sum")
    )

    def before(name: str) -> pl.Expr:
        shifted = pl.col(name).cum_sum().shift(1, fill_value=0)
        return shifted.over(by) if by else shifted

    return at_time.sort(_TIME).with_columns(before("count"), before("sum"))


def _later(before: Earlier, rows: pl.DataFrame) -> Earlier:
    """What is known after these rows too."""
    labelled = rows.drop_nulls(_LABEL)
    new = (
        labelled.drop_nulls(_KEY)
        .group_by(_KEY)
        .agg(pl.len().cast(pl.Int64).alias("count_before"), pl.col(_LABEL).sum().alias("sum_before"))
    )
    keys = pl.concat([before.keys, new]).group_by(_KEY).agg(pl.all().sum())
    last = rows.select(pl.col(_TIME).max().fill_null(before.last_time)).item() if len(rows) else before.last_time
    return Earlier(keys, before.count + len(labelled), before.total + float(labelled[_LABEL].sum()), last)
